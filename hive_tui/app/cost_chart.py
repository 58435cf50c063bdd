"""Money as shapes: what each day cost by model, and the five-hour blocks one below the other; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from hive_tui.app.cost_lines import model_name
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs.overview import CostView
from hive_tui.costs.periods import BLOCK, Block, Use
from hive_tui.costs.prices import PICO_PER_MICRO, micros
from hive_tui.costs.session_words import SPEED_MINUTES
from hive_tui.costs.summary import whole
from widgets.bars import bar
from widgets.cells import Cell, Line

SHADES = "█▓▒░"
"""Of the costliest models; the last one is of all others together. They can be told apart without colour."""

_DAY, _MONEY, _COUNT, _GAP = 10, 12, 5, 2

LEAST_BAR = 8
"""Cells below which a bar says too little."""

_BLOCK_BAR = 10

_NO_BLOCK = "no block runs: the next call begins one"

NOTHING_YET = (Cell("reading the transcripts …", Tone.QUIET),)


def money(use: Use) -> str:
    """`$1.20`, `~` with estimates in it, `*` where something is not in it, `–` where nothing is known."""
    found = text.money(micros(use.cost) if use.known else None, estimated=use.estimated)
    return f"{found}*" if use.known and (use.unpriced or use.unaccounted) else found


def aligned(use: Use) -> str:
    """The same with a blank where others have a `*`, so that figures stand below each other."""
    found = money(use)
    return found if found.endswith("*") else f"{found} "


# Days


def day_lines(view: CostView | None, width: int) -> list[Line]:
    """What the shades mean, then the days, the newest first."""
    if view is None:
        return [NOTHING_YET]
    models = _by_model(view)
    own = [use.key for use in models[: _own(models)]]
    by_cost = any(use.cost for _, uses in view.days for use in uses)
    sums = [whole(uses, str(day)) for day, uses in view.days]
    if not any(map(_used, sums)):
        words = "reading the transcripts …" if not view.whole else f"nothing was used in {len(sums)} days"
        return [(Cell(words, Tone.QUIET),)]
    most = max(_size(use, by_cost=by_cost) for use in sums)
    found = [_legend(models, width)]
    begun = next(place for place, use in enumerate(sums) if _used(use))
    for (day, uses), total in zip(reversed(view.days[begun:]), reversed(sums[begun:]), strict=True):
        found.append(_day(day, uses, total, own, most, width, by_cost=by_cost))
    return found


def _by_model(view: CostView) -> list[Use]:
    """All of the days together, the costliest first."""
    found: dict[str, list[Use]] = {}
    for _, uses in view.days:
        for use in uses:
            found.setdefault(use.key, []).append(use)
    sums = [whole(uses, name) for name, uses in found.items()]
    return sorted(sums, key=lambda use: (-use.cost, -use.tokens, use.key))


def _legend(models: Sequence[Use], width: int) -> Line:
    """The models that have a shade of their own, and all others together."""
    own, others = models[: _own(models)], models[_own(models) :]
    named = [(model_name(use.key), use) for use in own]
    if others:
        named.append((text.plural(len(others), "other"), whole(others)))
    plain = [text.truncate(text.clean_line(name) or text.UNKNOWN, 18) for name, _ in named]
    figures = [f" {money(use)}" for _, use in named]
    # Each with its shade and the blanks around it.
    if sum(map(text.width, plain)) + sum(map(len, figures)) + 5 * len(named) > width:
        figures = ["" for _ in figures]
    cells: list[Cell] = []
    for shade, name, figure in zip(SHADES, plain, figures, strict=False):
        cells += [Cell(f"{shade} "), Cell(name, Tone.QUIET), Cell(f"{figure}   ")]
    return tuple(cells)


def _own(models: Sequence[Use]) -> int:
    """How many have a shade of their own."""
    return len(models) if len(models) <= len(SHADES) else len(SHADES) - 1


def _day(
    day: date, uses: Sequence[Use], total: Use, models: Sequence[str], most: int, width: int, *, by_cost: bool
) -> Line:
    room = width - _DAY - _MONEY - _COUNT - 2 - _GAP
    name = Cell(f"{day:%a %b %d}", Tone.QUIET)
    if not _used(total):
        return (name, Cell(f"{' ' * _GAP}·", Tone.QUIET))
    shape = _shape(uses, total, models, most, max(0, room), by_cost=by_cost) if room >= LEAST_BAR else ""
    figures = (
        Cell(f"{aligned(total):>{_MONEY}}"),
        Cell(f"  {text.count(total.counted.total):>{_COUNT}}", Tone.QUIET),
    )
    return (name, Cell(f"{' ' * _GAP}{shape:<{max(0, room)}}"), *figures)


def _shape(
    uses: Sequence[Use], total: Use, models: Sequence[str], most: int, room: int, *, by_cost: bool
) -> str:
    """A bar in proportion to the dearest day, its parts in proportion to each other."""
    size = _size(total, by_cost=by_cost)
    cells = max(1, round(size / most * room)) if size and most else 0
    parts = [0] * len(SHADES)
    for use in uses:
        place = models.index(use.key) if use.key in models else len(SHADES) - 1
        parts[place] += _size(use, by_cost=by_cost)
    found, done, so_far = "", 0, 0
    for shade, part in zip(SHADES, parts, strict=True):
        so_far += part
        end = round(so_far / size * cells) if size else 0
        found += shade * (end - done)
        done = end
    return found


def _used(use: Use) -> bool:
    return bool(use.calls or use.tokens or use.cost or use.unaccounted)


def _size(use: Use, *, by_cost: bool) -> int:
    """Where nothing has a price, tokens are compared."""
    return use.cost if by_cost else use.tokens


# Blocks


def block_lines(view: CostView | None, now: datetime, width: int) -> list[Line]:
    """The blocks of the last days, the newest first, with the times between them."""
    if view is None:
        return [NOTHING_YET]
    if not view.blocks:
        words = "no block in a week: the next call begins one" if view.whole else NOTHING_YET[0].text
        return [(Cell(words, Tone.QUIET),)]
    most = max(block.use.cost for block in view.blocks)
    found: list[Line] = []
    if not view.blocks[-1].active:
        found.append((Cell(_NO_BLOCK, Tone.QUIET),))
    for block in reversed(view.blocks):
        found += [_pause(block)] if block.gap else _block(block, most, now, width)
    return found


_ROOMY = 50
"""Cells from which every block says its day."""


def _pause(block: Block) -> Line:
    return (Cell(f"{'':12}nothing for {text.age(block.end - block.start)}", Tone.QUIET),)


def _block(block: Block, most: int, now: datetime, width: int) -> Iterator[Line]:
    if block.active:
        yield from running(block, now, width)
        return
    start = block.start.astimezone()
    # Where there is little room the bar goes first: hours alone would be taken for today's.
    named = width >= _ROOMY or start.date() != now.astimezone().date()
    when = f"{start:%a} {_span(block)}" if named else _span(block)
    figures = f"{aligned(block.use):>{_MONEY}}  {text.count(block.use.tokens):>{_COUNT}}"
    rate = f"  {_rate(block):>11}"
    room = width - len(when) - len(figures) - 2 - len(rate)
    if room < LEAST_BAR:
        room, rate = room + len(rate), ""
    cells = min(room, 24)
    shape = SHADES[0] * max(1, round(block.use.cost / most * cells)) if most and block.use.cost else ""
    yield (
        Cell(f"{when}  ", Tone.QUIET),
        Cell(f"{shape:<{max(0, room)}}", Tone.QUIET),
        Cell(figures),
        Cell(rate, Tone.QUIET),
    )


def running(block: Block, now: datetime, width: int) -> Iterator[Line]:
    """The block of now: how far it is, what it used, how fast, and what it comes to."""
    elapsed = min(max(now - block.start, timedelta(0)), BLOCK)
    yield (
        Cell(f"{_span(block)}  ", Tone.TITLE),
        Cell(bar(elapsed / BLOCK * 100, 100, _BLOCK_BAR)),
        Cell(f"  {_left(block, now)}", Tone.QUIET),
    )
    line = ""
    for fact in _facts(block, now):
        longer = f"{line} · {fact}" if line else fact
        if line and text.width(longer) > width - 2:
            yield (Cell(f"  {line}"),)
            longer = fact
        line = longer
    yield (Cell(f"  {line}"),)


def block_line(view: CostView | None, now: datetime) -> Line:
    """The block of now in one line."""
    if view is None or not (view.blocks or view.whole):
        return NOTHING_YET
    if not view.blocks or not view.blocks[-1].active:
        return (Cell(_NO_BLOCK, Tone.QUIET),)
    block = view.blocks[-1]
    first = Cell(f"block {_span(block)}, {_left(block, now)}", Tone.QUIET)
    return (first, *map(Cell, _facts(block, now)))


def _span(block: Block) -> str:
    return f"{block.start.astimezone():%H:%M}–{block.end.astimezone():%H:%M}"


def _left(block: Block, now: datetime) -> str:
    return f"{text.age(max(timedelta(0), block.end - now))} left"


def _facts(block: Block, now: datetime) -> Iterator[str]:
    yield f"{money(block.use)} {text.count(block.use.tokens)} tokens"
    if rate := _rate(block):
        yield rate
    projected = block.projected(now) if _told(block) else None
    if projected is not None and block.use.known:
        yield f"~{text.money(micros(projected[1]))} at its end"


def _told(block: Block) -> bool:
    """Its calls are far enough apart to tell a speed."""
    return block.burn_cost is not None and block.minutes >= SPEED_MINUTES


def _rate(block: Block) -> str:
    if not _told(block) or block.burn_cost is None or not block.use.known:
        return ""
    return f"{text.money(round(block.burn_cost * 60 / PICO_PER_MICRO))}/h"
