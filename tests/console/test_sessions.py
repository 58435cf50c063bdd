"""`hive sessions` on the screen: who works here, what was said, and the way back to it."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from hive_tui.app import looks_feed, transcript_log
from hive_tui.app.screens.transcript import TranscriptScreen
from hive_tui.app.sessions import SessionsApp
from hive_tui.core.errors import SourceError
from hive_tui.costs import files
from hive_tui.costs.files import Found
from hive_tui.costs.index import Index
from hive_tui.costs.live import Process
from hive_tui.costs.periods import Block, Use
from hive_tui.costs.session_sources import Sources
from hive_tui.costs.sessions import Overview, Session
from hive_tui.costs.tails import Share
from hive_tui.transcripts import parsers
from tests.console.conftest import WITHIN
from tests.corpus import HERE

pytestmark = pytest.mark.timeout(60)

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)


class Looks:
    """Says what a test wants to be seen."""

    def __init__(self, seen: Overview | SourceError) -> None:
        self.seen = seen
        self.stirred = False

    def look(self, *, processes: bool = True) -> Overview:
        if isinstance(self.seen, SourceError):
            raise self.seen
        return self.seen


def app_of(looks: Any, **more: Any) -> SessionsApp:
    return SessionsApp(
        looks, parsers=parsers(), home="/home/ann", folders="~/.claude", now=lambda: NOW, **more
    )


class Screen:
    """A running `hive sessions` under test."""

    def __init__(self, app: SessionsApp, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def until(self, *words: str, gone: str = "") -> None:
        """Wait until all of it is on the screen."""
        deadline = time.monotonic() + WITHIN
        while not (all(word in self.text for word in words) and (not gone or gone not in self.text)):
            assert time.monotonic() < deadline, f"{words} did not come; the screen:\n{self.text}"
            await asyncio.sleep(0.005)
        await self._pilot.pause()

    @property
    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips(self.app.size))


@asynccontextmanager
async def opened(looks: Any, size: tuple[int, int] = (160, 30), **more: Any) -> AsyncIterator[Screen]:
    app = app_of(looks, **more)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Screen(app, pilot)


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def use(tokens: int, dollars: float, *, unpriced: int = 0) -> Use:
    return Use("s", 9, unpriced, tokens // 4, tokens // 10, tokens // 2, tokens // 6, round(dollars * 1e12))


def session(number: int, project: str, **more: Any) -> Session:
    facts: dict[str, Any] = {
        "agent": "claude",
        "id": f"{number:08x}-d376-4585-89d3-0b174391fef3",
        "project": f"/home/ann/src/{project}",
        "model": "claude-opus-5-5",
        "last": ago(minutes=7 * number),
        "use": use(90_000 * number, 0.41 * number),
        "context": 61_000 * number,
        "window": 1_000_000,
        "transcript": Found("claude", f"/t/{number}.jsonl", 1, number, 10, 0),
    }
    return Session(**{**facts, **more})


def process(pid: int, status: str | None, agent: str = "claude") -> Process:
    return Process(agent, pid, "s", "/home/ann/src", status, ago(hours=1), ago(minutes=1))


BLOCK = msgspec.structs.replace(
    use(10_600_000, 6.42),
    first=round(ago(hours=2).timestamp() * 1e3),
    last=round(NOW.timestamp() * 1e3),
)

SEEN = Overview(
    (
        session(1, "shop", process=process(4101, "busy"), last=ago(seconds=4),
                words="Bash pytest -q tests/unit"),
        session(2, "api", process=process(977, "waiting"), last=ago(minutes=2), context=850_000,
                words="May I push to origin?"),
        session(3, "firmware", agent="codex", model="gpt-6.1-sol", process=process(31_337, None, "codex"),
                last=ago(minutes=3), context=120_000, window=258_400, words="shell make -j8"),
        session(4, "docs", process=process(4122, "idle"), use=Use("s"), context=None, model=None,
                last=ago(minutes=9)),
        *(session(number, name, words=words) for number, name, words in (
            (5, "shop", "Done: the cart keeps its items."), (6, "infra", "error: interrupted"),
            (7, "a-project-with-quite-a-long-name", "limit: usage limit reached"),
        )),
        session(8, "notes", model="someone-s-model", use=use(12_000, 0, unpriced=9), window=None,
                context=9_000, words="It is written down."),
    ),
    Block(ago(hours=2), ago(hours=-3), BLOCK, active=True),
    (Share(300, 12.5, round(ago(hours=-2).timestamp() * 1e3), round(NOW.timestamp() * 1e3)),),
)  # fmt: skip


async def test_who_works_here_is_listed_with_what_it_costs() -> None:
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy", "? waiting", "○ idle", "◐ live", "· ended")
        await c.until("1 busy", "1 waiting", "8 in all", "6%", "85%", "46%")
        await c.until("block until", "3h left", "$6.42", "burn $3.21/h", "5h limit 12% used")
        assert "without calls that nobody has a price for" in c.text


async def test_on_a_small_terminal_what_counts_is_there() -> None:
    async with opened(Looks(SEEN), size=(80, 24)) as c:
        await c.until("state", "agent", "project", "model", "last", "tokens", "cost", "context")
        await c.until("◐ busy", "claude", "shop", "opus-5-5", "92k", "$0.41", "6%")


async def test_on_the_smallest_terminal_it_still_says_what_it_is() -> None:
    async with opened(Looks(SEEN), size=(44, 10)) as c:
        await c.until("Sessions", "1 busy", "state", "project", "cost", "◐ busy", "$0.41")


async def test_before_anything_is_known_it_says_so() -> None:
    class Slow(Looks):
        def look(self, *, processes: bool = True) -> Overview:
            raise SourceError("usage.db: locked.", "Wait.")

    async with opened(Slow(SEEN)) as c:
        await c.until("The transcripts cannot be read", "usage.db: locked. Wait.")


async def test_what_was_known_stays_when_a_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(SEEN)
    async with opened(looks) as c:
        await c.until("◐ busy")
        looks.seen = SourceError("usage.db: disk I/O error.", "Look at the disk.")
        await c.press("r")
        await c.until("◐ busy", "cannot be read", "disk I/O error")
        looks.seen = SEEN
        await c.press("r")
        await c.until("◐ busy", gone="cannot be read")


async def test_where_nobody_works_it_says_what_to_do() -> None:
    async with opened(Looks(Overview())) as c:
        await c.until("No session of Claude Code or Codex was found in ~/.claude", "none at work")
    async with opened(Looks(Overview(problems=("/x cannot be read: give yourself the right to.",)))) as c:
        await c.until("/x cannot be read")


async def test_the_list_is_filtered_and_esc_undoes_it() -> None:
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy")
        await c.press("slash", *"agent:codex")
        await c.until("1 of 8", "firmware", gone="infra")
        await c.press("enter", "escape")
        await c.until("infra", "8 in all")
        await c.press("slash", *"live")
        await c.until("4 of 8")
        await c.press("escape", "escape")
        await c.until("8 in all")
        assert c.app.is_running


async def test_the_list_is_sorted_by_its_columns() -> None:
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy")
        for _ in range(7):
            await c.press("s")
        await c.until("cost↓")
        rows = [line for line in c.text.splitlines() if "$" in line and "│" in line]
        assert "a-project-with-quite" in rows[0]
        await c.press("S")
        await c.until("cost↑")


async def test_a_row_unfolds_to_all_that_is_known() -> None:
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy")
        await c.press("right")
        await c.until("~/src/shop", "claude-opus-5-5", "61,000 of 1,000,000", "9 calls", "claude --resume")


async def test_y_copies_the_command_that_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(SessionsApp, "copy_to_clipboard", lambda self, words: copied.append(words))
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy")
        await c.press("y", "down", "down", "y")
        await c.until("Copied")
        assert copied == [
            "cd /home/ann/src/shop && claude --resume 00000001-d376-4585-89d3-0b174391fef3",
            "cd /home/ann/src/firmware && codex resume 00000003-d376-4585-89d3-0b174391fef3",
        ]


async def test_what_cannot_be_resumed_says_why() -> None:
    hostile = session(1, "x", id="--dangerously-skip-permissions", process=process(1, "busy"))
    async with opened(Looks(Overview((hostile,)))) as c:
        await c.until("◐ busy")
        await c.press("y")
        await c.until("It cannot be resumed")


async def test_a_session_without_a_transcript_cannot_be_opened() -> None:
    async with opened(Looks(Overview((session(1, "x", transcript=None),)))) as c:
        await c.until("ended")
        await c.press("enter")
        await c.until("CODEX_HOME")
    at_work = session(1, "x", transcript=None, process=process(1, "busy"))
    async with opened(Looks(Overview((at_work,)))) as c:
        await c.until("◐ busy")
        await c.press("enter")
        await c.until("no transcript yet")


async def test_the_help_tells_the_keys_and_q_leaves() -> None:
    async with opened(Looks(SEEN)) as c:
        await c.until("◐ busy")
        await c.press("question_mark")
        await c.until("Copy the resume command", "Sessions")
        await c.press("escape", "escape")
        await c.until("There is nothing to go back to")
        assert c.app.is_running
        await c.press("q")
        assert not c.app.is_running
        assert c.app.return_code in (0, None)


async def test_hostile_names_are_painted_harmlessly() -> None:
    bad = "\x1b]0;owned\x07\u202e\n[bold]x[/]"
    one = session(1, bad, id=bad, model=bad, words=bad, process=process(1, bad))
    async with opened(Looks(Overview((one,), problems=(bad,)))) as c:
        await c.until("claude", "[bold]x[/]")
        assert "\x1b" not in c.text
        assert "\u202e" not in c.text


# With real files


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(HERE / "claude" / "success" / "claude-home", tmp_path / "claude")
    shutil.copytree(HERE / "codex" / "success" / "codex-home", tmp_path / "codex")
    return tmp_path


def sources(home: Path) -> Sources:
    where = {"CLAUDE_CONFIG_DIR": str(home / "claude"), "CODEX_HOME": str(home / "codex")}
    return Sources(Index(home / "cache"), files.roots(where, home), parsers=parsers(), now=lambda: NOW)


def transcript(home: Path) -> Path:
    (path,) = (home / "claude" / "projects").rglob("*.jsonl")
    return path


def say(home: Path, words: str) -> None:
    """Claude says something more."""
    line = json.loads(next(line for line in transcript(home).read_text().splitlines() if '"usage":{' in line))
    line["message"] |= {"id": f"msg_{words}", "content": [{"type": "text", "text": words}]}
    line["timestamp"] = "2026-11-21T01:59:58.000Z"
    with transcript(home).open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


async def test_a_new_line_is_in_the_list_within_a_second(home: Path) -> None:
    async with opened(sources(home)) as c:
        await c.until("success", "codex_success", "$0.08")
        say(home, "something new")
        began = time.monotonic()
        await c.until("something new")
        # Looks are less than a second apart; the rest is for a machine that is busy otherwise.
        assert time.monotonic() - began < 5
        assert looks_feed.PEEK_SECONDS < 1
        assert looks_feed.LOOK_SECONDS < 1


async def test_enter_opens_the_transcript_which_goes_on(home: Path) -> None:
    async with opened(sources(home)) as c:
        await c.until("success", "codex_success")
        await c.press("slash", *"claude", "enter", "enter")
        await c.until("▷ you", "Add hello.py and commit it", "▸ tool", "└ result", "opus-5-5", "following")
        say(home, "and one more")
        await c.until("and one more")
        await c.press("slash", *"one more")
        await c.until("/one more 1/1")
        await c.press("enter", "escape", "escape")
        await c.until("Sessions")
        assert c.app.screen is c.app.main


async def test_a_line_is_copied_opened_and_shown_as_it_was_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(SessionsApp, "copy_to_clipboard", lambda self, words: copied.append(words))
    async with opened(sources(home)) as c:
        await c.until("success", "codex_success")
        await c.press("slash", *"claude", "enter", "enter")
        await c.until("▷ you", "Done: added hello.py")
        await c.press("home", "Y")
        await c.until("Copied")
        assert copied == ["Add hello.py and commit it"]
        await c.press("J")
        await c.until('"kind": "prompt"')


async def test_codex_is_read_as_well(home: Path) -> None:
    async with opened(sources(home)) as c:
        await c.until("success", "codex_success")
        await c.press("slash", *"codex", "enter", "enter")
        await c.until("▷ you", "shell", "edit", "hello.py", "✗ exit 1")
        await c.press("q")
        await c.until("Sessions")
        assert c.app.is_running


async def test_a_long_transcript_is_read_part_by_part(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_log, "PART", 4_000)
    for number in range(12):
        say(home, f"number {number} {'x' * 800}")
    async with opened(sources(home)) as c:
        await c.until("success", "codex_success")
        await c.press("slash", *"claude", "enter", "enter")
        await c.until("number 11", " MB", "older")
        assert "number 1 " not in c.text
        await c.press("left_square_bracket")
        await c.until("ended", gone="number 11")
        for _ in range(20):
            if not isinstance(c.app.screen, TranscriptScreen) or c.app.screen._part.begin == 0:
                break
            await c.press("left_square_bracket")
        await c.until("Add hello.py and commit it")
        await c.press("left_square_bracket")
        await c.until("This is its beginning")
        await c.press("right_square_bracket")
        await c.until(gone="Add hello.py and commit it")


async def test_a_transcript_that_went_away_says_so(tmp_path: Path) -> None:
    gone = session(1, "x", transcript=Found("claude", str(tmp_path / "gone.jsonl"), 1, 1, 10, 0))
    async with opened(Looks(Overview((gone,)))) as c:
        await c.until("ended")
        await c.press("enter")
        await c.until("The log cannot be read", "No such file")


def settled(*keys: str, words: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def run(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, SessionsApp)
        screen = Screen(app, pilot)
        await screen.until("project")
        for key in keys:
            await screen.press(key)
        await screen.until(words)
        for _ in range(3):
            await pilot.pause(0.02)

    return run


def test_picture_of_the_list(snap_compare: Any) -> None:
    assert snap_compare(
        app_of(Looks(SEEN)), terminal_size=(160, 30), run_before=settled("right", words="9 calls")
    )


def test_picture_of_a_transcript(snap_compare: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(transcript_of_success())
    one = msgspec.structs.replace(
        SEEN.sessions[0], transcript=Found("claude", str(path), 1, 1, path.stat().st_size, 0)
    )
    looks = Looks(Overview((one,)))
    assert snap_compare(app_of(looks), terminal_size=(80, 24), run_before=settled("enter", words="lines"))


def transcript_of_success() -> bytes:
    (path,) = (HERE / "claude" / "success" / "claude-home").rglob("*.jsonl")
    return path.read_bytes()
