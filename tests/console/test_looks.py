"""How the main screen is laid out and coloured, what of it is kept, and that a calm screen stays still."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.theme import BUILTIN_THEMES

from hive_tui.app import layout, theme
from hive_tui.app.app import HiveApp
from hive_tui.app.memory import Memory, MemoryFile
from tests.console.conftest import Console, Open, wait_for
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)


def in_sight(c: Console) -> set[int]:
    return {pane.digit for pane in c.app.main.panes if pane.is_on_screen}


async def test_zoom_is_kept_and_left_by_escape(console: Open) -> None:
    async with console(said=True) as c:
        everything = in_sight(c)
        assert everything == set(range(1, 9))
        await c.press("z")
        await c.until(lambda: in_sight(c) == {3})
        await c.press("tab")
        await c.until(lambda: in_sight(c) == {4})
        c.fleet.change(scene.issue(99, "It is new"))
        await c.until(lambda: scene.issue(99, "").key in c.app.main.issues.table.keys)
        assert in_sight(c) == {4}
        await c.press("2")
        await c.until(c.shows("2 Issues", "It is new"))
        assert in_sight(c) == {2}
        await c.press("escape")
        await c.until(lambda: in_sight(c) == everything)
        assert c.app.main.current.digit == 2
        await c.press("escape")
        assert c.app.is_running


async def test_every_pane_is_reachable_at_a_normal_size(console: Open) -> None:
    async with console(said=True, size=(100, 30)) as c:
        await c.until(lambda: in_sight(c) == {2, 3, 4, 5, 7})
        for digit in range(1, 9):
            await c.press(str(digit))
            await c.until(lambda digit=digit: digit in in_sight(c))
            assert c.app.main.panes[digit - 1].has_focus_within
        await c.press("3")
        await c.until(lambda: in_sight(c) == {2, 3, 4, 7, 8})
        await c.pilot.resize_terminal(30, 8)
        await c.until(c.shows("Make the terminal larger"))
        await c.pilot.resize_terminal(160, 48)
        await c.until(lambda: in_sight(c) == set(range(1, 9)))
        await c.until(lambda: c.app.main.agents.body.has_focus, "the focus it had")


async def test_every_pane_has_its_digit_however_narrow_it_is(console: Open) -> None:
    async with console(said=True, size=(44, 10)) as c:
        await c.press("8")
        await c.until(c.shows("8 events"))
        line = c.lines[1]
        assert line.split()[:4] == ["1", "2", "3", "4"]
        await c.pilot.click("#tabs", offset=(line.index("6"), 0))
        await c.until(c.shows("6 costs"))
        assert c.app.main.current.digit == 6
        await c.press("3", "enter")
        await c.until(c.shows("1 Log"))
        await c.press("6")
        await c.until(c.shows("1  2  3  4  5  6 Describe"))


async def test_no_message_hides_a_dialog(console: Open) -> None:
    async with console(said=True, size=(44, 10)) as c:
        await c.press("x")
        await c.until(lambda: c.app.screen.query("#cancel"), "the question")
        c.app.notify("Slots: 5. " * 12, markup=False)
        await c.until(lambda: c.app.screen.query("Toast"), "the message")
        for name in ("#question", "#cancel", "#accept"):
            widget = c.app.screen.query_one(name)
            seen = c.app.screen.find_widget(widget).visible_region
            right, bottom = seen.right - 1, seen.bottom - 1
            assert seen.area > 0
            assert c.app.screen.get_widget_at(right, bottom)[0] is widget, name


@pytest.mark.parametrize("size", [(44, 10), (80, 24)])
async def test_a_small_terminal_has_room_for_what_is_asked(console: Open, size: tuple[int, int]) -> None:
    async with console(said=True, size=size) as c:
        await c.press("x")
        await c.until(lambda: c.app.screen.query("#cancel"), "the question")
        await c.pilot.pause()
        scroll = c.app.screen.query_one(VerticalScroll)
        assert scroll.size.height >= min(5, scroll.virtual_size.height)
        assert c.app.screen.find_widget(c.app.screen.query_one("#cancel")).visible_region.height == 1


@pytest.mark.parametrize(("keys", "names"), [("f", ("#estimate", "#fire")), ("m", ("Writing",))])
async def test_a_form_on_a_small_terminal_shows_what_enter_does(
    console: Open, keys: str, names: tuple[str, ...]
) -> None:
    async with console(said=True, size=(44, 10)) as c:
        if keys == "f":
            await c.press("2")
            c.app.main.issues.table.select(scene.issue(44, "").key)
        await c.press(keys)
        await c.until(lambda: all(c.app.screen.query(name) for name in names), "the form")
        for name in names:
            widget = c.app.screen.query_one(name)
            await c.until(
                lambda widget=widget: c.app.screen.find_widget(widget).visible_region.height > 0, name
            )


@pytest.mark.parametrize(("width", "least"), [(44, 36), (80, 58), (160, 58)])
async def test_a_message_has_the_width_to_be_read(console: Open, width: int, least: int) -> None:
    async with console(said=True, size=(width, 30)) as c:
        c.app.notify("The words of a message that does not fit into one line. " * 2, markup=False)
        await c.until(lambda: c.app.screen.query("Toast"), "the message")
        assert least <= c.app.screen.query_one("Toast").outer_size.width <= 60


async def test_the_pulse_is_whole_in_every_picture_of_another_width(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn: list[str] = []
    display = HiveApp._display

    def displayed(app: HiveApp, screen: Any, picture: Any) -> None:
        display(app, screen, picture)
        pulse = app.main.pulse
        if screen is app.main and pulse.size.width:
            shown = screen._compositor.render_strips(app.size)[0].text
            if shown != pulse.draw().text:
                torn.append(shown)

    async with console(said=True) as c:
        monkeypatch.setattr(HiveApp, "_display", displayed)
        for width, height in ((20, 5), (80, 24), (59, 15), (5, 3), (160, 48)):
            await c.pilot.resize_terminal(width, height)
            await c.until(lambda: c.lines[0] == c.app.main.pulse.draw().text, "one whole line")
    assert torn == []


def settled(app: HiveApp) -> bool:
    """Whether the panes have the room that they want."""
    deck = app.main.deck
    return bool(deck._wants) and deck._arrange(*deck.size) == deck.arrangement


async def test_sizes_by_key_and_mouse_are_kept(console: Open, tmp_path: Path) -> None:
    kept = tmp_path / "console.json"
    fleet = ScriptedFleet()
    app = HiveApp(fleet, user="ann", now=lambda: scene.NOW, memory=kept)
    async with app.run_test(size=(160, 48)) as pilot:
        deck = app.main.deck

        def box(digit: int) -> Region:
            return deck.arrangement.boxes[digit]

        await wait_for(lambda: settled(app))
        before = box(layout.AGENTS)
        await pilot.press("right_curly_bracket", "less_than_sign")
        await pilot.pause()
        after = box(layout.AGENTS)
        assert (after.height, after.width) == (before.height + 2, before.width - 4)
        edge = app.main.log_pane.region
        await pilot.mouse_down(offset=(edge.x + 30, edge.y))
        await pilot.hover(offset=(edge.x + 30, edge.y + 5))
        await pilot.mouse_up(offset=(edge.x + 30, edge.y + 5))
        await pilot.pause()
        assert box(layout.AGENTS).height == after.height + 5
        sizes = deck.sizes
        assert MemoryFile(kept).load().sizes == sizes
    again = HiveApp(ScriptedFleet(), user="ann", now=lambda: scene.NOW, memory=kept)
    async with again.run_test(size=(160, 48)) as pilot:
        assert again.main.deck.sizes == sizes
        await pilot.press("equals_sign")
        await pilot.pause()
        assert again.main.deck.sizes == {}
    assert MemoryFile(kept).load().sizes == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 99}', '{"sizes": {"left": "x"}}', "\xff" * 10, "9" * 70_000]
)
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "console.json"
    path.write_bytes(text.encode("latin-1"))
    assert MemoryFile(path).load() == Memory()
    MemoryFile(path).save(Memory(theme="nord"))
    assert MemoryFile(path).load() == Memory(theme="nord")
    MemoryFile(tmp_path / "no" / "folder").save(Memory(theme="nord"))
    assert not (tmp_path / "no").exists()


async def test_a_chosen_theme_is_kept_until_another_is_configured(tmp_path: Path) -> None:
    kept = tmp_path / "console.json"

    def opened(configured: str | None) -> HiveApp:
        return HiveApp(ScriptedFleet(), user="ann", theme=configured, memory=kept)

    first = opened(None)
    assert first.theme == theme.HIVE.name
    first.choose_theme("hive-light")
    assert opened(None).theme == "hive-light"
    assert opened("nord").theme == "nord"
    assert opened("no-such").unknown_theme == "no-such"


@pytest.mark.parametrize("colors", [True, False])
async def test_every_theme_can_be_painted_and_shows_where_one_is(
    console: Open, monkeypatch: pytest.MonkeyPatch, colors: bool
) -> None:
    if not colors:
        monkeypatch.setenv("NO_COLOR", "1")
    names = [*BUILTIN_THEMES, *(look.name for look in theme.OWN)] if colors else [theme.HIVE_ANSI.name]
    async with console(size=(120, 40), said=True) as c:
        main = c.app.main
        for name in names:
            c.app.theme = name
            await c.pilot.pause()
            lines = c.lines
            assert any("claude-b" in line for line in lines)
            rows = main.agents.table.content_region
            # Of the row below the headings, and of the one below that.
            chosen, other = (
                c.app.screen.get_style_at(rows.x + 20, rows.y + main.agents.table.head + line)
                for line in (0, 1)
            )
            assert (chosen.bgcolor, chosen.reverse) != (other.bgcolor, other.reverse), name
            corners = [main.panes[index].region.offset for index in (2, 1)]
            here, there = (c.app.screen.get_style_at(*corner) for corner in corners)
            drawn = {lines[corner.y][corner.x] for corner in corners}
            assert here.color != there.color or len(drawn) == 2, name


async def test_nothing_is_painted_again_that_did_not_change(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: c.app.main.log_pane.run is not None)
        await c.pilot.pause(0.2)
        painted: list[str] = []
        for widget in c.app.main.walk_children():
            draw = widget.render_lines

            def counted(crop: Region, draw: object = draw, widget: object = widget) -> object:
                painted.append(f"{widget} {crop}")
                return draw(crop)  # type: ignore[operator]

            widget.render_lines = counted
        for _ in range(3):
            c.app._tick()
            await c.pilot.pause()
        assert painted == []


async def test_a_change_of_focus_paints_the_lines_that_look_otherwise(console: Open) -> None:
    async with console(said=True) as c:
        main = c.app.main
        await c.until(lambda: main.log_pane.run is not None and len(main.issues.table.keys) > 3)
        await c.press(*"12345678321")  # what is seen for the first time is painted whole
        await c.pilot.pause(0.2)
        views = (main.issues.table, main.agents.table, main.log_pane.log_view, main.costs.body)
        painted: dict[object, int] = {}
        for view in views:
            draw = view.render_line

            def noted(y: int, draw: Any = draw, view: object = view) -> Any:
                painted[view] = painted.get(view, 0) + 1
                return draw(y)

            view.render_line = noted
        await c.press(*"23462")
        assert set(painted) == {main.issues.table, main.agents.table}
        assert max(painted.values()) <= 6  # the headings and the selected row, each time


async def test_a_part_of_the_screen_is_painted_as_the_whole_is(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: c.app.main.log_pane.run is not None)
        compositor, pick = c.app.screen._compositor, random.Random(4)
        whole = compositor.render_strips(c.app.size)
        for _ in range(60):
            parts = [
                Region(pick.randrange(150), pick.randrange(40), pick.randrange(1, 90), pick.randrange(1, 9))
                for _ in range(pick.randrange(1, 4))
            ]
            compositor._dirty_regions = {part.intersection(c.app.size.region) for part in parts}
            update = compositor.render_partial_update()
            assert update is not None
            for y, start, end in update.spans:
                for cut, after in zip(update.chops[y], update.chop_ends[y], strict=True):
                    if cut < end and after > start:
                        assert update.chops[y][cut].text == whole[y].crop(cut, after).text


async def test_what_lies_below_is_not_asked_for_its_lines(console: Open) -> None:
    async with console(said=True) as c:
        main, asked = c.app.main, []
        await c.until(lambda: main.agents.table.keys)
        for widget in (main, main.deck, main.agents, main.agents.table):
            draw = widget.render_lines

            def noted(crop: Region, draw: Any = draw, widget: object = widget) -> Any:
                asked.append(widget)
                return draw(crop)

            widget.render_lines = noted
        compositor, (x, y) = main._compositor, main.agents.table.region.offset
        compositor._dirty_regions = {Region(x + 4, y + 2, 30, 1)}
        compositor.render_partial_update()
        assert asked == [main.agents.table]
        asked.clear()
        compositor._dirty_regions = {Region(x - 1, y + 2, 5, 1)}
        compositor.render_partial_update()
        assert asked == [main.agents.table, main.agents]


async def test_a_bug_in_a_row_is_told_once_and_lived_with(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(said=True) as c:
        c.app.survives = True
        table = c.app.main.agents.table

        def broken(crop: Region) -> list[object]:
            raise ZeroDivisionError("in the middle of it")

        monkeypatch.setattr(table, "draw_lines", broken)
        for _ in range(3):
            table.refresh()
            await c.pilot.pause()
        await c.until(c.shows("ZeroDivisionError: in the middle of it", "The traceback is in"))
        assert len(c.app._notifications) == 1
        monkeypatch.undo()
        table.refresh()
        await c.until(c.shows("claude-b"))

        def bad_handler(*_: object) -> None:
            raise RuntimeError("in a handler")

        monkeypatch.setattr(c.app.main, "action_zoom", bad_handler)
        await c.press("z")
        await c.until(c.shows("RuntimeError: in a handler"))
        await c.press("2")
        await c.until(lambda: c.app.main.current.digit == 2)
        assert c.app.is_running


@pytest.mark.parametrize("keys", [("enter",), ("3", "l"), ("L",), ("x",), ("question_mark",), ("colon",)])
async def test_a_bug_on_any_screen_leaves_a_way_back(console: Open, keys: tuple[str, ...]) -> None:
    def bad_handler() -> None:
        raise RuntimeError("in a handler")

    async with console(said=True) as c:
        c.app.survives = True
        await c.press(*keys)
        await c.until(lambda: c.app.screen is not c.app.main, "another screen")
        c.app.screen.call_later(bad_handler)
        await c.until(lambda: any("in a handler" in told.message for told in c.app._notifications))
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main, "the way back")
