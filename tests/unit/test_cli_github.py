"""Commands about issues on GitHub, in the same process: also about those that no list of hive's has."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hive_tui.cli import run
from tests import builders as b
from tests.fakes.github import changes, pulls
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Issue, Repository

Hive = Callable[..., tuple[str, str]]


@pytest.fixture
def github(tmp_path: Path, published_schema: None) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as server:
        server.world.add_user("kay")
        server.world.add_repository("kay/shop")
        yield server
    assert server.crashes == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    found = github.world.repository("kay/shop")
    assert found is not None
    return found


@pytest.fixture
def hive(github: GitHub, hive_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Hive:
    """Run a command that must end with this exit code; returns what it printed."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(github.world.add_token("kay").secret)
    fleet: dict[str, Any] = {
        "forge": "github",
        "repos": [{"name": "kay/shop"}],
        "allowed_authors": ["kay"],
        "agents": [{"name": "claude"}],
        "github": {"url": github.site, "token_file": str(token)},
    }
    path = hive_home / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps({"current": "gh", "fleets": {"gh": fleet}}))

    def call(*arguments: str, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        ended = run(list(arguments))
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return shown.out, shown.err

    return call


def bare(github: GitHub, repository: Repository) -> Issue:
    """An issue that nobody gave a status yet, so that no list of hive's has it."""
    with github.world.lock:
        return changes.create_issue(github.world, repository, author="kay", title="Mend it", body=b.BODY)


def names(repository: Repository, issue: Issue) -> set[str]:
    return {repository.labels[label].name for label in issue.labels}


def test_an_issue_without_a_status_gets_one(github: GitHub, repository: Repository, hive: Hive) -> None:
    made = bare(github, repository)
    assert "no status → status:ready" in hive("status", str(made.number), "ready")[1]
    assert names(repository, made) == {"status:ready"}
    assert json.loads(hive("issue", "list", "-o", "json")[0])["issues"][0]["number"] == made.number


def test_an_issue_that_is_only_looked_at_does_not_join_the_list(
    github: GitHub, repository: Repository, hive: Hive
) -> None:
    made = bare(github, repository)
    assert "Mend it" in hive("issue", "show", str(made.number))[0]
    assert json.loads(hive("issue", "list", "-o", "json")[0])["issues"] == []


def test_an_issue_without_a_status_is_edited_and_closed(
    github: GitHub, repository: Repository, hive: Hive
) -> None:
    made = bare(github, repository)
    hive("issue", "edit", f"kay/shop#{made.number}", "--title", "Mend all of it")
    hive("issue", "close", str(made.number))
    assert (made.title, made.open) == ("Mend all of it", False)


def test_what_holds_an_issue_without_a_status_is_said(
    github: GitHub, repository: Repository, hive: Hive
) -> None:
    made = bare(github, repository)
    said = hive("fire", str(made.number), code=3)[1]
    assert f"`hive status {made.number} ready`" in said


@pytest.mark.parametrize("number", ["99", "kay/shop#99"])
def test_an_issue_that_is_not_there_is_unknown(
    github: GitHub, repository: Repository, hive: Hive, number: str
) -> None:
    bare(github, repository)
    assert "Unknown issue" in hive("issue", "show", number, code=2)[1]


def test_a_tracker_that_failed_is_looked_at_again(
    github: GitHub, hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_tui.cli.work.ensure_dispatcher", lambda session: None)
    github.faults.add(Fault("unauthorized", times=None))
    hive("top", "--once", code=1)
    assert "No dispatcher runs" in hive("dispatch")[1]


@pytest.mark.parametrize("command", [["doctor"], ["init", "--forge", "github", "--repo", "kay/shop"]])
def test_a_person_is_told_who_is_asked_and_a_script_is_not(
    command: list[str], hive: Hive, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(command)  # whether all is well depends on the agents of this machine
    assert "Asking" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(command)
    assert "Asking github …\n" in capsys.readouterr().err


def test_a_merge_goes_by_what_the_checks_say_now(github: GitHub, repository: Repository, hive: Hive) -> None:
    with github.world.lock:
        issue = changes.create_issue(
            github.world, repository, author="kay", title="Mend it", body=b.BODY, labels=["status:in-review"]
        )
        repository.git.add(
            "hive/issue-1-a1", {"a.txt": "one"}, "Mend it", by=github.world.person("kay"), start="main"
        )
        pull = pulls.open_pull(
            github.world, repository, author="kay", title="Mend it", head="hive/issue-1-a1", base="main"
        )
        changes.add_check(github.world, repository, pull.head_sha, name="build", conclusion="failure")
    hive("top", "--once")
    said = hive("merge", str(issue.number), code=3)[1]
    assert "check build failed" in said
    assert "`hive pr show`" in said
    with github.world.lock:
        changes.add_check(github.world, repository, pull.head_sha, name="build", conclusion="success")
    hive("merge", "-y", str(issue.number))
    assert pull.merged_at is not None
