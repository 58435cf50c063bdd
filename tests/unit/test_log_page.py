"""A log's entries on lines: heights nobody has measured yet, a ring, what is looked for, places kept."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from rich.cells import cell_len

from hive_tui.core.glyphs import Tone
from tests.fakes import scene
from widgets.cells import Cell
from widgets.flow import BLOCK, Flow
from widgets.log_book import LogBook
from widgets.log_entry import Entry, held, wrapped
from widgets.log_page import LogPage, Opened, Place
from widgets.log_paint import Times
from widgets.log_search import STEP, parse_filter, phrase


def entry(n: int, text: str = "", *, kind: str = "● said", folded: bool = False) -> Entry:
    at = scene.NOW + timedelta(seconds=n)
    return Entry(n, at, Cell(kind), text or f"line {n}", folded=folded, source=n)


def entries(count: int, first: int = 1, text: str = "line {}") -> list[Entry]:
    return [entry(n, text.format(n)) for n in range(first, first + count)]


def page(book: LogBook, width: int = 60, height: int = 10, *, wrap: bool = False) -> LogPage:
    made = LogPage(book, lambda entry: f"recorded\n{entry.source}")
    made.width, made.height, made.wrap = width, height, wrap
    made.lay_out()
    return made


class Slow:
    """What `Flow` is, written down the simple way."""

    def __init__(self) -> None:
        self.first = 0
        self.lines: list[int] = []

    def at(self, line: int) -> tuple[int, int]:
        for index, lines in enumerate(self.lines):
            if line < lines:
                return self.first + index, line
            line -= lines
        return self.first + len(self.lines), 0


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_on_the_lines_they_are_on(seed: int) -> None:
    chance = random.Random(seed)
    flow, slow = Flow(), Slow()
    for _ in range(120):
        match chance.randrange(4):
            case 0:
                count = chance.choice((1, 7, BLOCK - 1, BLOCK, 3 * BLOCK + 5))
                flow.extend(count, measured=False)
                slow.lines += [1] * count
            case 1 if slow.lines:
                count = chance.choice((1, BLOCK // 2, BLOCK, 2 * BLOCK + 3, len(slow.lines)))
                count = min(count, len(slow.lines))
                assert flow.drop(count) == sum(slow.lines[:count])
                slow.first += count
                del slow.lines[:count]
            case _ if slow.lines:
                index = chance.randrange(len(slow.lines))
                slow.lines[index] = chance.choice((1, 2, 50))
                flow.measure(slow.first + index, slow.lines[index])
        assert (flow.first, flow.end, flow.total) == (
            slow.first,
            slow.first + len(slow.lines),
            sum(slow.lines),
        )
        for line in (0, 1, flow.total // 2, flow.total - 1, flow.total):
            if line >= 0:
                assert flow.at(line) == slow.at(line)
        for row in (flow.first, flow.first + len(slow.lines) // 2, flow.end):
            assert flow.top(row) == sum(slow.lines[: row - flow.first])


def test_what_was_not_measured_is_known() -> None:
    flow = Flow()
    flow.extend(5, measured=True)
    assert flow.unmeasured(flow.end) is None
    flow.extend(3, measured=False)
    flow.measure(7, 4)
    assert flow.unmeasured(flow.end) == 6
    assert flow.unmeasured(6) == 5
    assert flow.unmeasured(5) is None


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 10, ["short"]),
        ("", 10, [""]),
        ("two words here", 9, ["two words", "here"]),
        ("a\n\nb", 10, ["a", "", "b"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("a " + "y" * 12, 10, ["a yyyyyyyy", "yyyy"]),
        ("你好世界你好", 5, ["你好", "世界", "你好"]),
        ("ascii\n你好世界", 4, ["asci", "i", "你好", "世界"]),
    ],
)
def test_text_is_wrapped_at_words_within_its_width(text: str, width: int, lines: list[str]) -> None:
    found = [text[start:end] for start, end in wrapped(text, width)]
    assert found == lines
    assert all(cell_len(line) <= width for line in found)


def test_held_text_is_bounded_and_clean() -> None:
    assert held("a\tb\x1b[31m\r\nc\n\n") == "a    b\nc"
    assert len(held("line\n" * 100_000)) < 20_000
    assert held("x" * 1_000_000).endswith("…")


def test_the_ring_drops_the_oldest_and_counts_them() -> None:
    book = LogBook(capacity=100)
    assert book.extend(entries(90)) == 0
    assert book.extend(entries(20, 91)) == 10
    assert (len(book.entries), book.first, book.dropped, book[book.first].n) == (100, 10, 10, 11)
    assert book.extend(entries(500, 111)) == 500
    assert (len(book.entries), book.dropped) == (100, 510)
    assert (book.flow.first, book.flow.end) == (book.first, book.end)


def test_very_long_entries_are_held_by_their_weight() -> None:
    book = LogBook(capacity=1_000, heaviest=10_000)
    book.extend(entries(50, text="x" * 999 + "{}"))
    assert len(book.entries) < 12
    assert book.dropped > 38


def run(book: LogBook) -> int:
    steps = 0
    while book.searching:
        book.step()
        steps += 1
    return steps


def test_words_are_found_in_steps_and_kept_up_while_the_log_grows() -> None:
    book = LogBook(capacity=20_000)
    book.extend(entries(20_000))
    book.find(phrase("line 1999"))
    assert run(book) > 1
    assert [book[index].n for index in book.matches] == [1999, *range(19990, 20000)]
    book.extend([entry(20_001, "another line 1999")])
    run(book)
    assert len(book.matches) == 12
    assert book.match(book.matches[0], 1) == book.matches[1]
    assert book.match(book.matches[0], -1) == book.matches[-1]
    assert book.nth(book.matches[2]) == 3
    book.extend(entries(2_500, 20_002))
    run(book)
    assert [book[index].n for index in book.matches] == [*range(19990, 20000), 20_001]
    assert STEP < 20_000 * 70


def test_letters_in_upper_case_ask_for_them() -> None:
    book = LogBook()
    book.extend([entry(1, "Error"), entry(2, "error"), entry(3, "ÄRGER"), entry(4, "x", kind="✗ error")])

    def found(typed: str) -> list[int]:
        book.find(phrase(typed))
        run(book)
        return [book[index].n for index in book.matches]

    assert found("error") == [1, 2, 4]
    assert found("Error") == [1]
    assert found("ärger") == [3]
    assert found(".*") == []
    assert phrase("  ") is None


def test_a_filter_includes_and_excludes() -> None:
    book = LogBook(capacity=10)
    book.extend([entry(n, text) for n, text in enumerate(("tool pytest", "said", "tool ls", "pytest tool"))])
    book.show_only(parse_filter('tool !ls "pytest tool"'))
    run(book)
    assert [book[book.index_of(row)].n for row in range(book.flow.first, book.flow.end)] == [3]
    book.show_only(parse_filter("!tool"))
    run(book)
    assert [book[book.index_of(row)].n for row in range(book.flow.first, book.flow.end)] == [1]
    # What is shown only keeps up with the log, at both ends of it.
    book.extend([entry(n, "said" if n % 2 else "tool") for n in range(10, 19)])
    book.step()
    assert [book[book.index_of(row)].n for row in range(book.flow.first, book.flow.end)] == [11, 13, 15, 17]
    assert book.row_of(book.end) == book.flow.end
    assert book.index_of(book.row_of(book.first)) == book.first + 2


def test_matches_are_looked_for_in_what_is_shown() -> None:
    book = LogBook()
    book.extend([entry(1, "pytest a"), entry(2, "pytest b")])
    book.find(phrase("pytest"))
    book.show_only(parse_filter('!"test a"', scene.NOW))
    run(book)
    assert [book[index].n for index in book.matches] == [2]
    book.show_only(parse_filter("", scene.NOW + timedelta(seconds=2)))
    run(book)
    assert [book[index].n for index in book.matches] == [2]
    book.show_only(parse_filter(""))
    run(book)
    assert len(book.matches) == 2


def test_a_place_is_kept_when_lines_are_wrapped() -> None:
    book = LogBook()
    book.extend(entries(2_000, text="entry {} " + "word " * 60))
    flat = page(book)
    place = flat.place_at(1_000)
    flat.wrap = True
    flat.lay_out()
    top = flat.top_for(place)
    assert flat.window(top)[0] == (1_000, 0)
    while flat.unmeasured:
        flat.step()
        top = flat.top_for(place)
        assert flat.window(top)[0] == (1_000, 0)
    assert flat.total == sum(len(flat.spans(index)) for index in range(2_000))
    assert top == flat.book.flow.top(1_000)


def test_wrapping_measures_what_is_near_at_once_and_the_rest_in_steps() -> None:
    book = LogBook()
    book.extend(entries(20_000, text="entry {} " + "word " * 60))
    laid = page(book, wrap=True)
    laid.top_for(None)
    measured = sum(laid.book.flow.measured(row) for row in range(20_000))
    assert 0 < measured < 50


def test_a_page_up_shows_the_lines_right_before() -> None:
    book = LogBook()
    book.extend(entries(500, text="entry {} " + "word " * 60))
    laid = page(book, wrap=True)
    top = laid.top_for(None)
    before = laid.window(top)[0]
    laid.top_for(laid.place_at(top - 9))
    top = laid.top_for(laid.place_at(laid.top_for(None) - 9))
    assert laid.window(top)[9] == before


def test_folded_entries_take_one_line_until_they_are_opened() -> None:
    book = LogBook()
    book.extend([entry(1, "a\nb\nc", folded=True), entry(2, "d\ne")])
    laid = page(book, wrap=True)
    laid.top_for(None)
    assert laid.window(0) == [(0, 0), (1, 0), (1, 1)]
    laid.open[0] = Opened.WHOLE
    laid.measure(0)
    assert laid.total == 5
    laid.open[0] = Opened.RAW
    laid.measure(0)
    assert laid.text(0) == "recorded\n1"
    assert laid.total == 4


def written(laid: LogPage, index: int, line: int = 0) -> str:
    return "".join(piece.text for piece in laid.pieces(index, line, scene.NOW))


@pytest.mark.parametrize("width", [30, 62, 100, 160])
@pytest.mark.parametrize("pan", [0, 1, 40, 500])
@pytest.mark.parametrize("text", ["short", "x" * 300, "你好世界" * 60, "a\nb\nc", "é" * 90])
def test_a_line_has_the_width_of_the_screen_wherever_one_looks(width: int, pan: int, text: str) -> None:
    book = LogBook()
    book.extend([entry(1, text)])
    laid = page(book, width=width)
    laid.pan = pan
    for times in Times:
        laid.times = times
        assert cell_len(written(laid, 0)) <= width - 2
    laid.wrap = True
    laid.lay_out()
    laid.top_for(None)
    for line in range(laid.total):
        assert cell_len(written(laid, 0, line)) <= width - 2


def test_what_was_found_is_set_off_wherever_it_stands() -> None:
    book = LogBook()
    book.extend([entry(1, "before needle after\nneedle " + "x" * 200 + " needle")])
    book.find(phrase("needle"))
    run(book)
    laid = page(book)

    def lit() -> list[str]:
        lines = range(len(laid.spans(0)))
        return [piece.text for line in lines for piece in laid.pieces(0, line, None) if piece.match]

    assert lit() == ["needle", "  +1 line"]
    assert not laid.hides_match(0)
    laid.pan = 12
    assert lit() == ["…", "  +1 line"]
    assert laid.hides_match(0)
    laid.open[0] = Opened.WHOLE
    assert lit() == ["needle"] * 3


def test_a_place_that_is_gone_is_the_nearest_one() -> None:
    book = LogBook(capacity=50)
    book.extend(entries(50))
    laid = page(book)
    place = Place(3, 2)
    book.extend(entries(20, 51))
    assert laid.window(laid.top_for(place))[0] == (20, 0)
    assert Tone.PLAIN is book[20].tone
