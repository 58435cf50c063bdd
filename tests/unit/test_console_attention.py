"""How the list of what needs a person and the fleet's log read, and whom the bell calls for what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.app import attention_rows, bell, event_rows, standstill
from hive_tui.app.bell import AGAIN, COOLDOWN, Bell
from hive_tui.app.lists import Tally
from hive_tui.app.panes.events import _newest_first
from hive_tui.app.screens.notifications import told_lines
from hive_tui.app.telling import NEEDS_YOU, Told
from hive_tui.core.attention import PATIENCE, AttentionItem, AttentionKind, attention
from hive_tui.core.dispatch import decide
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    Budget,
    Dispatcher,
    DispatcherState,
    Event,
    Paused,
    Phase,
    Usage,
)
from hive_tui.core.sources import CLUSTER, FORGE, Freshness, Health
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from tests import builders as b
from tests.fakes import scene
from tests.unit.test_console_fleet import derive, fleet_with, view_of
from widgets.cells import Cell, Row

ABOUT = Target(repo=scene.REPO, issue=41, pull_request=52)


def item(kind: AttentionKind, words: str, action: str | None, **target: int) -> AttentionItem:
    about = msgspec.structs.replace(ABOUT, **target) if target else ABOUT
    return AttentionItem(kind, words, about, scene.ago(minutes=12), action)


ASKS = item(AttentionKind.QUESTION, "asks: keep the flag?", "send")
STALLED = item(AttentionKind.STALLED, "stalled: no progress", "log", issue=37)
READY = item(AttentionKind.READY_TO_MERGE, "ready to merge: 3 checks passed", "merge", issue=22)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def words(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]


# The list


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (ASKS, ["?", "#41", "asks: keep the flag? · Old flag", "12m", "answer"]),
        (STALLED, ["!", "#37", "stalled: no progress · Old flag", "12m", "log"]),
        (READY, ["✓", "!52", "ready to merge: 3 checks passed · Old flag", "12m", "merge"]),
    ],
)
def test_an_item_is_a_sentence_with_what_helps(found: AttentionItem, shown: list[str]) -> None:
    row = attention_rows.attention_row(found, scene.NOW, many=False, title="Old flag")
    assert words(row) == shown
    assert row.key == found.key


def test_what_helps_is_cut_after_its_verb() -> None:
    out = AttentionItem(AttentionKind.AGENT, "claude cannot work", Target(), None, "agent.enable")
    assert attention_rows.helps(out) == "enable the agent"
    assert words(attention_rows.attention_row(out, scene.NOW, many=False))[4] == "enable"


def test_an_item_of_the_fleet_and_one_that_is_being_helped() -> None:
    dead = AttentionItem(AttentionKind.DISPATCHER, "the dispatcher died", Target(), None, "dispatcher.start")
    row = attention_rows.attention_row(dead, scene.NOW, many=True, pending="starting")
    assert words(row)[1:4] == ["", "the dispatcher died", ""]
    assert row.cells[4] == ("◌ starting", Tone.SOON)


def test_every_kind_has_its_glyph() -> None:
    assert set(attention_rows.MARKS) == set(AttentionKind)


def test_an_empty_list_is_calm_and_true() -> None:
    assert attention_rows.calm(view_of()) == (
        "Nothing needs you",
        "2 at work · 2 waiting, next at 14:20 · 1 ready · 3 pull requests open",
    )
    paused = fleet_with(paused=Paused(Actor(ActorKind.PERSON, "ann"), scene.NOW, "release"))
    assert attention_rows.calm(view_of(paused))[1].startswith("ann paused the fleet (release): `hive resume`")
    assert attention_rows.calm(derive(Snapshot())) == ("Nothing needs you", "No open issue")


def test_why_nothing_is_started() -> None:
    assert standstill.why(view_of()) is None
    assert standstill.why(derive(Snapshot())) is None
    stopped = fleet_with(dispatcher=Dispatcher(DispatcherState.STOPPED))
    assert standstill.why(view_of(stopped)) == "The dispatcher is stopped: `hive dispatcher start`"
    held = Dispatcher(DispatcherState.RUNNING, held="nothing is started: no secret")
    assert standstill.why(view_of(fleet_with(dispatcher=held))) == "Nothing is started: no secret"
    assert "no slots" in (standstill.why(view_of(fleet_with(slots=0))) or "")
    assert "no agent" in (standstill.why(view_of(fleet_with(agents=()))) or "")


def test_why_no_agent_is_at_work() -> None:
    assert standstill.idle(view_of()) is None, "some are"
    nobody = derive(Snapshot())
    assert standstill.idle(nobody) is None, "there is nothing to work on"

    def with_tally(**numbers: Any) -> str | None:
        return standstill.idle(msgspec.structs.replace(nobody, tally=Tally(**numbers)))

    assert with_tally(ready=2, held=3) == "2 issues ready: `n` starts what can be started now"
    assert with_tally(held=6, pulls=1) == "No issue is ready: `2` shows 6 held, `5` shows 1 open pull request"
    assert with_tally(issues=1) is None


# What is on it


def needed(snapshot: Snapshot, now: datetime) -> list[AttentionItem]:
    rules = b.settings()
    return list(attention(snapshot, decide(snapshot, rules, now), rules, now))


def test_a_source_that_does_not_come_back_needs_somebody() -> None:
    failed = {
        CLUSTER: Freshness(CLUSTER, Health.FAILED, b.NOW, "locked"),
        FORGE: Freshness(FORGE, Health.FAILED, None, "403."),
    }
    snapshot = msgspec.structs.replace(b.snapshot(), sources=failed)
    at_once, later = needed(snapshot, b.NOW), needed(snapshot, b.NOW + PATIENCE)
    assert [found.text for found in at_once] == ["forge cannot be read: 403; nothing is started"]
    assert [found.text for found in later] == ["cluster and forge cannot be read: locked; nothing is started"]
    assert later[0].since == b.NOW


def test_several_budgets_never_share_a_key() -> None:
    spent = Usage(cost_micros=2_000_000)
    ended = [
        b.run(number, phase=Phase.FAILED, settled=True, usage=spent, repo=b.REPO) for number in (1, 2, 3)
    ]
    fleet = msgspec.structs.replace(b.fleet(), budget=Budget(issue_micros=1_000_000, day_micros=5_000_000))
    found = needed(b.snapshot(fleet, *ended, *(b.issue(number) for number in range(1, 7))), b.NOW)
    keys = [each.key for each in found if each.kind is AttentionKind.BUDGET]
    assert len(keys) == len(set(keys)) > 1


# The fleet's log


def event(seq: int, kind: str, text: str = "it", **changes: object) -> Event:
    made = Event(seq, scene.ago(minutes=1), DISPATCHER, kind, text, scene.REPO, 47)
    return msgspec.structs.replace(made, **changes)


def test_an_event_reads_as_a_sentence() -> None:
    row = event_rows.event_row(event(1, "hold", "repo budget used"), scene.NOW, many=False)
    assert words(row) == ["14:01:11", "─ hold", "#47", "repo budget used", ""]
    kept = event(2, "kill", at=scene.ago(days=2), actor=Actor(ActorKind.PERSON, "ann"))
    assert words(event_rows.event_row(kept, scene.NOW, many=True)) == [
        "Mar 02", "■ kill", "parser#47", "it", "ann",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "tone"),
    [("error", Tone.BROKEN), ("security", Tone.BROKEN), ("limit", Tone.SOON), ("hold", Tone.QUIET)],
)
def test_what_matters_stands_out(kind: str, tone: Tone) -> None:
    assert event_rows.event_row(event(1, kind), scene.NOW, many=False).cells[3].tone is tone


def test_a_kind_that_nobody_knows_keeps_its_word() -> None:
    assert str(event_rows.event_mark("rebase")) == "· rebase"


def test_new_events_are_put_before_those_that_are_known() -> None:
    events = [event(seq, "start") for seq in range(1, 6)]
    known = _newest_first(events[:3], [])
    assert known == [3, 2, 1]
    assert _newest_first(events, known) == [5, 4, 3, 2, 1]
    assert _newest_first(events[2:], [4, 3, 2, 1]) == [5, 4, 3]
    assert _newest_first([], known) == []
    assert _newest_first(events[3:], [9, 8]) == [5, 4]


# The bell


def test_what_is_there_at_the_start_calls_nobody() -> None:
    ringing = Bell()
    assert ringing.news([ASKS]) == []
    assert ringing.news([ASKS]) == []
    assert ringing.news([ASKS, STALLED]) == [STALLED]


def test_the_same_cause_calls_once_and_calls_have_a_cooldown() -> None:
    ringing, now = Bell(), scene.NOW
    ringing.news([])
    assert ringing.call(ringing.news([ASKS]), now) == [ASKS]
    # It goes and comes back at once.
    ringing.news([])
    assert ringing.call(ringing.news([ASKS]), now + COOLDOWN) == []
    # Another one comes within the cooldown: it is told after it.
    assert ringing.call(ringing.news([ASKS, STALLED]), now + COOLDOWN / 2) == []
    assert ringing.waits
    assert ringing.call(ringing.news([ASKS, STALLED]), now + COOLDOWN) == [STALLED]
    ringing.news([])
    assert ringing.call(ringing.news([ASKS]), now + AGAIN) == [ASKS]


def test_what_went_before_it_was_told_is_not_told() -> None:
    ringing, now = Bell(), scene.NOW
    ringing.news([])
    ringing.call(ringing.news([ASKS]), now)
    ringing.call(ringing.news([ASKS, STALLED, READY]), now + timedelta(seconds=1))
    assert ringing.call(ringing.news([ASKS, READY]), now + COOLDOWN) == [READY]
    ringing.call(ringing.news([STALLED]), now + COOLDOWN)
    ringing.seen()
    assert not ringing.waits


def test_a_kill_calls_nobody() -> None:
    ringing = Bell()
    ringing.news([])
    assert ringing.news([item(AttentionKind.KILLED, "killed by ann", "retry")]) == []


def test_a_desktop_notification_cannot_be_broken_out_of() -> None:
    evil = item(AttentionKind.QUESTION, f"asks: {b.HOSTILE};title;\x1b]52;c;AAAA\x07", "send")
    said = bell.words("demo", [evil, STALLED], many=False)
    assert said.startswith("hive demo: 2 need you: #41 asks: ")
    assert len(said) <= bell.LONGEST
    for environ, start in (({}, "\a\x1b]9;"), ({"TERM": "foot"}, "\a\x1b]777;notify;hive;")):
        sent = bell.sequences(said, environ)
        assert sent.startswith(start)
        assert sent.endswith("\x1b\\")
        body = sent[len(start) : -2]
        assert body.isprintable()
        assert ";" not in body


# What was told


def test_messages_the_newest_first_wrapped_below_themselves() -> None:
    told = [
        Told(scene.ago(days=1), "error", "The database is locked. Try again."),
        Told(scene.NOW, NEEDS_YOU, "#41 asks: keep it?", times=2),
    ]
    lines = ["".join(cell.text for cell in line).rstrip() for line in told_lines(told, 44)]
    assert lines == [
        "14:02:11  ▸ for you  #41 asks: keep it? (×2)",
        "Mar 03    ✗ error    The database is locked.",
        "                     Try again.",
    ]
    assert "Nothing was said yet" in told_lines([], 80)[0][0].text
    assert told_lines(told, 44)[1][2] == Cell("The database is locked.", Tone.BROKEN)
