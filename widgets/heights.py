"""Which line shows which row where a few rows are taller than one line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate


class Heights:
    """Rows of one line each, but those that have `extra` lines below them.

    Costs what the taller rows are, however many rows there are.
    """

    def __init__(self, rows: int, extra: Mapping[int, int] | None = None) -> None:
        """`extra` is the number of additional lines by the row's index."""
        taller = sorted((index, lines) for index, lines in (extra or {}).items() if lines > 0)
        self._indices = [index for index, _ in taller]
        self._before = [0, *accumulate(lines for _, lines in taller)]
        self._tops = [index + added for index, added in zip(self._indices, self._before, strict=False)]
        self.total = rows + self._before[-1]
        """Lines of all rows."""

    def top(self, index: int) -> int:
        """The first line of a row."""
        return index + self._before[bisect_right(self._indices, index - 1)]

    def bottom(self, index: int) -> int:
        """The last line of a row."""
        return self.top(index + 1) - 1

    def at(self, line: int) -> tuple[int, int]:
        """The row on a line, and how far below the row's first line that is."""
        place = bisect_right(self._tops, line) - 1
        if place < 0:
            return line, 0
        index, top = self._indices[place], self._tops[place]
        lines = self._before[place + 1] - self._before[place]
        if line <= top + lines:
            return index, line - top
        return line - self._before[place + 1], 0
