"""The logs of all runs at work side by side: nothing to do but to watch, or to open one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.screen import Screen
from textual.widgets import Static

from hive_tui.app import keys, rows
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.store import Diff
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.headline import Headline

MOST = 9
"""Logs side by side; the others are counted."""

LEAST_WIDTH, LEAST_HEIGHT = 40, 7
"""Cells that one log needs to be worth looking at."""

HELD = 500
"""Lines held of each log: what a tile shows, and some to scroll back."""


class Tile(Vertical):
    """One log with its title."""

    def __init__(self, logs: Logs, run: RunId) -> None:
        super().__init__()
        self.run = run
        self._title = Headline()
        self.log_of_run = RunLog(logs, capacity=HELD)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.log_of_run

    def on_mount(self) -> None:
        self.log_of_run.follow(self.run)
        self.call_after_refresh(self._take_focus)

    def _take_focus(self) -> None:
        """The first log has the keys until another one is chosen."""
        if self.is_attached and self.screen.focused is None and self.first_child:
            self.log_of_run.focus()

    def show(self, view: View) -> None:
        """Who this is, and how it stands."""
        run = view.snapshot.runs.get(self.run)
        self.log_of_run.tick(view.now)
        if run is None:
            self._title.left = (Cell(self.run, Tone.TITLE), Cell("not listed any more", Tone.QUIET))
            return
        mark = rows.run_mark(run)
        self._title.left = (
            Cell(run.spec.worker, Tone.TITLE),
            Cell(rows.number(run.spec.repo, run.spec.issue, "#", many=view.many)),
            Cell(str(mark), mark.tone),
            Cell(run.spec.title[: rows.TITLE], Tone.QUIET),
        )
        usage = run.status.usage
        since = text.since(run.status.since, view.now)
        money = text.money(usage.cost_micros, estimated=usage.estimated)
        self._title.right = (Cell(since, Tone.QUIET), Cell(money, Tone.QUIET))


class WallScreen(GuardedPump, Screen[None]):
    """As many logs as there is room for, the ones that began first at the top."""

    CSS_PATH = Path(__file__).with_name("wall.tcss")
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.wall_bindings(),
        Binding("q", "leave", "Back", show=False, id="wall.leave"),
    ]

    def __init__(self, logs: Logs, view: View, folder: Path) -> None:
        """`folder` is where logs are saved."""
        super().__init__()
        self._logs = logs
        self._view = view
        self._folder = folder
        self._title = Headline(id="title")
        self._grid = Grid(id="wall")
        self._nothing = Static("No agent is at work.\n\nEsc goes back.", id="nothing", markup=False)
        self._order: list[RunId] = []
        self._shape = (0, 0)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._nothing
        yield self._grid
        yield KeyHints(id="keys")

    def on_mount(self) -> None:
        self._arrange()

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        self._view = view
        if self.is_mounted:
            self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    @property
    def tiles(self) -> list[Tile]:
        """In their order on the screen."""
        return [tile for tile in self._grid.children if isinstance(tile, Tile)]

    # Which logs, and where

    def _arrange(self) -> None:
        snapshot = self._view.snapshot
        at_work = [run.id for run in snapshot.runs.values() if not run.phase.final]
        columns, lines = fitting(self.size.width, self.size.height - 2)
        self._order = choose(self._order, sorted(at_work, key=self._began), columns * lines)
        self._put_up()
        columns, lines = shape(len(self._order), columns, lines)
        if (columns, lines) != self._shape:
            self._shape = columns, lines
            self._grid.styles.grid_size_columns, self._grid.styles.grid_size_rows = columns, lines
        for tile in self.tiles:
            tile.show(self._view)
        self._nothing.display, self._grid.display = not self._order, bool(self._order)
        hidden = len(set(at_work) - set(self._order))
        self._title.left = (Cell("All logs", Tone.TITLE), Cell(f"{len(at_work):,} at work", Tone.QUIET))
        hint = Cell("Enter opens one, Esc goes back", Tone.QUIET)
        self._title.right = (Cell(f"{hidden:,} without room", Tone.SOON),) if hidden else (hint,)

    def _began(self, run: RunId) -> tuple[float, RunId]:
        spec = self._view.snapshot.runs[run].spec
        return spec.created_at.timestamp(), run

    def _put_up(self) -> None:
        shown = {tile.run: tile for tile in self.tiles}
        for index, run in enumerate(self._order):
            tile = shown.pop(run, None)
            if tile is None:
                tiles = self.tiles
                new = Tile(self._logs, run)
                self._grid.mount(new, before=tiles[index] if index < len(tiles) else None)
        for tile in shown.values():
            tile.remove()

    @property
    def _focused(self) -> Tile | None:
        return next((tile for tile in self.tiles if tile.has_focus_within), None)

    def _focus(self, index: int) -> None:
        tiles = self.tiles
        if tiles:
            tiles[index % len(tiles)].log_of_run.focus()

    # What the keys do

    def action_cycle(self, by: int) -> None:
        """The next log, or the one before."""
        tile = self._focused
        self._focus(0 if tile is None else self.tiles.index(tile) + by)

    def action_open(self) -> None:
        """The log that has the focus, full screen."""
        tile = self._focused
        if tile is not None:
            self._open(tile.run)

    @on(RunLog.Opened)
    def _opened(self, message: RunLog.Opened) -> None:
        message.stop()
        self._open(message.run)

    def _open(self, run: RunId) -> None:
        from hive_tui.app.screens.log import LogScreen

        self.app.push_screen(LogScreen(self._logs, run, self._view, self._folder))

    def action_back(self) -> None:
        self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()


def fitting(width: int, height: int) -> tuple[int, int]:
    """How many columns and lines of logs have room, at most `MOST` logs in all."""
    columns = max(1, min(3, width // LEAST_WIDTH))
    return columns, max(1, min(MOST // columns, height // LEAST_HEIGHT))


def shape(logs: int, columns: int, lines: int) -> tuple[int, int]:
    """Columns and lines for so many logs: wide ones first, as logs are."""
    if not logs:
        return 1, 1
    used = 1
    while used < columns and logs > used * min(lines, 2 if used == 1 else lines):
        used += 1
    return used, -(-logs // used)


def choose(shown: Sequence[RunId], at_work: Sequence[RunId], most: int) -> list[RunId]:
    """Which logs are up: those that are stay where they are, one that has ended gives way to one at work
    that had no room."""
    waiting = [run for run in at_work if run not in shown]
    kept: list[RunId] = []
    for run in shown[:most]:
        if run not in at_work and waiting:
            kept.append(waiting.pop(0))
        else:
            kept.append(run)
    return [*kept, *waiting[: max(0, most - len(kept))]]
