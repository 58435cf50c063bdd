"""Where an overview of sessions comes from: the index of transcripts, their ends, and processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.core.ports import TranscriptParser
from hive_tui.costs import files, live, periods
from hive_tui.costs.files import Found, Root
from hive_tui.costs.index import Index
from hive_tui.costs.live import Process
from hive_tui.costs.periods import BLOCK
from hive_tui.costs.sessions import Overview, main_transcripts, overview
from hive_tui.costs.sums import Dimension, Sum
from hive_tui.costs.tails import Tail, Tails
from hive_tui.costs.windows import Windows

LOOKED_BACK = timedelta(days=3)
"""How far back the beginning of the block of now is looked for first."""

KEPT = timedelta(seconds=30)
"""How long an overview is true where nothing was written: limits begin anew, and blocks end."""

HOT = 64
"""Transcripts that are looked at by themselves, since those that were written to last grow first."""

_QUARTER_MS = 900_000


class Sources:
    """Reads what an overview is made of; a second look costs what has changed."""

    def __init__(
        self,
        index: Index,
        roots: Iterable[Root],
        *,
        parsers: Mapping[str, Callable[[], TranscriptParser]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        since: datetime | None = None,
        seconds: float | None = None,
    ) -> None:
        """The ends of transcripts are read only of those that were written to after `since` or are at work.
        With `seconds` a look reads them for about so long, the newest first, and the next one goes on; the
        first look then tells what was known already, and reads nothing new."""
        self.roots = tuple(roots)
        self._index = index
        self._tails = Tails(parsers)
        self._windows = Windows(index.path.with_name("windows.json"))
        self._now = now
        self._since = since
        self._seconds = seconds
        self._begun = False
        self._found: list[Found] | None = None
        self._sums: list[Sum] = []
        self._quarters: list[Sum] = []
        self._processes: tuple[Process, ...] = ()
        self._last: tuple[datetime, Overview] | None = None
        """When the last overview was made; None when it was not whole."""
        self._hot: tuple[Found, ...] = ()

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new, as one of the transcripts that were written to
        last has more by now; that takes no walk through all folders."""
        return self._last is None or any(_grew(found) for found in self._hot)

    def look(self, *, processes: bool = True) -> Overview:
        """What there is now; the same object as before where nothing is new. Without `processes` those that
        were found before are taken for granted. Raises SourceError when the index of transcripts cannot be
        used."""
        now = self._now()
        found = list(files.find(self.roots))
        known_only = False
        before, self._processes = self._processes, live.find(self.roots) if processes else self._processes
        if self._last is not None and found == self._found and self._processes == before:
            at, known = self._last
            if timedelta(0) <= now - at < KEPT:
                return known
        if self._seconds is not None and not self._begun:
            self._begun, known_only = True, True
            # What an older look left; should it be damaged, the next one makes it anew.
            with suppress(SourceError):
                self._sum_up(now)
        elif found != self._found:
            self._refresh()
            self._sum_up(now)
            self._found = found
            self._hot = tuple(sorted(found, key=lambda file: -file.modified)[:HOT])
        transcripts = main_transcripts(found)
        tails, whole = self._read(transcripts)
        blocks = periods.blocks(self._quarters, now)
        block = blocks[-1] if blocks and blocks[-1].active else None
        seen = overview(
            self._sums,
            self._processes,
            transcripts,
            tails,
            block,
            problems(self.roots),
            now,
            self._windows.of,
        )
        if known_only or not whole:
            self._last = None
            return msgspec.structs.replace(seen, whole=False)
        self._last = (now, seen)
        return seen

    def _sum_up(self, now: datetime) -> None:
        self._sums = self._index.sums(
            [Dimension.SESSION, Dimension.PROJECT, Dimension.MODEL, Dimension.AGENT]
        )
        self._quarters = self._recent(now)

    def _read(self, transcripts: Mapping[tuple[str, str], Found]) -> tuple[dict[str, Tail], bool]:
        """The ends of the transcripts that are shown, those at work and the newest first."""
        at_work = {(process.agent, process.session) for process in self._processes}
        since = 0 if self._since is None else round(self._since.timestamp() * 1e9)
        shown = [key for key, file in transcripts.items() if key in at_work or file.modified >= since]
        shown.sort(key=lambda key: (key not in at_work, -transcripts[key].modified))
        until = None if self._seconds is None else time.monotonic() + self._seconds
        return self._tails.read(
            (transcripts[key] for key in shown),
            lambda: until is None or time.monotonic() < until,
        )

    def _refresh(self) -> None:
        try:
            self._index.refresh(self.roots)
        except OSError as error:
            raise SourceError(
                f"{self._index.path}: {error.strerror or error}.",
                "Look at the folder's rights and free space.",
            ) from error

    def _recent(self, now: datetime) -> list[Sum]:
        """Sums by quarter of an hour, from where a block certainly begins."""
        until = round(now.timestamp() * 1_000) + _QUARTER_MS
        since = until - round(LOOKED_BACK.total_seconds() * 1_000)
        quarters = self._index.sums([Dimension.QUARTER], since=since, until=until)
        pause = round(BLOCK.total_seconds() * 1_000)
        for index in range(len(quarters) - 1, 0, -1):
            if quarters[index].first - quarters[index - 1].last > pause:
                return quarters[index:]
        # Blocks follow each other without a pause: where this one begins, the first of them says.
        return self._index.sums([Dimension.QUARTER], until=until) if quarters else []


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
