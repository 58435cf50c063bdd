"""How runs, issues, pull requests, the fleet and log lines read as text."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hive_tui.app import lists, rows
from hive_tui.app.rows import IssueAbout
from hive_tui.core.dispatch import Planner
from hive_tui.core.gates import Gate
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RepoName, WorkerName
from hive_tui.core.model import (
    CheckState,
    LastEvent,
    Lease,
    Phase,
    Process,
    PullState,
    Step,
    VerdictValue,
)
from hive_tui.core.settings import FleetSettings, Preset
from hive_tui.core.sources import CLUSTER, FORGE, Kind, Listed
from hive_tui.core.store import Snapshot, Store
from tests.fakes import scene
from widgets.cells import Column, Row, lay_out


def words(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]


def tones(row: Row) -> list[Tone]:
    return [cell.tone for cell in row.cells]


@pytest.fixture
def snapshot() -> Snapshot:
    store = Store((CLUSTER, FORGE))
    cluster_items = (scene.fleet(*scene.RUNS), *scene.RUNS)
    events = [
        Listed(CLUSTER, (Kind.FLEET, Kind.RUN), cluster_items),
        Listed(FORGE, (Kind.ISSUE, Kind.PULL), (*scene.ISSUES, *scene.PULLS)),
    ]
    store.apply(events, scene.NOW)
    return store.snapshot


def test_a_working_run() -> None:
    run = scene.run(
        29, "claude-b", Phase.WORKING, minutes=2, tokens=88_100, micros=1_020_000, last="Edit a.py +1 −2"
    )
    shown = words(rows.agent_row(run, scene.NOW, many=False))
    assert shown[:2] == ["claude-b", "#29"]
    assert shown[2][2:] == "working"
    assert shown[3:] == ["implement", "2m", "88k", "$1.02", "Edit a.py +1 −2"]


def test_the_glyph_of_a_working_run_turns() -> None:
    run = scene.run(29, "claude-b", Phase.WORKING)
    said = [LastEvent(scene.NOW + timedelta(seconds=s), "Edit") for s in range(4)]
    told = [msgspec.structs.replace(run.status, last_event=event) for event in said]
    glyphs = {rows.run_mark(msgspec.structs.replace(run, status=status)).glyph for status in told}
    assert len(glyphs) == 4


@pytest.mark.parametrize(
    ("phase", "why", "tone"),
    [
        (Phase.STALLED, "the same test failed 4 times", Tone.SOON),
        (Phase.WAITING, "asks: keep it?", Tone.SOON),
        (Phase.FAILED, "tests still fail", Tone.BROKEN),
        (Phase.KILLED, "by ann", Tone.QUIET),
    ],
)
def test_a_run_that_does_nothing_says_why(phase: Phase, why: str, tone: Tone) -> None:
    row = rows.agent_row(scene.run(1, "claude-a", phase, why=why, last="an old line"), scene.NOW, many=False)
    assert row.cells[-1] == (why, tone)


def test_a_run_that_waits_for_time_says_until_when() -> None:
    until = scene.NOW + timedelta(minutes=18)
    run = scene.run(30, "codex-b", Phase.WAITING, why="quota", until=until)
    row = rows.agent_row(run, scene.NOW, many=False)
    assert row.cells[-1].text.startswith("quota, resumes ")
    over = rows.agent_row(run, until, many=False, turn="waits for a slot")
    assert over.cells[-1].text == "waits for a slot"


def test_a_run_without_a_process_is_lost_before_its_record_says_so() -> None:
    run = msgspec.structs.replace(scene.run(1, "claude-a", Phase.WORKING), process=Process.GONE)
    assert words(rows.agent_row(run, scene.NOW, many=False))[-1] == "its process is gone"
    assert lists.runs(Snapshot(runs={run.id: run})) == [run.id]


def test_what_is_not_known_is_a_dash_and_an_estimate_has_a_tilde() -> None:
    unknown = words(rows.agent_row(scene.run(1, "claude-a", Phase.WORKING), scene.NOW, many=False))
    assert unknown[5:7] == ["–", "–"]
    about = scene.run(1, "claude-a", Phase.WORKING, tokens=61_000, micros=2_200_000, estimated=True)
    assert words(rows.agent_row(about, scene.NOW, many=False))[5:7] == ["~61k", "~$2.20"]


def test_a_later_round_and_a_stop_order_show() -> None:
    run = scene.run(1, "claude-a", Phase.WORKING, step=Step.TEST, round_=3)
    assert words(rows.agent_row(run, scene.NOW, many=False))[3] == "test 3"
    stopping = msgspec.structs.replace(run, stop_requested=True)
    assert words(rows.agent_row(stopping, scene.NOW, many=False))[2] == "■ stopping"


def test_several_repositories_are_told_apart() -> None:
    run = scene.run(37, "claude-a", Phase.WORKING)
    assert words(rows.agent_row(run, scene.NOW, many=True))[1] == "parser#37"
    assert words(rows.pull_row(scene.PULLS[0], scene.NOW, many=True))[0] == "parser!52"


def test_an_issue_shows_its_gate_in_a_word() -> None:
    gate = Gate("plan", "add a `## Plan`")
    row = rows.issue_row(scene.issue(4, "Title"), Preset.STATUS, IssueAbout(gate), scene.NOW, many=False)
    assert words(row) == ["#4", "─ held", "no plan", "Title"]


def test_an_issue_that_waits_for_its_turn_is_ready() -> None:
    gate = Gate("slots", "all 2 slots are at work")
    row = rows.issue_row(scene.issue(4, "Title"), Preset.STATUS, IssueAbout(gate), scene.NOW, many=False)
    assert words(row) == ["#4", "○ ready", "slots", "Title"]


def test_an_issue_says_what_comes_next() -> None:
    def who(label: str, about: IssueAbout = IssueAbout()) -> str:  # noqa: B008 - frozen
        issue = scene.issue(22, "Title", label)
        return words(rows.issue_row(issue, Preset.STATUS, about, scene.NOW, many=False))[2]

    assert who("status:needs-human") == "retry"
    assert who("status:in-review", IssueAbout(pull=scene.PULLS[0], mergeable=True)) == "!52 merge"
    assert who("status:in-review", IssueAbout(pull=scene.PULLS[0])) == "!52 review"
    assert who("status:in-review", IssueAbout(pull=scene.PULLS[2])) == "!50 conflict"
    assert who("status:ready", IssueAbout(gate=Gate("slots", "all at work"), fired=True)) == "fired"


def test_what_holds_an_issue_is_never_cut_before_its_title() -> None:
    about = IssueAbout(Gate("plan", "add a `## Plan`"))
    row = rows.issue_row(scene.issue(4, "T"), Preset.STATUS, about, scene.NOW, many=False, compact=True)
    assert words(row)[1] == "─ no plan"
    widths = lay_out(rows.issue_columns(many=False), 32)
    assert (widths[1], widths[2]) == (13, 0)
    assert widths[3] >= 11


@pytest.mark.parametrize(
    ("available", "shown"),
    [
        (96, ["worker", "issue", "state", "step", "age", "tokens", "cost", "now"]),
        (76, ["worker", "issue", "state", "step", "age", "cost", "now"]),
        (54, ["worker", "issue", "state", "age", "now"]),
        (42, ["worker", "issue", "state", "now"]),
    ],
)
def test_what_an_agent_does_outlives_its_figures(available: int, shown: list[str]) -> None:
    columns = rows.agent_columns(many=False)
    widths = lay_out(columns, available)
    assert [column.name for column, width in zip(columns, widths, strict=True) if width] == shown
    assert widths[-1] >= 10


def test_what_was_ordered_stands_in_place_of_the_state() -> None:
    killing = rows.agent_row(scene.RUNS[1], scene.NOW, many=False, pending="killing")
    assert killing.cells[2] == ("◌ killing", Tone.SOON)
    about = IssueAbout(pending="firing")
    firing = rows.issue_row(scene.issue(4, "T"), Preset.STATUS, about, scene.NOW, many=False, compact=True)
    assert firing.cells[1] == ("◌ firing", Tone.SOON)
    merging = rows.pull_row(scene.PULLS[0], scene.NOW, many=False, pending="merging", compact=True)
    assert merging.cells[1] == ("◌ merging", Tone.SOON)


def test_a_state_that_has_just_changed_stands_out() -> None:
    run = scene.run(29, "claude-b", Phase.WORKING, minutes=0.05)
    assert tones(rows.agent_row(run, scene.NOW, many=False))[2:5:2] == [Tone.TITLE, Tone.TITLE]
    later = rows.agent_row(run, scene.NOW + timedelta(seconds=5), many=False)
    assert tones(later)[2:5:2] == [Tone.PLAIN, Tone.PLAIN]


def test_an_agent_that_has_long_been_silent_says_since_when() -> None:
    run = scene.run(29, "claude-b", Phase.WORKING, last="Bash make")
    assert words(rows.agent_row(run, scene.NOW, many=False))[-1] == "Bash make"
    later = rows.agent_row(run, scene.NOW + timedelta(minutes=3), many=False)
    assert words(later)[-1] == "3m 2s ago: Bash make"


def test_finished_work_names_its_pull_request() -> None:
    run = scene.run(22, "claude-d", Phase.SUCCEEDED)
    pull = msgspec.structs.replace(scene.PULLS[0], run=run.id)
    row = rows.agent_row(run, scene.NOW, many=False, pull=pull)
    assert row.cells[-1] == ("!52 open: Dates with a time zone", Tone.QUIET)


def test_the_telling_end_of_a_name_is_never_cut_off() -> None:
    assert rows.worker_name("claude-aa") == "claude-aa"
    assert rows.worker_name("claude-with-tools-ab") == "claude…-ab"
    assert rows.worker_name("nodashatallhere") == "nodashatallhere"
    assert rows.number(RepoName("acme/parser"), 37, "#", many=False) == "#37"
    assert rows.number(RepoName("acme/parser"), 1234567, "#", many=False) == "…34567"
    assert rows.number(RepoName("acme/a-very-long-name-indeed"), 12345, "#", many=True) == "a-very-…#12345"


def test_an_issue_at_work_shows_its_run() -> None:
    run = scene.run(4, "claude-a", Phase.STALLED)
    issue = scene.issue(4, "Title", "status:in-progress")
    row = rows.issue_row(issue, Preset.STATUS, IssueAbout(None, run), scene.NOW, many=False)
    assert words(row) == ["#4", "! stalled", "claude-a", "Title"]


def test_a_pull_request() -> None:
    pull = scene.pull(52, "Title", 22, checks=(CheckState.PASSED,) * 3, verdict=VerdictValue.PASS)
    assert words(rows.pull_row(pull, scene.NOW, many=False)) == [
        "!52", "✓ PASS", "✓ 3/3", "mergeable", "#22", "Title",
    ]  # fmt: skip


def test_a_verdict_and_checks_on_an_older_commit_are_void() -> None:
    pull = scene.pull(52, "Title", 22, verdict=VerdictValue.PASS)
    pushed = msgspec.structs.replace(pull, head="b" * 40, mergeable=None)
    assert words(rows.pull_row(pushed, scene.NOW, many=False))[1:4] == ["◐ review", "–", "unknown"]


def test_one_failed_check_fails_them_all() -> None:
    pull = scene.pull(1, "T", 2, checks=(CheckState.PASSED, CheckState.PENDING, CheckState.FAILED))
    assert rows.pull_row(pull, scene.NOW, many=False).cells[2] == ("✗ 1/3", Tone.BROKEN)


def test_a_lease_counts_while_it_lasts() -> None:
    def merge(**until: float) -> str:
        lease = Lease(WorkerName("claude-a"), scene.NOW + timedelta(**until))
        pull = msgspec.structs.replace(scene.PULLS[0], lease=lease)
        return words(rows.pull_row(pull, scene.NOW, many=False, ready=True))[3]

    assert merge(hours=11, minutes=59) == "taken 11h"
    assert merge(minutes=7) == "taken 7m"
    assert merge(hours=-1) == "✓ ready"


def test_where_there_is_no_room_the_state_tells_whether_it_can_be_merged() -> None:
    ready = rows.pull_row(scene.PULLS[0], scene.NOW, many=False, ready=True, compact=True)
    assert ready.cells[1] == ("✓ ready", Tone.GOOD)
    conflict = rows.pull_row(scene.PULLS[2], scene.NOW, many=False, compact=True)
    assert conflict.cells[1] == ("conflict", Tone.BROKEN)
    waiting = rows.pull_row(scene.PULLS[1], scene.NOW, many=False, compact=True)
    assert words(waiting)[1] == "◐ review"


def test_a_merged_pull_request_is_quiet() -> None:
    row = rows.pull_row(scene.pull(1, "T", 2, state=PullState.MERGED), scene.NOW, many=False)
    assert set(tones(row)) <= {Tone.QUIET, Tone.PLAIN}
    assert words(row)[1] == "✓ merged"


def test_runs_that_need_somebody_come_first_and_ended_ones_last(snapshot: Snapshot) -> None:
    assert [snapshot.runs[run].spec.issue for run in lists.runs(snapshot)] == [37, 41, 29, 33, 30, 22, 19]


def test_issues_in_the_order_of_attention(snapshot: Snapshot) -> None:
    settings = FleetSettings(allowed_authors=("ann",))
    plan = Planner(settings).decide(snapshot, scene.NOW)
    order = [key.number for key in lists.issues(snapshot, Preset.STATUS, plan.gate)]
    assert order == [37, 41, 48, 29, 30, 33, 22, 44, 45, 46, 47, 12]


def test_what_the_titles_count_is_what_the_lists_show(snapshot: Snapshot) -> None:
    settings = FleetSettings(allowed_authors=("ann",))
    plan = Planner(settings).decide(snapshot, scene.NOW)
    issues = lists.issues(snapshot, Preset.STATUS, plan.gate)
    tally = lists.tally(
        snapshot,
        Preset.STATUS,
        plan.gate,
        lists.live_runs(snapshot),
        issues=issues,
        runs=lists.runs(snapshot),
        pulls=lists.pulls(snapshot),
    )
    marks = [
        rows.issue_mark(snapshot.issues[key], Preset.STATUS, plan.gate(key), None).word for key in issues
    ]
    assert (tally.issues, tally.pulls) == (11, 3)
    assert (tally.ready, tally.held) == (marks.count("ready"), marks.count("held")) == (1, 3)
    assert dict(tally.phases) == {Phase.WORKING: 2, Phase.WAITING: 2, Phase.STALLED: 1}
    assert tally.of(Phase.WORKING, Phase.STALLED) == 3


def test_open_pull_requests_come_before_merged_ones(snapshot: Snapshot) -> None:
    assert [key.number for key in lists.pulls(snapshot)] == [50, 51, 52, 49]


COLUMNS = (Column("a", 10), Column("b", 6, rank=2), Column("c", 5, rank=1), Column("d", 8, flexible=True))


@pytest.mark.parametrize(
    ("available", "widths"),
    [
        (60, (10, 6, 5, 36)),
        (32, (10, 6, 5, 8)),
        (31, (10, 0, 5, 14)),
        (24, (10, 0, 0, 13)),
        (5, (10, 0, 0, 1)),
    ],
)
def test_columns_give_way_by_rank(available: int, widths: tuple[int, ...]) -> None:
    assert lay_out(COLUMNS, available) == widths


def test_a_column_that_takes_too_much_of_the_flexible_one_is_left_out() -> None:
    columns = (Column("a", 10), Column("node", 8, rank=5, leaves=20), Column("now", 12, flexible=True))
    assert lay_out(columns, 40) == (10, 8, 20)
    assert lay_out(columns, 39) == (10, 0, 28)
    assert lay_out(columns, 15) == (10, 0, 4)
