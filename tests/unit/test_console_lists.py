"""How lists are sorted, filtered in slices, marked, unfolded and laid out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hive_tui.app import attention_rows, event_rows, findable, rows, sorting
from hive_tui.app.arranging import CHUNK, Arranging
from hive_tui.app.filters import Facts, Query, facts, parse
from hive_tui.app.findable import IssueThing
from hive_tui.app.sorting import By, Order
from hive_tui.core.ids import RunId
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.settings import Preset
from tests.fakes import scene
from widgets.cells import Column, column_at
from widgets.heights import Heights
from widgets.lines import fit, wrapped
from widgets.marks import Marks

# Sorting


def test_unknown_values_come_last_in_either_order() -> None:
    values = {"a": 2, "b": None, "c": 10, "d": 1, "e": None}
    assert sorting.arranged("abcde", values, down=False) == ["d", "a", "c", "b", "e"]
    assert sorting.arranged("abcde", values, down=True) == ["c", "a", "d", "b", "e"]


def test_equal_values_stay_in_the_order_of_attention() -> None:
    values = dict.fromkeys("abcd", 1)
    assert sorting.arranged("abcd", values, down=True) == ["a", "b", "c", "d"]


def test_orders_follow_each_other_and_come_back_to_attention() -> None:
    columns = ["number", "age"]
    first = Order().next(columns)
    second = first.next(columns)
    assert (first, second, second.next(columns)) == (Order("number"), Order("age"), Order())
    assert Order("gone").next(columns) == Order("number")
    assert Order().next([]) == Order()
    assert Order("age", turned=True).next(columns) == Order()


def test_clicks_sort_turn_round_and_end_it() -> None:
    first = Order().clicked("age")
    second = first.clicked("age")
    assert (first, second, second.clicked("age")) == (Order("age"), Order("age", turned=True), Order())
    assert second.clicked("cost") == Order("cost")


def run_order(column: str) -> list[int]:
    by = findable.RUNS[column]
    values: dict[RunId, object] = {run.id: by.value(run) for run in scene.RUNS}
    keys = sorting.arranged([run.id for run in scene.RUNS], values, down=by.down)
    numbers = {run.id: run.spec.issue for run in scene.RUNS}
    return [numbers[key] for key in keys]


def test_runs_are_sorted_by_real_values() -> None:
    assert run_order("cost") == [37, 41, 22, 29, 19, 30, 33]
    assert run_order("tokens")[:3] == [37, 22, 19]
    assert run_order("age") == [19, 30, 41, 22, 37, 29, 33]
    assert run_order("issue") == [19, 22, 29, 30, 33, 37, 41]
    unknown = msgspec.structs.replace(scene.RUNS[0].status, usage=Usage(Tokens(), None))
    assert findable.RUNS["cost"].value(msgspec.structs.replace(scene.RUNS[0], status=unknown)) is None


def test_issues_are_sorted_by_number_not_by_its_text() -> None:
    things = [IssueThing(scene.issue(n, str(n)), None, None, Preset.STATUS) for n in (100, 20, 3)]
    by = findable.ISSUES["number"]
    values = {thing.issue.number: by.value(thing) for thing in things}
    assert sorting.arranged([100, 20, 3], values, down=by.down) == [3, 20, 100]


@pytest.mark.parametrize(
    ("columns", "sorts"),
    [
        (rows.agent_columns(many=True, placed=True), findable.RUNS),
        (rows.issue_columns(many=True), findable.ISSUES),
        (rows.pull_columns(many=True), findable.PULLS),
        (attention_rows.attention_columns(many=True), findable.ATTENTION),
        (event_rows.event_columns(many=True), findable.EVENTS),
    ],
)
def test_every_column_can_be_sorted_by(columns: Sequence[Column], sorts: dict[str, object]) -> None:
    assert [column.name for column in columns if column.name and column.name not in sorts] == []


# Filtering and sorting in slices


class Things:
    """Numbers whose texts are counted as they are made."""

    def __init__(self, number: int) -> None:
        self.keys: Sequence[Hashable] = list(range(number))
        self.of: dict[Hashable, str] = {key: f"thing {key}" for key in self.keys}
        self.read = 0
        self.now = 0.0
        self.arranging = Arranging(self.of.get, self.facts, clock=self.clock)

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def take(self, *stamp: object) -> None:
        """Later, so that it does not rest any more."""
        self.now += 60
        self.arranging.take([key for key in self.keys if key in self.of], *stamp)

    def facts(self, thing: str) -> Facts:
        self.read += 1
        return facts(thing)

    def finish(self) -> list[Hashable]:
        while self.arranging.busy:
            self.arranging.work(0.003)
        return list(self.arranging.keys)


BY = By[str](lambda thing: int(thing.rsplit(" ", 1)[1]), down=True)


def test_without_filter_and_order_the_keys_are_handed_through() -> None:
    things = Things(10)
    things.arranging.take(things.keys, "a view")
    assert things.arranging.keys is things.keys
    assert not things.arranging.work(0.003)
    assert not things.arranging.busy
    things.arranging.ask(Query(), Order(None, turned=True), None)
    assert things.arranging.keys == things.keys[::-1]


def test_a_filter_reads_nothing_that_was_read_before_anybody_asked() -> None:
    things = Things(100)
    things.take("a view")
    slices = 1
    while things.arranging.prepare(0.003):
        slices += 1
    assert slices > 10
    assert things.read == 100
    assert things.arranging.keys == things.keys
    things.of[7], things.of[8] = "changed", "gone"
    things.take("another view")
    del things.of[8]
    things.arranging.ask(parse("thing"), Order(), None)
    assert things.finish() == [key for key in range(100) if key not in (7, 8)]
    assert things.read == 101, "what changed since is read again"


def test_what_is_gone_is_not_remembered_for_the_next_filter() -> None:
    things = Things(5_000)
    things.take("a view")
    while things.arranging.prepare(60):
        pass
    for key in things.keys[100:]:
        del things.of[key]
    things.take("another view")
    assert not things.arranging.prepare(60)
    assert len(things.arranging._known) == 100


def test_a_filter_shows_what_it_found_so_far_and_then_all() -> None:
    things = Things(20 * CHUNK)
    things.arranging.take(things.keys)
    things.arranging.ask(parse("thing"), Order(), None)
    assert things.arranging.work(0.003)
    assert 0 < len(things.arranging.keys) < len(things.keys)
    assert things.finish() == things.keys
    things.arranging.ask(parse('"thing 77"'), Order(), None)
    assert things.finish() == [77, *range(770, 780)]
    assert things.read == len(things.keys), "each thing is read once"


def test_a_letter_more_looks_only_at_what_was_found() -> None:
    things = Things(20 * CHUNK)
    things.arranging.take(things.keys, "a view")
    things.arranging.ask(parse('"thing 7"'), Order(), None)
    found = things.finish()
    assert len(found) == 111
    things.arranging.ask(parse('"thing 77"'), Order(None, turned=True), None)
    assert things.arranging.work(0.003), "in one slice"
    assert things.arranging.keys == [*range(779, 769, -1), 77]
    things.arranging.ask(parse('"thing 7"'), Order(), None)
    assert things.finish() == found


def test_what_came_since_is_found_with_a_letter_more() -> None:
    things = Things(CHUNK)
    things.arranging.take(things.keys, "a view")
    things.arranging.ask(parse("7"), Order(), None)
    things.finish()
    things.of[100] = "thing 77"
    things.arranging.take([*things.keys, 100], "another view")
    things.arranging.ask(parse("77"), Order(), None)
    assert things.finish() == [100]


WORDS = st.lists(st.sampled_from(["1", "12", "!1", "!12", "thing", "state:1", "!2"]), max_size=3).map(
    " ".join
)
ORDERS = st.sampled_from([Order(), Order(None, turned=True), Order("number"), Order("number", turned=True)])


@given(st.lists(st.tuples(WORDS, ORDERS), max_size=5))
def test_what_was_typed_before_changes_no_result(asked: list[tuple[str, Order]]) -> None:
    things = Things(130)
    things.arranging.take(things.keys)
    for typed, order in asked:
        by = BY if order.column else None
        things.arranging.ask(parse(typed), order, by)
        fresh = Things(130)
        fresh.arranging.take(fresh.keys)
        fresh.arranging.ask(parse(typed), order, by)
        assert things.finish() == fresh.finish()


def test_an_order_comes_when_it_is_complete() -> None:
    things = Things(20 * CHUNK)
    things.arranging.take(things.keys)
    things.arranging.ask(Query(), Order("number"), BY)
    things.arranging.work(0.003)
    assert things.arranging.keys is things.keys
    assert things.finish() == things.keys[::-1]
    things.arranging.ask(parse("!77"), Order("number", turned=True), BY)
    assert things.finish() == [key for key in things.keys if "77" not in str(key)]


def test_changes_meanwhile_are_taken_in_afterwards() -> None:
    things = Things(20 * CHUNK)
    things.arranging.take(things.keys, object())
    things.arranging.ask(parse("new"), Order(), None)
    things.arranging.work(0.003)
    things.of[0] = "thing 0 is new"
    things.take(object())
    assert things.finish() == [], "the first result is not begun again"
    things.take(object())
    assert things.finish() == [0]
    del things.of[0]
    things.arranging.take(things.keys[1:], object())
    assert not things.arranging.busy, "it rests, having just worked"
    things.take(object())
    assert things.finish() == []


def test_the_same_data_is_not_looked_at_again() -> None:
    things = Things(100)
    view = object()
    things.arranging.take(things.keys, view)
    things.arranging.ask(parse("7"), Order(), None)
    things.finish()
    things.take(view)
    assert not things.arranging.busy
    things.take(object())
    assert things.arranging.busy
    before = things.read
    assert things.finish() == [key for key in things.keys if "7" in str(key)]
    assert things.read == before


def test_other_things_are_looked_at_without_a_rest() -> None:
    things = Things(100)
    things.arranging.take(things.keys, "a view")
    things.arranging.ask(parse("7"), Order(), None)
    assert things.finish()
    things.arranging.clear()
    assert not things.arranging.busy
    assert not things.arranging.keys
    things.of.update({**dict.fromkeys(things.of, "another thing"), 0: "thing 7"})
    things.arranging.take(things.keys, "a view")
    assert things.finish() == [0]


# Marks


def test_marks_are_toggled_ranged_and_cleared() -> None:
    marks, keys = Marks(), list("abcdef")
    marks.toggle("b")
    marks.mark_range(keys, 3)
    assert list(marks) == ["b", "c", "d"]
    marks.mark_range(keys, 2)
    assert list(marks) == ["b", "c", "d"]
    marks.toggle("c")
    assert "c" not in marks
    marks.mark_range(keys, 0)
    assert set(marks) == {"a", "b", "c", "d"}
    marks.mark_all(keys)
    assert len(marks) == 6
    marks.mark_all(keys[:3])
    assert list(marks) == ["d", "e", "f"]
    marks.clear()
    assert not marks
    marks.mark_range(keys, 4)
    assert list(marks) == ["e"], "nothing was marked before: only this row"


# Lines


@given(st.integers(0, 40), st.dictionaries(st.integers(0, 39), st.integers(0, 4)))
def test_every_line_belongs_to_one_row(number: int, extra: dict[int, int]) -> None:
    extra = {index: lines for index, lines in extra.items() if index < number}
    heights = Heights(number, extra)
    lines = [(index, below) for index in range(number) for below in range(1 + extra.get(index, 0))]
    assert heights.total == len(lines)
    assert [heights.at(line) for line in range(heights.total)] == lines
    for index in range(number):
        assert lines[heights.top(index)] == (index, 0)
        assert lines[heights.bottom(index)] == (index, extra.get(index, 0))


ODD = (
    "plain words that wrap",
    "wide 你好世界你好世界你好世界",
    "👩\u200d👩\u200d👧 family 🏳️\u200d🌈 👍🏽 1️⃣ 🇩🇪🇫🇷",
    "e\u0301" + "\u0301" * 50,
    "\u202egnitirw\u2066 \x1b[31mred\x07\x9b1m",
    "שלום عليكم",
    "x" * 100,
    "नमस्ते ไทย 한글",
    "two\nlines\tand tabs",
)


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("width", [1, 2, 5, 13, 40])
def test_a_text_takes_exactly_its_cells(text: str, width: int) -> None:
    for fitted in (fit(text, width), fit(text, width, right=True)):
        assert cell_len(fitted) == width
        assert sum(map(cell_len, fitted)) == width, "also for a terminal that joins no characters"
        assert "\x1b" not in fitted
        assert "\n" not in fitted


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("width", [2, 5, 13, 40])
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    assert not any(wrapped(text, none, lines=100) for none in (-1, 0, 1)), "there is no room"
    lines = wrapped(text, width, lines=100)
    assert all(cell_len(line) <= width for line in lines)
    whole = wrapped(text, 1_000, lines=1)[0]
    assert "".join("".join(lines).split()) == "".join(whole.split())
    short = wrapped(text, width, lines=2)
    assert len(short) <= 2
    assert all(cell_len(line) <= width for line in short)


def test_words_stay_whole_where_they_fit() -> None:
    assert wrapped("one two three four", 9, lines=5) == ["one two", "three", "four"]
    assert wrapped("one two three four", 9, lines=2) == ["one two", "three fo…"]
    assert wrapped("   ", 9, lines=2) == []


def test_a_place_in_a_line_belongs_to_a_column() -> None:
    columns = (Column("a", 3), Column("b", 2), Column("c", 4))
    widths = (3, 0, 4)
    found = [column_at(columns, widths, x) for x in (-1, 0, 3, 4, 8, 9)]
    assert [column and column.name for column in found] == [None, "a", "a", "c", "c", None]
