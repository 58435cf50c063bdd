"""How costs read on their screen: days and blocks as shapes, the table, and the lines around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hive_tui.app import cost_chart, cost_rows
from hive_tui.core.glyphs import Tone
from hive_tui.costs.overview import CostView, Question, Scope
from hive_tui.costs.periods import Block, Use
from hive_tui.costs.prices import PICO_PER_MICRO
from hive_tui.costs.summary import By
from widgets.cells import Line, lay_out

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)

TODAY = NOW.date()

CENT = 10_000 * PICO_PER_MICRO


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def use(key: str, cents: int, *, calls: int = 3, tokens: int = 1_000, **more: int) -> Use:
    return msgspec.structs.replace(Use(key, calls, input=tokens, cost=cents * CENT), **more)


def view(*days: tuple[int, list[Use]], by: By = By.DAY, **more: object) -> CostView:
    """Days by how long they are past, the oldest first."""
    made = tuple((TODAY - timedelta(days=ago), tuple(uses)) for ago, uses in days)
    return msgspec.structs.replace(CostView(Question(Scope.MACHINE, by), days=made), **more)


def plain(line: Line) -> str:
    return "".join(cell.text for cell in line).rstrip()


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_days_are_bars_of_models_the_newest_first() -> None:
    seen = view(
        (3, []),
        (2, [use("claude-opus-5-5", 300), use("gpt-6.1-sol", 100)]),
        (1, []),
        (0, [use("claude-opus-5-5", 100, tokens=20_000), use("someone-s", 0, unpriced=3)]),
    )
    assert [plain(line) for line in cost_chart.day_lines(seen, 60)] == [
        "█ opus-5-5 $4.00   ▓ gpt-6.1-sol $1.00   ▒ someone-s –",
        "Sat Nov 21  ███████                            $1.00*    21k",
        "Fri Nov 20  ·",
        "Thu Nov 19  ██████████████████████▓▓▓▓▓▓▓      $4.00    2.0k",
    ]


def test_more_models_than_shades_share_the_last() -> None:
    seen = view((0, [use(f"model-{number}", 10 - number) for number in range(6)]))
    first, second = (plain(line) for line in cost_chart.day_lines(seen, 100))
    assert first == "█ model-0 $0.10   ▓ model-1 $0.09   ▒ model-2 $0.08   ░ 3 others $0.18"
    assert [second.count(shade) for shade in cost_chart.SHADES] == [15, 14, 12, 28]
    narrow = plain(cost_chart.day_lines(seen, 50)[0])
    assert narrow == "█ model-0   ▓ model-1   ▒ model-2   ░ 3 others"


def test_where_nothing_has_a_price_tokens_are_compared_and_no_cost_is_zero() -> None:
    seen = view((1, [use("x", 0, unpriced=3, tokens=500)]), (0, [use("x", 0, unpriced=3, tokens=1_000)]))
    _, today, before = (plain(line) for line in cost_chart.day_lines(seen, 60))
    assert (today.count("█"), before.count("█")) == (29, 14)
    assert "–" in today
    assert "$" not in today


@pytest.mark.parametrize("width", [44, 78, 200])
def test_days_keep_within_their_width(width: int) -> None:
    seen = view((0, [use(f"claude-model-{number}", 9_999_99) for number in range(6)]))
    _, *days = cost_chart.day_lines(seen, width)
    assert all(len(plain(line)) <= width for line in days)


def test_what_is_not_known_yet_is_told_from_nothing() -> None:
    assert plain(cost_chart.day_lines(None, 60)[0]) == "reading the transcripts …"
    assert plain(cost_chart.day_lines(view((0, []), whole=False), 60)[0]) == "reading the transcripts …"
    assert plain(cost_chart.day_lines(view((0, [])), 60)[0]) == "nothing was used in 1 days"
    assert plain(cost_chart.block_lines(None, NOW, 60)[0]) == "reading the transcripts …"
    assert plain(cost_chart.block_line(view(), NOW)) == "no block runs: the next call begins one"


def block(start: datetime, minutes: int, cents: int, *, active: bool = False) -> Block:
    used = use("", cents, tokens=90_000, first=ms(start), last=ms(start + timedelta(minutes=minutes)))
    return Block(start, start + timedelta(hours=5), used, active=active)


BLOCKS = (
    block(NOW - timedelta(hours=18), 120, 200),
    Block(NOW - timedelta(hours=11), NOW - timedelta(hours=3), Use(""), gap=True),
    block(NOW - timedelta(hours=3), 180, 300, active=True),
)


def test_blocks_stand_below_each_other_with_what_the_one_of_now_comes_to() -> None:
    assert [plain(line) for line in cost_chart.block_lines(view(blocks=BLOCKS), NOW, 60)] == [
        "11:00–16:00  ▰▰▰▰▰▰▱▱▱▱  2h left",
        "  $3.00 90k tokens · $1.00/h · ~$5.00 at its end",
        "            nothing for 8h",
        "Fri 20:00–01:00  ███████          $2.00     90k      $1.00/h",
    ]
    assert [cell.text for cell in cost_chart.block_line(view(blocks=BLOCKS), NOW)] == [
        "block 11:00–16:00, 2h left", "$3.00 90k tokens", "$1.00/h", "~$5.00 at its end",
    ]  # fmt: skip
    past = [plain(line) for line in cost_chart.block_lines(view(blocks=BLOCKS[:1]), NOW, 40)]
    assert past == ["no block runs: the next call begins one", "Fri 20:00–01:00  ████      $2.00     90k"]
    today = view(blocks=(block(NOW - timedelta(hours=6), 120, 200),))
    assert plain(cost_chart.block_lines(today, NOW, 40)[1]).startswith("08:00–13:00  █")


def test_the_speed_of_a_moment_is_none() -> None:
    young = view(blocks=(block(NOW - timedelta(minutes=1), 0, 5, active=True),))
    assert "/h" not in "".join(plain(line) for line in cost_chart.block_lines(young, NOW, 60))


@pytest.mark.parametrize("by", cost_rows.HEADINGS)
def test_at_80_cells_heading_tokens_and_cost_have_room(by: By) -> None:
    columns = cost_rows.columns(by, 76)
    shown = {column.name for column, width in zip(columns, lay_out(columns, 76), strict=True) if width}
    assert {by.value, "tokens", "cost", "calls"} <= shown
    row = cost_rows.row(use("claude-opus-5-5", 50), by, 100 * CENT, 10, NOW)
    assert len(row.cells) == len(columns)
    assert row.cells[1].text == "▰▰▰▰▰"


def test_rows_say_what_they_lack() -> None:
    row = cost_rows.row(use("", 5, unpriced=1), By.ISSUE, 5 * CENT, 10, NOW)
    assert [row.cells[index].text for index in (0, 1, -1)] == ["other sessions", "", "$0.05*"]
    unknown = cost_rows.row(use("x", 0, calls=0, tokens=0, unaccounted=1), By.RUN, 0, 10, NOW)
    assert (unknown.cells[-1].text, unknown.cells[1].text) == ("– ", "")
    assert [cell.text for cell in unknown.cells[3:9]] == ["–"] * 6, "calls and tokens"
    assert cost_rows.details(use("x", 0, calls=0, tokens=0, unaccounted=1), NOW)[2].text == ""
    told = [cell.text for cell in cost_rows.details(use("x", 5, unpriced=1, unaccounted=2), NOW)]
    assert told[-1] == "1 call without a price, 2 runs of unknown cost"
    assert told[2].startswith("3 calls: 1,000 in, ")
    # A run without a transcript here made some.
    assert cost_rows.details(use("x", 5, calls=0), NOW)[2].text.startswith("1,000 in, ")


def test_the_footnote_names_all_that_is_not_in_the_figures() -> None:
    total = use("", 5, unpriced=2, unaccounted=1)
    seen = view(total=msgspec.structs.replace(total, estimated=True), problems=("/x cannot be read: look.",))
    assert cost_rows.footnote(seen) == (
        "/x cannot be read: look. · * without 2 calls that nobody has a price for and 1 run of unknown cost"
        " · ~ with estimates"
    )


def test_times_are_listed_the_newest_first_and_others_the_costliest() -> None:
    uses = (use("2026-11-20", 9), use("2026-11-21", 5))
    assert [each.key for each in cost_rows.order(view(uses=uses))] == ["2026-11-21", "2026-11-20"]
    assert cost_rows.order(view(uses=uses, by=By.ISSUE)) == list(uses)


def test_headings_are_named_by_their_digits_within_80_cells() -> None:
    line = cost_rows.tabs_line(Question(by=By.RUN), 80)
    assert [cell.text for cell in line if cell.tone is Tone.TITLE] == ["[0run]"]
    assert len("  ".join(cell.text for cell in line)) <= 78
    assert cost_rows.tabs_line(Question(), 160)[0].text == "[1 day]"
    narrow = [cell.text for cell in cost_rows.tabs_line(Question(by=By.ISSUE), 44)]
    assert narrow == [*"12345678", "[9issue]", "0"]
    assert set(cost_rows.HEADINGS) == set(By)
    assert cost_rows.following(By.RUN, 1) is By.DAY


def test_empty_tables_say_what_to_do() -> None:
    fleet, machine = Question(), Question(Scope.MACHINE)
    assert "reading" in cost_rows.nothing(fleet, None, None)[0].text
    assert "w shows everything" in cost_rows.nothing(fleet, CostView(fleet), None)[1].text
    assert "CLAUDE_CONFIG_DIR" in cost_rows.nothing(machine, CostView(machine), None)[1].text
    assert cost_rows.nothing(machine, None, "usage.db: locked.")[1].text == "usage.db: locked."
    assert [cell.text for cell in cost_rows.sums_line(machine, CostView(fleet), 80)] == [
        "everything on this machine", "reading …",
    ]  # fmt: skip
