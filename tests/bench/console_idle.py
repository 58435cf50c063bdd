"""What a console costs that nobody touches, with 100 runs at work: quiet, and reporting.

The peer is a Textual app with one Static that says the time every second.
"""

from __future__ import annotations

from typing import Any

from tests.bench._busy import Load, console

SECONDS = 20.0


def run() -> dict[str, Any]:
    """Percent of a core, and bytes painted a second."""
    return {
        "name": "console_idle",
        "runs": 100,
        "quiet": _share(Load(runs=100, issues=300, changes=0, lines=0, beat=0)),
        "reporting": _share(Load(runs=100, issues=300, changes=100, lines=10, beat=0)),
        "target_percent": 3.0,
    }


def _share(load: Load) -> dict[str, float]:
    with console(load) as (terminal, _):
        terminal.read_for(60, b"parser")
        terminal.read_for(5)
        before, bytes_before = terminal.cpu(), terminal.bytes
        terminal.read_for(SECONDS)
        return {
            "percent": round((terminal.cpu() - before) / SECONDS * 100, 2),
            "bytes_per_second": round((terminal.bytes - bytes_before) / SECONDS),
        }
