"""`hive costs`: what transcripts on this machine come to, as text and as JSON."""

from __future__ import annotations

import csv
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from backends.ledger import FleetLedger
from hive_tui.cli import root
from hive_tui.core.errors import UsageError
from hive_tui.core.ids import AgentName, RepoName, RunId
from hive_tui.core.ledger import Certainty, Entry, Source
from hive_tui.core.model import Step, Tokens
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from tests.corpus import HERE


@pytest.fixture(autouse=True)
def transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HERE / "claude" / "success" / "claude-home", tmp_path / "claude")
    shutil.copytree(HERE / "codex" / "success" / "codex-home", tmp_path / "codex")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))


def hive(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(root, ["costs", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_both_agents_count_by_model_the_costliest_first() -> None:
    found = msgspec.json.decode(hive("--by", "model", "-o", "json"))
    assert [each["key"] for each in found["costs"]] == ["claude-opus-5-5", "gpt-6.1-sol"]
    assert found["costs"][0]["cost_micros"] == 83_302  # as the CLI's own result says
    assert found["total"]["calls"] == 10


def test_a_day_a_session_and_a_project_have_their_lines() -> None:
    assert "2026-11-21" in hive("--timezone", "UTC")
    assert "/workspaces/success" in hive("--by", "project")
    assert "780fd9ba-447b-45ae-9901-65197bcddc39" in hive("--by", "session"), "to be found in a pipe, whole"


def test_blocks_begin_with_their_first_hour() -> None:
    (block,) = msgspec.json.decode(hive("--by", "block", "-o", "json"))["costs"]
    assert block["key"] == "2026-11-21T01:00:00+00:00"
    assert (block["calls"], block["gap"]) == (10, False)


def test_blocks_have_a_total_as_every_report_has_and_their_times_are_of_the_zone_that_was_asked_for() -> None:
    found = msgspec.json.decode(hive("--by", "block", "-o", "json"))
    (block,) = found["costs"]
    assert found["total"]["cost_micros"] == block["cost_micros"]
    assert found["unpriced_models"] == []
    told = {zone: hive("--by", "block", "--timezone", zone) for zone in ("UTC", "Asia/Kathmandu")}
    assert "Nov 21 01:00" in told["UTC"]
    assert "Nov 21 06:45" in told["Asia/Kathmandu"]


def test_a_block_tells_a_pipe_all_of_its_words(tmp_path: Path) -> None:
    (path,) = (tmp_path / "claude" / "projects").rglob("*.jsonl")
    line = next(line for line in path.read_text().splitlines() if '"usage":{' in line)
    read = msgspec.json.decode(line)
    for minutes in (1, 2):
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        read["message"]["id"], read["timestamp"] = f"msg_{minutes}", at.isoformat()
        with path.open("ab") as file:
            file.write(msgspec.json.encode(read) + b"\n")
    said = r"active, [34]h( \d+m)? left, \$\d+\.\d\d/h, ~\$\d+\.\d\d at its end "
    shown = hive("--by", "block")
    assert re.search(said, shown)
    assert "input" not in shown.splitlines()[0], "words go before tokens"


def test_blocks_have_tokens_where_their_words_leave_room(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a pipe there are 100 cells, and a block that is over has no words.
    assert hive("--by", "block").splitlines()[0].split() == [
        *("block", "calls", "input", "output", "cache", "write", "cache", "read", "cost")
    ]
    monkeypatch.setattr("hive_tui.cli.costs.width", lambda: 80)
    assert hive("--by", "block").splitlines()[0].split() == ["block", "calls", "input", "output", "cost"]


def test_a_time_in_which_nothing_was_used_says_so() -> None:
    assert "Nothing was used in that time" in hive("--until", "2026-01-01")


def test_where_nothing_was_ever_used_no_time_is_named(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "claude" / "projects")
    shutil.rmtree(tmp_path / "codex" / "sessions")
    for by in ("day", "block"):
        assert "Nothing was used yet" in hive("--by", by)


def test_a_day_begins_in_the_time_zone_that_was_asked_for() -> None:
    # The transcripts are of 01:10 to 01:30 UTC.
    for zone, since, until in (
        ("Asia/Tokyo", "2026-11-21T10:00", "2026-11-21T11:00"),
        ("America/Los_Angeles", "2026-11-20", "2026-11-21"),
        ("UTC", "2026-11-21", "2026-11-22"),
    ):
        arguments = ("--timezone", zone, "--since", since, "--until", until)
        for order in (arguments, (*arguments[2:], *arguments[:2])):
            assert msgspec.json.decode(hive(*order, "-o", "json"))["total"]["calls"] == 10, order


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "claude" / "projects"
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    assert f"{closed} cannot be read: give yourself the right to" in hive("--by", "model")
    assert "cannot be read" not in hive("--scope", "fleet")


@pytest.mark.parametrize("time", ["9999999d", "0001-01-01", "yesterday"])
def test_a_time_that_is_none_is_named(time: str) -> None:
    for option in ("--since", "--until"):
        assert f"Invalid value for '{option}': '{time}' is" in hive(option, time, code=2)


def test_an_unknown_time_zone_is_named() -> None:
    assert "no time zone 'Mars/Olympus'" in hive("--timezone", "Mars/Olympus", code=2)


def test_a_model_without_a_price_is_named_and_a_configured_price_counts(
    tmp_path: Path, hive_home: Path
) -> None:
    for path in (tmp_path / "claude").rglob("*.jsonl"):
        path.write_bytes(path.read_bytes().replace(b'"claude-opus-5-5"', b'"my-model-1"'))
    found = msgspec.json.decode(hive("--by", "model", "-o", "json"))
    assert (found["unpriced_models"], found["total"]["unpriced_calls"]) == (["my-model-1"], 5)
    assert "5 calls that nobody has a price for (my-model-1; `prices:` in config.yaml)" in hive()
    (hive_home / "config").mkdir(exist_ok=True)
    (hive_home / "config" / "config.yaml").write_text(
        'prices: {"my-*": {input: 4, output: 20, cache_read: 0.2}}\n', encoding="utf-8"
    )
    priced = msgspec.json.decode(hive("--by", "model", "-o", "json"))
    assert priced["costs"][0]["cost_micros"] == 83_302
    assert priced["unpriced_models"] == []
    assert "nobody has a price" not in hive()


def test_a_mistake_in_a_configured_price_is_named_with_its_place(hive_home: Path) -> None:
    (hive_home / "config").mkdir(exist_ok=True)
    (hive_home / "config" / "config.yaml").write_text(
        "prices:\n  m: {input: -1, output: 2}\n", encoding="utf-8"
    )
    with pytest.raises(AssertionError, match=r"config\.yaml:2.*prices\.m\.input.*dollars for a million"):
        hive()


class TestLedger:
    @pytest.fixture(autouse=True)
    def rows(self, hive_home: Path) -> None:
        ledger = FleetLedger(BackendContext("local", hive_home / "data" / "fleets" / "local", SETTINGS, "me"))
        for number, cost in ((7, 1_000_000), (8, None), (9, 250_000)):
            ledger.write([entry(number, cost, round=1), entry(number, 500_000, round=2)])
        ledger.close()

    def test_of_the_fleet_alone_it_is_what_the_console_and_top_sum(self) -> None:
        found = msgspec.json.decode(hive("--scope", "fleet", "--by", "issue", "-o", "json"))
        costs = {each["key"]: each["cost_micros"] for each in found["costs"]}
        assert costs == {"me/app#7": 1_500_000, "me/app#9": 750_000, "me/app#8": 500_000}
        done = CliRunner().invoke(root, ["top", "--once", "-o", "json"], catch_exceptions=False)
        summed = msgspec.json.decode(done.output)["costs"]
        assert summed["by_issue"] == costs
        assert summed["all_micros"] == found["total"]["cost_micros"]
        assert summed["unaccounted_runs"] == 1
        with pytest.raises(UsageError, match="Blocks are of this machine"):
            CliRunner().invoke(root, ["costs", "--scope", "fleet", "--by", "block"], catch_exceptions=False)

    def test_issues_the_costliest_first_and_sessions_of_none_last(self) -> None:
        found = msgspec.json.decode(hive("--by", "issue", "-o", "json"))
        assert {each["key"]: each["cost_micros"] for each in found["costs"]} == {
            "me/app#7": 1_500_000,
            "me/app#9": 750_000,
            "me/app#8": 500_000,
            "": sum(each["cost_micros"] for each in found["costs"]) - 2_750_000,
        }
        assert found["total"]["cost_micros"] == sum(each["cost_micros"] for each in found["costs"])
        assert [each["unaccounted_runs"] for each in found["costs"]] == [0, 0, 1, 0]
        rows = msgspec.json.decode(hive("export", "--format", "json"))["rows"]
        assert sum(row["cost_micros"] or 0 for row in rows) == 2_750_000

    @pytest.mark.parametrize("cost", [(1 << 63) - 1, 10**30])
    def test_an_absurd_cost_stops_no_command(self, hive_home: Path, cost: int) -> None:
        ledger = FleetLedger(BackendContext("local", hive_home / "data" / "fleets" / "local", SETTINGS, "me"))
        for number in range(20, 23):
            row = entry(number, cost, round=1)
            ledger.write([msgspec.structs.replace(row, tokens=Tokens(cost, cost, cost, cost))])
        ledger.close()
        for by in ("day", "issue", "model", "session", "repo"):
            for scope in ("fleet", "machine"):
                assert "$" in hive("--scope", scope, "--by", by)
        found = msgspec.json.decode(hive("--scope", "fleet", "--by", "issue", "-o", "json"))
        assert found["total"]["cost_micros"] == 3 * cost + 2_750_000
        assert len(msgspec.json.decode(hive("export", "--format", "json"))["rows"]) == 9
        assert len(hive("export").splitlines()) == 10
        for arguments in ((), ("-o", "json"), ("-o", "yaml")):
            done = CliRunner().invoke(root, ["top", "--once", *arguments], catch_exceptions=False)
            assert "me/app#20" in done.output, done.output

    def test_what_is_not_known_is_marked_and_explained(self) -> None:
        shown = hive("--by", "run")
        assert "$0.50*" in shown
        assert "other sessions" in shown
        assert "* without 1 run of which nobody knows all that they cost" in shown

    def test_a_run_of_which_nothing_is_known_used_no_zero_tokens(self, hive_home: Path) -> None:
        ledger = FleetLedger(BackendContext("local", hive_home / "data" / "fleets" / "local", SETTINGS, "me"))
        ledger.write([msgspec.structs.replace(entry(30, None, round=1), tokens=Tokens())])
        ledger.close()
        (line,) = [line for line in hive("--by", "issue").splitlines() if "me/app#30" in line]
        assert line.split() == ["me/app#30", *"––––––"]
        found = msgspec.json.decode(hive("--by", "issue", "-o", "json"))["costs"]
        (unknown,) = [each for each in found if each["key"] == "me/app#30"]
        assert set(unknown["tokens"].values()) == {None}

    def test_the_table_has_a_line_for_each_row(self) -> None:
        table = list(csv.DictReader(hive("export").splitlines()))
        assert len(table) == 6
        first = table[0]
        assert (first["run"], first["issue"], first["step"], first["cost_micros"]) == (
            "run-7", "7", "implement", "1000000",
        )  # fmt: skip
        unknown = next(row for row in table if row["run"] == "run-8" and row["round"] == "1")
        assert (unknown["cost_micros"], unknown["certainty"]) == ("", "unaccounted")

    def test_no_cell_is_a_formula_of_a_spreadsheet(self) -> None:
        assert {row["model"] for row in csv.DictReader(hive("export").splitlines())} == {"'=1+1"}

    def test_a_time_can_be_chosen(self) -> None:
        assert msgspec.json.decode(hive("export", "--format", "json", "--since", "2027-01-01"))["rows"] == []
        assert len(hive("export", "--since", "2026-11-21T00:00Z").splitlines()) == 7

    def test_options_before_the_command_are_not_lost_silently(self) -> None:
        with pytest.raises(UsageError, match="stand behind the command"):
            CliRunner().invoke(root, ["costs", "--since", "7d", "export"], catch_exceptions=False)

    def test_a_damaged_ledger_does_not_hide_the_transcripts(self, hive_home: Path) -> None:
        folder = hive_home / "data" / "fleets" / "local"
        for left in folder.glob("fleet.db*"):
            left.unlink()
        (folder / "fleet.db").write_bytes(b"rubbish" * 1_000)
        shown = hive("--by", "model")
        assert "Without the fleet's ledger" in shown
        assert "claude-opus-5-5" in shown


SETTINGS = FleetSettings()


def entry(issue: int, cost: int | None, *, round: int) -> Entry:  # noqa: A002
    return Entry(
        run=RunId(f"run-{issue}"),
        attempt=1,
        repo=RepoName("me/app"),
        issue=issue,
        agent=AgentName("claude"),
        step=Step.IMPLEMENT,
        round=round,
        at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        model="=1+1",
        session=f"s{issue}",
        tokens=Tokens(1, 2, 3, 4) if cost is not None else Tokens(),
        cost_micros=cost,
        source=Source.REPORTED if cost is not None else Source.NONE,
        certainty=Certainty.EXACT if cost is not None else Certainty.UNACCOUNTED,
    )
