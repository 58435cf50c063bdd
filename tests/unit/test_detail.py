"""What the tabs of the screen of one thing say: pure, from views, logs and diffs to text."""

from __future__ import annotations

import msgspec
import pytest

from hive_tui.app import things
from hive_tui.app.detail import changes, cost, described, issue_text, subject, transcript
from hive_tui.app.detail.subject import subject_of
from hive_tui.app.view import Deriver, View
from hive_tui.core import text
from hive_tui.core.events import (
    AnyEvent,
    LogLine,
    Note,
    Raw,
    Said,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, PullKey
from hive_tui.core.model import Budget, Comment, Phase, Tokens, Usage
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, Item, Kind, Listed
from hive_tui.core.store import Store
from hive_tui.core.targets import Target
from tests.fakes import scene
from widgets.prose import Block, Prose

ESC = "\x1b]52;c;aGk=\x07\u202e"


def view_of(*items: Item) -> View:
    store = Store((CLUSTER, FORGE))
    everything = tuple(items)
    diff = store.apply([Listed(CLUSTER, tuple(Kind), everything), Listed(FORGE, (), ())], scene.NOW)
    deriver = Deriver("trial", FleetSettings(allowed_authors=("ann",)), scene.NOW)
    return deriver.derive(store.snapshot, diff, scene.NOW)


@pytest.fixture(scope="module")
def view() -> View:
    return view_of(*scene.ITEMS)


def words(blocks: list[Block]) -> str:
    prose = Prose()
    prose.width = 100
    prose.extend(blocks)
    return "\n".join(prose.text(row) for row in prose.rows)


def target(number: int, **fields: object) -> Target:
    return msgspec.structs.replace(Target(repo=scene.REPO, issue=number), **fields)


def spoken(*events: AnyEvent) -> list[Block]:
    lines = (LogLine(n, scene.NOW, event) for n, event in enumerate(events, 1))
    return [block for line in lines if (block := transcript.block_of(line)) is not None]


class TestSubject:
    def test_an_issue_comes_with_its_run_and_pull_request(self, view: View) -> None:
        found = subject_of(view, target(22))
        assert found.run is not None
        assert found.run.id == scene.RUNS[5].id
        assert found.pull is not None
        assert (found.pull.number, found.number, found.gone) == (52, 1, False)
        assert found.orders == target(22, run=found.run.id, pull_request=52)

    def test_a_run_or_a_pull_request_alone_leads_to_the_rest(self, view: View) -> None:
        by_run = subject_of(view, Target(run=scene.RUNS[5].id))
        by_pull = subject_of(view, Target(repo=scene.REPO, pull_request=52))
        assert by_run.key == by_pull.key == IssueKey(scene.REPO, 22)
        assert by_run.pull == by_pull.pull
        assert by_run.run == by_pull.run

    def test_what_was_removed_is_said(self, view: View) -> None:
        gone = subject_of(view, target(37, run="nobody-i37-a9"))
        assert gone.run is None
        assert "was removed" in (subject.removed(gone) or "")
        assert subject_of(view, target(4_711)).gone

    def test_the_summary_is_a_sentence(self, view: View) -> None:
        line = " ".join(cell.text for cell in subject.summary(view, subject_of(view, target(37))))
        assert line == "claude-a #37 ! stalled test 6m Parser drops CRLF at the end of a quoted field"
        found = subject.figures(subject_of(view, target(37)), wide=True)
        figures = ["412k tokens", "$3.10", "hive/issue-37-a2", "attempt 2 of 2"]
        assert [cell.text for cell in found] == figures
        line = " ".join(cell.text for cell in subject.summary(view, subject_of(view, target(45))))
        assert line == "#45 ─ held Say which line of the file was wrong"

    def test_names_to_be_pasted(self, view: View) -> None:
        found = subject_of(view, target(37))
        assert subject.name(found) == scene.FIRST_RUN
        assert subject.name(found, "diff") == "hive/issue-37-a2"
        assert subject.name(found, "issue") == "acme/parser#37"
        alone = subject_of(view, Target(repo=scene.REPO, pull_request=50))
        assert subject.name(alone, "diff") == "hive/issue-21-a1"

    def test_related_things_and_names_by_pane(self, view: View) -> None:
        whole = target(22, run=scene.RUNS[5].id, pull_request=52)
        assert things.related(view, whole, things.PULL) == PullKey(scene.REPO, 52)
        assert things.related(view, target(44), things.RUN) is None
        assert things.no_such(target(44), things.RUN) == "Nobody has worked on acme/parser#44 yet."
        kinds = [things.kind_of(whole, pane) for pane in ("agents", "pulls", "issues", "attention", None)]
        assert [things.name_of(whole, kind) for kind in kinds] == [
            *(scene.RUNS[5].id, "acme/parser!52"),
            *["acme/parser#22"] * 3,
        ]


class TestTranscript:
    def test_it_reads_as_a_conversation(self) -> None:
        said = words(
            spoken(
                Said(text="I look at it.\nThen I change it."),
                ToolCall(name="Bash", argument="pytest -q"),
                ToolResult(text="3 failed", failed=True, exit_code=1, seconds=2.5, size=8),
                UsageReport(usage=Usage(Tokens(input=3))),
                Note(text="testing: make test"),
                Thinking(text="Hm.", agent="explorer"),
            )
        )
        assert "● says\n" in said
        assert "Then I change it.\n" in said
        assert "▸ Bash pytest -q\n" in said
        assert "└ ✗ failed  exit 1  2.5 s\n" in said
        assert "◆ hive testing: make test" in said
        assert "explorer: · thinks" in said
        assert "3 tokens" not in said

    def test_results_are_folded_and_long_arguments_stand_below(self) -> None:
        (result,) = spoken(ToolResult(text="\n".join(map(str, range(100)))))
        assert (result.keep, len(result.lines)) == (transcript.KEPT_RESULT + 1, 101)
        (call,) = spoken(ToolCall(name="Write", argument="x" * 300))
        assert len(call.lines) == 2

    def test_a_megabyte_and_escapes_are_harmless(self) -> None:
        blocks = spoken(Raw(text=f"{ESC}[b]" + "y" * 1_000_000), ToolResult(text="line\n" * 200_000))
        shown = words(blocks)
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
        assert "[b]yyy" in shown
        assert len(blocks[1].lines) <= transcript.MOST_LINES + 2


class TestDiff:
    DIFF = """\
diff --git a/src/a.py b/src/a.py
index 1..2 100644
--- a/src/a.py
+++ b/src/a.py
@@ -1,2 +1,3 @@ def f():
 keep
-old
+new
+more
diff --git a/old name b/new name
similarity index 90%
rename from old name
rename to new name
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-- a line that looks like a heading
diff --git a/pic.png b/pic.png
new file mode 100644
Binary files /dev/null and b/pic.png differ
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
"""

    def test_files_are_counted_and_named(self) -> None:
        files = changes.parse(self.DIFF)
        assert [(f.path, f.added, f.removed, f.note) for f in files] == [
            ("src/a.py", 2, 1, ""),
            ("new name", 0, 0, "renamed from old name"),
            ("gone.txt", 0, 1, "deleted"),
            ("pic.png", 0, 0, "new, binary"),
            ("run.sh", 0, 0, "mode 100755"),
        ]

    def test_lines_are_toned_by_their_kind(self) -> None:
        blocks = changes.diff_blocks(changes.parse(self.DIFF), cut="Cut here.")
        tones = {line.cells[0].text: line.cells[0].tone for line in blocks[1].lines if line.cells}
        assert tones["+new"] is Tone.GOOD
        assert tones["-old"] is Tone.BROKEN
        assert tones["@@ -1,2 +1,3 @@ def f():"] is Tone.QUIET
        assert tones[" keep"] is Tone.PLAIN
        text = words(blocks)
        assert text.startswith("5 files  +2 −2")
        assert text.count("Cut here.") == 2

    def test_whatever_is_no_diff_is_shown_all_the_same(self) -> None:
        assert changes.parse("") == []
        (found,) = changes.parse("fatal: something else\nmore\n")
        assert found.lines == ("fatal: something else", "more")
        blocks = changes.diff_blocks(changes.parse(f"diff --git {ESC}\n@@\n+{ESC}[red]x\n"))
        assert "\x1b" not in words(blocks)
        assert "[red]x" in words(blocks)

    def test_a_megabyte_is_bounded(self) -> None:
        lock = "diff --git a/lock b/lock\n--- a/lock\n+++ b/lock\n@@ -1 +1 @@\n" + "+x = 1\n" * 150_000
        many = "".join(
            f"diff --git a/{n} b/{n}\n--- a/{n}\n+++ b/{n}\n@@ -1 +1 @@\n+a\n" for n in range(2_000)
        )
        prose = Prose()
        prose.extend(changes.diff_blocks(changes.parse(lock + many)))
        assert len(prose.rows) < changes.MOST_FILES + changes.KEPT_LINES + 5 * 2_001
        assert "and 1,701 more files below" in words(changes.diff_blocks(changes.parse(lock + many))[:1])


class TestIssue:
    BODY = f"""\
Why so?{ESC}

## Plan
1. Do [this](https://example.org)
   - and that
> a quote
```sh
## not a heading
- [ ] not a box
```
## Definition of Done
- [x] done
- [ ] to do
"""

    def test_structure_is_seen_and_nothing_else_interpreted(self) -> None:
        blocks = issue_text.body_blocks(self.BODY, "body")
        shown = words(blocks)
        heads = [block.lines[0].cells[0] for block in blocks if block.part]
        assert [(cell.text, cell.tone) for cell in heads] == [
            ("Plan", Tone.TITLE),
            ("Definition of Done", Tone.TITLE),
        ]
        assert "\n1. Do [this](https://example.org)\n   • and that\n│ a quote\n" in shown
        assert "  ## not a heading\n  - [ ] not a box\n" in shown
        assert "☑ done\n☐ to do" in shown
        assert "\x1b" not in shown

    def test_the_head_says_what_holds_it(self, view: View) -> None:
        shown = words(issue_text.issue_blocks(view, subject_of(view, target(45)), []))
        assert "─ held   by ann, 2d 7h ago" in shown
        assert "Not started: add `## Definition of Done`" in shown

    def test_comments(self, view: View) -> None:
        found = subject_of(view, target(37))
        assert found.issue is not None
        issue = msgspec.structs.replace(found.issue, comments=2)
        assert "reading 2 comments" in words(issue_text.comment_blocks(view, issue, None))
        many = [Comment("bot", scene.ago(hours=n), "said\n" * 40) for n in range(300)]
        blocks = issue_text.comment_blocks(view, issue, many)
        assert len(blocks) == issue_text.MOST_COMMENTS + 1
        assert "100 older comments not shown" in words(blocks)
        assert all(block.keep for block in blocks[1:])

    def test_an_empty_body_is_said(self, view: View) -> None:
        assert "Nobody wrote anything" in words(issue_text.body_blocks(" \n", "body"))


class TestCost:
    def test_each_process_counts_from_zero(self) -> None:
        def used(tokens: int, micros: int) -> UsageReport:
            return UsageReport(usage=Usage(Tokens(input=tokens), micros))

        tally = cost.Tally()
        events: tuple[AnyEvent, ...] = (
            *(Note(text="agent process 1: claude"), used(10, 100), used(30, 300)),
            *(
                Note(text="agent process 2: claude continues"),
                used(5, 50),
                UsageReport(usage=Usage(), agent="x"),
            ),
        )
        tally.feed(LogLine(n, scene.NOW, event) for n, event in enumerate(events, 1))
        assert [(step.name, step.tokens, step.micros) for step in tally.steps] == [
            ("process 1", 30, 300),
            ("process 2, goes on", 5, 50),
        ]

    def test_unknown_stays_unknown(self) -> None:
        run = scene.run(44, "claude-a", Phase.WORKING)
        view = view_of(scene.fleet(run), run, *scene.ISSUES)
        shown = words(cost.cost_blocks(view, subject_of(view, target(44)), None))
        assert "its agent has not said what it costs" in shown
        assert "$0" not in shown.partition("BUDGET")[0]
        assert "input                          –" in shown

    def test_what_was_said_since_the_last_figure_is_estimated_until_the_next(self) -> None:
        run = scene.run(44, "claude-a", Phase.WORKING)
        view = view_of(scene.fleet(run), run, *scene.ISSUES)
        tally = cost.Tally()

        def shown(*events: AnyEvent) -> str:
            tally.feed(LogLine(n, scene.NOW, event) for n, event in enumerate(events, 1))
            return words(cost.cost_blocks(view, subject_of(view, target(44)), tally))

        told = UsageReport(usage=Usage(Tokens(10, 50)))
        assert "output since" not in shown(told)
        words_of = (Said(text="x" * 400), Thinking(text="y" * 40), Said(text="z" * 99, agent="sub"))
        assert "output since then           ~110" in shown(*words_of)
        assert "~110" in shown(UsageReport(usage=Usage(Tokens(20, 50))))
        assert "output since" not in shown(UsageReport(usage=Usage(Tokens(20, 170))))

    def test_shares_of_attempts_and_what_is_left(self) -> None:
        first = scene.run(37, "codex-a", Phase.FAILED, attempt=1, micros=900_000, minutes=40)
        view = view_of(*scene.ITEMS, first)
        shown = words(cost.cost_blocks(view, subject_of(view, target(37)), None))
        assert "together                   $4.00" in shown
        assert "of $50.00" in shown
        assert "an hour over 7m" in shown

    def test_what_runs_may_still_spend_is_not_left(self) -> None:
        run = scene.run(44, "claude-a", Phase.WORKING, micros=200_000)
        run = msgspec.structs.replace(run, spec=msgspec.structs.replace(run.spec, budget_micros=1_200_000))
        limit = 50_000_000
        budget = Budget(day_micros=limit)
        view = view_of(msgspec.structs.replace(scene.fleet(run), budget=budget), run, *scene.ISSUES)
        shown = words(cost.cost_blocks(view, subject_of(view, target(44)), None))
        day = view.plan.spending("day")
        assert day.reserved
        assert text.money(limit - day.micros - day.reserved) in shown
        assert f"{text.money(day.reserved)} reserved" in shown


def test_the_description_comes_in_parts(view: View) -> None:
    found = described.described(view, subject_of(view, target(22)), width=100)
    assert [block.key for block in found if block.part] == ["ISSUE", "RUN", "PULL"]
    alone = described.described(view, subject_of(view, Target(repo=scene.REPO, pull_request=50)), width=100)
    assert [block.key for block in alone] == ["PULL"]
    assert "needs you     conflicts with main" in words(alone)


def test_a_run_without_start_has_no_burn() -> None:
    run = scene.run(1, "claude-a", Phase.QUEUED)
    bare = msgspec.structs.replace(run, status=msgspec.structs.replace(run.status, started_at=None))
    view = view_of(scene.fleet(bare), bare)
    assert "an hour" not in words(cost.cost_blocks(view, subject_of(view, Target(run=bare.id)), cost.Tally()))
