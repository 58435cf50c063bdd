"""Every key that changes something: what is asked, what the backend is told, pending, confirmed, failed."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from textual import events
from textual.widgets import Button, Input, OptionList

from hive_tui.app.screens.choose import ChooseScreen
from hive_tui.app.screens.confirm import ConfirmScreen
from hive_tui.app.screens.fire import FireScreen
from hive_tui.app.screens.message import MessageScreen
from hive_tui.core import actions
from hive_tui.core.ids import AgentName, IssueKey, PullKey, RunId, WorkerName
from hive_tui.core.model import (
    Actor,
    ActorKind,
    Approval,
    Claim,
    ControlKind,
    Dispatcher,
    DispatcherState,
    Event,
    Hold,
    Lease,
    Mode,
    Paused,
    Phase,
    PullState,
    body_sha,
)
from hive_tui.core.ports import Capability
from hive_tui.core.settings import AgentSettings, FleetSettings, RepoSettings, ReviewRule
from hive_tui.core.sources import CLUSTER, Item, SourceFailed
from hive_tui.core.targets import Target
from tests.console.conftest import Console, Open
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)

ANN = Actor(ActorKind.PERSON, "ann")
SETTINGS = FleetSettings(
    allowed_authors=("ann",),
    agents=(AgentSettings(AgentName("claude")), AgentSettings(AgentName("codex"))),
    repos=(RepoSettings(scene.REPO, base="main"),),
    review=ReviewRule.PERSON,
)


def scripted(*changed: Item) -> ScriptedFleet:
    """The scene, in which the pull request !52 may be merged; with what a test changes."""
    fleet = ScriptedFleet(SETTINGS)
    fleet.list_all(*scene.ITEMS)
    fleet.change(*changed)
    return fleet


@asynccontextmanager
async def opened(console: Open, *changed: Item, **options: Any) -> AsyncIterator[Console]:
    fleet = scripted(*changed)
    async with console(fleet, **options) as c:
        await c.until(lambda: c.app.main.agents.table.keys and c.app.main.pulls.table.keys)
        await c.until(lambda: all(_known(c, item) for item in changed), "what the test changed")
        yield c


def _known(c: Console, item: Item) -> bool:
    found = c.app.view.snapshot
    tables = (found.runs, found.issues, found.claims, found.pulls)
    return item == found.fleet or item in found.events or any(item in t.values() for t in tables)


def agent(number: int) -> RunId:
    return next(run.id for run in scene.RUNS if run.spec.issue == number)


def key(number: int) -> IssueKey:
    return IssueKey(scene.REPO, number)


def issue(number: int) -> Target:
    return Target(repo=scene.REPO, issue=number)


async def select(c: Console, pane: int, row: object) -> None:
    """Go to a pane and select a row by its key."""
    await c.press(str(pane))
    table = c.app.main.panes[pane - 1].table  # type: ignore[attr-defined]
    await c.until(lambda: row in table.keys, f"{row} in pane {pane}")
    table.select(row)
    await c.pilot.pause()


def confirming(c: Console) -> bool:
    return isinstance(c.app.screen, ConfirmScreen) and bool(c.app.screen.query("#cancel"))


def told(c: Console, name: str) -> list[tuple[object, ...]]:
    """Orders of that name that the backends got, without their name."""
    orders = [*c.fleet.agents_side.told, *c.fleet.tracker.told]
    return [order[1:] for order in orders if order[0] == name]


def said(c: Console, *words: str) -> Callable[[], bool]:
    """A condition: one of the messages has all these words."""
    return lambda: any(all(w in note.message for w in words) for note in c.app._notifications)


def asked(c: Console, *words: str) -> Callable[[], bool]:
    """A condition: the open dialog has all these words, wherever its lines end."""

    def shown() -> bool:
        if not isinstance(c.app.screen, ConfirmScreen):
            return False
        question = c.app.screen.question
        text = "\n".join((question.title, *(line.text for line in question.lines), question.refusal or ""))
        return all(word in text for word in words)

    return shown


def pending(c: Console, target: Target) -> str | None:
    return c.app.view.pending_of(target)


# Kill


async def test_kill_asks_and_enter_cancels(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c), "the dialog")
        await c.until(
            asked(c, "Kill", "claude-b", "#29 Read in blocks", "$1.02 spent", "hive/wip/issue-29-a1")
        )
        assert c.app.focused is not None
        assert c.app.focused.id == "cancel"
        assert c.app.targets is None
        await c.press("enter")
        await c.until(lambda: not confirming(c))
        for no in ("escape", "n"):
            await c.press("x")
            await c.until(lambda: confirming(c))
            await c.press(no)
            await c.until(lambda: not confirming(c))
        assert told(c, "control") == []
        assert pending(c, Target(run=agent(29))) is None


async def test_kill_is_pending_until_the_run_ends(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        await c.press("y")
        await c.until(lambda: told(c, "control"))
        assert told(c, "control") == [(agent(29), ControlKind.STOP, "")]
        assert told(c, "claim") == [(key(29),)]
        await c.until(said(c, "its work is saved"))
        assert pending(c, Target(run=agent(29))) == "killing"
        assert pending(c, c.app.view.target_of_issue(key(29))) == "killing"
        await c.press("x")
        await c.until(said(c, "Killing already"))
        assert not confirming(c)
        c.fleet.change(msgspec.structs.replace(scene.RUNS[1], stop_requested=True))
        await c.until(lambda: pending(c, Target(run=agent(29))) is None)
        await c.press("x")
        await c.until(said(c, "Kill: it ends already"))
        assert len(told(c, "control")) == 1


@pytest.mark.parametrize(("pane", "row"), [(2, key(29)), (8, 1)])
async def test_kill_works_wherever_a_run_is_at_work(console: Open, pane: int, row: object) -> None:
    event = Event(1, scene.NOW, ANN, "start", "started", scene.REPO, 29, agent(29))
    async with opened(console, event) as c:
        await select(c, pane, row)
        await c.press("x")
        await c.until(lambda: confirming(c))
        await c.press("y")
        await c.until(lambda: told(c, "control") == [(agent(29), ControlKind.STOP, "")])


async def test_a_run_that_ends_under_the_dialog_is_only_said_to_have_ended(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        status = msgspec.structs.replace(scene.RUNS[1].status, phase=Phase.SUCCEEDED)
        c.fleet.change(msgspec.structs.replace(scene.RUNS[1], status=status))
        await c.until(asked(c, "meanwhile: claude-b", "it has ended (succeeded)"))
        await c.until(lambda: c.app.screen.query_one("#accept", Button).disabled)
        await c.press("y")
        await c.pilot.pause()
        assert confirming(c)
        await c.press("escape")
        await c.until(lambda: not confirming(c))
        assert told(c, "control") == []


async def test_a_run_that_ends_as_one_says_yes_is_told_plainly(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        # The backend knows it already, the console not yet.
        status = msgspec.structs.replace(scene.RUNS[1].status, phase=Phase.SUCCEEDED)
        side = c.fleet.agents_side
        for name, item in side.known.items():
            if item == scene.RUNS[1]:
                side.known[name] = msgspec.structs.replace(scene.RUNS[1], status=status)
        await c.press("y")
        await c.until(said(c, "has ended (succeeded)"))
        assert pending(c, Target(run=agent(29))) is None
        assert "Traceback" not in c.text


async def test_kill_of_an_ended_run_is_dim_and_says_why(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(22))
        assert c.app.check_action("order", ("kill",)) is None
        await c.press("x")
        await c.until(said(c, "Kill: it has ended (succeeded)."))
        assert not confirming(c)


async def test_an_order_that_fails_leaves_nothing_pending(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.agents_side.refuses = True
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        await c.press("y")
        await c.until(said(c, "The database is locked. Try again."))
        assert pending(c, Target(run=agent(29))) is None
        assert c.app.is_running


async def test_an_unconfirmed_order_is_given_up_with_a_next_step(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        await c.press("y")
        await c.until(said(c, "its work is saved"))
        c.later(seconds=11)
        await c.until(said(c, "did not confirm killing", "give the order again"))
        assert pending(c, Target(run=agent(29))) is None


async def test_an_order_that_cannot_be_read_back_names_the_source(console: Open) -> None:
    async with opened(console) as c:
        await c.press("p")
        await c.until(said(c, "Paused: nothing new"))
        c.fleet.agents_side.say(SourceFailed(CLUSTER, "database is locked"))
        await c.until(lambda: not c.app.view.snapshot.readable)
        c.later(seconds=11)
        await c.until(said(c, "did not confirm pausing", "`hive doctor`"))


async def test_several_orders_are_pending_at_once(console: Open) -> None:
    async with opened(console) as c:
        for number in (29, 33):
            await select(c, 3, agent(number))
            await c.press("x")
            await c.until(lambda: confirming(c))
            await c.press("y")
            await c.until(said(c, f"i{number}-a1 ends"))
        await c.press("p")
        await c.until(lambda: pending(c, Target()) == "pausing")
        assert [pending(c, Target(run=agent(n))) for n in (29, 33)] == ["killing", "killing"]
        c.fleet.change(msgspec.structs.replace(scene.RUNS[2], stop_requested=True))
        await c.until(lambda: pending(c, Target(run=agent(33))) is None)
        assert pending(c, Target(run=agent(29))) == "killing"


async def test_of_several_the_dialog_names_the_hidden_and_a_failure_says_what_was_done(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("space")
        await select(c, 3, agent(33))
        await c.press("space")
        c.app.main.agents.set_filter("claude-b")
        await c.until(lambda: c.app.hidden_marks == 1)
        await c.press("x")
        await c.until(asked(c, "Kill 2 runs", "1 marked row that the filter hides"))
        side = c.fleet.agents_side
        plain = side.control

        def half(run: RunId, kind: ControlKind, actor: Actor, text: str = "") -> None:
            if run == agent(33):
                side.refuses = True
            plain(run, kind, actor, text)

        side.control = half  # type: ignore[method-assign]
        await c.press("y")
        await c.until(said(c, "1 of 2 done", "Not done", "database is locked"))
        assert pending(c, Target(run=agent(29))) == "killing"
        assert pending(c, Target(run=agent(33))) is None


# Stop everything


async def test_stop_everything_asks_to_type_the_number(console: Open) -> None:
    async with opened(console) as c:
        await c.press("X")
        await c.until(lambda: confirming(c))
        await c.until(
            c.shows("Stop everything: 5 runs", "claude-a", "codex-b", "Type 5", "The fleet is paused")
        )
        await c.until(lambda: isinstance(c.app.focused, Input))
        await c.press("y", "enter")
        assert confirming(c)
        await c.press("backspace", "4", "enter")
        assert confirming(c)
        await c.press("backspace", "5")
        await c.until(lambda: not c.app.screen.query_one("#accept", Button).disabled)
        await c.press("enter")
        await c.until(lambda: len(told(c, "control")) == 5)
        assert told(c, "paused") == [(Paused(ANN, scene.NOW, "stopped"),)]
        await c.until(lambda: pending(c, Target()) == "stopping")
        assert pending(c, Target(run=agent(29))) == "stopping"
        c.fleet.change(msgspec.structs.replace(scene.fleet(*scene.RUNS), paused=Paused(ANN, scene.NOW)))
        await c.until(lambda: pending(c, Target()) is None)


async def test_stop_everything_is_not_kept_up_by_what_starts_and_ends_meanwhile(console: Open) -> None:
    async with opened(console) as c:
        await c.press("X")
        await c.until(lambda: confirming(c))
        ended = msgspec.structs.replace(scene.RUNS[1].status, phase=Phase.SUCCEEDED)
        new = scene.run(44, "claude-e", Phase.WORKING, title="New one")
        c.fleet.change(new, scene.run(45, "claude-f", Phase.WORKING))
        c.fleet.change(msgspec.structs.replace(scene.RUNS[1], status=ended))
        await c.until(asked(c, "Stop everything: 6 runs", "claude-e", "claude-b", "it has ended"))
        await c.press("5", "enter")
        await c.until(lambda: len(told(c, "control")) == 6)
        assert (new.id, ControlKind.STOP, "") in told(c, "control")


# Fleet


async def test_dispatch_pause_and_resume(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.agents_side.obeys = True
        await c.press("n")
        await c.until(said(c, "The dispatcher looks at the tracker now"))
        await c.until(lambda: pending(c, Target()) is None)
        await c.press("p")
        await c.until(c.shows("paused by ann"))
        await c.press("p")
        await c.until(lambda: told(c, "paused")[1:] == [(None,)])
        await c.until(lambda: c.app.view.snapshot.fleet.paused is None)  # type: ignore[union-attr]
        assert [event.kind for event in c.fleet.agents_side.recorded] == ["wake", "pause", "resume"]


async def test_dispatching_needs_a_dispatcher(console: Open) -> None:
    dead = msgspec.structs.replace(scene.fleet(*scene.RUNS), dispatcher=Dispatcher(DispatcherState.DEAD))
    async with opened(console, dead) as c:
        await c.press("n")
        await c.until(said(c, "Dispatch now: the dispatcher is dead: start it first."))
        assert c.fleet.agents_side.recorded == []


async def test_the_dispatcher_is_started_from_here(console: Open) -> None:
    dead = msgspec.structs.replace(scene.fleet(*scene.RUNS), dispatcher=Dispatcher(DispatcherState.DEAD))
    async with opened(console, dead) as c:
        c.app.action_order("dispatcher.start")
        await c.until(said(c, "not started from here"))
        asked: list[str] = []
        c.app.orders._start_dispatcher = lambda: asked.append("started") or "Started the dispatcher."  # type: ignore[func-returns-value]
        c.app.action_order("dispatcher.start")
        await c.until(said(c, "Started the dispatcher."))
        assert asked == ["started"]
        assert pending(c, Target()) == "starting the dispatcher"
        c.fleet.change(scene.fleet(*scene.RUNS))
        await c.until(lambda: pending(c, Target()) is None)
        c.app.action_order("dispatcher.start")
        await c.until(said(c, "it runs already"))


async def test_slots_are_turned_and_applied_together(console: Open) -> None:
    async with opened(console) as c:
        await c.press("plus", "plus", "plus", "minus")
        assert c.app.view.slots_wanted == 8
        assert told(c, "slots") == []
        await c.press("enter")
        await c.until(lambda: told(c, "slots") == [(8,)])
        assert c.app.view.slots_wanted == 8
        c.fleet.change(scene.fleet(*scene.RUNS, slots=8))
        await c.until(lambda: c.app.view.slots_wanted is None)
        # Enter has its own meaning again, and Esc forgets what was turned.
        assert not c.app.check_action("apply_slots", ())
        await c.press("plus", "escape")
        assert c.app.view.slots_wanted is None
        await c.press("minus")
        await c.until(lambda: told(c, "slots")[1:] == [(7,)], "applied by itself")


async def test_while_slots_are_turned_the_last_line_says_what_enter_does(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_tui.app.orders.APPLY_AFTER_SECONDS", 600.0)
    async with opened(console) as c:
        await c.press("plus")
        await c.until(lambda: c.lines[-1].startswith(" Enter set the slots  Esc leave them  x kill"))
        await c.press("escape")
        await c.until(lambda: c.lines[-1].startswith(" Enter open  x kill"))


async def test_slots_of_two_consoles_both_count(console: Open) -> None:
    async with opened(console) as c:
        await c.press("plus")
        c.fleet.change(scene.fleet(*scene.RUNS, slots=7))
        await c.until(lambda: c.app.view.slots_wanted == 8)
        await c.press("enter")
        await c.until(lambda: told(c, "slots") == [(8,)])


async def test_slots_stop_at_their_ends_and_a_failure_takes_them_back(console: Open) -> None:
    async with opened(console, scene.fleet(*scene.RUNS, slots=1)) as c:
        await c.press("minus", "minus", "minus")
        assert c.app.view.slots_wanted == 0
        c.fleet.agents_side.refuses = True
        await c.press("enter")
        await c.until(said(c, "The database is locked"))
        assert c.app.view.slots_wanted is None


async def test_agents_are_enabled_and_disabled(console: Open) -> None:
    async with opened(console) as c:
        c.app.action_order("agent.disable")
        await c.until(lambda: isinstance(c.app.screen, ChooseScreen))
        await c.until(c.shows("claude", "codex"))
        await c.press("j", "enter")
        await c.until(lambda: told(c, "enabled") == [(AgentName("codex"), False)])
        assert pending(c, Target(agent=AgentName("codex"))) == "disabling"
        c.app.orders.give(actions.get("agent.enable"), (Target(agent=AgentName("codex")),))
        c.fleet.agents_side.obeys = True
        await c.until(lambda: told(c, "enabled")[1:] == [(AgentName("codex"), True)])
        await c.until(said(c, "codex is enabled"))


async def test_work_trees_are_removed_from_the_palette(console: Open) -> None:
    async with opened(console) as c:
        c.app.do("gc")
        await c.until(said(c, "removed 2 work trees"))
        assert told(c, "gc") == [(scene.NOW - timedelta(hours=1),)]


# Issues


async def test_fire_says_what_it_will_cost_and_fires_on_enter(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 2, key(44))
        await c.press("f")
        await c.until(lambda: isinstance(c.app.screen, FireScreen))
        await c.until(
            c.shows("Faster start-up", "improvement", "claude", "14:20", "~$1.90", "the median of 1")
        )
        await c.until(lambda: c.app.screen.held == ())  # type: ignore[attr-defined]
        assert c.app.focused is not None
        assert c.app.focused.id == "fire"
        await c.press("enter")
        await c.until(lambda: told(c, "claim") == [(key(44),)])
        assert pending(c, issue(44)) == "firing"
        claim = Claim(
            scene.REPO, 44, 1, fire=actions.work._fire_of(c.app.orders.context(), actions.FireIssue(key(44)))
        )
        c.fleet.change(claim)
        await c.until(lambda: pending(c, issue(44)) is None)
        await c.press("f")
        await c.until(said(c, "Fire: ann fired it already"))


async def test_fire_with_choices(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.agents_side.obeys = True
        await select(c, 2, key(44))
        await c.press("f")
        await c.until(lambda: isinstance(c.app.screen, FireScreen) and c.app.focused is not None)
        c.app.screen.query_one("#mode").focus()
        await c.press("left")
        c.app.screen.query_one("#agent").focus()
        await c.press("right", "right")
        await c.until(c.shows("codex is limited until"))
        c.app.screen.query_one("#budget", Input).focus()
        await c.press(*"2,5")
        await c.until(c.shows("The budget is no amount"))
        await c.press("enter")
        assert isinstance(c.app.screen, FireScreen)
        await c.press("backspace", "backspace", *".50")
        c.app.screen.query_one("#agent").focus()
        await c.press("left")
        c.app.screen.query_one("#model", Input).focus()
        await c.press(*"opus")
        await c.until(lambda: c.app.screen.held == ())  # type: ignore[attr-defined]
        await c.press("enter")
        await c.until(lambda: not isinstance(c.app.screen, FireScreen))
        await c.until(lambda: c.app.view.snapshot.claims.get(key(44)) is not None, "the claim")
        fire = c.app.view.snapshot.claims[key(44)].fire
        assert fire is not None
        assert (fire.by, fire.agent, fire.model) == (ANN, AgentName("claude"), "opus")
        assert (fire.budget_micros, fire.mode) == (2_500_000, Mode.BUG_FIX)


async def test_fire_of_a_held_issue_says_the_gate(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 2, key(45))
        await c.press("f")
        await c.until(c.shows("add `## Definition of Done`"))
        await c.press("enter")
        await c.until(lambda: isinstance(c.app.screen, FireScreen))
        await c.press("escape")
        await c.until(lambda: not isinstance(c.app.screen, FireScreen))
        assert told(c, "claim") == []
        await select(c, 2, key(29))
        await c.press("f")
        await c.until(c.shows("it is in progress (gate state)"))


async def test_retry_makes_an_issue_ready_from_any_pane(console: Open) -> None:
    held = Claim(scene.REPO, 48, 3, attempt=2, hold=Hold(ANN, scene.NOW, "killed by ann"))
    async with opened(console, held) as c:
        await select(c, 2, key(48))
        await c.press("R")
        await c.until(lambda: told(c, "labels"))
        assert told(c, "labels") == [(48, ("status:ready",), ("status:needs-human",))]
        await c.until(said(c, "is ready again"))
        assert pending(c, issue(48)) == "retrying"
        c.fleet.agents_side.obeys = c.fleet.tracker.obeys = True
        c.fleet.change(
            msgspec.structs.replace(held, hold=None, version=4),
            scene.issue(48, "Support tabs as separators", "status:ready"),
            Event(9, scene.NOW, ANN, "retry", "may be tried again", scene.REPO, 48),
        )
        await c.until(lambda: pending(c, issue(48)) is None)
        # From an ended run: its issue has to exist.
        await select(c, 3, agent(19))
        await c.press("R")
        await c.until(said(c, "Retry: there is no such issue."))


async def test_marked_rows_are_done_together_and_unmarked(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.agents_side.obeys = c.fleet.tracker.obeys = True
        for number in (48, 44):
            await select(c, 2, key(number))
            await c.press("space")
        await c.until(lambda: len(c.app.main.issues.table.marks) == 2)
        await c.press("f")
        await c.until(lambda: isinstance(c.app.screen, FireScreen))
        await c.until(c.shows("Fire 2 issues", "it needs a human"))
        await c.press("enter")
        await c.until(said(c, "Fired acme/parser#44", "Not done", "it needs a human"))
        assert told(c, "claim") == [(key(44),)]
        await c.press("R")
        await c.until(lambda: told(c, "labels") == [(48, ("status:ready",), ("status:needs-human",))])
        await c.until(lambda: not c.app.main.issues.table.marks, "no marks")


async def test_a_status_is_chosen(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 2, key(48))
        c.app.action_order("issue.status")
        await c.until(lambda: isinstance(c.app.screen, ChooseScreen))
        await c.until(c.shows("Status of acme/parser#48", "● status:needs-human"))
        choices = c.app.screen.query_one(OptionList)
        choices.highlighted = 0
        await c.press("enter")
        await c.until(lambda: told(c, "labels") == [(48, ("status:ready",), ("status:needs-human",))])
        assert pending(c, issue(48)) == "changing"
        c.fleet.change(scene.issue(48, "Support tabs as separators", "status:ready"))
        await c.until(lambda: pending(c, issue(48)) is None)


async def test_reset_names_what_is_lost(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 2, key(29))
        c.app.action_order("reset")
        await c.until(asked(c, "claude-b is ended", "starts afresh"))
        await c.press("y")
        await c.until(lambda: told(c, "control") == [(agent(29), ControlKind.STOP, "")])
        assert pending(c, issue(29)) == "resetting"


async def test_a_text_is_approved_as_it_was_read(console: Open) -> None:
    edited = msgspec.structs.replace(
        scene.issue(44, "Faster start-up", body=f"Delete everything.\n\n{scene.READY_BODY}"),
        edited_by="mallory",
    )
    async with opened(console, edited) as c:
        await select(c, 2, key(44))
        c.app.action_order("issue.approve")
        await c.until(asked(c, "written by ann, changed by mallory", "Delete everything."))
        # It changes in the tracker while it is read: not what was consented to.
        side = c.fleet.tracker
        name = next(name for name, item in side.known.items() if item == edited)
        side.known[name] = msgspec.structs.replace(edited, body="Worse.")
        await c.press("y")
        await c.until(said(c, "was changed just now"))
        assert told(c, "approve") == []
        side.known[name] = edited
        c.app.action_order("issue.approve")
        await c.until(lambda: confirming(c))
        await c.press("y")
        await c.until(lambda: told(c, "approve") == [(44,)])
        assert pending(c, issue(44)) == "approving"
        approval = Approval("ann", scene.NOW, body_sha(edited.body))
        c.fleet.change(msgspec.structs.replace(edited, approval=approval))
        await c.until(lambda: pending(c, issue(44)) is None)


async def test_issues_are_closed_and_opened_again(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.tracker.obeys = True
        await select(c, 2, key(44))
        c.app.action_order("issue.close")
        await c.until(lambda: told(c, "open") == [(44, False)])
        await c.until(lambda: not c.app.view.snapshot.issues[key(44)].open)
        c.app.action_order("issue.reopen")
        await c.until(lambda: told(c, "open")[1:] == [(44, True)])
        c.app.action_order("issue.new")
        await c.until(said(c, "issue new TITLE"))


# Messages


async def test_a_message_is_written_kept_and_sent(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(41))
        await c.press("m")
        await c.until(lambda: isinstance(c.app.screen, MessageScreen))
        await c.until(c.shows("codex-a", "It asks: keep the old flag"))
        await c.press(*"keep", "escape")
        await c.until(lambda: not isinstance(c.app.screen, MessageScreen))
        assert told(c, "control") == []
        await c.press("m")
        await c.until(c.shows("keep"))
        await c.press("ctrl+j", *"it", "enter")
        await c.until(lambda: told(c, "control") == [(agent(41), ControlKind.MESSAGE, "keep\nit")])
        await c.until(said(c, "Sent to codex-a"))
        assert pending(c, Target(run=agent(41))) == "sending"
        c.fleet.change(Event(7, scene.NOW, ANN, "message", "told it", scene.REPO, 41, agent(41)))
        await c.until(lambda: pending(c, Target(run=agent(41))) is None)
        assert not c.app.orders.drafts


async def test_a_message_typed_in_one_go_is_all_in_the_message(console: Open) -> None:
    """The dialog opens a while after its key; of what is typed meanwhile nothing may pause the fleet."""
    async with opened(console) as c:
        await select(c, 3, agent(41))
        for key, character in (("m", "m"), ("n", "n"), ("p", "p"), ("enter", "\r"), ("1", "1")):
            c.app.post_message(events.Key(key, character))
        await c.until(lambda: told(c, "control") == [(agent(41), ControlKind.MESSAGE, "np")])
        await c.until(lambda: c.app.main.current is c.app.main.panes[0])
        assert told(c, "pause") == []


async def test_what_was_written_to_a_run_that_ended_is_kept(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("m")
        await c.until(lambda: isinstance(c.app.screen, MessageScreen))
        await c.press("enter")
        await c.until(c.shows("The message is empty"))
        await c.press(*"hello")
        status = msgspec.structs.replace(scene.RUNS[1].status, phase=Phase.SUCCEEDED)
        c.fleet.change(msgspec.structs.replace(scene.RUNS[1], status=status))
        await c.until(lambda: c.app.view.snapshot.runs[agent(29)].phase is Phase.SUCCEEDED)
        await c.press("enter")
        await c.until(said(c, "it has ended (succeeded)"))
        assert c.app.orders.drafts[Target(run=agent(29))] == "hello"


# Pull requests


async def test_merge_names_what_it_does_and_waits_for_it(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 5, PullKey(scene.REPO, 52))
        await c.press("M")
        await c.until(asked(c, "squashed onto main", "issue #22 is done and closed"))
        await c.press("y")
        await c.until(lambda: told(c, "merge") == [(52, scene.SHA)])
        pull = Target(repo=scene.REPO, pull_request=52)
        assert pending(c, pull) == "merging"
        c.fleet.change(msgspec.structs.replace(scene.PULLS[0], state=PullState.MERGED))
        await c.until(lambda: pending(c, pull) is None)
        await select(c, 5, PullKey(scene.REPO, 51))
        await c.press("M")
        await c.until(said(c, "check check 1 is pending"))
        assert not confirming(c)


async def test_merge_works_on_an_issue_and_on_a_run(console: Open) -> None:
    async with opened(console) as c:
        for pane, row in ((2, key(22)), (3, agent(22))):
            await select(c, pane, row)
            await c.press("M")
            await c.until(lambda: confirming(c))
            await c.until(asked(c, "acme/parser!52"))
            await c.press("escape")
            await c.until(lambda: not confirming(c))


async def test_a_head_that_moved_needs_another_consent(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 5, PullKey(scene.REPO, 52))
        await c.press("M")
        await c.until(lambda: confirming(c))
        side = c.fleet.tracker
        name = next(name for name, item in side.known.items() if item == scene.PULLS[0])
        moved = tuple(msgspec.structs.replace(check, sha="c" * 40) for check in scene.PULLS[0].checks)
        side.known[name] = msgspec.structs.replace(scene.PULLS[0], head="c" * 40, checks=moved, verdict=None)
        await c.press("y")
        await c.until(said(c, "New commits were pushed"))
        assert told(c, "merge") == []


async def test_take_and_release_in_the_user_s_name(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 5, PullKey(scene.REPO, 52))
        await c.press("t")
        await c.until(lambda: told(c, "lease") == [(52, WorkerName("ann"))])
        pull = Target(repo=scene.REPO, pull_request=52)
        await c.until(said(c, "is reserved for ann"))
        assert pending(c, pull) == "taking"
        lease = Lease(WorkerName("ann"), scene.NOW + actions.LEASE)
        taken = msgspec.structs.replace(scene.PULLS[0], lease=lease)
        c.fleet.change(taken)
        await c.until(lambda: pending(c, pull) is None)
        await c.press("t")
        await c.until(lambda: told(c, "lease")[1:] == [(52, None)])
        assert pending(c, pull) == "releasing"
        c.fleet.change(msgspec.structs.replace(taken, lease=Lease(WorkerName("bob"), lease.until)))
        await c.until(lambda: pending(c, pull) is None)
        await c.press("t")
        await c.until(said(c, "bob has it"))


# Read-only and capabilities


async def test_read_only_is_switched_and_holds_under_an_open_dialog(console: Open) -> None:
    async with opened(console) as c:
        await select(c, 3, agent(29))
        await c.press("x")
        await c.until(lambda: confirming(c))
        c.app.action_read_only()
        await c.press("y")
        await c.until(said(c, "hive is in read-only mode"))
        assert c.app.view.read_only
        assert c.fleet.agents_side.told == []
        for key_ in ("x", "p", "plus", "n", "X", "R", "f", "m"):
            await c.press(key_)
        await c.pilot.pause()
        assert not confirming(c)
        assert c.fleet.agents_side.told == []
        assert c.app.view.slots_wanted is None
        c.app.action_read_only()
        await c.press("p")
        await c.until(lambda: told(c, "paused"))


async def test_a_session_that_began_read_only_stays_so(console: Open) -> None:
    async with opened(console, read_only=True) as c:
        assert c.app.view.read_only
        c.app.action_read_only()
        await c.until(said(c, "was started read-only"))
        assert c.app.view.read_only
        c.app.orders.read_only = False  # even then the order is refused by nobody but the person
        assert c.app.orders.context().read_only is False


async def test_a_key_exists_only_where_the_backend_can(console: Open) -> None:
    fleet = scripted()
    fleet.agents_side.capabilities = frozenset({Capability.LOGS})
    async with console(fleet) as c:
        await c.until(lambda: c.app.check_action("order", ("kill",)) is False)
        assert c.app.check_action("order", ("send",)) is False
        assert c.app.check_action("order", ("pause",)) is True


async def test_a_slow_backend_keeps_the_console_alive(console: Open) -> None:
    async with opened(console) as c:
        c.fleet.agents_side.blocked = gate = threading.Event()
        await c.press("p")
        await c.until(lambda: pending(c, Target()) == "pausing")
        await c.press("p")
        await c.until(said(c, "Pausing already"))
        await c.press("2")
        assert c.app.main.current is c.app.main.issues
        gate.set()
        await c.until(lambda: len(told(c, "paused")) == 1)


async def test_a_pull_request_is_called_ready_when_it_is_known_that_it_can_be_merged(console: Open) -> None:
    async with opened(console) as c:
        pulls = c.app.main.pulls
        c.app.main.go("pulls", PullKey(scene.REPO, 52))
        await c.until(lambda: "!52: ready to merge" in pulls.words)
        c.fleet.change(msgspec.structs.replace(scene.PULLS[0], mergeable=None))
        await c.until(lambda: "!52: whether it can be merged is not known yet" in pulls.words)
