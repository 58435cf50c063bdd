"""Where the sums on a screen come from: the index of transcripts, and what the fleet says of its runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.costs.files import Root
from hive_tui.costs.growing import Growing, problems
from hive_tui.costs.index import Index
from hive_tui.costs.overview import CostView, FleetRows, Question, answer

KEPT = timedelta(seconds=30)
"""How long sums are true where nothing was written: days and blocks end."""

PATIENCE_SECONDS = 0.1
"""How long an answer waits for what is new in the transcripts."""


class _State(NamedTuple):
    """What an answer rests on."""

    question: Question | None = None
    transcripts: object = None
    booked: FleetRows = FleetRows()

    def same(self, other: _State) -> bool:
        """By identity, where comparing takes long."""
        return (
            self.question == other.question
            and self.transcripts is other.transcripts
            and self.booked.rows is other.booked.rows
            and self.booked.runs is other.booked.runs
        )


class CostSources:
    """Answers the question of the moment; asked again, it reads what has changed. For one thread, but for
    `question`."""

    def __init__(
        self,
        index: Index,
        roots: Iterable[Root],
        booked: Callable[[], FleetRows],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`booked` is cheap as long as nothing is new."""
        self.question = Question()
        """What is asked; may be set from another thread."""
        self._growing = Growing(index, roots)
        self._booked = booked
        self._now = now
        self._reading: _Reading | None = None
        self._answered = _State()
        self._at: datetime | None = None
        """When the last answer was found; None where it was not whole."""
        self._last: CostView | None = None

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new; costs next to nothing."""
        if self._at is None or self._growing.stirred:
            return True
        return not self._answered.same(_State(self.question, self._growing.read_of, self._booked()))

    def look(self) -> CostView:
        """The answer now; the same object as before where nothing is new. While much is still to be read it
        is of what was read before. Raises SourceError when the index of transcripts cannot be used."""
        now, question, booked = self._now(), self.question, self._booked()
        whole = self._read()
        state = _State(question, self._growing.read_of, booked)
        kept = self._at is not None and timedelta(0) <= now - self._at < KEPT
        if self._last is not None and kept and self._answered.same(state):
            return self._last
        view = CostView(question, whole=False)
        # What is there already; should that be damaged, it is just made anew.
        with suppress(*() if whole else (SourceError,)):
            view = answer(question, self._growing.index, booked, now, quarters=self._growing.quarters)
        view = msgspec.structs.replace(view, whole=whole, problems=problems(self._growing.roots))
        self._last, self._answered, self._at = view, state, now if whole else None
        return view

    def _read(self) -> bool:
        """Read for a moment what is new in the transcripts, and go on meanwhile. Whether that is all."""
        if self._reading is None:
            found = self._growing.find()
            if found == self._growing.read_of:
                return True
            self._reading = _Reading(partial(self._growing.read, found))
        if not self._reading.wait(PATIENCE_SECONDS):
            return False
        done, self._reading = self._reading, None
        if done.error is not None:
            raise done.error
        return True


class _Reading:
    """Reads in a thread: there may be gigabytes, while the fleet itself is known at once."""

    def __init__(self, read: Callable[[], object]) -> None:
        self.error: Exception | None = None
        """Why it failed."""
        self._do = read
        self._thread = threading.Thread(target=self._run, name="costs-read", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._do()
        except Exception as error:  # a thread's edge: raised where it is waited for
            self.error = error
