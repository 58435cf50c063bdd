"""Text laid out to be read: wrapped, folded, found in, and harmless whatever it is."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from widgets.cells import Cell
from widgets.prose import FOLD, LONGEST, Block, Passage, Prose, passage, wrap

NASTY = "\x1b[2J\x1b]52;c;aGk=\x07a\tb\u202ec\u200bd\x00e\rf\x9b31mg"


def laid_out(*blocks: Block, width: int = 20) -> Prose:
    prose = Prose()
    prose.width = width
    prose.extend(blocks)
    return prose


def texts(prose: Prose) -> list[str]:
    return ["FOLD" if row.line == FOLD else prose.text(row) for row in prose.rows]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("short", 10, ["short"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a bbbbbbbbbb", 6, ["a bbbb", "bbbbbb"]),
        ("漢字漢字漢字", 5, ["漢字", "漢字", "漢字"]),
        ("漢字", 1, ["漢", "字"]),
    ],
)
def test_lines_are_broken_at_blanks_and_never_too_wide(text: str, width: int, lines: list[str]) -> None:
    assert [text[start:end] for start, end in wrap(text, width)] == lines


@pytest.mark.parametrize("text", ["word " * 400, "x" * 3_000, "漢" * 900, "e\u0301 " * 500, NASTY * 50])
@pytest.mark.parametrize("width", [2, 8, 37, 110])
def test_nothing_is_wider_than_the_view_and_nothing_is_lost(text: str, width: int) -> None:
    prose = laid_out(Block((passage(text, indent=4),)), width=width)
    rows = texts(prose)
    assert all(cell_len(row) <= max(2, width) for row in rows)
    whole = prose.cells(prose.rows[0])[0].text
    assert "".join(rows).replace(" ", "") == whole.replace(" ", "")


def test_hostile_text_is_made_harmless_and_bounded() -> None:
    prose = laid_out(Block((passage(NASTY), passage("x" * 1_000_000), passage("[b]not bold[/b]"))), width=100)
    shown = "".join(texts(prose))
    assert not {"\x1b", "\x07", "\x00", "\r", "\u202e", "\x9b", "\t"} & set(shown)
    assert "[b]not bold[/b]" in shown
    assert len(shown) < 2 * LONGEST


def test_a_long_block_is_folded_until_it_is_wanted() -> None:
    block = Block(tuple(passage(f"line {n}") for n in range(10)), keep=3, key="x")
    prose = laid_out(block, Block((passage("after"),)))
    assert texts(prose) == ["line 0", "line 1", "line 2", "FOLD", "after"]
    assert (prose.folded(0), prose.hidden(0)) == (True, 7)
    prose.toggle(0)
    assert len(prose.rows) == 12
    prose.replace([Block((passage("new"),)), block])
    assert len(prose.rows) == 12, "what was unfolded stays so, by its key"
    prose.toggle(1)
    assert texts(prose)[-1] == "FOLD"


def test_what_a_fold_hides_is_found_and_shown() -> None:
    block = Block((*(passage(f"line {n}") for n in range(10)), passage("the Needle")), keep=3, key="x")
    prose = laid_out(block)
    prose.find("needle")
    assert len(prose.matches) == 1
    row = prose.reveal(prose.matches[0])
    assert texts(prose)[row] == "the Needle"
    prose.find("")
    assert prose.matches == []


def test_added_text_is_looked_through_too() -> None:
    prose = laid_out(Block((passage("one needle"),)))
    prose.find("needle")
    prose.extend([Block((passage("needle and needle"),))])
    assert [(match.block, match.start) for match in prose.matches] == [(0, 4), (1, 0), (1, 11)]


def test_parts_are_gone_to_at_their_first_words() -> None:
    prose = laid_out(
        Block((passage("head"),)),
        Block((passage(""), passage("said")), part=True),
        Block((passage("result"),)),
        Block((passage("asks"),), part=True),
    )
    assert [texts(prose)[row] for row in prose.parts()] == ["said", "asks"]
    assert prose.block_at(2) == 1


def test_cells_in_several_tones_are_one_line() -> None:
    prose = laid_out(Block((Passage((Cell("first "), Cell("second third"))),)), width=12)
    assert texts(prose) == ["first second", "third"]
