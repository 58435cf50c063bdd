"""Where the panes stand: which have room at which size, and how they share it; pure.

The screen is split along a tree, down and across. The parts of a split share it by weight; a pane that
has nothing to fill its share with gives the rest to its neighbours. Where a person moved a border, the
shares are that person's.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from textual.geometry import Region

FLEET, ISSUES, AGENTS, LOG, PULLS, COSTS, ATTENTION, EVENTS = range(1, 9)

LEAST_WIDTH, LEAST_HEIGHT = 44, 8
"""What one pane needs."""

LEAST_ACROSS, LEAST_DOWN = 24, 3
"""What a pane beside others needs: its frame and one line."""

CALM = 2
"""Wanted heights are rounded up to a multiple of this, so that borders do not move with every row."""

Sizes = Mapping[str, Sequence[float]]
"""How a person divided a split, by its name: a share for each part."""


class Mode(enum.Enum):
    """How much there is room for."""

    TINY = "tiny"
    """Nothing but the words that say so."""
    ONE = "one"
    """One pane, and the names of the others."""
    NORMAL = "normal"
    """Work on the left, what needs somebody and what happens on the right; the rest by its digit."""
    WIDE = "wide"
    """All of them."""


def mode(width: int, height: int) -> Mode:
    """The mode for an area of this size, without header and key bar."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Mode.TINY
    if width < 100 or height < 24:
        return Mode.ONE
    return Mode.NORMAL if width < 150 or height < 32 else Mode.WIDE


class Split(msgspec.Struct, frozen=True):
    """An area that panes or further splits share."""

    name: str
    across: bool
    parts: tuple[Split | int, ...]
    weights: tuple[int, ...]


SIDE = (PULLS, FLEET, COSTS, EVENTS)
"""They take turns in one place where there is no room for all; the first until another is asked for."""

WIDE = Split(
    "wide",
    False,
    (
        Split("top", True, (FLEET, COSTS, ATTENTION), (10, 9, 19)),
        Split(
            "main",
            True,
            (
                Split("left", False, (ISSUES, PULLS, EVENTS), (3, 2, 2)),
                Split("right", False, (AGENTS, LOG), (2, 3)),
            ),
            (9, 16),
        ),
    ),
    (1, 3),
)


def _normal(side: int) -> Split:
    left = Split("normal.left", False, (ISSUES, side), (3, 2))
    right = Split("normal.right", False, (ATTENTION, AGENTS, LOG), (2, 3, 4))
    return Split("normal", True, (left, right), (2, 3))


class Placed(msgspec.Struct, frozen=True):
    """A split as it was laid out."""

    split: Split
    region: Region
    extents: tuple[int, ...]
    """Of its parts, in cells along the split."""
    least: tuple[int, ...]

    def borders(self) -> Iterator[tuple[int, int]]:
        """The number of each border between two parts, and the first cell behind it."""
        start = self.region.x if self.split.across else self.region.y
        for number, end in enumerate(itertools.accumulate(self.extents[:-1])):
            yield number, start + end


class Arrangement(msgspec.Struct, frozen=True):
    """Where everything stands."""

    mode: Mode
    tabs: bool
    """Whether the line of pane names is shown above."""
    boxes: Mapping[int, Region]
    """The panes in sight, by their digits."""
    splits: tuple[Placed, ...] = ()


def arrange(
    width: int,
    height: int,
    current: int,
    *,
    side: int = PULLS,
    zoomed: bool = False,
    wants: Mapping[int, int] | None = None,
    sizes: Sizes | None = None,
) -> Arrangement:
    """Place the panes in an area; `current` is in sight in any case.

    `side` is the one of `SIDE` whose turn it is, `wants` how many lines a pane could fill, with its frame.
    """
    found = mode(width, height)
    if found is Mode.TINY:
        return Arrangement(found, False, {})
    if found is Mode.ONE or zoomed:
        return Arrangement(found, True, {current: Region(0, 1, width, height - 1)})
    tabs = found is Mode.NORMAL
    area = Region(0, int(tabs), width, height - int(tabs))
    tree = WIDE if found is Mode.WIDE else _normal(current if current in SIDE else side)
    boxes: dict[int, Region] = {}
    splits: list[Placed] = []
    _place(tree, area, wants or {}, sizes or {}, boxes, splits)
    return Arrangement(found, tabs, boxes, tuple(splits))


