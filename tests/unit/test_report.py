"""The text report: what stands where, at any width, whatever the data."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hive_tui.core import document, report, spend
from hive_tui.core.columns import plain
from hive_tui.core.dispatch import decide
from hive_tui.core.document import Document
from hive_tui.core.ids import RepoName, WorkerName
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    AgentState,
    ApiUse,
    Budget,
    Check,
    CheckState,
    Dispatcher,
    DispatcherState,
    Event,
    LastEvent,
    Lease,
    Paused,
    Phase,
    PullState,
    Quota,
    QuotaState,
    RepoState,
    Step,
    Tokens,
    Usage,
    Verdict,
    VerdictValue,
)
from hive_tui.core.sources import CLUSTER, FORGE, Item, SourceFailed
from hive_tui.core.store import Store
from hive_tui.core.text import clean, width
from tests import builders as b
from tests import golden

GOLDEN = Path(__file__).parents[1] / "fixtures" / "report"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clock times in the report are local."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def make(*items: Item) -> Document:
    snapshot = b.snapshot(*items)
    settings = b.settings()
    return document.build(snapshot, decide(snapshot, settings, b.NOW), settings, b.NOW, fleet="local")


def busy() -> Document:
    """A fleet with something in every section."""
    ann = Actor(ActorKind.PERSON, "ann")
    usage = Usage(Tokens(1_200, 8_100, 400_000, 3_000), 3_100_000)
    stalled = b.run(
        37,
        phase=Phase.STALLED,
        why="the same test failed 4 times",
        step=Step.TEST,
        usage=usage,
        model="opus-5-5",
        progress_at=b.ago(minutes=6),
    )
    asking = b.run(
        41,
        agent=b.CODEX,
        phase=Phase.WAITING,
        why="asks: keep the old flag?",
        usage=Usage(Tokens(61_000), 2_200_000, estimated=True),
        since=b.ago(minutes=12),
    )
    at_work = b.run(
        29,
        worker=WorkerName("claude-b"),
        step=Step.IMPLEMENT,
        last_event=LastEvent(b.NOW, "Edit src/io/読む.py +14 −3"),
        since=b.ago(seconds=41),
    )
    ended = b.run(28, phase=Phase.SUCCEEDED, settled=True, usage=Usage(Tokens(5), 900), head="a" * 40)
    pull = b.pull(
        52,
        issue=28,
        title="Retry 🎉 the connexion",
        mergeable=True,
        checks=(Check("hive/tests", CheckState.PASSED, "a" * 40),),
        verdict=Verdict(VerdictValue.PASS, "a" * 40, "ann", b.ago(minutes=2)),
        lease=Lease(WorkerName("ann"), b.NOW + timedelta(hours=3)),
    )
    return make(
        b.fleet(
            stalled,
            asking,
            at_work,
            slots=6,
            paused=Paused(ann, b.ago(minutes=3, seconds=12), "release day"),
            agents=(
                AgentState(b.CLAUDE, quota=Quota(QuotaState.OK)),
                AgentState(
                    b.CODEX, quota=Quota(QuotaState.LIMITED, b.NOW + timedelta(hours=2), "5-hour limit")
                ),
            ),
            budget=Budget(run_micros=5_000_000, day_micros=100_000_000),
            dispatcher=Dispatcher(DispatcherState.RUNNING, 4711, b.ago(hours=2)),
        ),
        stalled,
        asking,
        at_work,
        ended,
        b.issue(37, title="Parser drops CRLF", labels=("status:in-progress", "type:bug")),
        b.issue(41, title="Remove old flag", labels=("status:in-progress",)),
        b.issue(29, title="", labels=("status:in-progress",)),
        b.issue(28, title="Retry the connexion", labels=("status:in-review",)),
        b.issue(44, title="起動を速くする: import lazily and only what is needed"),
        b.issue(45, title="No definition", body="## Plan\nyes\n"),
        b.issue(46, title="From somebody", author="mallory"),
        pull,
        b.pull(49, issue=27, state=PullState.MERGED),
        Event(1, b.ago(minutes=2), DISPATCHER, "start", "attempt 1 → claude-b", b.REPO, 29),
        Event(2, b.ago(minutes=1), ann, "pause", "paused the fleet: release day"),
    )


@pytest.mark.parametrize("cells", [60, 100, 160])
def test_it_looks_like_this(cells: int) -> None:
    golden.check(GOLDEN / f"{cells}.txt", report.render(busy(), width=cells) + "\n")


def test_sections_come_in_their_order_whatever_was_asked_for() -> None:
    shown = report.render(busy(), width=100, sections=("events", "fleet", "costs"))
    titles = [line.split()[0] for line in shown.splitlines() if line and not line.startswith(" ")]
    assert titles == ["FLEET", "COSTS", "EVENTS"]


def test_an_empty_fleet_has_every_section() -> None:
    shown = report.render(make(), width=80)
    titles = [line.strip() for line in shown.splitlines() if line and not line.startswith(" ")]
    assert titles == [title.upper() for title, _ in report.SECTIONS.values()]
    assert shown.count("  none") == 6


@pytest.mark.parametrize("cells", [1, 40, 60, 77, 100, 133, 160, 300])
def test_no_line_is_wider_than_it_may_be(cells: int) -> None:
    for line in report.render(busy(), width=cells).splitlines():
        assert width(line) <= max(cells, report.MIN_WIDTH), line


def test_columns_do_not_move_with_the_data() -> None:
    few = make(b.run(1), b.issue(1, labels=("status:in-progress",)))
    many = busy()
    for name in ("issues", "agents", "events"):
        heads = [
            report.render(found, width=100, sections=(name,)).splitlines()[1:2]
            for found in (few, many)
            if len(report.render(found, width=100, sections=(name,)).splitlines()) > 2
        ]
        assert len({tuple(head) for head in heads}) <= 1, name


def test_hostile_text_stays_text_on_one_line() -> None:
    hostile = b.run(
        1,
        why=b.HOSTILE,
        phase=Phase.STALLED,
        last_event=LastEvent(b.NOW, b.HOSTILE),
        model=b.HOSTILE,
        worker=WorkerName(b.HOSTILE),
    )
    found = make(
        b.fleet(hostile, paused=Paused(Actor(ActorKind.PERSON, b.HOSTILE), b.NOW, b.HOSTILE + "\nsecond")),
        hostile,
        b.issue(1, title=b.HOSTILE + "\nsecond", author=b.HOSTILE, labels=("status:in-progress",)),
        b.issue(2, title=b.HOSTILE * 2_000, author=b.HOSTILE),
        b.pull(50, title=b.HOSTILE, lease=Lease(WorkerName(b.HOSTILE), b.NOW + timedelta(hours=1))),
        Event(1, b.NOW, Actor(ActorKind.PERSON, b.HOSTILE), b.HOSTILE, b.HOSTILE),
    )
    plain_lines = len(report.lines(found, width=100))
    shown = report.render(found, width=100)
    assert len(shown.split("\n")) == plain_lines
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert not set(shown) & set("\x1b\x9b\x07\u202e\u200b\u2066")
    assert "[bold red]markup[/]" in report.render(found, width=300)
    shown.encode()


def test_wide_characters_keep_the_columns() -> None:
    found = make(b.issue(1, title="日本語の長い題名" * 5), b.issue(2, title="plain title " * 5, body=""))
    lines = report.render(found, width=100, sections=("issues",)).splitlines()
    column = lines[1].index("why not started")
    held = next(line for line in lines if "#2" in line)
    assert width(held[: held.index("add `##")]) == column


def test_a_waiting_run_says_when_it_goes_on() -> None:
    why = "quota until 2026-05-01 14:00 UTC"
    waiting = b.run(1, phase=Phase.WAITING, why=why, until=b.NOW + timedelta(hours=2), agent_problem="x")
    title, _, line = report.render(make(waiting), width=80, sections=("agents",)).splitlines()
    assert title == "AGENTS  1 waiting"
    assert "◷ waiting" in line
    assert "in 2h: qu" in line


@pytest.mark.parametrize(
    ("slots", "paused", "words"),
    [
        (2, None, "its wait is over"),
        (1, None, "waits for a slot"),
        (2, Paused(DISPATCHER, b.NOW), "the fleet is paused"),
    ],
)
def test_a_run_that_has_waited_long_enough_says_what_it_waits_for_now(
    slots: int, paused: Paused | None, words: str
) -> None:
    over = b.run(1, phase=Phase.WAITING, why="quota until 11:00", until=b.NOW, agent_problem="x")
    other = b.run(2)
    fleet = b.fleet(other, slots=slots, paused=paused)
    title, *lines = report.render(make(over, other, fleet), width=100, sections=("agents",)).splitlines()
    assert title == "AGENTS  1 at work, 1 waiting"
    assert next(line for line in lines if "#1" in line).endswith(words)


def test_what_is_left_out_is_counted() -> None:
    many = make(*(b.issue(number) for number in range(1, 61)))
    lines = report.render(many, width=100, sections=("issues",)).splitlines()
    assert lines[0] == "ISSUES  60 open"
    assert lines[-1] == f"  … {60 - report.MAX_ISSUES} more: `hive issue list`"


def test_a_source_that_failed_is_named() -> None:
    store = b.store(b.issue(1))
    store.apply([SourceFailed(CLUSTER, "the database is locked")], b.NOW + timedelta(minutes=1))
    settings, now = b.settings(), b.NOW + timedelta(minutes=1)
    found = document.build(
        store.snapshot, decide(store.snapshot, settings, now), settings, now, fleet="local"
    )
    assert found.errors == ["cluster: the database is locked"]
    shown = report.render(found, width=100, sections=("fleet",))
    assert "✗ failed cluster 60s ago: the database is locked" in shown


def test_what_could_never_be_read_is_neither_none_nor_zero() -> None:
    store = Store([CLUSTER, FORGE])
    failed = [SourceFailed(CLUSTER, "it is damaged"), SourceFailed(FORGE, "it is damaged")]
    store.apply(failed, b.NOW)
    settings, snapshot = b.settings(), store.snapshot
    plan = decide(snapshot, settings, b.NOW)
    found = document.build(snapshot, plan, settings, b.NOW, fleet="local", bill=None)
    assert found.costs == spend.NOT_KNOWN
    told = report.render(found, width=100)
    assert "none" not in told
    assert "$" not in told
    assert "today – · week – · all – · burn –" in told
    assert told.count("– not known: forge cannot be read") == 3
    assert told.count("– not known: cluster cannot be read") == 3


def test_sums_without_the_ledger_are_not_those_of_what_is_left() -> None:
    settings, snapshot = b.settings(), b.snapshot(b.run(1, usage=Usage(Tokens(1), 50), started_at=b.NOW))
    plan = decide(snapshot, settings, b.NOW)
    costs = document.build(snapshot, plan, settings, b.NOW, fleet="local", bill=None).costs
    assert (costs.today_micros, costs.all_micros, costs.burn_per_hour_micros) == (None, None, 50)
    assert (costs.by_model, costs.unaccounted_runs) == ({}, None)


@pytest.mark.parametrize(
    ("state", "said"), [(DispatcherState.RUNNING, "▶ running"), (DispatcherState.DEAD, "▷ not paused")]
)
def test_nothing_is_said_to_start_without_a_dispatcher(state: DispatcherState, said: str) -> None:
    found = make(msgspec.structs.replace(b.fleet(), dispatcher=Dispatcher(state)))
    lines = report.render(found, width=100, sections=("fleet",)).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("  starts")] == [said]


def test_a_tracker_tells_its_budgets_and_its_broken_repositories() -> None:
    soon = b.NOW + timedelta(minutes=30)
    found = make(
        ApiUse("graphql", 5000, 4812, soon, used_hour=12),
        ApiUse("core", 5000, 500, soon, reserve=500),
        RepoState(b.REPO),
        RepoState(RepoName("me/old"), closed_to_work="it is archived"),
        RepoState(RepoName("me/gone"), why="no access", since=b.ago(minutes=10)),
        RepoState(
            RepoName("me/slow"), why="504", since=b.ago(minutes=1), retry_at=b.NOW + timedelta(seconds=30)
        ),
    )
    assert found.errors == ["me/gone: no access", "me/slow: 504"]
    lines = report.render(found, width=120, sections=("fleet",)).splitlines()
    assert [line.strip() for line in lines if line.startswith(("  api ", "  repository "))] == [
        "api         core 500 of 5,000 left, resets 12:30, 0 spent in 1 h, 500 kept for writes",
        "api         graphql 4,812 of 5,000 left, resets 12:30, 12 spent in 1 h",
        "repository  me/gone cannot be read since 11:50, not tried again by itself: no access",
        "repository  me/old is closed to work: it is archived",
        "repository  me/slow cannot be read since 11:59, next try in 30s: 504",
    ]


def test_lines_carry_tones_and_their_text_is_the_report() -> None:
    found = busy()
    lines = report.lines(found, width=100)
    assert "\n".join(map(plain, lines)) == report.render(found, width=100)
    tones = {span.tone.value for line in lines for span in line if "stalled" in span.text}
    assert "soon" in tones


def test_whatever_is_removed_is_not_printable() -> None:
    """So that printable text, which is most, is clean without a look at each character."""
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        if char.isprintable():
            assert clean(char) == char
    for char in "\x1b\x9b\x07\x00\u202e\u2066\u200b\u2028\ufeff\ud800\U000e0041":
        assert not char.isprintable()
        assert clean(char) == ""
