"""Copying: through the terminal (OSC 52) and, where there is one, a tool of this machine."""

from __future__ import annotations

from typing import Any

from textual.app import App

from hive_tui.core import text

LARGEST = 74_994
"""Bytes that terminals take in one OSC 52 (100,000 with its frame and in base64)."""

_SHOWN = 60
"""Cells of what is named in the message."""


def copy(app: App[Any], words: str, what: str | None = None) -> None:
    """Copy `words`; `what` names them where they are long. Returns at once; a message says what was copied.

    The text is made harmless first: whoever pastes it into a shell has not read it.
    """
    words = text.clean(words, limit=len(words) + 1)
    if not words:
        app.notify("There is nothing to copy.", severity="warning", markup=False)
        return
    small = len(words.encode("utf-8", "replace")) <= LARGEST
    if small:
        app.copy_to_clipboard(words)
    name = what or text.truncate(text.clean_line(words), _SHOWN)

    def finish() -> None:
        from hive_tui.system import clipboard  # subprocesses are no part of the first paint

        tool = clipboard.tool()
        taken = tool is not None and clipboard.put(tool, words)
        if taken:
            app.notify(f"Copied {name}.", markup=False)
        elif small:
            app.notify(f"Copied {name}, if the terminal allows it.", markup=False)
        else:
            app.notify(
                f"{name} is too long for the terminal's clipboard: save it to a file instead.",
                severity="error",
                markup=False,
            )

    app.run_worker(finish, name="copy", group="clipboard", thread=True, exclusive=True, exit_on_error=False)
