"""Orders from the console over the real local backends: database, run folders and git."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from textual.widgets import TextArea

from backends.database import Database
from hive_tui import config
from hive_tui.app.app import HiveApp
from hive_tui.app.screens.confirm import ConfirmScreen
from hive_tui.app.screens.fire import FireScreen
from hive_tui.app.screens.message import MessageScreen
from hive_tui.core import actions
from hive_tui.core.actions import ActionContext, Kill
from hive_tui.core.ids import IssueKey, RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    Check,
    CheckState,
    Claim,
    ControlKind,
    Issue,
    Mode,
    Phase,
    PullRequest,
    PullState,
    RunSpec,
)
from hive_tui.core.ports import AgentJob, Job, NewPull, RepoJob
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from hive_tui.fleet import OpenFleet, open_fleet
from tests import builders as b
from tests.console.conftest import wait_for
from tests.fakes.repository import Repository

pytestmark = pytest.mark.timeout(60)

CONFIG = """
fleets:
  local:
    allowed_authors: [kay]
    review: person
    agents: [{{name: claude}}]
    repos: [{{name: {repo}, path: '{path}', base: main}}]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkout")


@pytest.fixture
def fleet(hive_home: Path, repository: Repository) -> Iterator[OpenFleet]:
    path = hive_home / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG.format(repo=b.REPO, path=repository.path), encoding="utf-8")
    with closing(open_fleet(config.load(), "local")) as opened:
        yield opened


@asynccontextmanager
async def console(fleet: OpenFleet, user: str = "kay") -> AsyncIterator[HiveApp]:
    app = HiveApp(fleet, user=user)
    async with app.run_test(size=(160, 48), notifications=True) as pilot:
        app.press = pilot.press  # type: ignore[attr-defined]
        await wait_for(lambda: app.view.snapshot.readable)
        await pilot.pause()
        yield app


def issue(fleet: OpenFleet, state: str = "ready") -> Issue:
    return fleet.forge.create_issue(
        b.REPO, title="Mend it", body=b.BODY, author="kay", labels=(f"status:{state}",)
    )


def start(fleet: OpenFleet, found: Issue) -> RunId:
    """A run as it stands before its process exists."""
    name = run_id("local", b.REPO, found.number, 1)
    spec = RunSpec(
        *(name, b.REPO, found.number, 1, WorkerName("claude-a"), b.CLAUDE, Mode.BUG_FIX),
        *(branch_name(found.number, 1), "main", found.title, datetime.now(UTC), DISPATCHER),
    )
    fleet.cluster.put_claim(Claim(b.REPO, found.number, 0, attempt=1, run=name), expected=None)
    fleet.cluster.take_slot(spec.worker, name)
    agent = AgentJob(b.CLAUDE, "scripted")
    fleet.cluster.create_run(Job("local", spec, RepoJob(b.REPO, "/x", "main"), agent, found.title, ""))
    return name


def pull(fleet: OpenFleet, repository: Repository, found: Issue) -> PullRequest:
    branch = branch_name(found.number, 1)
    repository.branch(branch, {"mended.txt": "yes\n"})
    made = fleet.forge.open_pull(
        NewPull(b.REPO, found.title, "", "claude-a", branch, "main", found.number, None)
    )
    return fleet.forge.set_check(made.key, Check("hive/tests", CheckState.PASSED, made.head))


def fleet_now() -> datetime:
    return datetime.now(UTC)


def now(fleet: OpenFleet) -> Snapshot:
    return fleet.read_snapshot()


async def select(app: HiveApp, pane: int, row: object) -> None:
    table = app.main.panes[pane - 1].table  # type: ignore[attr-defined]
    await app.press(str(pane))  # type: ignore[attr-defined]
    await wait_for(lambda: row in table.keys)
    table.select(row)


async def say_yes(app: HiveApp) -> None:
    await wait_for(lambda: isinstance(app.screen, ConfirmScreen) and app.screen.query("#accept"))
    await app.press("y")  # type: ignore[attr-defined]


async def settled(app: HiveApp) -> None:
    """Everything that was ordered is true, or failed."""
    await wait_for(lambda: not app.view.pending and app.view.slots_wanted is None)


async def test_switches(fleet: OpenFleet) -> None:
    async with console(fleet) as app:
        await app.press("p")  # type: ignore[attr-defined]
        await wait_for(lambda: (found := now(fleet).fleet) is not None and found.paused is not None)
        await settled(app)
        before = app.view.snapshot.fleet
        assert before is not None
        await app.press("plus", "plus", "enter")  # type: ignore[attr-defined]
        await wait_for(lambda: (found := now(fleet).fleet) is not None and found.slots == before.slots + 2)
        await settled(app)
        assert app.view.snapshot.fleet is not None
        assert app.view.snapshot.fleet.slots == before.slots + 2


