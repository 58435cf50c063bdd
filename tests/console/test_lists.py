"""Lists: filter, order, marks, and what stays as it is when the data changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual import events

from hive_tui.app.app import HiveApp
from hive_tui.app.memory import Memory, MemoryFile
from hive_tui.app.panes import table_pane
from hive_tui.app.panes.base import ListPane
from hive_tui.app.sorting import Order
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import Phase
from tests.console.conftest import Console, Open, wait_for
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet
from widgets.cells import Cell
from widgets.find_line import HarmlessInput

pytestmark = pytest.mark.timeout(60)


def issue(number: int) -> IssueKey:
    return IssueKey(scene.REPO, number)


def numbers(pane: ListPane) -> list[int]:
    return [key.number for key in pane.table.keys if isinstance(key, IssueKey)]


async def typed(c: Console, pane: ListPane, *keys: str) -> None:
    """Press keys and wait for what they find."""
    await c.press(*keys)
    await c.until(lambda: pane.settled, "all rows were looked at")


async def test_a_filter_narrows_the_list_as_one_types(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        everything = list(pane.table.keys)
        await typed(c, pane, "2", "slash")
        await c.until(c.shows("state:ready"), "the hint in the empty line")
        await typed(c, pane, *"the")
        found = numbers(pane)
        assert 0 < len(found) < len(everything)
        assert f"/the  {len(found)} of {len(everything)}" in pane.words
        await typed(c, pane, *" agent:claude")
        assert numbers(pane) == [n for n in found if n in (37, 29, 33)]
        await c.press("enter")
        await c.until(lambda: pane.table.has_focus)
        assert "/the agent:claude" in pane.words
        await typed(c, pane, "slash", *" zzz")
        await c.until(c.shows('No issue matches "the agent:claude zzz"', "Esc clears the filter"))
        assert c.app.main.targets == ()


async def test_escape_closes_the_line_then_clears_the_filter_then_the_marks(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        every = list(pane.table.keys)
        await c.press("2", "space", "slash", *"flag")
        await c.until(lambda: numbers(pane) == [41])
        await c.press("escape")
        await c.until(lambda: pane.table.has_focus)
        assert numbers(pane) == [41]
        await c.press("escape")
        await c.until(lambda: pane.table.keys == every)
        assert len(pane.table.marks) == 1
        await c.press("escape")
        await c.until(lambda: not pane.table.marks)
        assert pane.step_back() is False
        await c.press("escape")
        assert c.app.is_running


async def test_keys_that_come_at_once_are_typed_and_not_ordered(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        await c.press("2")
        for key in ("slash", *"xpq"):
            c.app.post_message(events.Key(key, "/" if key == "slash" else key))
        await c.until(lambda: pane.filtering == "xpq", "the filter")
        assert c.app.is_running
        assert c.fleet.agents_side.paused == []


async def test_the_line_of_a_filter_is_laid_out_once(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(said=True) as c:
        pane, laid_out, lay_out = c.app.main.issues, [], c.app.main._refresh_layout

        def noted(*given: Any, **named: Any) -> None:
            laid_out.append(1)
            lay_out(*given, **named)

        await typed(c, pane, "2", "slash", *"rea", "enter")
        monkeypatch.setattr(c.app.main, "_refresh_layout", noted)
        for number in range(1, 4):
            await typed(c, pane, "slash")
            assert len(laid_out) == 2 * number - 1
            await typed(c, pane, "backspace", "enter")
            assert len(laid_out) == 2 * number


async def test_a_filter_that_is_longer_than_its_line_moves_along(console: Open) -> None:
    async with console(said=True) as c:
        await typed(c, c.app.main.issues, "2", "slash", *"0123456789" * 19)
        typing = c.app.focused
        assert isinstance(typing, HarmlessInput)
        assert typing.size.width < 190
        assert typing.scroll_x > 190 - typing.size.width
        assert not typing.show_horizontal_scrollbar


async def test_keys_right_behind_enter_are_for_the_list(console: Open) -> None:
    """As over a slow line, where several keys arrive together."""
    async with console(said=True) as c:
        pane = c.app.main.issues
        await typed(c, pane, "2", "slash", "e")
        for key, character in (("enter", "\r"), ("j", "j"), ("3", "3")):
            c.app.post_message(events.Key(key, character))
        await c.until(lambda: c.app.main.current is c.app.main.agents)
        assert pane.filtering == "e"
        assert pane.table.selected == pane.table.keys[1]
        await typed(c, pane, "2", "slash", "backspace", "x")
        assert pane.filtering == "x"


async def test_what_is_pasted_into_a_filter_is_harmless(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        await c.press("2", "slash")
        assert c.app.focused is not None
        c.app.focused.post_message(events.Paste("\x1b]52;c;ZXZpbA==\x07\x1b[31mold\u202e [red]flag"))
        await c.until(lambda: pane.filtering == "old [red]flag", "the filter")
        await c.until(c.shows("/old [red]flag", 'No issue matches "old [red]flag"'))


async def test_the_arrows_move_in_the_list_while_one_types(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        await typed(c, pane, "2", "slash", *"e", "down")
        assert pane.table.selected == pane.table.keys[1]
        await c.press("tab")
        await c.until(lambda: c.app.main.current is c.app.main.agents)
        await c.until(lambda: not c.app.screen.query_one("FilterLine").display, "the line is put away")
        assert pane.filtering == "e"


async def test_a_filter_takes_in_what_changes(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        await typed(c, pane, "2", "slash", *"flag", "enter")
        c.fleet.change(scene.issue(90, "Another flag"))
        await c.until(lambda: set(numbers(pane)) == {41, 90})
        c.fleet.change(scene.issue(41, "Renamed", "status:in-progress"))
        await c.until(lambda: numbers(pane) == [90])


async def test_the_selection_comes_back_with_its_row(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        await c.press("2", "down", "down")
        chosen = pane.table.selected
        await typed(c, pane, "slash", *"faster", "enter")
        assert pane.table.selected == issue(44)
        await typed(c, pane, "escape")
        assert pane.table.selected == chosen
        kept = next(each for each in scene.ISSUES if each.key == chosen)
        rest = [each for each in scene.ISSUES if each is not kept]
        c.fleet.list_all(scene.fleet(*scene.RUNS), *scene.RUNS, *rest, *scene.PULLS)
        await c.until(lambda: chosen not in pane.table.keys)
        assert pane.table.selected != chosen
        c.fleet.list_all(*scene.ITEMS)
        await c.until(lambda: chosen in pane.table.keys)
        assert pane.table.selected == chosen


async def test_a_filter_that_takes_several_slices_selects_its_first_row_too(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pane, "SLICE_SECONDS", 1e-9)
    fleet = ScriptedFleet()
    async with console(fleet) as c:
        fleet.list_all(scene.fleet(), *(scene.issue(n, f"Title {n % 3}") for n in range(1, 301)))
        pane = c.app.main.issues
        await c.until(lambda: len(pane.table.keys) == 300)
        await typed(c, pane, "2", "s", "S")
        pane.table.select(issue(150))
        await typed(c, pane, "slash", *'"title 1"')
        assert numbers(pane) == [n for n in range(300, 0, -1) if n % 3 == 1]
        assert pane.table.selected == pane.table.keys[0]


async def test_a_letter_is_seen_before_many_rows_are_looked_at(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pane, "MANY", 10)
    fleet = ScriptedFleet()
    async with console(fleet) as c:
        fleet.list_all(scene.fleet(), *(scene.issue(n, f"Title {n % 3}") for n in range(1, 31)))
        pane = c.app.main.issues
        await c.until(lambda: len(pane.table.keys) == 30)
        pane.set_filter('"title 1"')
        assert len(pane.table.keys) == 30
        await c.until(lambda: pane.settled)
        assert numbers(pane) == [n for n in range(1, 31) if n % 3 == 1]
        pane.set_filter("")
        assert len(pane.table.keys) == 30


async def test_sorting_by_key_goes_through_the_columns_and_back_to_attention(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.agents
        attention = list(pane.table.keys)
        await c.press("s", "s")
        await c.until(lambda: pane.order == Order("issue"))
        assert [pane.table.row(key).cells[1].text for key in pane.table.keys] == sorted(
            f"#{run.spec.issue}" for run in scene.RUNS
        )
        await c.until(lambda: any("issue↑" in line or "iss↑" in line for line in c.lines), "the indicator")
        await c.press("S")
        await c.until(lambda: pane.table.keys[0] == scene.RUNS[3].id)
        assert pane.table.sorting is not None
        assert pane.table.sorting.down
        for _ in range(len(pane.table.columns) - 1):
            await c.press("s")
        await c.until(lambda: pane.order == Order(), "attention")
        assert pane.table.keys == attention
        assert pane.table.sorting is None
        await c.press("2")
        assert c.app.main.issues.order == Order(), "every pane has its own order"


async def test_a_click_on_a_heading_sorts(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.agents
        x = next(line for line in c.lines if "tokens" in line).index("cost") - pane.table.region.x
        await c.pilot.click("#agents Table", offset=(x, 0))
        await c.until(lambda: pane.table.keys[0] == scene.RUNS[0].id)
        assert pane.order == Order("cost")
        await c.pilot.click("#agents Table", offset=(x, 0))
        await c.until(lambda: pane.order == Order("cost", turned=True))
        run = scene.run(60, "claude-z", Phase.WORKING, micros=1)
        c.fleet.change(run)
        await c.until(lambda: pane.table.keys[0] == run.id, "an order that holds for what comes")


async def test_orders_are_remembered(tmp_path: Path) -> None:
    kept = tmp_path / "console.json"

    def opened() -> HiveApp:
        fleet = ScriptedFleet()
        fleet.list_all(*scene.ITEMS)
        return HiveApp(fleet, user="ann", now=lambda: scene.NOW, memory=kept)

    app = opened()
    async with app.run_test(size=(160, 48)) as pilot:
        await wait_for(lambda: app.main.agents.table.keys)
        await pilot.press("s", "S")
        await wait_for(lambda: app.memory.sorting == {"agents": ("worker", True)})
    again = opened()
    async with again.run_test(size=(160, 48)):
        await wait_for(lambda: again.main.agents.table.keys)
        pane = again.main.agents
        assert pane.order == Order("worker", turned=True)
        found = [again.view.snapshot.runs[RunId(str(key))] for key in pane.table.keys]
        assert [run.spec.worker for run in found] == sorted(
            (run.spec.worker for run in scene.RUNS), reverse=True
        )
    MemoryFile(kept).save(Memory(sorting={"agents": ("gone", True), "nobody": (None, False)}))
    other = opened()
    assert other.main.agents.order == Order()


async def test_marks_survive_filters_and_refreshes_and_are_what_actions_are_about(console: Open) -> None:
    async with console(said=True) as c:
        pane = c.app.main.issues
        first, second, third = pane.table.keys[:3]
        await c.press("2", "space", "down", "V")
        await c.until(lambda: len(pane.table.marks) == 3)
        assert "3 marked" in pane.words
        assert {target.issue_key for target in pane.targets} == {first, second, third}
        assert sum("●" in line or "◉" in line for line in c.lines) >= 3
        await typed(c, pane, "slash", *"faster", "enter")
        assert pane.hidden_marks == 3
        assert "3 marked, 3 hidden" in pane.words
        assert len(pane.targets) == 3
        kept = [each for each in scene.ISSUES if each.key != first]
        c.fleet.list_all(scene.fleet(*scene.RUNS), *scene.RUNS, *kept, *scene.PULLS)
        await c.until(lambda: {target.issue_key for target in pane.targets} == {second, third})
        c.fleet.list_all(*scene.ITEMS)
        await c.until(lambda: len(pane.targets) == 3, "the row and its mark are back")
        await typed(c, pane, "asterisk")
        assert set(pane.table.marks) == {first, second, third, issue(44)}
        await c.press("escape", "escape")
        await c.until(lambda: not pane.table.marks)
        assert [target.issue_key for target in pane.targets] == [pane.table.selected]


async def test_the_mouse_marks_selects_and_opens(console: Open) -> None:
    async with console(said=True) as c:
        table = c.app.main.issues.table
        await c.pilot.click("#issues Table", offset=(0, 3))
        assert list(table.marks) == [table.keys[2]]
        await c.pilot.click("#issues Table", offset=(9, 4))
        assert table.selected == table.keys[3]
        await c.pilot.click("#issues Table", offset=(0, 3))
        assert not table.marks


async def test_a_row_is_unfolded_to_all_of_its_text(console: Open) -> None:
    long = "word " * 40 + "the end"
    async with console() as c:
        c.fleet.list_all(scene.fleet(), scene.issue(7, long), *(scene.issue(n, "t") for n in range(8, 30)))
        table = c.app.main.issues.table
        await c.until(lambda: len(table.keys) == 23)
        await c.press("2")
        table.select(issue(7))
        before = table.virtual_size.height
        await c.press("right")
        await c.until(c.shows("the end"))
        assert table.virtual_size.height > before
        await c.press("end")
        below, top = table.selected, table.scroll_offset.y
        assert "the end" not in c.text
        c.fleet.change(scene.issue(7, long + " of it" + " and more" * 20))
        await c.until(lambda: table.scroll_offset.y > top, "what is looked at does not move")
        assert table.selected == below
        assert table.keys[table.row_at(table.size.height - 1) or 0] == below
        table.select(issue(7))
        await c.press("down")
        c.fleet.change(scene.issue(7, long + " of it"))
        await c.until(c.shows("the end of it"))
        line = next(i for i, text in enumerate(c.lines) if "the end of it" in text)
        await c.pilot.click("#issues Table", offset=(9, line - table.region.y))
        assert table.selected == issue(7), "its lines belong to the row"
        await c.press("left")
        await c.until(lambda: "the end of it" not in c.text)
        assert table.virtual_size.height == before


async def test_ten_thousand_issues_stay_right(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_pane, "SLICE_SECONDS", 60.0)
    fleet = ScriptedFleet()
    async with console(fleet) as c:
        items = [scene.issue(n, f"Title {n}", is_open=True) for n in range(1, 10_001)]
        fleet.list_all(scene.fleet(), *items)
        pane = c.app.main.issues
        await c.until(lambda: len(pane.table.keys) == 10_000)
        await typed(c, pane, "2", "slash", *"99", "enter")
        assert numbers(pane) == [key.number for key in pane.keys(c.app.view) if "99" in str(key.number)]
        assert "of 10,000" in pane.words
        await typed(c, pane, "s", "S", "home")
        assert numbers(pane)[:3] == [9999, 9998, 9997]
        await typed(c, pane, "asterisk")
        assert len(pane.targets) == len(pane.table.keys)
        fleet.change(msgspec.structs.replace(items[98], title="Renamed 99"))
        await c.until(lambda: "Renamed 99" in str(pane.table.row(items[98].key)))
        await typed(c, pane, "escape")
        await c.press("end")
        assert pane.table.selected == issue(1)
        assert len(pane.table.keys) == 10_000
        assert pane.hidden_marks == 0


async def test_a_frame_that_says_something_else_is_painted_also_after_a_change_of_style(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(said=True) as c:
        pane, painted = c.app.main.issues, list[object]()
        pane.notify_style_update()
        monkeypatch.setattr(pane, "refresh", lambda *regions, **_: painted.extend(regions))
        pane.describe(notes=[Cell("0 of 12")])
        assert painted
