"""Which columns of a line have to be painted again."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from widgets.strips import changed_columns

RED, BOLD = Style(color="red"), Style(bold=True)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([("12:00:01", RED)], [("12:00:01", RED)], (0, 0)),
        ([("12:00:01", RED)], [("12:00", RED), (":01", RED)], (0, 0)),
        ([("12:00:01", RED)], [("12:00:02", RED)], (7, 1)),
        ([("12:00:01", RED)], [("12:00:01", BOLD)], (0, 8)),
        ([("世界 a", RED)], [("世界 b", RED)], (5, 1)),
        ([("世界 a", RED)], [("世田 a", RED)], (2, 2)),
        ([("世a", RED)], [("abc", RED)], (0, 3)),
        ([("ab", RED)], [("abc", RED)], (0, 3)),
        ([], [], (0, 0)),
    ],
)
def test_columns(
    before: list[tuple[str, Style]], after: list[tuple[str, Style]], found: tuple[int, int]
) -> None:
    one, other = (Strip(Segment(*part) for part in parts) for parts in (before, after))
    assert changed_columns(one, other) == found
