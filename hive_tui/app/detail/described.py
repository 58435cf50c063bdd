"""The tab Describe: everything that is known, as `hive describe` prints it."""

from __future__ import annotations

import msgspec

from hive_tui.app.detail.subject import Subject
from hive_tui.app.view import View
from hive_tui.core import description
from hive_tui.core.columns import Line
from hive_tui.core.glyphs import Tone
from hive_tui.core.ports import Section
from widgets.cells import Cell
from widgets.prose import Block, Passage

_LABEL = 16
"""Where the values stand; what is wrapped goes on below them."""


def described(view: View, subject: Subject, *, width: int, sections: tuple[Section, ...] = ()) -> list[Block]:
    """The parts of the description as blocks; `sections` is what the cluster itself knows of the run."""
    found = description.describe(
        view.snapshot,
        view.plan,
        view.settings,
        key=subject.key,
        run=subject.run,
        pull=subject.pull,
        attention=view.attention,
        now=view.now,
    )
    found = msgspec.structs.replace(found, sections=sections)
    return blocks_of(description.lines(found, width=width, now=view.now))


def blocks_of(lines: list[Line]) -> list[Block]:
    """Lines of spans as blocks: one from each title to the next."""
    blocks: list[Block] = []
    for line in lines:
        cells = tuple(Cell(span.text, span.tone) for span in line)
        starts = bool(cells) and cells[0].tone is Tone.TITLE and not cells[0].text.startswith(" ")
        if starts or not blocks:
            key = cells[0].text.split(" ")[0] if cells else None
            # The fleet and its cluster each have a part called so.
            taken = any(block.key == key for block in blocks)
            blocks.append(Block((), key=f"{key} {len(blocks)}" if taken else key, part=True))
        passage = Passage(cells, _LABEL, line[-1].link if line else None)
        blocks[-1] = blocks[-1]._replace(lines=(*blocks[-1].lines, passage))
    return blocks
