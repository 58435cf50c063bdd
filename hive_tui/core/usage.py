"""Sums of what runs used, as a whole and in parts; pure."""

from __future__ import annotations

import msgspec

from hive_tui.core.model import USES_KEPT, StepUse, Tokens, Usage

_KINDS = Tokens.__struct_fields__


def add(one: Usage, other: Usage) -> Usage:
    """Both together; a figure that neither has stays unknown."""
    return Usage(
        Tokens(*(_sum(getattr(one.tokens, name), getattr(other.tokens, name)) for name in _KINDS)),
        _sum(one.cost_micros, other.cost_micros),
        one.estimated or other.estimated,
    )


def beyond(one: Tokens, other: Tokens) -> Tokens:
    """What `one` has more of each kind than `other`; what it does not know stays unknown."""
    return Tokens(*(_more(getattr(one, name), getattr(other, name)) for name in _KINDS))


def with_use(used: tuple[StepUse, ...], use: StepUse) -> tuple[StepUse, ...]:
    """`used` with more of the same, or with one entry more; at most USES_KEPT of them."""
    for number, known in enumerate(used):
        if msgspec.structs.replace(known, usage=use.usage) == use:
            both = msgspec.structs.replace(known, usage=joined(known.usage, use.usage))
            return (*used[:number], both, *used[number + 1 :])
    return condensed((*used, use), USES_KEPT)


def condensed(used: tuple[StepUse, ...], most: int) -> tuple[StepUse, ...]:
    """At most so many entries with the same sum: the oldest are put together, and what they do not have in
    common is left out."""
    if len(used) <= most:
        return used
    first, *others = used[: len(used) - most + 1]
    for other in others:
        first = StepUse(
            other.step,
            other.round,
            joined(first.usage, other.usage),
            first.model if first.model == other.model else None,
            first.session if first.session == other.session else None,
        )
    return (first, *used[len(used) - most + 1 :])


def joined(one: Usage, other: Usage) -> Usage:
    """As `add`; where only one of them has a cost, that is not all that both cost."""
    both = add(one, other)
    partly = (one.cost_micros is None) != (other.cost_micros is None)
    return msgspec.structs.replace(both, estimated=True) if partly else both


def _more(one: int | None, other: int | None) -> int | None:
    return None if one is None else max(0, one - (other or 0))


def _sum(one: int | None, other: int | None) -> int | None:
    known = [number for number in (one, other) if number is not None]
    return sum(known) if known else None
