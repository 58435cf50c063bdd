"""Keys in the order of their ranks, kept in order while single ones change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

MANY = 100
"""From so many changes on everything is sorted anew."""

K = TypeVar("K", bound=Hashable)
Rank = tuple[Any, ...]
"""Compared part by part; the last part is the key itself, so that no two are equal."""


class Ordered(Generic[K]):
    """An order of keys, the same as that of their sorted ranks at any time."""

    def __init__(self) -> None:
        self._ranks: dict[K, Rank] = {}
        self._sorted: list[Rank] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def update(self, ranks: Mapping[K, Rank | None]) -> bool:
        """Take in new ranks, None for keys that are gone; tells whether the order may be another."""
        changed = {key: rank for key, rank in ranks.items() if self._ranks.get(key) != rank}
        few = len(changed) < MANY
        for key, rank in changed.items():
            before = self._ranks.pop(key, None)
            if before is not None and few:
                del self._sorted[bisect_left(self._sorted, before)]
            if rank is not None:
                self._ranks[key] = rank
                if few:
                    insort(self._sorted, rank)
        if not few:
            self._sorted = sorted(self._ranks.values())
        return bool(changed)

    def keys(self) -> list[K]:
        """All of them, lowest rank first."""
        return [rank[-1] for rank in self._sorted]

    def last(self, most: int) -> list[K]:
        """Those of the highest ranks, highest first."""
        return [rank[-1] for rank in self._sorted[: -most - 1 : -1]]
