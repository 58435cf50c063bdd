"""`hive top --once` of a fleet on GitHub, as a person calls it: with and without anybody who polls."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.github import changes
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.unit.test_imports import HEAVY, PROGRAM

pytestmark = pytest.mark.e2e


class Fleet:
    def __init__(self, home: Path, server: GitHub) -> None:
        self.server = server
        server.world.add_user("me")
        self.repository = server.world.add_repository("me/proj")
        changes.create_issue(
            server.world, self.repository, author="me", title="Mend it", body="x", labels=["status:ready"]
        )
        token = home / "token"
        token.touch(mode=0o600)
        token.write_text(server.world.add_token("me").secret)
        config = home / "config" / "config.yaml"
        config.parent.mkdir()
        github = {"url": server.site, "token_file": str(token)}
        fleet = {"forge": "github", "repos": [{"name": "me/proj"}], "github": github}
        config.write_text(json.dumps({"current": "gh", "fleets": {"gh": fleet}}))
        # A file that was just written may still change: its parsed form is not cached yet.
        os.utime(config, (1_700_000_000, 1_700_000_000))

    def once(self, *options: str) -> tuple[dict[str, Any], int, set[str]]:
        """The document, the exit status, and the modules that were loaded for it."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, "top", "--once", "-o", "json", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout), done.returncode, set(json.loads(done.stderr.splitlines()[-1]))

    def tracker(self, document: dict[str, Any]) -> dict[str, Any]:
        return next(source for source in document["sources"] if source["name"] == "forge")


@pytest.fixture
def fleet(hive_home: Path, tmp_path: Path) -> Iterator[Fleet]:
    with GitHub(tmp_path / "github") as server:
        yield Fleet(hive_home, server)


def test_without_a_mirror_it_reads_by_itself_and_then_loads_nothing_that_talks(fleet: Fleet) -> None:
    document, status, _ = fleet.once()
    assert status == 0
    assert [issue["title"] for issue in document["issues"]] == ["Mend it"]
    fleet.server.audit.clear()
    document, status, loaded = fleet.once()
    assert status == 0
    assert [issue["title"] for issue in document["issues"]] == ["Mend it"]
    assert not loaded.intersection({*HEAVY, "urllib3", "tenacity", "concurrent.futures"})
    assert fleet.server.audit.entries == []


def test_with_github_down_it_prints_the_rest_within_its_time(fleet: Fleet) -> None:
    fleet.server.faults.add(Fault("hang", seconds=60, times=None))
    began = time.monotonic()
    document, status, _ = fleet.once("--timeout", "2")
    assert time.monotonic() - began < 8
    assert status == 1
    assert fleet.tracker(document)["state"] == "failed"
    assert "2 s" in fleet.tracker(document)["why"]
    assert document["fleet"]["name"] == "gh"
    assert document["errors"]
    fleet.server.faults.clear()


def test_it_ends_in_its_time_too_with_many_repositories(fleet: Fleet, hive_home: Path) -> None:
    """They are asked about at the same time, and nobody waits for those who ask."""
    path = hive_home / "config" / "config.yaml"
    config = json.loads(path.read_text())
    config["fleets"]["gh"]["repos"] += [{"name": f"me/other-{number}"} for number in range(20)]
    path.write_text(json.dumps(config))
    fleet.server.faults.add(Fault("hang", seconds=60, times=None))
    began = time.monotonic()
    _, status, _ = fleet.once("--timeout", "1")
    assert (status, time.monotonic() - began < 6) == (1, True)
    fleet.server.faults.clear()


def test_a_stale_mirror_is_printed_too(fleet: Fleet) -> None:
    fleet.once()
    _age(fleet)
    fleet.server.faults.add(Fault("unauthorized", times=None))
    document, status, _ = fleet.once()
    assert status == 1
    assert [issue["title"] for issue in document["issues"]] == ["Mend it"]
    assert "401" in fleet.tracker(document)["why"]
    assert fleet.tracker(document)["age_seconds"] > 3600


def _age(fleet: Fleet) -> None:
    """As if nobody had polled for two hours."""
    (path,) = Path(os.environ["HIVE_HOME"]).rglob("fleet.db")
    connection = sqlite3.connect(path)
    doc = json.loads(connection.execute("SELECT doc FROM tracker").fetchone()[0])
    past = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))
    aged = {**doc, "polled_at": past, "tried_at": past, "next_at": past}
    connection.execute("UPDATE tracker SET doc = ?", (json.dumps(aged).encode(),))
    connection.commit()
    connection.close()


def test_a_port_where_nobody_listens_is_said(fleet: Fleet, hive_home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = hive_home / "config" / "config.yaml"
    config.write_text(config.read_text().replace(fleet.server.site, f"http://127.0.0.1:{port}"))
    document, status, _ = fleet.once()
    assert status == 1
    assert "cannot be reached" in fleet.tracker(document)["why"]
