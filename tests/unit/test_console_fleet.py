"""How the fleet as a whole reads: the pulse, the fleet and costs panes, bars, and how fresh a pane is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.app import cost_lines, fleet_lines, freshness, pulse_lines
from hive_tui.app.view import Deriver, View
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import AgentName, RepoName
from hive_tui.core.model import (
    Actor,
    ActorKind,
    AgentState,
    ApiUse,
    Budget,
    Dispatcher,
    DispatcherState,
    Fleet,
    Paused,
    Phase,
    Quota,
    QuotaState,
    RepoState,
    Run,
    Usage,
)
from hive_tui.core.settings import FleetSettings, RepoSettings
from hive_tui.core.sources import CLUSTER, FORGE, Freshness, Health, Item, Kind, Listed, SourceFailed
from hive_tui.core.spend import hourly
from hive_tui.core.store import Diff, Snapshot, Store
from hive_tui.core.targets import Target
from tests import builders as b
from tests.fakes import scene
from widgets.bars import bar, spark
from widgets.cells import Cell, Line
from widgets.pulse import Form, fitting

WIDE, NARROW = 60, 34
NARROWEST_PULSE = 40


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def text_of(line: Line) -> str:
    return "".join(cell.text for cell in line).rstrip()


def view_of(fleet: Fleet | None = None, *runs: Run, **settings: Any) -> View:
    """A view of the scene, or of a fleet and its runs."""
    store = Store((CLUSTER, FORGE))
    items: tuple[Item, ...] = (fleet or scene.fleet(*scene.RUNS), *(runs or scene.RUNS))
    store.apply(
        [
            Listed(CLUSTER, (Kind.FLEET, Kind.RUN), items),
            Listed(FORGE, (Kind.ISSUE, Kind.PULL), (*scene.ISSUES, *scene.PULLS)),
        ],
        scene.NOW,
    )
    return derive(store.snapshot, **settings)


def derive(snapshot: Snapshot, **settings: Any) -> View:
    everything = Diff(
        {
            Kind.FLEET: frozenset({"trial"}),
            Kind.ISSUE: frozenset(snapshot.issues),
            Kind.RUN: frozenset(snapshot.runs),
            Kind.PULL: frozenset(snapshot.pulls),
        }
    )
    rules = FleetSettings(allowed_authors=("ann",), **settings)
    return Deriver("trial", rules, scene.NOW).derive(snapshot, everything, scene.NOW)


def fleet_text(view: View, width: int = WIDE) -> str:
    return "\n".join(map(text_of, fleet_lines.fleet_lines(view, width)))


def fleet_with(**changes: Any) -> Fleet:
    return msgspec.structs.replace(scene.fleet(*scene.RUNS), **changes)


def pulse_text(view: View, width: int = 160, **options: bool) -> str:
    return "  ".join(map(text_of, fitting(pulse_lines.pulse(view, **options), width, 2)))


ANN = Actor(ActorKind.PERSON, "ann")
PAUSED = fleet_with(paused=Paused(ANN, scene.ago(minutes=3), "release day"))


# The fleet pane


def test_the_fleet_pane_says_the_most_important_first() -> None:
    assert fleet_text(view_of()).splitlines()[:6] == [
        "dispatcher ● running 3m 12s, pid 4711",
        "slots      ▰▰▰▰▰▱ 5/6",
        "claude     ● ok",
        "codex      ◷ limited until 14:20, in 18m: usage limit",
        "today      ▰▰▱▱▱▱▱▱ $39.68 of $50.00 left",
        "data       ● cluster 0s · forge 0s",
    ]


def test_in_36_columns_the_figures_stay() -> None:
    lines = fleet_text(view_of(), NARROW).splitlines()[:6]
    assert max(map(len, lines)) <= NARROW
    assert lines[3:5] == ["codex      ◷ until 14:20, in 18m", "today      ▰▰▱▱▱▱▱▱ $39.68 left"]


def test_a_paused_fleet_says_by_whom_since_when_and_why() -> None:
    view = view_of(PAUSED)
    assert "paused     ⏸ by ann 3m: release day" in fleet_text(view)
    resuming = msgspec.structs.replace(view, pending={Target(): "resuming"})
    assert "→ resuming" in fleet_text(resuming, NARROW)
    assert "⏸ paused by ann 3m: release day" in pulse_text(view)
    assert "→ resuming" in pulse_text(resuming, NARROWEST_PULSE)


def test_slots_that_are_wanted_stand_beside_those_there_are() -> None:
    view = msgspec.structs.replace(view_of(), slots_wanted=7)
    assert "5/6→7" in fleet_text(view, NARROW)
    assert "5/6→7" in pulse_text(view, 80)


@pytest.mark.parametrize(
    ("state", "shown"), [(DispatcherState.DEAD, "✗ dead"), (DispatcherState.STOPPED, "○ stopped")]
)
def test_a_dispatcher_that_does_not_run_says_what_helps(state: DispatcherState, shown: str) -> None:
    view = view_of(fleet_with(dispatcher=Dispatcher(state)))
    assert f"{shown}: `hive dispatcher start`" in fleet_text(view)
    assert shown in fleet_text(view, NARROW)
    for width in (160, 80):
        assert shown[2:] in pulse_text(view, width)


def test_an_agent_says_why_it_cannot_work() -> None:
    agents = (
        AgentState(AgentName("claude"), enabled=False),
        AgentState(AgentName("codex"), quota=Quota(QuotaState.LIMITED, None, "not \x1b[31mlogged in")),
        AgentState(AgentName("other")),
    )
    shown = fleet_text(view_of(fleet_with(agents=agents)))
    assert "claude     ○ off: `hive agents enable claude`" in shown
    assert "codex      ◷ cannot work: not logged in" in shown
    assert "other      – no limit met yet" in shown
    pulse = pulse_text(view_of(fleet_with(agents=agents)))
    assert "other –" in pulse
    assert "codex ◷ down" in pulse, "a login does not come back by waiting, as a limit does"


def test_every_budget_has_its_bar() -> None:
    budget = Budget(
        run_micros=5_000_000, repo_micros=20_000_000, day_micros=11_000_000, fleet_micros=10_000_000
    )
    view = view_of(fleet_with(budget=budget), repos=(RepoSettings(scene.REPO),))
    lines = fleet_lines.fleet_lines(view, WIDE)
    shown = "\n".join(map(text_of, lines))
    assert "today      ▰▰▰▰▰▰▰▱ $0.68 of $11.00 left" in shown
    assert "parser     ▰▰▰▰▱▱▱▱ $9.68 of $20.00 left" in shown
    assert "fleet      ▰▰▰▰▰▰▰▰ $0.00 of $10.00 left" in shown
    assert "at most    run $5.00" in shown
    tones = {text_of(line[:1]): line[1].tone for line in lines}
    assert (tones["today"], tones["parser"], tones["fleet"]) == (Tone.SOON, Tone.PLAIN, Tone.BROKEN)


def test_money_that_nobody_knows_breaks_a_budget() -> None:
    lost = scene.run(9, "claude-a", Phase.LOST)
    assert "cost of" in fleet_text(view_of(fleet_with(), lost))


def test_a_source_that_failed_comes_before_the_slots() -> None:
    store = Store((CLUSTER, FORGE))
    store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (scene.fleet(),))], scene.NOW)
    store.apply([SourceFailed(FORGE, "403", scene.NOW + timedelta(seconds=12))], scene.NOW)
    lines = fleet_text(derive(store.snapshot)).splitlines()
    assert lines[1] == "forge      ✗ failed, next try in 12s: 403"
    assert lines[2].startswith("slots")


def test_a_tracker_tells_its_budgets_and_its_broken_repositories() -> None:
    soon = scene.NOW + timedelta(minutes=30)
    theirs = (
        ApiUse("graphql", 5000, 4812, soon, used_hour=120, reserve=500),
        ApiUse("core", 5000, 12, soon, reserve=500),
        RepoState(RepoName("acme/ok")),
        RepoState(RepoName("acme/slow"), why="504", since=scene.ago(minutes=2), retry_at=soon),
        RepoState(RepoName("acme/old"), closed_to_work="it is archived"),
    )
    store = Store((CLUSTER, FORGE))
    store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (scene.fleet(),))], scene.NOW)
    store.apply([Listed(FORGE, (Kind.REPO, Kind.API), theirs)], scene.NOW)
    view = derive(store.snapshot)
    lines = fleet_text(view).splitlines()
    assert lines[1] == "old        ✗ is closed to work: it is archived"
    assert lines[2] == "slow       ✗ since 14:00, next try in 30m: 504"
    (at,) = (index for index, line in enumerate(lines) if line.startswith("api "))
    assert lines[at : at + 2] == [
        "api        core 12 of 5,000 left, resets 14:32, 0/h",
        "           graphql 4,812 of 5,000 left, resets 14:32, 120/h",
    ]
    assert fleet_lines.essential(view) > at + 1
    wide = fleet_text(view, 110)
    assert "graphql 4,812 of 5,000 left, resets 14:32, 120 spent in 1 h, 500 kept for writes" in wide
    narrow = fleet_text(view, NARROW).splitlines()
    assert "api        core 12 of 5,000 left" in narrow
    (slow,) = (index for index, line in enumerate(narrow) if line.startswith("slow"))
    assert narrow[slow : slow + 2] == ["slow       ✗ 14:00, next try in 30m", "           504"]


def test_a_narrow_pane_tells_since_when_and_the_next_try_and_why_below() -> None:
    why = "acme/slow is not there, or the token has no access to it (404). Check the name."
    soon = scene.NOW + timedelta(seconds=30)
    broken = RepoState(RepoName("acme/slow"), why=why, since=scene.ago(minutes=2), retry_at=soon)
    store = Store((CLUSTER, FORGE))
    store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (scene.fleet(),))], scene.NOW)
    store.apply([Listed(FORGE, (Kind.REPO,), (broken,)), SourceFailed(FORGE, why, soon)], scene.NOW)
    view = derive(store.snapshot)
    assert fleet_text(view, 42).splitlines()[1:9] == [
        "forge      ✗ failed, next try in 30s",
        "           acme/slow is not there, or the",
        "           token has no access to it",
        "           (404). Check the name.",
        "slow       ✗ since 14:00, next try in 30s",
        "           acme/slow is not there, or the",
        "           token has no access to it",
        "           (404). Check the name.",
    ]
    assert "slow       ✗ 14:00, next try in 30s" in fleet_text(view, 40).splitlines()
    for width in range(14):
        assert fleet_lines.fleet_lines(view, width), "a pane out of sight has no room at all"
    assert fleet_text(view, 140).splitlines()[1] == f"forge      ✗ failed, next try in 30s: {why}"


def test_before_anything_is_known() -> None:
    unread = derive(Store((CLUSTER, FORGE)).snapshot)
    assert "reading the fleet" in fleet_text(unread)
    assert "reading the fleet" in pulse_text(unread)
    failed = derive(Snapshot(sources={CLUSTER: Freshness(CLUSTER, Health.FAILED, None, "locked")}))
    assert "cannot be read" in pulse_text(failed)
    assert "locked" in fleet_text(failed)


def test_hostile_words_stay_on_their_line() -> None:
    paused = fleet_with(paused=Paused(Actor(ActorKind.PERSON, "ann"), scene.NOW, b.HOSTILE))
    for line in fleet_lines.fleet_lines(view_of(paused), WIDE):
        assert not {"\x1b", "\n"} & set(text_of(line))
    assert "\x1b" not in pulse_text(view_of(paused))


# The pulse


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            158,
            "hive  trial · local  ● dispatcher 3m 12s  slots ▰▰▰▰▰▱ 5/6  ▶ running  4 need you  "
            "claude ● ok  codex ◷ 14:20  ~$10.32 today  █▃ $10.32/h  14:02:11",
        ),
        (
            98,
            "hive trial  ●  ▰▰▰▰▰▱ 5/6  ▶  4 need you  claude ●  codex ◷ 14:20  "
            "~$10.32 today  $10.32/h  14:02",
        ),
        (78, "hive trial  ●  5/6  ▶  4 need you  codex ◷ 14:20  ~$10.32  $10.32/h  14:02"),
        (42, "hive trial  ●  5/6  ▶  4 need you  14:02"),
    ],
)
def test_the_pulse_at_every_width(width: int, shown: str) -> None:
    assert pulse_text(view_of(), width) == shown


@pytest.mark.parametrize("state", [DispatcherState.DEAD, DispatcherState.STOPPED, DispatcherState.UNKNOWN])
def test_without_a_dispatcher_nothing_is_called_running(state: DispatcherState) -> None:
    shown = pulse_text(view_of(fleet_with(dispatcher=Dispatcher(state))), 158)
    assert "▷ not paused" in shown
    assert "running" not in shown


def test_what_cannot_be_read_any_more_is_not_shown_as_so() -> None:
    def text_with(width: int, *sources: Freshness) -> str:
        view = view_of()
        found = {**view.snapshot.sources, **{source.name: source for source in sources}}
        snapshot = msgspec.structs.replace(view.snapshot, sources=found)
        return pulse_text(msgspec.structs.replace(view, snapshot=snapshot), width)

    cluster = Freshness(CLUSTER, Health.FAILED, scene.ago(seconds=34), "locked")
    forge = Freshness(FORGE, Health.FAILED, scene.ago(minutes=3), "403")
    assert text_with(158, cluster).startswith("hive  trial · local  ✗ cluster failed 34s  slots")
    assert "✗ cluster, forge failed 3m" in text_with(158, cluster, forge)
    assert "●  ✗ forge failed 3m  slots" in text_with(158, forge)
    stale = msgspec.structs.replace(cluster, state=Health.STALE)
    assert "! cluster stale 34s" in text_with(158, stale)
    assert text_with(NARROWEST_PULSE, cluster) == "hive trial  ✗ failed  5/6  ▶  4 need you"
    assert text_with(NARROWEST_PULSE, forge) == "hive  ●  ✗ failed  5/6  ▶  4 need you"
    reading = Freshness(FORGE, Health.STALE, None)
    assert text_with(158, reading) == text_with(158)


def test_badges_outlive_the_clock() -> None:
    view = msgspec.structs.replace(view_of(), read_only=True)
    assert "[RO]" in pulse_text(view, NARROWEST_PULSE)
    assert "muted" in pulse_text(view, 160, muted=True)
    assert "muted" not in pulse_text(view, 160)


def test_forms_give_way_one_after_the_other() -> None:
    def form(words: str, rank: int = 0) -> Form:
        return Form((Cell(words),), rank)

    parts = ((form("aaaa", 1), form("a")), (form("bbbb", 2), form("b", 3), Form()))
    shown = [[text_of(line) for line in fitting(parts, width, 1)] for width in (9, 8, 4, 1)]
    assert shown == [["aaaa", "bbbb"], ["aaaa", "b"], ["aaaa"], ["a"]]


# Costs


def costs_text(view: View, width: int = WIDE) -> list[str]:
    return [text_of(line) for line in cost_lines.cost_lines(view, width)]


def test_the_costs_pane() -> None:
    assert costs_text(view_of(), NARROW)[:5] == [
        "today    ~$10.32   █▃",
        "week     ~$10.32   $10.32/h",
        "all      ~$10.32   ▰▱▱ 21 % of $50",
        "claude       $7.32   #37     $3.10",
        "codex        $3.00   #41     $2.20",
    ]
    assert "#37 Parser drops CRLF at the" in " ".join(" ".join(costs_text(view_of(), 120)).split())


def test_the_costs_pane_says_what_it_does_not_know() -> None:
    view = view_of(scene.fleet(), scene.run(1, "claude-a", Phase.WORKING))
    assert costs_text(view)[0].split()[:2] == ["today", "–"]
    assert cost_lines.footnote(view) == Cell("1 run not counted: cost unknown", Tone.QUIET)
    note = cost_lines.footnote(view_of())
    assert note == Cell("~ with estimates", Tone.QUIET)


def test_models_without_their_maker_and_date() -> None:
    assert cost_lines.model_name("claude-opus-4-5-20251101") == "opus-4-5"
    assert cost_lines.model_name("gpt-5-codex") == "gpt-5-codex"
    assert cost_lines.model_name("claude") == "claude"


def ran(start: float, end: float | None, micros: int | None) -> Run:
    """A run that began and ended so many hours ago."""
    run = scene.run(1, "claude-a", Phase.WORKING if end is None else Phase.SUCCEEDED)
    status = msgspec.structs.replace(
        run.status,
        started_at=scene.ago(hours=start),
        ended_at=None if end is None else scene.ago(hours=end),
        usage=Usage(cost_micros=micros),
    )
    return msgspec.structs.replace(run, status=status)


def test_money_by_the_hour() -> None:
    past = 2 / 60 + 11 / 3600  # the scene is at 14:02:11
    assert hourly([ran(2 + past, past, 2_000_000)], scene.NOW, 4) == (0, 1_000_000, 1_000_000, 0)
    assert hourly([ran(3, None, None), ran(30, 29, 5)], scene.NOW, 2) == (None, None)
    assert sum(filter(None, hourly(scene.RUNS, scene.NOW, 3))) == pytest.approx(10_320_000, abs=20)
    assert hourly([ran(past / 2, past / 2, 7)], scene.NOW, 1) == (7,)
    assert hourly([ran(-1, None, 7)], scene.NOW, 1) == (7,)


# Shapes


@pytest.mark.parametrize(
    ("used", "most", "shown"),
    [
        (0, 0, ""),
        (0, 3, "▱▱▱"),
        (2, 3, "▰▰▱"),
        (13, 6, "▰▰▰▰▰▰"),
        (50, 100, "▰▰▰▰▱▱▱▱"),
        (1, 100, "▰▱▱▱▱▱▱▱"),
        (99, 100, "▰▰▰▰▰▰▰▱"),
    ],
)
def test_bars(used: int, most: int, shown: str) -> None:
    assert bar(used, most) == shown


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ((), 8, ""),
        ((0, 0), 8, ""),
        ((0, 7), 8, ""),
        ((0, 1, 8, 0, 4), 8, "▂█ ▅"),
        ((8, 1, None, 8), 3, "▂–█"),
        ((1, 2), 0, ""),
    ],
)
def test_sparklines(values: tuple[int | None, ...], width: int, shown: str) -> None:
    assert spark(values, width) == shown


# Freshness


def test_a_badge_only_where_a_source_is_not_fresh() -> None:
    fresh = Freshness(FORGE, Health.FRESH, scene.NOW)
    assert freshness.badge(fresh, scene.NOW) is None
    stale = Freshness(FORGE, Health.STALE, scene.ago(minutes=3))
    assert freshness.badge(stale, scene.NOW) == ("stale 3m", Tone.SOON)
    failed = Freshness(FORGE, Health.FAILED, scene.ago(minutes=3), "403")
    assert freshness.badge(failed, scene.NOW) == ("failed, as of 3m ago", Tone.BROKEN)
    retried = msgspec.structs.replace(failed, retry_at=scene.NOW + timedelta(seconds=12))
    assert freshness.badge(retried, scene.NOW) == ("failed, as of 3m ago, next try in 12s", Tone.BROKEN)


def test_an_empty_list_says_why_and_what_to_do() -> None:
    def said(source: Freshness | None) -> str:
        return " / ".join(cell.text for cell in freshness.placeholder(source, scene.NOW, ("None", "Do it")))

    assert said(None) == "reading …"
    assert said(Freshness(FORGE, Health.FRESH, scene.NOW)) == "None / Do it"
    failed = Freshness(FORGE, Health.FAILED, None, "403", scene.NOW + timedelta(seconds=5))
    assert said(failed) == "forge cannot be read / 403 / Next try in 5s · `hive doctor` says what is wrong"


def test_the_pulse_tells_a_repository_that_is_behind() -> None:
    name = RepoName("acme/web")
    broken = RepoState(name, heard_at=scene.ago(minutes=5), why="404", since=scene.ago(minutes=4))
    store = Store((CLUSTER, FORGE))
    store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (scene.fleet(),))], scene.NOW)
    store.apply([Listed(FORGE, (Kind.REPO,), (broken,))], scene.NOW)
    view = derive(store.snapshot)
    assert "✗ web failed, as of 5m ago" in pulse_text(view)
    assert "✗ web failed" in pulse_text(view, 80)
    assert "✗" in pulse_text(view, NARROWEST_PULSE)


def test_an_archived_repository_is_named_once() -> None:
    name = RepoName("acme/old")
    closed = RepoState(name, closed_to_work=f"{name} is archived: unarchive it, or take it out of the fleet")
    store = Store((CLUSTER, FORGE))
    store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (scene.fleet(),))], scene.NOW)
    store.apply([Listed(FORGE, (Kind.REPO,), (closed,))], scene.NOW)
    view = derive(store.snapshot)
    wide = fleet_text(view, 120).splitlines()[1]
    assert wide == "old        ✗ is archived: unarchive it, or take it out of the fleet"
    assert fleet_text(view, 50).splitlines()[1:4] == [
        "old        ✗ closed to work",
        "           is archived: unarchive it, or take it",
        "           out of the fleet",
    ]


def test_a_list_of_the_tracker_says_which_repository_is_behind() -> None:
    fresh = Freshness(FORGE, Health.FRESH, scene.NOW)

    def said(*names: str, source: Freshness = fresh) -> str:
        states = {
            RepoName(name): RepoState(RepoName(name), heard_at=scene.ago(minutes=5), why="404")
            for name in names
        }
        view = msgspec.structs.replace(view_of(), snapshot=Snapshot(repos=states))
        found = freshness.behind(view, source)
        return found.text if found is not None else ""

    assert said() == ""
    assert said("acme/app") == "app failed, as of 5m ago"
    assert said("acme/app", "acme/web") == "2 repositories failed"
    assert said("acme/app", source=Freshness(FORGE, Health.FAILED, scene.NOW)) == "", "all of it failed"
    assert said("acme/app", source=Freshness(CLUSTER, Health.FRESH, scene.NOW)) == ""
