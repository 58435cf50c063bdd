"""The transcripts of this machine while they grow: looked at often, and read only where there is more."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from hive_tui.costs import files
from hive_tui.costs.clock import stamp
from hive_tui.costs.files import Found, Root
from hive_tui.costs.index import Index
from hive_tui.costs.periods import BLOCK
from hive_tui.costs.sums import QUARTER, Dimension, Sum

LOOKED_BACK = timedelta(days=3)
"""How far back the beginning of a block is looked for first."""

HOT = 64
"""Transcripts that are looked at by themselves, since those that were written to last grow first."""

_BLOCK = round(BLOCK.total_seconds() * 1_000)


class Growing:
    """The index of transcripts, kept up with them. For one thread."""

    def __init__(self, index: Index, roots: Iterable[Root]) -> None:
        self.index = index
        self.roots = tuple(roots)
        self.read_of: Sequence[Found] | None = None
        """The transcripts as the index has them; None before the first read."""
        self._hot: tuple[Found, ...] = ()

    def find(self) -> list[Found]:
        """All transcripts as they are now."""
        return list(files.find(self.roots))

    def read(self, found: Sequence[Found]) -> None:
        """Bring the index up to what was found, where something is new. Raises SourceError."""
        if found == self.read_of:
            return
        self.index.refresh(self.roots)
        self.read_of = found
        self._hot = tuple(sorted(found, key=lambda file: -file.modified)[:HOT])

    @property
    def stirred(self) -> bool:
        """One of the transcripts that were written to last has more by now; that takes no walk through all
        folders."""
        return any(_grew(found) for found in self._hot)

    def quarters(self, since: datetime, now: datetime) -> list[Sum]:
        """Sums by quarter of an hour up to `now`, from where all blocks since that moment can be told. Raises
        SourceError."""
        until = stamp(now) + QUARTER
        quarters = self.index.sums([Dimension.QUARTER], since=stamp(since - LOOKED_BACK), until=until)
        if not quarters:
            return []
        for number, (before, after) in enumerate(pairwise(quarters), 1):
            if after.first > stamp(since + BLOCK):
                break
            if after.first - before.last > _BLOCK:
                return quarters[number:]
        # Blocks follow each other without a pause: where one begins, the first of them says.
        return self.index.sums([Dimension.QUARTER], until=until)


def problems(roots: Iterable[Root]) -> tuple[str, ...]:
    """Folders of transcripts that are there and cannot be read."""
    return tuple(
        f"{root.folder} cannot be read: give yourself the right to, and to what is in it."
        for root in roots
        if root.folder.is_dir() and not os.access(root.folder, os.R_OK | os.X_OK)
    )


def _grew(found: Found) -> bool:
    try:
        facts = os.stat(found.path)
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) != (found.size, found.modified)
