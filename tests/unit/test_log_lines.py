"""How a run's log reads: each event on one line, with what tells most about it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import timedelta

import pytest

from hive_tui.app.log_lines import Teller, plain, recorded
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    End,
    Limit,
    LogLine,
    Note,
    Prompt,
    Question,
    Raw,
    Said,
    Session,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Tokens, Usage
from tests.fakes import scene
from widgets.log_entry import Entry


def told(*events: AnyEvent) -> list[Entry]:
    teller = Teller()
    return [
        teller.tell(LogLine(n, scene.NOW + timedelta(seconds=n), event)) for n, event in enumerate(events, 1)
    ]


def used(read: int, out: int, micros: int | None, agent: str | None = None) -> UsageReport:
    return UsageReport(usage=Usage(Tokens(input=read, output=out), micros), agent=agent)


EVENTS: list[tuple[AnyEvent, str, str, str]] = [
    (Said(text=" The fix.\n"), "● said", "The fix.", ""),
    (Thinking(text="hm"), "· thinking", "hm", ""),
    (ToolCall(name="Edit", argument="src/a.py", added=2, removed=1), "▸ tool", "Edit  src/a.py", "+2 −1"),
    (ToolResult(text="3 failed", failed=True, exit_code=1, size=4200, seconds=5.1), "└ result",
     "✗ exit 1  3 failed", "5.1 s  4.2kB"),
    (ToolResult(text="done", exit_code=0), "└ result", "✓  done", ""),
    (ToolResult(), "└ result", "✓", ""),
    (Question(text="May I?"), "? asks", "May I?", ""),
    (Limit(text="used up", until=scene.NOW), "◷ limit", "used up", f"until {scene.NOW.astimezone():%H:%M}"),
    (AgentError(text="overloaded", retrying=True), "✗ error", "overloaded", "retrying"),
    (End(ok=True), "■ end", "done", ""),
    (End(ok=False), "■ end", "ended", ""),
    (Session(id="c0ffee1234", model="opus"), "○ session", "session c0ffee12 on opus", ""),
    (Note(text="step"), "◆ hive", "step", ""),
    (Prompt(text=" Fix it\n"), "▷ you", "Fix it", ""),
    (Raw(text="{?}"), "… raw", "{?}", ""),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind", "text", "figures"), EVENTS, ids=lambda value: type(value).__name__)
def test_every_event_is_one_readable_line(event: AnyEvent, kind: str, text: str, figures: str) -> None:
    (entry,) = told(event)
    assert (entry.kind.text, entry.text, entry.figures) == (kind, text, figures)


def test_only_what_is_wrong_stands_out() -> None:
    events = (
        ToolResult(failed=True),
        AgentError(text="broken"),
        AgentError(text="again", retrying=True),
        Thinking(text="hm"),
        Said(text="so"),
    )
    tones = [entry.tone for entry in told(*events)]
    assert tones == [Tone.BROKEN, Tone.BROKEN, Tone.SOON, Tone.QUIET, Tone.PLAIN]


def test_a_result_names_its_call_where_something_else_came_in_between() -> None:
    entries = told(
        ToolCall(name="Bash", argument="pytest -q", id="a"),
        ToolCall(name="Read", argument="src/a.py", id="b"),
        ToolResult(text="1 passed", id="a"),
        ToolResult(text="184 lines", id="b"),
        ToolCall(name="Read", argument="src/b.py", id="c"),
        ToolResult(text="90 lines", id="c"),
        ToolResult(text="of another time", id="gone"),
    )
    assert [entry.text for entry in entries[2:]] == [
        "✓ Bash pytest -q  1 passed",
        "✓ Read src/a.py  184 lines",
        "Read  src/b.py",
        "✓  90 lines",
        "✓  of another time",
    ]


def test_a_result_is_headed_by_the_line_that_tells_most() -> None:
    failed, ruled, empty = told(
        ToolResult(text="=====\nFAIL: test_a\n-----\nFAILED (failures=1)\n\n", failed=True, exit_code=1),
        ToolResult(text="-----\n3 files"),
        ToolResult(text="...\n==="),
    )
    assert failed.first == "✗ exit 1  FAILED (failures=1)"
    assert failed.text.count("\n") == 4
    assert ruled.first == "✓  3 files"
    assert empty.first == "✓  ..."


def test_cost_is_what_was_added() -> None:
    entries = told(
        used(8_000, 400, 40_000),
        used(10_000, 500, 90_000),
        used(10_000, 500, 90_000),
        used(700, 10, 5_000),
        used(1_000, 20, None, agent="explorer"),
    )
    assert [(entry.text, entry.figures) for entry in entries] == [
        ("+ $0.04  8.0k in, 400 out", "$0.04"),
        ("+ $0.05  2.0k in, 100 out", "$0.09"),
        ("nothing more", "$0.09"),
        ("+ $0.01  700 in, 10 out", "$0.01"),
        ("explorer:  1.0k in, 20 out", "1.0k tokens"),
    ]


def test_a_sub_agent_is_named_and_set_off() -> None:
    said, call = told(Said(text="found it", agent="explorer"), ToolCall(name="Grep", agent="explorer"))
    assert (said.text, said.depth) == ("explorer:  found it", 1)
    assert call.text[: call.lead] == "explorer: Grep"


def test_many_lines_are_kept_and_results_take_one() -> None:
    said, result = told(Said(text="a\n\n  b\n"), ToolResult(text="x\ny"))
    assert said.text == "a\n\n  b"
    assert (said.folded, result.folded) == (False, True)
    assert result.first == "✓  x"


HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07clip",
    "\x1b[2J\x9b31mred\x1b[0m",
    "\u202egnitirw\u2066",
    "nul\x00 bell\x07\r\n\ttab",
    "lone \ud800",
    "e" + "\u0301" * 500,
    "x" * 1_000_000,
    "two\u2028lines",
    "[bold red]markup[/]",
)


def hostile(text: str) -> Iterable[AnyEvent]:
    yield Said(text=text, agent=text)
    yield ToolCall(name=text, argument=text, id="a")
    yield Note(text=text)
    yield ToolResult(text=text, id="a")
    yield Session(id=text, model=text)
    yield Limit(text=text)
    yield AgentError(text=text)
    yield End(ok=True, text=text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_harmless_and_bounded(text: str) -> None:
    for entry in told(*hostile(text)):
        assert len(entry.text) < 20_000
        for char in entry.text:
            assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), entry


def test_plain_text_has_the_date_and_every_line() -> None:
    (entry,) = told(ToolResult(text="a\nb", size=3, seconds=0.5))
    first, second = plain(entry).split("\n")
    assert first == f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}  result    ✓  a  [0.5 s  3B]"
    assert second.strip() == "b"
    assert second.index("b") == first.index("✓")


def test_what_was_recorded_is_json() -> None:
    (entry,) = told(ToolCall(name="Bash", argument="ls"))
    assert '"name": "Bash"' in recorded(entry)
    assert '"n": 1' in recorded(entry)
