"""`hive sessions`: this machine's sessions on the whole screen of this terminal, until it is quit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from hive_tui.app import key_hints, keys
from hive_tui.app.screens.sessions import SessionsScreen
from hive_tui.app.sessions_feed import Looks
from hive_tui.app.shell import Shell
from hive_tui.app.terminal import TerminalWatch, drawn_on_standard_output
from hive_tui.core import keymap
from hive_tui.core.keymap import Keymap
from hive_tui.core.ports import TranscriptParser


class SessionsApp(Shell):
    """The screen of sessions without a fleet around it."""

    TITLE = "hive sessions"
    # Here and not at the screens: of a default screen Textual loads no style sheet.
    CSS_PATH = Path(__file__).parent / "screens" / "sessions.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [*keys.sessions_app_bindings()]

    def __init__(
        self,
        looks: Looks,
        *,
        parsers: Mapping[str, Callable[[], TranscriptParser]],
        home: str,
        folders: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keymap: Keymap = keymap.DEFAULT,
        theme: str | None = None,
        memory: Path | None = None,
    ) -> None:
        """As of `SessionsScreen`; `memory` is the file that keeps what the person changes."""
        super().__init__(wished_theme=theme, memory=memory)
        self.keymap = keymap
        self.main = SessionsScreen(looks, parsers=parsers, now=now, home=home, folders=folders)

    def get_default_screen(self) -> SessionsScreen:
        return self.main

    def on_mount(self) -> None:
        if self.keymap.changed:
            self.set_keymap(keys.textual_keymap(self.keymap))
        self.call_after_refresh(self.begin)

    def action_help(self) -> None:
        """What each key does, here and now."""
        from hive_tui.app.screens.help import HelpScreen

        self.push_screen(HelpScreen(key_hints.place(self.screen), self.keymap, self._reasons()))

    def _reasons(self) -> dict[str, str | None]:
        """The actions that the screen on top has, by their ids, and why one cannot be done now."""
        found: dict[str, str | None] = {}
        for active in self.screen.active_bindings.values():
            name = active.binding.id
            if name is not None and name in self.keymap.keys:
                found.setdefault(name, self._why_dim(active.binding.action))
        return found

    def action_help_quit(self) -> None:
        """Ctrl-C is no way out, but whoever tries it wants one."""
        self.notify(f"{self.keymap.first('quit') or 'q'} leaves; sessions go on.", markup=False)


def run_sessions(
    looks: Looks,
    *,
    parsers: Mapping[str, Callable[[], TranscriptParser]],
    folders: str,
    keys_wanted: Mapping[str, str],
    theme: str | None,
    memory: Path | None,
) -> int:
    """Show the sessions until the person quits; returns the exit code. `keys_wanted` and `theme` are the
    configuration's."""
    app = SessionsApp(
        looks,
        parsers=parsers,
        home=str(Path.home()),
        folders=folders,
        keymap=keymap.build(keys_wanted) if keys_wanted else keymap.DEFAULT,
        theme=theme,
        memory=memory,
    )
    with drawn_on_standard_output(), TerminalWatch(sys.stdin, lambda: app.call_later(app.exit)):
        app.run()
    return app.return_code or 0
