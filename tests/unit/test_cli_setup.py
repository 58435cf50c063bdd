"""init, fleet, config, doctor, completion and version, called as a user calls them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hive_tui import config
from hive_tui.cli import doctor, run
from hive_tui.core.findings import State
from hive_tui.core.ids import AgentName, RepoName
from hive_tui.core.settings import AgentSettings, RepoSettings
from hive_tui.probing import AgentFound
from hive_tui.system import git
from tests.unit.test_discover import make

Hive = Callable[..., Any]


@pytest.fixture
def hive(capsys: pytest.CaptureFixture[str]) -> Hive:
    """Run a command that must succeed with the given exit code; JSON is decoded."""

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run(list(arguments))
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return json.loads(shown.out) if "json" in arguments else shown.out + shown.err

    return call


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    top = make(tmp_path / "my app", remote="git@example.org:acme/app.git")
    (top / "Makefile").write_text("test:\n\ttrue\n", encoding="utf-8")
    monkeypatch.chdir(top)
    monkeypatch.setattr(shutil, "which", lambda name, *_, **__: f"/bin/{name}" if name == "codex" else None)
    monkeypatch.setattr(git, "version", lambda: (2, 39))
    return top


def test_init_says_what_it_found_and_leaves_the_checkout_alone(app: Path, hive: Hive) -> None:
    before = git.text("status", "--porcelain", cwd=app)
    done = hive("init", "-o", "json")
    assert (done["fleet"], done["repo"], done["base"], done["path"]) == (
        "local",
        "acme/app",
        "main",
        str(app),
    )
    assert done["allowed_authors"] == ["kay"]
    assert [agent["name"] for agent in done["agents"]] == ["codex"]
    assert (done["test"], done["test_guess"]) == (None, "make test")
    assert done["changed"] is True
    assert git.text("status", "--porcelain", cwd=app) == before
    fleet = config.load().fleet("local")
    assert fleet.repos == (RepoSettings(RepoName("acme/app"), str(app), "main"),)
    assert fleet.agents == (AgentSettings(AgentName("codex")),)


@pytest.mark.parametrize("logged_in", [True, None, False])
def test_init_ends_with_what_keeps_issues_from_starting(
    app: Path, hive: Hive, monkeypatch: pytest.MonkeyPatch, logged_in: bool | None
) -> None:
    found = AgentFound("codex", True, "0.169.0", logged_in)
    monkeypatch.setattr("hive_tui.cli.init.probe", lambda *_: found)
    last = hive("init").splitlines()[-1]
    told = "No issue is started before an agent can work: codex 0.169.0 (not logged in)."
    assert last.startswith(told) == (logged_in is False)


def test_an_agent_in_trouble_is_one_part_of_a_sentence() -> None:
    found = AgentFound("codex", True, problem="codex is not logged in.", hint="Log in with `codex login`.")
    assert str(found) == "codex: codex is not logged in (Log in with `codex login`)"


def test_init_again_changes_what_is_named_and_nothing_else(app: Path, hive: Hive) -> None:
    hive("init")
    before = config.load().path.read_text(encoding="utf-8")
    assert "was already" in hive("init")
    assert config.load().path.read_text(encoding="utf-8") == before
    git.run("branch", "trunk", cwd=app)
    hive("init", "--base", "trunk", "--test", "make check", "--agent", "scripted")
    fleet = config.load().fleet("local")
    assert [(repo.name, repo.base, repo.test) for repo in fleet.repos] == [
        ("acme/app", "trunk", "make check")
    ]
    assert [agent.name for agent in fleet.agents] == ["codex", "scripted"]
    assert "as acme/app" in hive("init", "--repo", "acme/other", code=2)
    hive("init", "--repo", "acme/app")


def test_init_keeps_what_a_person_wrote(app: Path, hive: Hive, hive_home: Path) -> None:
    (hive_home / "config").mkdir()
    (hive_home / "config" / "config.yaml").write_text(
        "# mine\nfleets:\n  local:\n    agents: [{name: claude}]\n    allowed_authors: [zoe]  # friends\n",
        encoding="utf-8",
    )
    hive("init")
    assert "# mine" in config.load().path.read_text(encoding="utf-8")
    fleet = config.load().fleet("local")
    assert fleet.allowed_authors == ("zoe", "kay")
    assert [agent.name for agent in fleet.agents] == ["claude"]


def test_two_checkouts_cannot_have_one_name(
    app: Path, hive: Hive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hive("init")
    monkeypatch.chdir(make(tmp_path / "again", remote="git@example.org:acme/app.git"))
    assert "--repo" in hive("init", code=2)
    hive("init", "--repo", "acme/again")
    assert [repo.name for repo in config.load().fleet("local").repos] == ["acme/app", "acme/again"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--base", "mian"], 2, "no branch 'mian'"),
        (["--agent", "cluade"], 2, "Unknown agent 'cluade'.\nDid you mean claude"),
        (["--repo", "no slash"], 2, "owner/name"),
        (["--fleet", "nope"], 2, "Unknown fleet"),
        (["--read-only"], 3, "read-only"),
    ],
)
def test_a_refused_init_writes_nothing(
    app: Path, hive: Hive, hive_home: Path, arguments: list[str], code: int, words: str
) -> None:
    assert words in hive("init", *arguments, code=code)
    assert not (hive_home / "config").exists()


def test_init_in_a_folder_that_was_removed(
    hive: Hive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "was removed" in hive("init", code=2)


@pytest.mark.parametrize("options", [["demo", "reset", "--read-only"], ["demo", "--read-only", "reset"]])
def test_options_behind_a_command_of_the_demo_count(hive: Hive, options: list[str]) -> None:
    assert "read-only" in hive(*options, code=3)


def test_the_projects_own_test_command_wins_and_can_be_written(app: Path, hive: Hive) -> None:
    done = hive("init", "--write-project", "-o", "json")
    assert (app / ".hive" / "config.yaml").read_text(encoding="utf-8").endswith('test: "make test"\n')
    assert done["wrote"]
    assert done["test"] is None  # it counts once it is committed
    git.run("add", ".", cwd=app)
    git.run(
        "-c", "user.name=K", "-c", "user.email=k@example.invalid", "commit", "-qm", "Say how to test", cwd=app
    )
    done = hive("init", "-o", "json")
    assert (done["test"], done["test_from"]) == ("make test", ".hive/config.yaml")
    assert "is there already" in hive("init", "--write-project", code=3)


def test_fleets_are_added_used_and_removed(hive: Hive) -> None:
    assert [row["name"] for row in hive("fleet", "list", "-o", "json")["fleets"]] == ["local"]
    hive("fleet", "add", "work", "--slots", "4")
    hive("fleet", "use", "work")
    rows = {row["name"]: row for row in hive("fleet", "list", "-o", "json")["fleets"]}
    assert set(rows) == {"local", "work"}, "the fleet of an empty configuration must not vanish"
    assert rows["work"]["current"]
    assert "Did you mean work" in hive("fleet", "use", "wrok", code=2)
    assert "already" in hive("fleet", "add", "work", code=2)
    assert "expected a name" in hive("fleet", "add", "../x", code=2)
    assert "Unknown cluster backend 'kubernets'" in hive(
        "fleet", "add", "other", "--cluster", "kubernets", code=2
    )
    hive("fleet", "remove", "work")
    assert [row["name"] for row in hive("fleet", "list", "-o", "json")["fleets"]] == ["local"]
    assert config.load().settings.current == "local"


def test_config_shows_gets_and_sets(hive: Hive, hive_home: Path) -> None:
    assert str(hive_home / "config" / "config.yaml") in hive("config", "path")
    assert "slots: 2" in hive("config", "show")
    hive("config", "set", "fleets.local.slots", "5")
    assert hive("config", "get", "fleets.local.slots") == "5\n"
    assert hive("config", "get", "fleets.local.slots", "-o", "json")["value"] == 5
    assert hive("config", "get", "fleets.local.agents[claude].permission_mode") == "acceptEdits\n"
    assert "slots" in hive("config", "get", "fleets.local.slosts", code=2)
    assert "slots" in hive("config", "set", "fleets.local.slosts", "1", code=2)
    assert hive("config", "show", "-o", "json")["settings"]["fleets"]["local"]["slots"] == 5


def test_keys_that_clash_are_told_and_wrong_ones_refused(hive: Hive) -> None:
    hive("config", "set", "keys.kill", "p")
    assert "The key p means 'Kill', so 'Pause' has no key." in hive("config", "show")
    checks = {c["name"]: c for c in hive("doctor", "-o", "json", code=1)["checks"] if c["name"] == "keys"}
    assert checks["keys"]["state"] == "warning"
    hive("config", "set", "keys[pane.next]", "ctrl+n")
    assert hive("config", "get", "keys[pane.next]").strip() == "ctrl+n"
    assert "Did you mean kill?" in hive("config", "set", "keys.kil", "K", code=2)
    assert "'ctlr' is no modifier" in hive("config", "set", "keys.kill", "ctlr+k", code=2)


def test_slots_that_are_configured_count_at_once(app: Path, hive: Hive) -> None:
    hive("init", "--agent", "scripted")
    hive("slots", "2")  # from here on the fleet's own record counts
    hive("config", "set", "fleets.local.slots", "5")
    shown = hive("top", "--once", "-o", "json")
    assert shown["fleet"]["slots"]["max"] == 5, "the screen and the file agree"
    assert (shown["events"][-1]["kind"], shown["events"][-1]["text"]) == ("slots", "set the slots to 5")


def test_a_budget_that_is_raised_counts_at_once(app: Path, hive: Hive) -> None:
    hive("init", "--agent", "scripted")
    hive("config", "set", "fleets.local.budget.day", "1")
    hive("pause")  # from here on the fleet's own record counts
    hive("config", "set", "fleets.local.budget", "{day: 2.5, run: 1}")
    assert hive("top", "--once", "-o", "json")["fleet"]["budget"] == {
        "run_micros": 1_000_000,
        "issue_micros": None,
        "repo_micros": None,
        "day_micros": 2_500_000,
        "fleet_micros": None,
    }
    event = hive("events", "-o", "json")["events"][-1]
    assert (event["kind"], event["text"]) == ("budget", "set the budget: run $1.00 · day $2.50")


def test_the_schema_names_every_key(hive: Hive) -> None:
    schema = hive("config", "schema", "-o", "json")
    assert schema["schema"] == "hive/v1"
    assert {"FleetSettings", "RepoSettings", "AgentSettings"} <= set(schema["$defs"])
    shown = hive("config", "schema")
    for key in schema["$defs"]["FleetSettings"]["properties"]:
        assert f"  {key}: " in shown


def test_version_and_completion(hive: Hive) -> None:
    assert hive("version", "-o", "json")["version"] == hive("--version").split()[1]
    for shell in ("bash", "zsh", "fish"):
        assert "_HIVE_COMPLETE" in hive("completion", shell)
    assert "Invalid value" in hive("completion", "tcsh", code=2)


def checks(hive: Hive, *, code: int) -> dict[str, dict[str, str]]:
    found = hive("doctor", "-o", "json", code=code)
    assert found["ok"] is (code == 0)
    return {check["name"]: check for check in found["checks"]}


@pytest.fixture
def scripted(app: Path, hive: Hive) -> None:
    hive("init", "--agent", "scripted")
    hive("config", "set", "fleets.local.agents", "[{name: scripted}]")


@pytest.mark.usefixtures("scripted")
def test_a_healthy_machine(hive: Hive) -> None:
    found = checks(hive, code=0)
    assert {check["state"] for check in found.values()} == {"ok"}, found
    assert {"git", "configuration", "data folder", "disk", "repo acme/app", "database"} <= set(found)


@pytest.mark.usefixtures("scripted")
def test_what_is_broken_is_said_with_a_next_step(
    hive: Hive, hive_home: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> str:
        check = checks(hive, code=1)[name]
        assert check["state"] == "broken"
        assert check["fix"]
        return check["detail"]

    database = hive_home / "data" / "fleets" / "local" / "fleet.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"this is no database" * 100)
    assert "not a database" in broken("database")
    database.unlink()

    (database.parent / "runs" / "acme-app-1-1").mkdir(parents=True)
    assert "not there any more, but runs/ beside it has 1 run." in broken("cluster")
    shutil.rmtree(database.parent)

    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(doctor, "NO_SPACE", 10**18)
        assert "free" in broken("disk")

    app.rename(app.with_name("moved"))
    assert "not there" in broken("repo acme/app")


@pytest.mark.usefixtures("scripted")
def test_without_git_no_repository_is_blamed(
    hive: Hive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> tuple[int, ...]:
        raise git.missing()

    monkeypatch.setattr(git, "version", missing)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    found = checks(hive, code=1)
    assert [name for name, check in found.items() if check["state"] == "broken"] == ["git"]


def test_a_broken_configuration_is_a_finding(hive: Hive, hive_home: Path) -> None:
    (hive_home / "config").mkdir()
    (hive_home / "config" / "config.yaml").write_text("fleets: [\n", encoding="utf-8")
    found = checks(hive, code=1)
    assert "config.yaml:2" in found["configuration"]["detail"]


def test_a_data_folder_that_cannot_be_written(hive: Hive, hive_home: Path) -> None:
    (hive_home / "data").write_text("a file", encoding="utf-8")
    assert checks(hive, code=1)["data folder"]["state"] == "broken"


@pytest.mark.usefixtures("scripted")
def test_the_check_of_a_database_does_not_write_to_it(hive_home: Path) -> None:
    database = hive_home / "data" / "fleets" / "local" / "fleet.db"
    database.parent.mkdir(parents=True)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    before = database.read_bytes()
    assert doctor._database(database).state is State.OK
    assert database.read_bytes() == before
