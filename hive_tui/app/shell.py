"""What the console's app is before it knows a fleet: its looks, and what becomes of its own bugs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
from textual import events
from textual._styles_cache import StylesCache
from textual.actions import ActionParseResult, parse
from textual.app import App, ScreenStackError
from textual.await_complete import AwaitComplete
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.theme import Theme
from textual.widget import Widget

from hive_tui.app import theme
from hive_tui.app.memory import Memory, MemoryFile
from hive_tui.app.stylesheet import RememberingStylesheet
from hive_tui.app.tidying import LOOK_SECONDS, Tidying
from hive_tui.app.typing_ahead import settled
from hive_tui.core.actions import sentence
from widgets.guarded import GuardedPump

AHEAD_SECONDS = 10.0
"""For so long keys wait for what the one before them opens; then they are dropped, as nobody knows any more
whether they are text or orders."""

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that ask to leave."""

TELL_AGAIN_SECONDS = 60.0
"""After this the same bug is told once more."""

MOST_BUGS = 200
"""So many within `TELL_AGAIN_SECONDS` are not to be lived with."""


TYPING_SECONDS = 0.3
"""After a key for so long it is likely that another one comes."""

KEY_SECONDS = 0.045
"""So long the screen is left to a key: what it does is done and painted then."""

LATEST_SECONDS = 0.25
"""How long what comes by itself waits at most for keys that follow each other."""

TURN_SECONDS = 0.0005
"""How long the threads that read logs and sources hold up a key that came; Python's own is ten times that,
and a key takes several turns."""


@runtime_checkable
class DimmingScreen(Protocol):
    """A screen that says why it dims a key of its own."""

    def why_dim(self, action: str, parameters: tuple[object, ...]) -> str | None: ...


