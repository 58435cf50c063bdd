"""Keeps the traceback of what nobody expected, for whoever reports it."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path

from hive_tui import __version__
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.system.paths import paths

SUMMARY = 300
"""Characters of a message that are shown."""


def summary(error: BaseException) -> str:
    """What happened, on one line, without secrets."""
    return Redactor()(clean_line(f"{type(error).__name__}: {error}", limit=SUMMARY))


def traceback_of(error: BaseException) -> str:
    """Where it happened, without secrets."""
    return Redactor()(clean("".join(traceback.format_exception(error))))


def keep(text: str) -> Path | None:
    """Append a traceback to hive's `errors.log`; where that is, None where it cannot be written."""
    path = paths().data / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat()} hive {__version__}\n{text}\n")
    except OSError:
        return None
    return path
