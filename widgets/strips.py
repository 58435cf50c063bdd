"""What differs between two pictures of the same line, so that only that is sent to the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip


def changed_columns(before: Strip, after: Strip) -> tuple[int, int]:
    """The first column that differs, and how many there are to the last one that does; 0 for none."""
    old, new = list(_cells(before)), list(_cells(after))
    if len(old) != len(new):
        return 0, max(len(old), len(new))
    differing = [column for column, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    if not differing:
        return 0, 0
    start, end = differing[0], differing[-1] + 1
    while end < len(new) and "" in (old[end][0], new[end][0]):
        end += 1  # the other half of a wide character
    return start, end - start


def _cells(strip: Strip) -> Iterator[tuple[str, Style | None]]:
    """One for each column; what takes two has an empty one behind it, what takes none joins the last."""
    for segment in strip:
        for char in segment.text:
            cells = cell_len(char)
            if cells:
                yield char, segment.style
            if cells == 2:
                yield "", segment.style
