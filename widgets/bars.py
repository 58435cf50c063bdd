"""Figures as shapes of one line: how full something is, and how it went lately; pure."""

from __future__ import annotations

from collections.abc import Sequence

FULL, EMPTY = "▰", "▱"

_EIGHTHS = "▁▂▃▄▅▆▇█"


def bar(used: float, most: float, width: int = 8) -> str:
    """`▰▰▰▱▱`: one cell each up to `width`, else in proportion.

    Something used never looks like nothing, and something left never like all.
    """
    cells = width if most > width else int(most)
    if cells <= 0:
        return ""
    share = max(0.0, min(1.0, used / most))
    full = round(share * cells)
    if cells > 1:
        full = max(full, 1) if used > 0 else 0
        full = min(full, cells - 1) if used < most else cells
    return FULL * full + EMPTY * (cells - full)


def spark(values: Sequence[float | None], width: int) -> str:
    """`▂▃▅ ▇`: a cell for each of the last `width` values, the highest full; blank for nothing, `–` for
    what is not known. Never longer than `width`; blanks before the first value are left out, and a
    single value has no shape."""
    shown = values[-width:] if width > 0 else ()
    if sum(value != 0 for value in shown) < 2:
        return ""
    highest = max((value for value in shown if value), default=0)
    return "".join(_cell(value, highest) for value in shown).lstrip(" ")


def _cell(value: float | None, highest: float) -> str:
    if value is None:
        return "–"
    if value <= 0 or highest <= 0:
        return " "
    return _EIGHTHS[min(len(_EIGHTHS) - 1, int(value / highest * len(_EIGHTHS)))]
