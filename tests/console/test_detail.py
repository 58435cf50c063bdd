"""The screen of one thing: opened from every list, its tabs, attempts, and the way back."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from hive_tui.app.screens.detail import DetailScreen
from hive_tui.core.errors import GitError
from hive_tui.core.events import LogLine, Said, ToolCall, ToolResult
from hive_tui.core.ids import IssueKey, PullKey
from hive_tui.core.model import Comment, Phase
from hive_tui.core.ports import DiffOf, RunDiff
from hive_tui.core.sources import CLUSTER, FORGE, Changed, Kind
from hive_tui.core.targets import Target
from tests.console.conftest import Console, Open
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)

DIFF = """\
diff --git a/src/parse.py b/src/parse.py
index 1111111..2222222 100644
--- a/src/parse.py
+++ b/src/parse.py
@@ -1,3 +1,3 @@
 def parse(text):
-    return text.split()
+    return text.splitlines()
diff --git a/tests/test_new.py b/tests/test_new.py
new file mode 100644
--- /dev/null
+++ b/tests/test_new.py
@@ -0,0 +1 @@
+def test_it(): ...
"""


def detail(c: Console) -> DetailScreen:
    assert isinstance(c.app.screen, DetailScreen)
    return c.app.screen


def is_open(c: Console) -> Any:
    return lambda: isinstance(c.app.screen, DetailScreen) and c.app.screen.is_mounted


def told(c: Console, words: str) -> Any:
    """A condition: a message said so, however its lines are broken."""
    return lambda: any(words in message.message for message in c.app._notifications)


def fleet() -> ScriptedFleet:
    found = ScriptedFleet()
    found.agents_side.logged[scene.FIRST_RUN] = scene.log_lines()
    return found


async def test_enter_opens_what_is_selected_in_each_pane_and_escape_goes_back(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        for digit, tab, words in (
            (3, "log", "claude-a  #37"),
            (2, "issue", "#37"),
            (5, "diff", "Locale of the numbers"),
            (7, "log", "codex-a  #41"),
        ):
            await c.press(str(digit), "enter")
            await c.until(is_open(c), f"the detail of pane {digit}")
            assert detail(c).current == tab
            assert words in c.text
            await c.press("escape")
            await c.until(lambda: c.app.screen is c.app.main)
            assert c.app.main.current.digit == digit
            assert c.app.main.current.body.has_focus


async def test_the_way_back_leads_to_the_same_row_and_place(console: Open) -> None:
    async with console(fleet(), said=True, size=(100, 24)) as c:
        await c.press("2", *["down"] * 9)
        table = c.app.main.issues.table
        before = (table.selected, table.scroll_offset)
        await c.press("enter")
        await c.until(is_open(c))
        await c.press("tab", "3", "escape")
        await c.until(lambda: c.app.screen is c.app.main)
        assert (table.selected, table.scroll_offset) == before
        assert table.has_focus


async def test_tabs_by_digits_tab_arrows_and_click(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        await c.press("enter")
        await c.until(c.shows("The CRLF case still fails"))
        for digit, name in enumerate(("log", "transcript", "diff", "issue", "cost", "describe"), 1):
            await c.press(str(digit))
            assert detail(c).current == name
        await c.press("tab")
        assert detail(c).current == "log"
        await c.press("shift+tab")
        assert detail(c).current == "describe"
        await c.press("left", "left")
        assert detail(c).current == "issue"
        await c.press("right")
        assert detail(c).current == "cost"
        await c.pilot.click("#names", offset=(10, 0))
        await c.until(lambda: detail(c).current == "transcript")


async def test_d_describes_from_the_list_and_on_the_screen(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        await c.press("d")
        await c.until(c.shows(f"RUN {scene.FIRST_RUN}", "stalled for 6m", "needs you"))
        await c.press("1")
        await c.until(lambda: detail(c).current == "log")
        await c.press("d")
        await c.until(lambda: detail(c).current == "describe")


async def test_the_summary_and_the_tabs_are_live(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        await c.press("d")
        await c.until(c.shows("! stalled", "$3.10", "hive/issue-37-a2"))
        run = scene.RUNS[0]
        ended = msgspec.structs.replace(
            run,
            status=msgspec.structs.replace(run.status, phase=Phase.SUCCEEDED, since=scene.NOW, why=None),
            settled=True,
        )
        c.fleet.change(ended)
        await c.until(c.shows("✓ succeeded", "for 0s"))
        assert "! stalled" not in c.lines[2]
        c.fleet.agents_side.say(Changed(CLUSTER, gone=((Kind.RUN, run.id),)))
        await c.until(c.shows(f"Run {run.id} was removed"))
        c.fleet.tracker.say(Changed(FORGE, gone=((Kind.ISSUE, run.key),)))
        await c.until(c.shows("This is not there any more", "Esc goes back"))
        await c.press("1", "2", "3", "escape")
        await c.until(lambda: c.app.screen is c.app.main)


async def test_a_ready_issue_says_what_is_to_be_done(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        c.app.open_detail(Target(repo=scene.REPO, issue=44))
        await c.until(c.shows("4 Issue", "Faster start-up", "Definition of Done", "☐ it is done"))
        for key in ("1", "2", "3", "5"):
            await c.press(key)
            await c.until(c.shows("Nobody has worked on this yet", "f starts it now"))
        await c.press("escape")
        c.app.open_detail(Target(repo=scene.REPO, issue=45), "log")
        await c.until(c.shows("It is not started: add `## Definition of Done`"))


async def test_attempts_are_chosen(console: Open) -> None:
    first = scene.run(37, "codex-a", Phase.FAILED, attempt=1, why="tests still fail", minutes=40)
    f = fleet()
    f.agents_side.logged[first.id] = [LogLine(1, scene.NOW, Said(text="I tried first."))]
    async with console(f, said=True) as c:
        c.fleet.change(first)
        await c.press("enter")
        await c.until(c.shows("attempt 2 of 2", "The CRLF case"))
        await c.press("left_square_bracket")
        await c.until(c.shows("attempt 1 of 2", "codex-a", "I tried first."))
        assert c.app.targets is not None
        assert c.app.targets[0].run == first.id
        await c.press("left_square_bracket", "2")
        await c.until(c.shows("attempt 1 of 2", "● says"))
        await c.press("right_square_bracket")
        await c.until(c.shows("attempt 2 of 2", "claude-a"))
        await c.press("right_square_bracket")
        await c.until(lambda: any("the newest attempt" in note.message for note in c.app._notifications))


async def test_orders_work_on_it(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        await c.press("enter")
        await c.until(is_open(c))
        assert [target.run for target in c.app.targets or ()] == [scene.FIRST_RUN]
        await c.press("x")
        await c.until(c.shows("Kill", "Cancel", "$3.10"))
        await c.press("escape")
        await c.until(is_open(c))
        assert c.fleet.agents_side.told == []


async def test_the_transcript_is_read_folded_and_searched(console: Open) -> None:
    f = fleet()
    long = "\n".join(f"line {n} of the result" for n in range(60)) + "\nthe needle"
    f.agents_side.logged[scene.FIRST_RUN] = [
        LogLine(1, scene.NOW, Said(text="Let me look at [b]everything[/b].")),
        LogLine(2, scene.NOW, ToolCall(name="Bash", argument="cat notes.txt")),
        LogLine(3, scene.NOW, ToolResult(text=long, size=len(long))),
        LogLine(4, scene.NOW, Said(text="Done with it.")),
    ]
    async with console(f, said=True) as c:
        await c.press("enter", "2")
        await c.until(c.shows("[b]everything[/b]", "Bash cat notes.txt", "53 more lines · Enter shows them"))
        assert "line 30 of" not in c.text
        await c.press("enter")
        await c.until(c.shows("line 30 of the result"))
        await c.press("end", "enter")
        await c.until(c.shows("53 more lines"))
        await c.press("slash", *"needle")
        await c.until(c.shows("the needle", "1/1"))
        await c.press("enter", "n")
        assert c.fleet.agents_side.recorded == []
        await c.press("escape")
        assert "1/1" not in c.text
        f.agents_side.logged[scene.FIRST_RUN].append(LogLine(5, scene.NOW, Said(text="One thing more.")))
        await c.press("end")
        await c.until(c.shows("One thing more."))


async def test_of_a_long_transcript_the_end_is_kept(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.app.detail.logged.KEPT", 100)
    f = fleet()
    f.agents_side.logged[scene.FIRST_RUN] = [
        LogLine(n, scene.NOW, Said(text=f"Word number {n}.")) for n in range(1, 1_001)
    ]
    async with console(f, said=True) as c:
        await c.press("enter", "2")
        await c.until(c.shows("Word number 1000.", "older lines left out"))
        await c.press("home")
        await c.until(lambda: "Word number 1." not in c.text and "Word number 9" in c.text)


async def test_the_diff_of_a_run_at_work(console: Open) -> None:
    f = fleet()
    f.agents_side.diffs[scene.FIRST_RUN] = RunDiff(DiffOf.WORK, DIFF, cut="Cut here: too long.")
    async with console(f, said=True) as c:
        await c.press("enter", "3")
        await c.until(
            c.shows("2 files  +2 −1", "its work tree now", "src/parse.py", "+def test_it", "Cut here")
        )
        assert "+    return text.splitlines()" in c.text
        # An old diff stays while a new one is read.
        f.agents_side.blocked = threading.Event()
        f.agents_side.diffs[scene.FIRST_RUN] = GitError("git is busy.", "Try again.")
        await c.press("r")
        await c.until(c.shows("reading it again", "+def test_it"))
        f.agents_side.blocked.set()
        await c.until(c.shows("git is busy. Try again.", "+def test_it"))
        f.agents_side.diffs[scene.FIRST_RUN] = RunDiff(DiffOf.WORK, DIFF.replace("test_it", "test_that"))
        await c.press("r")
        await c.until(c.shows("+def test_that"))


async def test_the_diff_of_a_pull_request_goes_from_file_to_file(console: Open) -> None:
    f = fleet()
    f.tracker.diffs[PullKey(scene.REPO, 52)] = DIFF + "".join(
        f"diff --git a/f{n} b/f{n}\n--- a/f{n}\n+++ b/f{n}\n@@ -1 +1 @@\n-a\n+b{n}\n" for n in range(40)
    )
    async with console(f, said=True) as c:
        c.app.open_detail(Target(repo=scene.REPO, pull_request=52), "diff")
        await c.until(c.shows("42 files", "!52 at aaaaaaaaaa onto main"))
        reading = detail(c).tab.reading
        assert reading is not None
        await c.press("J")
        await c.until(lambda: "── src/parse.py" in c.lines[5])
        await c.press("J", "J")
        await c.until(lambda: "── f0" in c.lines[5])
        await c.press("K")
        await c.until(lambda: "── tests/test_new.py" in c.lines[5])


async def test_a_diff_that_cannot_be_read_says_why_and_the_rest_lives(console: Open) -> None:
    f = fleet()
    f.agents_side.diffs[scene.FIRST_RUN] = GitError("git is not installed.", "Install git 2.38 or newer.")
    async with console(f, said=True) as c:
        await c.press("enter", "3")
        await c.until(c.shows("The diff cannot be read", "Install git 2.38", "r reads it again"))
        await c.press("4")
        await c.until(c.shows("Definition of Done"))
        f.agents_side.diffs[scene.FIRST_RUN] = RunDiff(DiffOf.NOTHING)
        await c.press("3", "r")
        await c.until(c.shows("Nothing changed yet", "first files it writes"))


async def test_comments_come_with_the_issue(console: Open) -> None:
    f = fleet()
    key = IssueKey(scene.REPO, 37)
    f.tracker.said[key] = [Comment("bob", scene.ago(hours=2), "Is it [red]really[/red] so?\x1b[2J")]
    async with console(f, said=True) as c:
        issue = msgspec.structs.replace(scene.ISSUES[0], comments=1)
        c.fleet.change(issue)
        await c.until(lambda: c.app.view.snapshot.issues[key].comments == 1)
        await c.press("2", "enter")
        await c.until(c.shows("bob  2h ago", "Is it [red]really[/red] so?"))
        f.tracker.refuses = True
        await c.press("r")
        await c.until(c.shows("The tracker does not answer. r tries again.", "Is it [red]really"))


async def test_money_by_kind_and_attempt(console: Open) -> None:
    first = scene.run(37, "codex-a", Phase.FAILED, attempt=1, micros=900_000, minutes=40)
    async with console(fleet(), said=True) as c:
        c.fleet.change(first)
        await c.press("enter", "5")
        await c.until(
            c.shows("USED BY THIS ATTEMPT", "412,000", "attempt 1", "together", "$4.00", "BUDGET LEFT")
        )


async def test_related_things_are_gone_to(console: Open) -> None:
    async with console(fleet(), said=True) as c:
        c.app.main.agents.table.select(scene.RUNS[5].id)
        c.app.action_go("pull")
        await c.until(lambda: c.app.main.pulls.table.selected == PullKey(scene.REPO, 52))
        assert c.app.main.current is c.app.main.pulls
        c.app.action_go("issue")
        await c.until(lambda: c.app.main.issues.table.has_focus)
        assert c.app.main.issues.table.selected == IssueKey(scene.REPO, 22)
        c.app.action_go("run")
        await c.until(lambda: c.app.main.agents.table.has_focus)
        assert c.app.main.agents.table.selected == scene.RUNS[5].id
        # From the screen of one thing, and with a filter that hides it.
        c.app.main.issues.set_filter("nothing like it")
        await c.press("enter")
        await c.until(is_open(c))
        c.app.action_go("issue")
        await c.until(lambda: c.app.main.issues.table.selected == IssueKey(scene.REPO, 22))
        await c.until(told(c, "The filter hid it and was cleared"))
        assert c.app.screen is c.app.main
        c.app.main.issues.table.select(IssueKey(scene.REPO, 44))
        c.app.action_go("pull")
        await c.until(told(c, "acme/parser#44 has no pull request yet"))


async def test_names_and_lines_are_copied(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.system.clipboard.tool", lambda: None)
    async with console(fleet(), said=True) as c:
        await c.press("y")
        await c.until(lambda: c.app.clipboard == scene.FIRST_RUN)
        await c.until(c.shows(f"Copied {scene.FIRST_RUN}"))
        await c.press("2", "y")
        assert c.app.clipboard == "acme/parser#37"
        await c.press("Y")
        assert "Parser drops CRLF" in c.app.clipboard
        await c.press("5", "y")
        assert c.app.clipboard.startswith("acme/parser!")
        await c.press("3", "enter")
        await c.until(is_open(c))
        await c.press("3", "y")
        assert c.app.clipboard == "hive/issue-37-a2"
        await c.press("Y")
        assert "claude-a  #37" in c.app.clipboard


async def test_pages_are_opened_or_copied(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.system.clipboard.tool", lambda: None)
    opened: list[str] = []
    works = True

    def open_page(url: str) -> bool:
        opened.append(url)
        return works

    monkeypatch.setattr("hive_tui.system.browser.open_page", open_page)
    async with console(fleet(), said=True) as c:
        await c.press("2", "o")
        await c.until(told(c, "the local tracker has no pages"))
        assert opened == []
        c.fleet.change(msgspec.structs.replace(scene.ISSUES[0], url="https://example.org/37"))
        monkeypatch.setattr("hive_tui.app.looking.LOCAL", "elsewhere")
        await c.until(lambda: c.app.view.snapshot.issues[scene.ISSUES[0].key].url)
        await c.press("o")
        await c.until(c.shows("Opened https://example.org/37"))
        works = False
        await c.press("o")
        await c.until(lambda: c.app.clipboard == "https://example.org/37")


async def test_numbers_and_addresses_lead_to_their_pages(console: Open) -> None:
    page, evil = "https://example.org/37", "https://example.org/\x1b]8;;https://evil.example\x07"
    async with console(fleet(), said=True) as c:
        c.fleet.change(msgspec.structs.replace(scene.ISSUES[0], url=page))
        c.fleet.change(msgspec.structs.replace(scene.ISSUES[1], url=evil))
        await c.until(lambda: c.app.view.snapshot.issues[scene.ISSUES[1].key].url)
        await c.press("2")
        await c.until(lambda: links(c) == {"#37": page})
        await c.press("enter")
        await c.until(lambda: links(c).get(page) == page, "the address in the tab Issue")


def links(c: Console) -> dict[str, str]:
    """What on the screen leads to a page, and where to."""
    found = {}
    for strip in c.app.screen._compositor.render_strips(c.app.size):
        for segment in strip:
            if segment.style is not None and segment.style.link is not None:
                found[segment.text.strip()] = segment.style.link
    return found


async def test_a_screen_that_is_left_ends_what_it_began(console: Open) -> None:
    f = fleet()
    async with console(f, said=True) as c:
        await c.until(lambda: f.agents_side.followers == 1, "the log pane")
        await c.press("enter", "2", "5", "3", "4")
        await c.until(lambda: f.agents_side.followers == 4, "log, transcript and cost")
        await c.press("escape")
        await c.until(lambda: f.agents_side.followers == 1, "the log pane alone")


@pytest.mark.parametrize("size", [(80, 24), (44, 10), (200, 60)])
async def test_it_fits_every_size(console: Open, size: tuple[int, int]) -> None:
    f = fleet()
    f.agents_side.diffs[scene.FIRST_RUN] = RunDiff(DiffOf.WORK, DIFF)
    async with console(f, said=True, size=size) as c:
        await c.press("enter")
        await c.until(is_open(c))
        for key in "123456":
            await c.press(key)
            await c.pilot.pause()
            assert all(len(line) <= size[0] for line in c.lines)
        await c.pilot.resize_terminal(60, 14)
        await c.pilot.pause()
