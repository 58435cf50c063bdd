"""Rows that are marked for an action on many, by their keys."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence


class Marks:
    """Keys in the order in which they were marked; they stay when their rows go out of sight."""

    def __init__(self) -> None:
        self._keys: dict[Hashable, None] = {}
        self._last: Hashable | None = None
        self.version = 0
        """Another number whenever the marks change."""

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def toggle(self, key: Hashable) -> None:
        """Mark a row, or take its mark away; a range goes from here."""
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None
        self._last = key
        self.version += 1

    def mark_range(self, keys: Sequence[Hashable], here: int) -> None:
        """Mark every row from the last one that was marked to `here`, an index into `keys`."""
        try:
            start = keys.index(self._last)
        except ValueError:
            start = here
        first, last = sorted((start, here))
        self._add(keys[first : last + 1])
        self._last = keys[here]

    def mark_all(self, keys: Iterable[Hashable]) -> None:
        """Mark all these rows; when they all are, take their marks away."""
        wanted = list(keys)
        if wanted and all(key in self._keys for key in wanted):
            for key in wanted:
                del self._keys[key]
            self.version += 1
        else:
            self._add(wanted)

    def clear(self) -> None:
        self._keys.clear()
        self._last = None
        self.version += 1

    def _add(self, keys: Iterable[Hashable]) -> None:
        self._keys.update(dict.fromkeys(keys))
        self.version += 1
