"""What needs a person in the running console: gone to and helped with by one key, and called for."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from textual import events

from hive_tui.app import telling
from hive_tui.app.app import HiveApp
from hive_tui.core.model import Dispatcher, DispatcherState, Phase
from hive_tui.core.sources import CLUSTER, SourceFailed
from tests.console.conftest import Console, Open
from tests.fakes import scene


def told(c: Console) -> list[str]:
    return [each.words for each in c.app.told]


async def test_one_key_goes_to_what_is_most_urgent_and_again_does_what_helps(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.attention
        assert c.lines[0].count("4 need you") == 1
        assert "answer: Tell a working agent" in pane.words
        await c.press("a")
        assert c.app.main.current is pane
        assert pane.selected is not None
        assert pane.selected.target.issue == 41
        await c.press("a")
        await c.until(lambda: c.app.screen is not c.app.main, "a dialog for the answer")
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)
        # From the list of agents it is the most urgent again, wherever one was.
        await c.press("down", "3", "a")
        assert pane.selected.target.issue == 41


async def test_a_list_without_anything_says_what_goes_on(console: Open) -> None:
    async with console() as c:
        work = scene.run(29, "claude-b", Phase.WORKING)
        c.fleet.list_all(scene.fleet(work), work, scene.ISSUES[2])
        await c.until(c.shows("Nothing needs you", "1 at work"))
        assert "need you" not in c.lines[0]


async def test_who_looks_elsewhere_is_called_once_for_what_is_new(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(said=True) as c:
        sent: list[str] = []
        assert c.app._driver is not None
        monkeypatch.setattr(c.app._driver, "write", sent.append)
        c.app.post_message(events.AppBlur())
        await c.until(lambda: not c.app.app_focus)
        before = len(c.app.told)
        asks = scene.run(29, "claude-b", Phase.WAITING, why="asks: may I \x1b[31mdelete it?")
        c.fleet.change(asks)
        await c.until(lambda: any("may I delete it?" in words for words in sent))
        assert [words for words in sent if "\a" in words] == [
            "\a\x1b]9;hive trial: #29 asks: may I delete it?\x1b\\"
        ]
        assert told(c)[before:] == ["#29 asks: may I delete it?"]

        sent.clear()
        c.later(minutes=1)
        c.app.post_message(events.AppFocus())
        await c.until(lambda: c.app.app_focus)
        await c.press("N")
        assert "muted" in c.lines[0]
        c.app.post_message(events.AppBlur())
        await c.until(lambda: not c.app.app_focus)
        c.fleet.change(scene.run(33, "claude-c", Phase.STALLED, why="silent"))
        await c.until(lambda: "#33 stalled: silent" in told(c))
        assert not any("\a" in words for words in sent)


async def test_what_was_said_can_be_read_again(console: Open) -> None:
    async with console(said=True, size=(100, 30)) as c:
        c.app.say("The fleet did not [b]confirm[/b] it.", "error")
        c.app.say("Paused.")
        c.app.say("Paused.")
        await c.press("exclamation_mark")
        await c.until(c.shows("What was said", "error", "did not [b]confirm[/b] it.", "Paused. (×2)"))
        assert c.app.targets is None
        c.app.say("Something new.", "warning")
        await c.until(c.shows("Something new."))
        await c.press("exclamation_mark")
        await c.until(lambda: c.app.screen is c.app.main)


async def test_a_source_that_fails_is_told_everywhere(console: Open) -> None:
    async with console(said=True) as c:
        c.later(minutes=3)
        c.fleet.agents_side.say(SourceFailed(CLUSTER, "locked", c.app._clock() + timedelta(seconds=12)))
        await c.until(c.shows("cluster cannot be read: locked"))
        agents = c.app.main.agents
        assert "failed, as of 3m ago, next try in 12s" in agents.words
        assert agents.table.keys, "rows are kept"
        await c.press("a")
        assert c.app.main.attention.selected is not None
        assert c.app.main.attention.selected.action == "refresh"


async def test_a_dispatcher_that_died_is_told_where_nothing_happens(console: Open) -> None:
    async with console() as c:
        fleet = msgspec.structs.replace(scene.fleet(), dispatcher=Dispatcher(DispatcherState.DEAD))
        c.fleet.list_all(fleet, scene.issue(44, "Faster start-up"))
        await c.until(c.shows("No agent is at work", "The dispatcher died"))
        assert "✗ dispatcher dead" in c.lines[0]
        await c.until(lambda: "The dispatcher died" in c.app.main.issues.words)


async def test_a_held_key_does_not_cover_the_panes_with_what_it_says(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is, no message goes by itself, and the same words are told within the time.
    monkeypatch.setattr(HiveApp, "NOTIFICATION_TIMEOUT", 600.0)
    monkeypatch.setattr(telling, "REPEAT_SECONDS", 600.0)
    async with console(said=True) as c:

        def shown() -> list[str]:
            return [each.message for each in c.app._notifications]

        c.app.say("It failed.", "error")
        for _ in range(20):
            c.app.say("Kill: no run is selected.", "warning")
        await c.until(c.shows("Kill: no run is selected."))
        assert shown() == ["It failed.", "Kill: no run is selected."]
        assert c.app.told[-1].times == 20
        for number in range(20):
            c.app.say(f"Message {number}.")
        await c.until(c.shows("Message 19."))
        assert shown() == ["It failed.", *(f"Message {number}." for number in range(16, 20))]
