"""What lists are sorted by: real values, never their texts; pure. What is not known comes last."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

Value = Any
"""Anything that compares with its like; None is not known."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class By(NamedTuple, Generic[T]):
    """How a column is sorted."""

    value: Callable[[T], Value]
    down: bool = False
    """Whether the largest comes first where nobody asks for the other way round."""


class Order(NamedTuple):
    """The order that somebody asked for; without a column it is that of attention."""

    column: str | None = None
    turned: bool = False

    def next(self, columns: Sequence[str]) -> Order:
        """The order by the next column; after the last one comes attention again."""
        if self.column not in columns:
            return Order(columns[0]) if columns else Order()
        place = columns.index(self.column) + 1
        return Order(columns[place]) if place < len(columns) else Order()

    def clicked(self, column: str) -> Order:
        """A first click sorts by a column, a second turns that round, a third ends it."""
        if self.column != column:
            return Order(column)
        return Order() if self.turned else Order(column, turned=True)


def arranged(keys: Sequence[K], values: Mapping[K, Value], *, down: bool) -> list[K]:
    """Keys by their values; equal ones stay in the order of `keys`, and the unknown ones come last."""
    known = [key for key in keys if values.get(key) is not None]
    known.sort(key=values.__getitem__, reverse=down)
    if len(known) == len(keys):
        return known
    return [*known, *(key for key in keys if values.get(key) is None)]
