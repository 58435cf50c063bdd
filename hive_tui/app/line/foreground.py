"""Commands of `hive` that need the terminal for themselves: they ask, or open an editor."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from textual.app import App, SuspendNotSupported

from hive_tui.core.errors import HiveError

AGAIN_SECONDS = 0.2
"""After this Ctrl+C from outside asks to leave again."""


def run(app: App[None], argv: Sequence[str], *, name: str) -> int:
    """Give the terminal to a command until it ends; how it ended.

    The app stands still meanwhile, as the terminal is not its own. What a command that failed said
    stays on the terminal until the person goes on. Raises HiveError where nothing can be started.
    """
    try:
        with app.suspend(), _interrupts_pass(app):
            code = subprocess.run(argv, check=False).returncode
            if code:
                print(f"\n`{name}` ended with {code}. Enter goes back to the console.", end="", flush=True)
                _wait_for_enter()
            return code
    except SuspendNotSupported as error:
        raise HiveError(f"`{name}` needs a terminal of its own.", "Call it in a shell.") from error
    except OSError as error:
        raise HiveError(
            f"`{name}` cannot be started: {error.strerror}.", "`hive doctor` looks why."
        ) from error


def _wait_for_enter() -> None:
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        print()


@contextmanager
def _interrupts_pass(app: App[None]) -> Iterator[None]:
    """Let Ctrl+C end the command only: it goes to every process of the terminal, this one too."""
    loop = asyncio.get_running_loop()
    if not loop.remove_signal_handler(signal.SIGINT):
        yield
        return
    # A handler instead of SIG_IGN, which the command would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        # Not at once: the loop has still to read which signals came meanwhile.
        loop.call_later(AGAIN_SECONDS, lambda: loop.add_signal_handler(signal.SIGINT, app.exit))