class Shell(GuardedPump, App[None]):
    """Chooses the theme, remembers what was changed, and outlives exceptions in handlers."""

    _variables_of: tuple[Theme, dict[str, str]] | None = None
    """A theme, and the variables that style sheets have of it."""

    def __init__(self, *, wished_theme: str | None = None, memory: Path | None = None) -> None:
        """`memory` is the file that keeps what the person changes; without one nothing is kept."""
        # Without colours the terminal's own are shown, and then left out altogether.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._memory_file = MemoryFile(memory)
        self.memory = self._memory_file.load()
        """What is remembered of the last time."""
        for look in theme.OWN:
            self.register_theme(look)
        self._configured_theme = wished_theme
        kept = self.memory.theme if self.memory.configured == wished_theme else None
        wish = kept or wished_theme
        # Without a terminal there is nothing that could lack colours: tests, and pictures.
        colors = self.console.color_system if sys.stdout.isatty() else "truecolor"
        self.theme = theme.chosen(wish, self.available_themes, os.environ, colors=colors)
        self.stylesheet: RememberingStylesheet = RememberingStylesheet(variables=self.get_css_variables())
        self.unknown_theme = wish if wish is not None and wish not in self.available_themes else None
        """A configured theme that there is not."""
        self.survives: bool | None = None
        """Whether bugs are told and lived with; None is yes on a terminal, where no test wants to fail."""
        self._shown = False
        self._typed_at = 0.0
        self._ahead: deque[events.Key | events.Paste] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._expected: list[asyncio.Event] = []
        self._tidying = Tidying()
        self._told: dict[str, float] = {}
        self._bugs: list[float] = []

    def get_css_variables(self) -> dict[str, str]:
        # Textual asks for those of the same theme again and again; a second of them takes milliseconds.
        chosen = self.current_theme
        if self._variables_of is None or self._variables_of[0] is not chosen:
            self._variables_of = (chosen, super().get_css_variables())
        return self._variables_of[1]

    def refresh_css(self, animate: bool = True) -> None:
        # The theme that the app begins with asks for it, though nothing was styled with another one.
        if self._shown or not self.stylesheet.is_of(self.get_css_variables()):
            super().refresh_css(animate)

    def on_load(self) -> None:
        # Before the terminal is switched to another mode, so that it is always switched back.
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self.exit)

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.remove_signal_handler(number)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        # Nothing blinks: it would be sent to the terminal twice a second, and draw the eye.
        if getattr(event.widget, "cursor_blink", False):
            event.widget.cursor_blink = False  # type: ignore[attr-defined]

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            self._typed_at = time.monotonic()
        if isinstance(event, events.InputEvent):
            self._tidying.touched()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._ahead.append(event)
            await self._next_key()
        else:
            await super().on_event(event)

    async def _next_key(self) -> None:
        """Let a key do what it does, once the one before it has."""
        if self._settling is not None or not self._ahead:
            return
        self._typed_at = time.monotonic()
        way = [*(self.focused or self.screen).ancestors_with_self]
        try:
            await super().on_event(self._ahead.popleft())
        finally:
            self._settling = asyncio.create_task(self._settle(way))

    async def _settle(self, way: Sequence[MessagePump]) -> None:
        try:
            async with asyncio.timeout(AHEAD_SECONDS):
                await settled(way)
                while self._expected:
                    await self._expected[0].wait()
                    del self._expected[0]
                while self.screen_stack and not self.screen_stack[-1]._mounted_event.is_set():
                    await self.screen_stack[-1]._mounted_event.wait()
        except TimeoutError:
            self._expected.clear()
            if self._ahead:
                self._ahead.clear()
                self.notify(
                    "What was typed while the console was busy is dropped: type it again.",
                    severity="warning",
                    markup=False,
                )
        finally:
            self._settling = None
            if self._ahead:
                self.post_message(events.Callback(self._next_key))

    def expect(self) -> asyncio.Event:
        """Keys wait until this is set, or a screen is opened: what they are for is still on its way."""
        event = asyncio.Event()
        self._expected.append(event)
        return event

    def _screen_changed(self, _: object) -> None:
        for event in self._expected:
            event.set()

    @property
    def since_key(self) -> float:
        """Seconds since the last key."""
        return time.monotonic() - self._typed_at

    @property
    def typed_in(self) -> bool:
        """Somebody is typing: what nobody waits for can wait."""
        return self.since_key < TYPING_SECONDS

    @property
    def left_to_key(self) -> float:
        """Seconds for which the screen is still left to the last key."""
        return max(0.0, KEY_SECONDS - self.since_key)

    def unhurried(self, do: Callable[[], object]) -> None:
        """Do something that comes by itself and takes a while: now, or a moment after the last key."""
        begun = time.monotonic()

        def look() -> None:
            wait = min(self.left_to_key, begun + LATEST_SECONDS - time.monotonic())
            if wait > 0:
                self.set_timer(wait, look)
            else:
                do()

        look()

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self._repaint)
        self.screen_change_signal.subscribe(self, self._screen_changed, immediate=True)

    def pop_screen(self) -> AwaitComplete:
        """Leave the top screen, with nothing of what was painted on it kept."""
        nodes = [node for node in self.screen.walk_children(with_self=True) if isinstance(node, Widget)]
        left = super().pop_screen()
        # The widgets hold each other until all garbage is looked for, and most of it are painted lines.
        for node in nodes:
            node._styles_cache.clear()
            node.notify_style_update()
        # Textual keeps the colours of a widget by the lines painted for it, of 1,024 widgets.
        StylesCache.get_inner_outer.cache_clear()
        return left

    def _repaint(self, _: object) -> None:
        """Back from the shell, the terminal shows nothing, of which Textual knows nothing."""
        self.refresh(layout=True)

    def begin(self) -> None:
        """The first picture is there: from now on bugs are lived with."""
        self._shown = True
        self._tidying.begin()
        self.set_interval(LOOK_SECONDS, self._tidying.look)
        sys.setswitchinterval(TURN_SECONDS)
        if self.unknown_theme is not None:
            self.notify(
                f"There is no theme {self.unknown_theme}; the palette lists them.",
                severity="warning",
                markup=False,
            )

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """A dim key says why it does nothing."""
        if (why := self._why_dim(action)) is not None:
            self.notify(sentence(why[:1].upper() + why[1:]), severity="warning", markup=False)
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def _why_dim(self, action: str | ActionParseResult) -> str | None:
        """Why the screen on top dims one of its own keys, where it can tell."""
        screen = self.screen
        if not isinstance(screen, DimmingScreen):
            return None
        _, name, parameters = parse(action) if isinstance(action, str) else action
        return screen.why_dim(name, parameters)

    # What is remembered

    def remember(self, **changes: object) -> None:
        """Keep what the person changed; fields of `Memory`."""
        changed: Memory = msgspec.structs.replace(self.memory, **changes)
        if changed != self.memory:
            self.memory = changed
            self._memory_file.save(changed)

    def choose_theme(self, name: str) -> None:
        """Show another theme, also the next time."""
        self.theme = name
        self.remember(theme=name, configured=self._configured_theme)

    # Bugs

    def _handle_exception(self, error: Exception) -> None:
        """Tell a bug and go on, except before the first picture, where there is nothing to go on with."""
        from hive_tui.system import bugs

        if isinstance(error, ScreenStackError) and not self.screen_stack:
            return  # what arrived while it closed: there is no screen to show it on any more
        if not (not self.is_headless if self.survives is None else self.survives):
            super()._handle_exception(error)
            return
        words = bugs.summary(error)
        now = time.monotonic()
        self._bugs = [at for at in self._bugs if now - at < TELL_AGAIN_SECONDS] + [now]
        told = self._told.get(words)
        if told is not None and now - told < TELL_AGAIN_SECONDS and len(self._bugs) < MOST_BUGS:
            return
        self._told[words] = now
        kept = bugs.keep(bugs.traceback_of(error))
        where = f"The traceback is in {kept}." if kept is not None else "Its traceback could not be kept."
        if not self._shown or len(self._bugs) >= MOST_BUGS:
            self._return_code = 1
            self.exit(return_code=1, message=f"hive: unexpected {words}\nThis is a bug in hive. {where}")
            return
        self.notify(
            f"{words}\n{where} The console goes on.",
            title="This is a bug in hive",
            severity="error",
            timeout=15,
            markup=False,
        )
