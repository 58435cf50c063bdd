"""Where things of several lines each are, among many thousands of them that nobody has measured yet."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

BLOCK = 256


class Flow:
    """Rows by rising number, each of one line until it is measured; old ones leave at the front.

    Sums are kept by blocks, so that no question costs more than a few hundred additions, however many
    rows there are and whatever was changed.
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        """The number of the oldest row."""
        self._lines: list[int] = []
        self._measured = bytearray()
        self._sums: list[int] = []
        """Lines of each block of row numbers, the first one from `first` on."""
        self.total = 0
        """Lines of all rows."""
        self.version = 0
        """Another number whenever a row may be on another line."""

    @property
    def end(self) -> int:
        """The number after the newest row's."""
        return self.first + len(self._lines)

    def extend(self, rows: int, *, measured: bool) -> None:
        """Add rows of one line at the end; those that may take more are not `measured`."""
        end = self.end
        self.version += 1
        self._lines += [1] * rows
        self._measured += bytes((measured,)) * rows
        self.total += rows
        while rows:
            part = min(rows, BLOCK - end % BLOCK)
            if end % BLOCK == 0 or not self._sums:
                self._sums.append(part)
            else:
                self._sums[-1] += part
            end += part
            rows -= part

    def drop(self, rows: int) -> int:
        """Take the oldest rows away. Returns how many lines they had."""
        rows = min(rows, len(self._lines))
        if not rows:
            return 0
        gone = self.top(self.first + rows)
        self.version += 1
        block, self.first = self.first // BLOCK, self.first + rows
        del self._lines[:rows]
        del self._measured[:rows]
        del self._sums[: self.first // BLOCK - block]
        if self._sums:
            self._sums[0] = sum(self._lines[: BLOCK - self.first % BLOCK])
        self.total -= gone
        return gone

    def lines(self, row: int) -> int:
        """How many lines a row takes."""
        return self._lines[row - self.first]

    def measured(self, row: int) -> bool:
        return bool(self._measured[row - self.first])

    def unmeasured(self, before: int) -> int | None:
        """The newest row before this number that was not measured."""
        index = self._measured.rfind(0, 0, max(0, before - self.first))
        return None if index < 0 else self.first + index

    def measure(self, row: int, lines: int) -> None:
        """Say how many lines a row takes."""
        index = row - self.first
        change = lines - self._lines[index]
        self._measured[index] = 1
        if change:
            self.version += 1
            self._lines[index] = lines
            self._sums[row // BLOCK - self.first // BLOCK] += change
            self.total += change

    def top(self, row: int) -> int:
        """Lines before a row."""
        block = row // BLOCK
        start = max(self.first, block * BLOCK)
        whole = sum(self._sums[: block - self.first // BLOCK])
        return whole + sum(self._lines[start - self.first : row - self.first])

    def at(self, line: int) -> tuple[int, int]:
        """The row on a line, and how far below its first line that is; the end below the last one."""
        if line >= self.total:
            return self.end, 0
        line, block = max(0, line), 0
        for lines in self._sums:
            if line < lines:
                break
            line -= lines
            block += 1
        start = max(self.first, (self.first // BLOCK + block) * BLOCK)
        sums = list(accumulate(self._lines[start - self.first : start - self.first + BLOCK]))
        place = bisect_right(sums, line)
        return start + place, line - (sums[place - 1] if place else 0)
