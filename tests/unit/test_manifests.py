from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import yaml

from backends.clusters.kubernetes import camel, manifests, schema
from backends.clusters.kubernetes.objects import AgentRunStatus, FleetSpec, FleetStatus
from hive_tui.core.model import LastEvent, Phase, Quota, QuotaState, TestResult, Tokens, Usage
from hive_tui.core.ports import AgentJob, Job, RepoJob
from tests.builders import CLAUDE, REPO, run

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("path", sorted(manifests.files()))
def test_the_generated_files_are_up_to_date(path: str) -> None:
    written = (manifests.FOLDER / path).read_text(encoding="utf-8")
    assert written == manifests.files()[path], "`make docs` writes it anew"


def test_no_file_is_left_of_what_is_not_generated_any_more() -> None:
    there = {str(path.relative_to(manifests.FOLDER)) for path in manifests.FOLDER.rglob("*.yaml")}
    assert there == set(manifests.files())


def test_writing_them_says_nothing_else(tmp_path: Path) -> None:
    manifests.main(tmp_path)
    for path, text in manifests.files().items():
        assert (tmp_path / path).read_text(encoding="utf-8") == text
        assert all(yaml.safe_load_all(text))


class TestBounds:
    def test_everything_in_a_schema_has_one(self) -> None:
        for definition in schema.definitions().values():
            for part in ("spec", "status"):
                root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
                assert list(_unbounded(root["properties"][part], part)) == []

    def test_a_status_without_excess_is_written_as_it_is(self) -> None:
        status = AgentRunStatus(phase=Phase.WORKING, since=NOW, why="all is well ✓")
        assert schema.clipped(status) == camel.to_camel(status)

    def test_texts_lists_and_numbers_are_cut(self) -> None:
        status = AgentRunStatus(
            phase=Phase.WORKING,
            why="x" * 5_000,
            evidence="half a pair: \ud83d",
            usage=Usage(Tokens(input=-1, output=10**30), cost_micros=7),
            tests=TestResult(True, "make", "fine", math.nan),
            last_event=LastEvent(NOW, "y" * 4_097),
        )
        written = schema.clipped(status)
        assert written["why"] == "x" * 4_095 + "…"
        assert written["evidence"] == "half a pair: ?"
        assert written["usage"]["tokens"] == {"input": 0, "output": schema.MAX_NUMBER}
        assert written["usage"]["costMicros"] == 7
        assert written["tests"]["seconds"] == 0
        assert written["lastEvent"]["text"] == "y" * 4_095 + "…"

    def test_too_many_entries_are_left_out(self) -> None:
        quotas = {f"agent-{number}": Quota(QuotaState.OK, why="z" * 9_000) for number in range(100)}
        written = schema.clipped(FleetStatus(quotas=quotas))
        assert list(written["quotas"]) == [f"agent-{number}" for number in range(schema.MAX_ENTRIES)]
        assert len(written["quotas"]["agent-3"]["why"]) == schema.MAX_TEXT

    def test_commands_are_not_cut(self) -> None:
        command = "make " + "test " * 1_000
        repo, agent = RepoJob(REPO, "/app", "main", test=command), AgentJob(CLAUDE, "claude")
        order = Job("main", run().spec, repo, agent, title="t", body="b" * 300_000)
        written = schema.clipped(order)
        assert written["repo"]["test"] == command
        assert len(written["body"]) == schema.MAX_BODY

    def test_what_people_switch_is_not_cut(self) -> None:
        assert schema.clipped(FleetSpec(slots=5_000))["slots"] == 5_000

    def test_what_was_cut_reads_back(self) -> None:
        status = AgentRunStatus(phase=Phase.FAILED, why="é" * 9_999, ended_at=NOW, starts=2, settled=True)
        back = camel.decode(msgspec.json.encode(schema.clipped(status)), AgentRunStatus)
        assert msgspec.structs.replace(back, why=status.why) == status


def test_every_field_is_explained() -> None:
    for definition in schema.definitions().values():
        root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            assert list(_silent(root["properties"][part], part)) == []


def _silent(node: schema.Schema, place: str) -> Iterator[str]:
    """Fields of which `kubectl explain` says nothing; `words.py` is for those without a docstring."""
    for name, inner in node.get("properties", {}).items():
        if "description" not in inner:
            yield f"{place}.{name}"
        yield from _silent(inner, f"{place}.{name}")
    for inner in (node.get("items"), node.get("additionalProperties")):
        if inner is not None:
            yield from _silent(inner, f"{place}[]")


def _unbounded(node: schema.Schema, place: str) -> list[str]:
    """Places that could hold any amount."""
    found: list[str] = []
    match node["type"]:
        case "string":
            if not {"maxLength", "enum", "format"} & node.keys():
                found.append(place)
        case "integer" | "number":
            if not {"minimum", "maximum"} <= node.keys():
                found.append(place)
        case "array":
            found += [] if "maxItems" in node else [place]
            found += _unbounded(node["items"], f"{place}[]")
        case "object" if "properties" in node:
            for name, inner in node["properties"].items():
                found += _unbounded(inner, f"{place}.{name}")
        case "object":
            found += [] if "maxProperties" in node else [place]
            found += _unbounded(node["additionalProperties"], f"{place}.*")
    return found
