"""Whatever an agent, an issue or a server says, the terminal gets plain characters."""

from __future__ import annotations

import unicodedata

import pytest
from rich.cells import cell_len

from hive_tui.app import lists
from hive_tui.core.events import AnyEvent, LogLine, Note, Said, ToolCall
from hive_tui.core.model import Phase
from hive_tui.core.sources import CLUSTER, SourceFailed
from hive_tui.core.store import Snapshot
from tests.console.conftest import Console, Open
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07clipboard",
    "\x1b[2J\x1b[H\x1b[31mcursor\x1b[0m",
    "\x9b31mC1 \x90q payload\x9c",
    "\u202egnitirw desrever\u2066 isolated",
    "[bold red]markup[/] [@click=app.quit]click me[/]",
    "nul\x00 bell\x07 back\x08space",
    "zero\u200bwidth\ufeff and tag \U000e0041",
    "wide 你好世界 " + "世界" * 80,
    "e\u0301" + "\u0301" * 500,
    "👩\u200d👩\u200d👧 family 🏳️\u200d🌈",
    "x" * 1_000_000,
    "lone \ud800 surrogate",
    "two\nlines\r\nand\ttabs",
)


def harmless(c: Console) -> None:
    """No cell carries a control, an escape or a bidi character, and every line fits the screen."""
    for line in c.lines:
        bad = [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert not bad, (bad, line)
        assert cell_len(line) == c.app.size.width


async def test_hostile_text_everywhere(console: Open) -> None:
    fleet, runs = ScriptedFleet(), []
    logged: list[AnyEvent] = []
    for number, text in enumerate(HOSTILE, start=1):
        run = scene.run(number, f"claude-{number}", Phase.WORKING, title=text, why=text, last=text)
        runs.append(run)
        logged += [Said(text=text), ToolCall(name=text[:50], argument=text), Note(text=text)]
    first = lists.runs(Snapshot(runs={run.id: run for run in runs}))[0]
    fleet.agents_side.logged[first] = [LogLine(n + 1, scene.NOW, event) for n, event in enumerate(logged)]
    async with console(fleet, size=(160, 70)) as c:
        issues = [scene.issue(n, text, author=text) for n, text in enumerate(HOSTILE, start=1)]
        pulls = [scene.pull(n, text, n) for n, text in enumerate(HOSTILE, start=1)]
        fleet.list_all(scene.fleet(*runs), *runs, *issues, *pulls)
        fleet.agents_side.say(SourceFailed(CLUSTER, "".join(HOSTILE)))
        await c.until(c.shows("claude-13", "#13", "!12", f"{len(logged)} lines", "failed"))
        harmless(c)
        assert sum("◐ review" in line for line in c.lines) >= 12


async def test_markup_is_shown_as_it_is(console: Open) -> None:
    async with console() as c:
        c.fleet.list_all(scene.fleet(), scene.issue(7, "[red]not[/] markup"))
        await c.until(c.shows("[red]not[/] markup"))
