"""Brings what runs used into the fleet's ledger, with the help of this machine's transcripts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.booked import RECENT, Booked
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RunId
from hive_tui.core.ledger import Certainty, Heard, Price, completed, entries
from hive_tui.core.model import Run, Tokens
from hive_tui.core.ports import Ledger
from hive_tui.core.settings import PriceSettings

Listen = Callable[[frozenset[str]], Mapping[str, Sequence[Heard]]]
"""What the transcripts have of these sessions of agents. Raises SourceError."""

PRUNE_EVERY = timedelta(days=1)

SUMS_KEPT = timedelta(hours=1)
"""How long sums of the ledger are believed that nobody added to: a clock may have been set."""


class _Asked(NamedTuple):
    """What the ledger said, of which runs it was asked, and when."""

    booked: Booked
    runs: frozenset[RunId]
    at: datetime


class Bookkeeper:
    """The dispatcher's part of the ledger; `listen` is None where its runs leave no transcripts here, `price`
    is for what agents do not say the cost of."""

    def __init__(self, ledger: Ledger, listen: Listen | None = None, price: Price | None = None) -> None:
        self._ledger = ledger
        self._listen = listen
        self._price = price
        self._booked: _Asked | None = None
        self._pruned_at: datetime | None = None

    def booked(self, runs: Iterable[RunId], now: datetime) -> Booked:
        """What the ledger has of money, and which of these runs are in there. Raises StoreError."""
        asked, names = self._booked, frozenset(runs)
        if asked is None or not (names <= asked.runs and timedelta(0) <= now - asked.at < SUMS_KEPT):
            asked = self._booked = _Asked(self._ledger.booked(names, now - RECENT), names, now)
        return asked.booked

    def enter(self, *runs: Run) -> None:
        """Write what runs that have ended used; again is no change. Raises StoreError."""
        known = self._ledger.known(run.id for run in runs)
        new = [rows for run in runs if run.id not in known and (rows := entries(run, self._price))]
        if not new:
            return
        sessions = frozenset(
            row.session
            for rows in new
            for row in rows
            if row.session is not None and row.certainty is not Certainty.EXACT
        )
        heard = self._heard(sessions)
        self._booked = None
        for rows in new:
            self._ledger.write(completed(rows, heard))

    def catch_up(self, runs: Iterable[Run]) -> None:
        """Enter what was settled without it: by an older hive, or before the ledger was lost."""
        self.enter(*(run for run in runs if run.settled and run.status.phase.final))

    def _heard(self, sessions: frozenset[str]) -> Mapping[str, Sequence[Heard]]:
        if not sessions or self._listen is None:
            return {}
        try:
            return self._listen(sessions)
        except SourceError as error:
            print(f"the transcripts cannot be read: {error.words}", file=sys.stderr, flush=True)
            return {}

    def prune(self, days: int, now: datetime) -> None:
        """Once a day remove rows that are older than so many days. Raises StoreError."""
        if self._pruned_at is None or not timedelta(0) <= now - self._pruned_at < PRUNE_EVERY:
            self._ledger.prune(now - timedelta(days=days))
            self._pruned_at = now


def transcripts(cache: Path, own: Mapping[str, PriceSettings]) -> Listen:
    """Those of this machine's user; what was read of them is remembered in the folder `cache`. `own` are the
    prices that the user configured."""

    def listen(sessions: frozenset[str]) -> Mapping[str, Sequence[Heard]]:
        # Most runs end well and tell themselves what they used.
        from hive_tui.costs import files, summary
        from hive_tui.costs.index import Index
        from hive_tui.costs.prices import Prices

        index = Index(cache, Prices(own))
        index.refresh(files.roots(os.environ, Path.home()))
        return summary.heard(index, sessions)

    return listen


def priced(own: Mapping[str, PriceSettings]) -> Price:
    """What tokens cost at the user's own prices or list prices, in micro-dollars."""

    def price(model: str, tokens: Tokens, at: datetime) -> int | None:
        from hive_tui.costs import summary
        from hive_tui.costs.prices import Prices

        return summary.price(Prices(own))(model, tokens, at)

    return price