async def test_a_run_is_told_something_killed_and_its_issue_retried_and_fired(fleet: OpenFleet) -> None:
    found = issue(fleet, "in-progress")
    name = start(fleet, found)
    async with console(fleet) as app:
        await select(app, 3, name)
        await app.press("m")  # type: ignore[attr-defined]
        await wait_for(lambda: isinstance(app.screen, MessageScreen) and app.screen.query(TextArea))
        await app.press(*"hello", "enter")  # type: ignore[attr-defined]
        await wait_for(lambda: fleet.cluster.host(name).controls(0))
        control = fleet.cluster.host(name).controls(0)[0]
        assert (control.kind, control.text, str(control.actor)) == (ControlKind.MESSAGE, "hello", "kay")
        await settled(app)

        await app.press("x")  # type: ignore[attr-defined]
        await say_yes(app)
        await wait_for(lambda: now(fleet).runs[name].phase is Phase.KILLED)
        await settled(app)
        claim = fleet.cluster.get_claim(found.key)
        assert claim is not None
        assert claim.hold is not None
        fleet.cluster.settle_run(name)

        await wait_for(lambda: app.view.snapshot.runs[name].settled)
        await app.press("R")  # type: ignore[attr-defined]
        await wait_for(lambda: fleet.forge.get_issue(found.key).labels == ("status:ready",))
        await settled(app)

        await select(app, 2, found.key)
        claim = fleet.cluster.get_claim(found.key)
        assert claim is not None
        fleet.cluster.put_claim(msgspec.structs.replace(claim, run=None), expected=claim.version)
        await wait_for(lambda: app.view.snapshot.claims[found.key].run is None)
        await app.press("f")  # type: ignore[attr-defined]
        await wait_for(lambda: isinstance(app.screen, FireScreen) and app.screen.held is not None)
        assert app.screen.held == ()  # type: ignore[attr-defined]
        await app.press("enter")  # type: ignore[attr-defined]
        await wait_for(lambda: (c := fleet.cluster.get_claim(found.key)) is not None and c.fire is not None)
        await settled(app)


async def test_a_pull_request_is_taken_given_back_and_merged(
    fleet: OpenFleet, repository: Repository
) -> None:
    found = issue(fleet, "in-review")
    made = pull(fleet, repository, found)
    async with console(fleet) as app:
        await select(app, 5, made.key)
        await app.press("t")  # type: ignore[attr-defined]
        await wait_for(lambda: fleet.forge.get_pull(made.key).lease is not None)
        await settled(app)
        await app.press("t")  # type: ignore[attr-defined]
        await wait_for(lambda: fleet.forge.get_pull(made.key).lease is None)
        await settled(app)
        await app.press("M")  # type: ignore[attr-defined]
        await say_yes(app)
        await wait_for(lambda: fleet.forge.get_pull(made.key).state is PullState.MERGED)
        await settled(app)
        assert not fleet.forge.get_issue(found.key).open


async def test_two_consoles_act_on_the_same_run(fleet: OpenFleet) -> None:
    """The second one is told plainly, whichever way the first one's order reached it."""
    name = start(fleet, issue(fleet, "in-progress"))
    with closing(open_fleet(config.load(), "local")) as other:
        async with console(fleet) as app:
            await select(app, 3, name)
            await app.press("x")  # type: ignore[attr-defined]
            await wait_for(lambda: isinstance(app.screen, ConfirmScreen))
            bob = Actor(ActorKind.PERSON, "bob")
            context = ActionContext(
                other.cluster, other.forge, other.settings, bob, lambda: datetime.now(UTC)
            )
            actions.execute(context, actions.plan(context, now(other), Kill((name,))))
            await app.press("y")  # type: ignore[attr-defined]
            await wait_for(
                lambda: (
                    any(
                        "has ended" in note.message and "killed" in note.message
                        for note in app._notifications
                    )
                    or (isinstance(app.screen, ConfirmScreen) and app.screen.question.refusal is not None)
                )
            )
            assert app.view.pending_of(Target(run=name)) is None
            claim = fleet.cluster.get_claim(IssueKey(b.REPO, 1))
            assert claim is not None
            assert claim.hold is not None
            assert str(claim.hold.by) == "bob"


@pytest.fixture
def database(fleet: OpenFleet, hive_home: Path) -> Path:
    issue(fleet)
    return next(hive_home.rglob("*.db"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No order waits long for a database that another process has locked."""
    by_default = Database.__init__.__kwdefaults__
    assert by_default is not None
    monkeypatch.setitem(by_default, "busy_seconds", 0.3)


async def test_a_locked_database_fails_the_order_and_the_console_lives(
    impatient: None, fleet: OpenFleet, database: Path
) -> None:
    start(fleet, issue(fleet, "in-progress"))
    async with console(fleet) as app:
        await wait_for(lambda: app.main.agents.table.keys)
        with closing(sqlite3.connect(database, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            await app.press("p")  # type: ignore[attr-defined]
            await wait_for(
                lambda: any("busy" in n.message or "locked" in n.message for n in app._notifications)
            )
            lock.execute("ROLLBACK")
        await wait_for(lambda: not app.view.pending)
        await app.press("2")  # type: ignore[attr-defined]
        await app.press("p")  # type: ignore[attr-defined]
        await wait_for(lambda: (found := now(fleet).fleet) is not None and found.paused is not None)
        assert app.is_running
