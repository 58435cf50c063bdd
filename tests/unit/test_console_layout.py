"""Where the panes stand at which size."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.app import layout
from hive_tui.app.layout import AGENTS, ATTENTION, COSTS, EVENTS, FLEET, ISSUES, LOG, PULLS, Mode

ALL = set(range(1, 9))


@pytest.mark.parametrize(
    ("width", "height", "found"),
    [
        (160, 46, Mode.WIDE),
        (150, 32, Mode.WIDE),
        (160, 28, Mode.NORMAL),
        (100, 28, Mode.NORMAL),
        (99, 60, Mode.ONE),
        (220, 20, Mode.ONE),
        (80, 22, Mode.ONE),
        (44, 8, Mode.ONE),
        (43, 60, Mode.TINY),
        (200, 7, Mode.TINY),
        (0, 0, Mode.TINY),
    ],
)
def test_modes(width: int, height: int, found: Mode) -> None:
    assert layout.mode(width, height) is found


def test_what_is_in_sight() -> None:
    assert set(layout.arrange(160, 46, AGENTS).boxes) == ALL
    assert set(layout.arrange(100, 28, AGENTS).boxes) == {ISSUES, PULLS, ATTENTION, AGENTS, LOG}
    assert set(layout.arrange(80, 22, LOG).boxes) == {LOG}
    assert set(layout.arrange(160, 46, COSTS, zoomed=True).boxes) == {COSTS}
    assert layout.arrange(20, 5, AGENTS).boxes == {}


@pytest.mark.parametrize("pane", sorted(ALL))
@pytest.mark.parametrize(("width", "height"), [(160, 46), (100, 28), (80, 22), (44, 8)])
def test_every_pane_is_reachable_at_every_size(pane: int, width: int, height: int) -> None:
    assert pane in layout.arrange(width, height, pane).boxes


def test_the_side_keeps_what_was_asked_for_last() -> None:
    assert EVENTS in layout.arrange(100, 28, AGENTS, side=EVENTS).boxes
    assert layout.arrange(100, 28, FLEET, side=EVENTS).boxes.keys() >= {FLEET, ISSUES}


def test_the_names_are_shown_where_panes_are_out_of_sight() -> None:
    assert [layout.arrange(*size, AGENTS).tabs for size in ((160, 46), (100, 28), (80, 22), (20, 5))] == [
        False,
        True,
        True,
        False,
    ]
    assert layout.arrange(160, 46, AGENTS, zoomed=True).tabs


def test_a_pane_with_little_to_show_leaves_room_to_others() -> None:
    busy = layout.arrange(100, 28, AGENTS, wants={ATTENTION: 20, AGENTS: 20}).boxes
    calm = layout.arrange(100, 28, AGENTS, wants={ATTENTION: 3, AGENTS: 20}).boxes
    assert calm[ATTENTION].height == 4
    assert calm[LOG].height > busy[LOG].height
    one_more = layout.arrange(100, 28, AGENTS, wants={ATTENTION: 4, AGENTS: 20}).boxes
    assert one_more == calm, "a single row moves no border"


@given(
    width=st.integers(44, 400),
    height=st.integers(8, 200),
    current=st.integers(1, 8),
    wants=st.dictionaries(st.integers(1, 8), st.integers(3, 500)),
    shares=st.dictionaries(
        st.sampled_from(["wide", "top", "main", "left", "right", "normal", "normal.left", "normal.right"]),
        st.lists(st.floats(0.001, 1), min_size=2, max_size=3),
    ),
)
def test_panes_fill_the_area_and_never_overlap(
    width: int, height: int, current: int, wants: dict[int, int], shares: dict[str, list[float]]
) -> None:
    found = layout.arrange(width, height, current, wants=wants, sizes=shares)
    boxes = list(found.boxes.values())
    assert all(not one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert sum(box.area for box in boxes) == width * (height - found.tabs)
    if found.mode is not Mode.ONE:
        assert all(box.width >= layout.LEAST_ACROSS and box.height >= layout.LEAST_DOWN for box in boxes)


@given(
    st.integers(0, 300),
    st.lists(
        st.tuples(st.floats(0.01, 9), st.integers(0, 9), st.none() | st.integers(0, 99)),
        min_size=1,
        max_size=5,
    ),
)
def test_shares_add_up(total: int, parts: list[tuple[float, int, int | None]]) -> None:
    weights, least, most = zip(*parts, strict=True)
    extents = layout.share(total, weights, least, most)
    assert sum(extents) == total
    if total >= sum(least):
        assert all(extent >= need for extent, need in zip(extents, least, strict=True))


def test_a_border_moves_with_the_mouse() -> None:
    before = layout.arrange(160, 46, AGENTS)
    edge = before.boxes[LOG]
    found = layout.border_at(before, edge.x + 20, edge.y)
    assert found is not None
    placed, border = found
    assert placed.split.name == "right"
    after = layout.arrange(160, 46, AGENTS, sizes={"right": layout.moved(placed, border, -5)})
    assert after.boxes[LOG].height == edge.height + 5
    far = layout.arrange(160, 46, AGENTS, sizes={"right": layout.moved(placed, border, -500)})
    assert far.boxes[AGENTS].height == layout.LEAST_DOWN
    inside = edge.center
    assert layout.border_at(before, int(inside[0]), int(inside[1])) is None


def test_a_pane_grows_by_key_on_either_axis() -> None:
    before = layout.arrange(160, 46, AGENTS)
    for pane, across in ((AGENTS, True), (AGENTS, False), (LOG, False), (ISSUES, True), (FLEET, True)):
        found = layout.grown(before, pane, across=across, by=3)
        assert found is not None
        name, shares = found
        after = layout.arrange(160, 46, AGENTS, sizes={name: shares})
        one, other = before.boxes[pane], after.boxes[pane]
        assert (other.width - one.width if across else other.height - one.height) == 3
    assert layout.grown(layout.arrange(80, 22, AGENTS), AGENTS, across=True, by=3) is None
