"""Where an overview of sessions comes from: the index of transcripts, their ends, and processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.core.ports import TranscriptParser
from hive_tui.costs import live, periods
from hive_tui.costs.files import Found, Root
from hive_tui.costs.growing import Growing, problems
from hive_tui.costs.index import Index
from hive_tui.costs.live import Process
from hive_tui.costs.sessions import Overview, main_transcripts, overview
from hive_tui.costs.sums import Dimension, Sum
from hive_tui.costs.tails import Tail, Tails
from hive_tui.costs.windows import Windows

KEPT = timedelta(seconds=30)
"""How long an overview is true where nothing was written: limits begin anew, and blocks end."""


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
        self._growing = Growing(index, roots)
        self._tails = Tails(parsers)
        self._windows = Windows(index.path.with_name("windows.json"))
        self._now = now
        self._since = since
        self._seconds = seconds
        self._begun = False
        self._summed: Sequence[Found] | None = None
        """The transcripts that are in the sums."""
        self._sums: list[Sum] = []
        self._quarters: list[Sum] = []
        self._processes: tuple[Process, ...] = ()
        self._last: tuple[datetime, Overview] | None = None
        """When the last overview was made; None when it was not whole."""

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new, as one of the transcripts that were written to
        last has more by now; that takes no walk through all folders."""
        return self._last is None or self._growing.stirred

    def look(self, *, processes: bool = True) -> Overview:
        """What there is now; the same object as before where nothing is new. Without `processes` those that
        were found before are taken for granted. Raises SourceError when the index of transcripts cannot be
        used."""
        now = self._now()
        growing, roots = self._growing, self._growing.roots
        found = growing.find()
        known_only = False
        before, self._processes = self._processes, live.find(roots) if processes else self._processes
        same = found == self._summed and self._processes == before
        if self._last is not None and same:
            at, known = self._last
            if timedelta(0) <= now - at < KEPT:
                return known
        if self._seconds is not None and not self._begun:
            self._begun, known_only = True, True
            # What an older look left; should it be damaged, the next one makes it anew.
            with suppress(SourceError):
                self._sum_up(now)
        else:
            growing.read(found)
            if self._summed is not growing.read_of:
                self._sum_up(now)
                self._summed = growing.read_of
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
            problems(roots),
            now,
            self._windows.of,
        )
        if known_only or not whole:
            self._last = None
            return msgspec.structs.replace(seen, whole=False)
        self._last = (now, seen)
        return seen

    def _sum_up(self, now: datetime) -> None:
        self._sums = self._growing.index.sums(
            [Dimension.SESSION, Dimension.PROJECT, Dimension.MODEL, Dimension.AGENT]
        )
        self._quarters = self._growing.quarters(now, now)

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