def _place(
    part: Split | int,
    area: Region,
    wants: Mapping[int, int],
    sizes: Sizes,
    boxes: dict[int, Region],
    splits: list[Placed],
) -> None:
    if isinstance(part, int):
        boxes[part] = area
        return
    least = tuple(_least(child, across=part.across) for child in part.parts)
    total = area.width if part.across else area.height
    chosen = sizes.get(part.name, ())
    if len(chosen) == len(part.parts) and all(share > 0 for share in chosen):
        extents = share(total, chosen, least)
    else:
        most = [None if part.across else _wanted(child, wants) for child in part.parts]
        extents = share(total, part.weights, least, most)
    splits.append(Placed(part, area, extents, least))
    at = area.x if part.across else area.y
    for child, extent in zip(part.parts, extents, strict=True):
        box = (
            Region(at, area.y, extent, area.height) if part.across else Region(area.x, at, area.width, extent)
        )
        _place(child, box, wants, sizes, boxes, splits)
        at += extent


def _least(part: Split | int, *, across: bool) -> int:
    if isinstance(part, int):
        return LEAST_ACROSS if across else LEAST_DOWN
    inner = [_least(child, across=across) for child in part.parts]
    return sum(inner) if part.across == across else max(inner)


def _wanted(part: Split | int, wants: Mapping[int, int]) -> int | None:
    """Lines that it could fill, None for as many as there are."""
    if isinstance(part, int):
        lines = wants.get(part)
        return None if lines is None else -(-lines // CALM) * CALM
    inner = [_wanted(child, wants) for child in part.parts]
    known = [lines for lines in inner if lines is not None]
    if len(known) < len(inner):
        return None
    return max(known) if part.across else sum(known)


def share(
    total: int,
    weights: Sequence[float],
    least: Sequence[int],
    most: Sequence[int | None] | None = None,
) -> tuple[int, ...]:
    """Divide `total` cells by weight, within `least` and `most` as far as that goes.

    What no part wants is shared by all; what is too little for all goes to the first ones.
    """
    if total <= sum(least):
        extents: list[int] = []
        for need in least:
            extents.append(min(need, total - sum(extents)))
        return tuple(extents)
    most = most or [None] * len(weights)
    bounds = [(low, total if high is None else max(low, high)) for low, high in zip(least, most, strict=True)]
    if sum(high for _, high in bounds) < total:
        bounds = [(low, total) for low, _ in bounds]
    fixed: dict[int, int] = {}
    while True:
        loose = [i for i in range(len(weights)) if i not in fixed]
        ideal = _by_weight(total - sum(fixed.values()), [weights[i] for i in loose])
        clamped = [min(max(cells, bounds[i][0]), bounds[i][1]) for i, cells in zip(loose, ideal, strict=True)]
        excess = sum(clamped) - sum(ideal)
        if excess == 0:
            extents = [fixed.get(i, 0) for i in range(len(weights))]
            for i, cells in zip(loose, clamped, strict=True):
                extents[i] = cells
            return tuple(extents)
        # Those that pull the sum the way it is off keep their bound; the rest is shared anew.
        for i, cells, wished in zip(loose, clamped, ideal, strict=True):
            if (cells > wished) == (excess > 0) and cells != wished:
                fixed[i] = cells


def _by_weight(total: int, weights: Sequence[float]) -> list[int]:
    whole = sum(weights)
    ends = [round(total * end / whole) for end in itertools.accumulate(weights)]
    return [end - start for start, end in itertools.pairwise([0, *ends])]


def border_at(arrangement: Arrangement, x: int, y: int) -> tuple[Placed, int] | None:
    """The border between two parts at this cell: on the line of either frame."""
    for placed in reversed(arrangement.splits):
        if not placed.region.contains(x, y):
            continue
        for number, behind in placed.borders():
            if (x if placed.split.across else y) in (behind - 1, behind):
                return placed, number
    return None


def moved(placed: Placed, border: int, by: int) -> tuple[float, ...]:
    """The shares of a split after a border moved by so many cells, as far as its neighbours let it."""
    before, behind = placed.extents[border], placed.extents[border + 1]
    by = max(placed.least[border] - before, min(by, behind - placed.least[border + 1]))
    extents = list(placed.extents)
    extents[border] += by
    extents[border + 1] -= by
    total = sum(extents) or 1
    return tuple(round(extent / total, 4) for extent in extents)


def grown(
    arrangement: Arrangement, pane: int, *, across: bool, by: int
) -> tuple[str, tuple[float, ...]] | None:
    """A pane's innermost split of that direction and its shares after the pane grew by so many cells."""
    for placed in reversed(arrangement.splits):
        if placed.split.across is not across:
            continue
        for number, part in enumerate(placed.split.parts):
            if pane in _panes(part):
                last = number == len(placed.extents) - 1
                return placed.split.name, moved(placed, number - last, -by if last else by)
    return None


def _panes(part: Split | int) -> set[int]:
    return {part} if isinstance(part, int) else set().union(*map(_panes, part.parts))
