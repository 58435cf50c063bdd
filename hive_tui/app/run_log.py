"""The log of one run, followed by itself: a tail below, a view above, and nothing for its parent to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from hive_tui.app import keys, log_lines
from hive_tui.app.shell import Shell
from hive_tui.app.tail import LARGEST_BACKLOG, Logs, TailOf
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from widgets import log_page
from widgets.cells import Cell
from widgets.find_line import FindLine
from widgets.log_book import CAPACITY
from widgets.log_entry import Entry
from widgets.log_paint import Times
from widgets.log_search import parse_filter
from widgets.log_view import LogView

BATCH_SECONDS = 0.05
"""Lines are taken from the tail in batches, at most so often."""

FLOOD_SECONDS = 0.2
"""The same where a batch fills more than the screen: nobody reads that."""

FLOOD_TYPING_SECONDS = 0.5
"""The same while somebody types: the keys need the time."""

NOTHING_SELECTED = (Cell("No agent selected", Tone.QUIET), Cell("Its log appears here, live", Tone.QUIET))


class RunLog(Vertical):
    """The event log of the run that it was told to follow last, with what is looked for in it.

    What a frame or a title says of it are its `notes`.
    """

    DEFAULT_CSS = "RunLog > LogView { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.run_log_bindings(),
        Binding("enter", "enter", "Next match", show=False, id="log.enter"),
        Binding("escape", "step_back", "Back", show=False, id="log.back"),
    ]

    @dataclass
    class Described(Message):
        """Something that a frame says of the log changed."""

        log: RunLog

        @property
        def control(self) -> RunLog:
            return self.log

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunLog.Described)

    @dataclass
    class Opened(Message):
        """Somebody wants to see this log closely."""

        run: RunId

    class Grew(Message):
        """There are new lines; they are taken from the tail."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunLog.Grew)

    def __init__(
        self,
        logs: Logs,
        *,
        cursor: bool = False,
        capacity: int = CAPACITY,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """With a `cursor` one line is selected, which can be opened, copied and shown as recorded."""
        super().__init__(id=id)
        self.view = LogView(cursor=cursor, recorded=log_lines.recorded, capacity=capacity)
        self.run: RunId | None = None
        self.ended = False
        """The log is complete: the run has ended."""
        self.error: str | None = None
        """Why it cannot be read now; it is tried again by itself."""
        self._shell: Shell | None = None
        self._other: Logs | None = None
        self._cursor = cursor
        self._since: timedelta | None = None
        self._line: FindLine | None = None
        self._typed: Callable[[str], None] = self._find
        backlog = min(LARGEST_BACKLOG, capacity)
        self._tail: TailOf[Entry] = TailOf(
            logs,
            notify=lambda: self.post_message(self.Grew()),
            telling=lambda: log_lines.Teller().tell,
            backlog=backlog,
            left_to_key=lambda: self._shell.left_to_key if self._shell is not None else 0.0,
        )
        self._due = False
        self._flooded = False
        """The last batch was more than fits on the screen."""
        self.view.placeholder = NOTHING_SELECTED

    def compose(self) -> ComposeResult:
        yield self.view

    def focus(self, scroll_visible: bool = True) -> Self:
        """The keys belong to the lines."""
        self.view.focus(scroll_visible)
        return self

    # The run

    def follow(self, run: RunId | None, logs: Logs | None = None) -> None:
        """Show another run's log, or none, or another log of it than its own; nothing happens when it is
        shown already."""
        if run == self.run and logs is self._other:
            return
        self._other = logs
        self.run, self.ended, self.error, self._since = run, False, None, None
        self._flooded = False
        self._close_line()
        self.view.clear(NOTHING_SELECTED if run is None else (Cell("reading the log …", Tone.QUIET),))
        self._tail.follow(run, logs)
        self._say()

    def tick(self, now: datetime) -> None:
        """It is later now: ages are others, and a log that could not be read may be read again."""
        self.view.tick(now)
        if self.error is not None:
            self._take()

    def on_mount(self) -> None:
        self._shell = self.app if isinstance(self.app, Shell) else None

    def on_unmount(self) -> None:
        self._tail.close()

    @on(Grew)
    def _grew(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(self._pause, self._show_batch)

    @property
    def _pause(self) -> float:
        """Seconds until the lines that came are shown."""
        if not self._flooded:
            return BATCH_SECONDS
        typed_in = isinstance(self.app, Shell) and self.app.typed_in
        return FLOOD_TYPING_SECONDS if typed_in else FLOOD_SECONDS

    def _show_batch(self) -> None:
        if self._flooded and isinstance(self.app, Shell):
            self.app.unhurried(self._take)
        else:
            self._take()

    def _take(self) -> None:
        self._due = False
        tailed = self._tail.take()
        if tailed is None or tailed.run != self.run:
            return
        self.ended, self.error = tailed.ended, tailed.error
        self._flooded = len(tailed.lines) > self.view.size.height
        self.view.extend(tailed.lines, missed=tailed.dropped)
        self._explain_nothing()
        self._say()

    def _explain_nothing(self) -> None:
        """Say why there is no line, and what to do about it."""
        if self.view.rows:
            return
        words = tuple(self._nothing())
        if words != self.view.placeholder:
            self.view.placeholder = words
            self.view.refresh()

    def _nothing(self) -> list[Cell]:
        if self.run is None:
            return list(NOTHING_SELECTED)
        if self.view.lines and self.view.filter:
            return [Cell("No line fits", Tone.QUIET), Cell("Esc shows all lines again", Tone.QUIET)]
        if self.error is not None:
            return [
                Cell("The log cannot be read", Tone.BROKEN),
                Cell(self.error),
                Cell("It is tried again", Tone.QUIET),
            ]
        if self.ended:
            return [Cell("This run left no log", Tone.QUIET)]
        return [Cell("Nothing said yet", Tone.QUIET)]

    # What is told of it

    @property
    def notes(self) -> list[Cell]:
        """How it is looked at, what was found, and how much there is."""
        view, notes = self.view, []
        if self.error is not None:
            notes.append(Cell("cannot be read", Tone.BROKEN))
        if (found := view.found) is not None:
            at, count = found
            words = f"{at:,}/{count:,}{'…' if view.searching else ''}" if count else "not found"
            if not count and view.searching:
                words = "looking …"
            notes.append(Cell(f"/{view.typed} {words}", Tone.TITLE if count else Tone.SOON))
        if view.filter.typed:
            notes.append(Cell(f"&{view.filter.typed}", Tone.TITLE))
        if self._since is not None:
            notes.append(Cell(f"last {text.age(self._since)}", Tone.TITLE))
        if view.wrap:
            notes.append(Cell("wrap", Tone.QUIET))
        if view.pan:
            notes.append(Cell(f"→ {view.pan}", Tone.QUIET))
        notes.append(Cell(self.state, Tone.QUIET if view.following else Tone.TITLE))
        held = len(view.lines)
        shown = f"{view.rows:,} of {held:,}" if view.filter else f"{held:,}"
        notes.append(Cell(f"{shown} line{'' if held == 1 else 's'}", Tone.QUIET))
        if view.dropped:
            notes.append(Cell(f"{view.dropped:,} older dropped", Tone.QUIET))
        return notes

    @property
    def state(self) -> str:
        """`following`, `paused` or `ended`."""
        if not self.view.following:
            return "paused"
        return "ended" if self.ended else "following"

    @property
    def mark(self) -> str:
        """What waits below, for who has scrolled up."""
        view = self.view
        if view.following:
            return ""
        return f"▼ {view.unseen:,} new · End follows" if view.unseen else "▼ End follows"

    @on(LogView.Moved)
    def _moved(self, message: LogView.Moved) -> None:
        message.stop()
        self._explain_nothing()
        self._say()

    def _say(self) -> None:
        self.post_message(self.Described(self))

    # Looking for something

    async def action_find(self) -> None:
        """Type what to find."""
        await self._open_line("/", self.view.typed, self._find)

    async def action_filter(self) -> None:
        """Type which lines to show only."""
        await self._open_line("&", self.view.filter.typed, self._show_only)

    def _find(self, typed: str) -> None:
        # An input that is opened again says once more what is looked for already.
        if typed != self.view.typed:
            self.view.find(typed)

    def _show_only(self, typed: str) -> None:
        if typed.strip() != self.view.filter.typed:
            self.view.show_only(parse_filter(typed, self.view.filter.since))

    async def _open_line(self, label: str, typed: str, take: Callable[[str], None]) -> None:
        self._close_line()
        self._typed = take
        hint = "words  !without" if label == "&" else ""
        self._line = FindLine(typed, label=label, hint=hint)
        # Waited for: the next keys are for the line, and one that goes elsewhere may pause the fleet.
        await self.mount(self._line)

    def _close_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            had_focus = line.has_focus_within
            line.remove()
            self.view.settle_search()
            if had_focus:
                self.view.focus()

    @on(FindLine.Typed)
    def _line_typed(self, message: FindLine.Typed) -> None:
        message.stop()
        if self._line is not None:
            self._typed(message.text)

    @on(FindLine.Left)
    def _line_left(self, message: FindLine.Left) -> None:
        message.stop()
        self._close_line()

    def action_match(self, by: int) -> None:
        """The next match, or the one before."""
        if self.view.found is None:
            self.app.notify("Nothing is looked for yet: / finds.", severity="warning", markup=False)
        else:
            self.view.step(by)

    def action_since(self, minutes: int) -> None:
        """Show only what was said in the last minutes; 0 is everything, from its end, -1 from its start."""
        self._since = timedelta(minutes=minutes) if minutes > 0 else None
        last = self.view.lines[-1].at if self.view.lines else None
        until = last if self.ended or self.view.now is None else self.view.now
        since = until - self._since if self._since is not None and until is not None else None
        self.view.show_only(parse_filter(self.view.filter.typed, since))
        if minutes < 0:
            self.view.action_first()
        else:
            self.view.action_follow()
        self._explain_nothing()

    # How it is shown

    def action_wrap(self) -> None:
        """Wrap long lines, and back."""
        self.view.toggle_wrap()

    def action_times(self) -> None:
        """Times of day, ages, no times."""
        modes = list(Times)
        self.view.show_times(modes[(modes.index(self.view.times) + 1) % len(modes)])

    def action_raw(self) -> None:
        """The selected line as it was recorded, and back."""
        self.view.toggle_open(log_page.Opened.RAW)

    def action_toggle_follow(self) -> None:
        """Follow the end, or stay here."""
        if self.view.following:
            self.view.pause()
        else:
            self.view.action_follow()

    def action_enter(self) -> None:
        """The next match, all of the selected line, or the whole screen for the log."""
        if self._cursor:
            self.view.toggle_open(log_page.Opened.WHOLE)
        elif self.view.found is not None:
            self.view.step(1)
        elif self.run is not None:
            self.post_message(self.Opened(self.run))

    # One step back

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.can_step_back if action == "step_back" else True

    @property
    def can_step_back(self) -> bool:
        """Whether there is something to close or to clear."""
        return self._line is not None or self.view.found is not None or bool(self.view.filter)

    def action_step_back(self) -> None:
        self.step_back()

    def step_back(self) -> bool:
        """Close the input, else find nothing, else show all lines. Returns whether there was such a step."""
        if self._line is not None:
            self._close_line()
        elif self.view.found is not None:
            self.view.stop_finding()
        elif self.view.filter:
            self._since = None
            self.view.show_only(parse_filter(""))
        else:
            return False
        self._explain_nothing()
        self._say()
        return True
