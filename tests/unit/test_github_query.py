"""What is asked of GitHub, in as few queries as its limits allow, for a price that is known before."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from backends.forges.github.query import (
    MAX_REQUESTS,
    MAX_SINGLE,
    WORKFLOW_LABELS,
    Ask,
    Page,
    Query,
    batch,
)
from hive_tui.core.ids import RepoName

ONE, TWO = RepoName("me/one"), RepoName("me/two")
SHA = "a" * 40


def test_it_names_each_repository_and_what_is_wanted_of_it() -> None:
    text = Query((Ask(ONE, numbers=(7,), bodies=(8,)), Ask(TWO, pull_numbers=(9,), heads=(SHA,)))).text
    assert 'r0:repository(owner:"me" name:"one")' in text
    assert 'r1:repository(owner:"me" name:"two")' in text
    for part in ("i7:issue(number:7)", "b8:issue(number:8)", "p9:pullRequest(number:9)", f"c{SHA}:object("):
        assert part in text


def test_only_fragments_that_are_used_are_sent() -> None:
    for ask in (
        Ask(ONE, bodies=(1,)),
        Ask(ONE, numbers=(1,)),
        Ask(ONE, pull_numbers=(1,)),
        Ask(ONE, heads=(SHA,)),
        Ask(ONE, issues=Page(10), ended=True),
    ):
        text = Query((ask,)).text
        made = set(re.findall(r"fragment (\w+) on", text))
        assert made == set(re.findall(r"\.\.\.(\w+)(?! on)\b", text)) - {"on"}


def test_labels_of_both_presets_make_an_issue_hives() -> None:
    assert {"status:ready", "ready", "needs-review", "status:done"} <= set(WORKFLOW_LABELS)


def test_a_cursor_cannot_break_out_of_its_string() -> None:
    text = Query((Ask(ONE, issues=Page(10, 'x" evil')),)).text
    assert r'after:"x\" evil"' in text


def test_a_full_read_of_ten_repositories_costs_little() -> None:
    asks = [Ask(RepoName(f"me/r{n}"), issues=Page(100), pulls=Page(30), ended=True) for n in range(10)]
    queries = batch(asks)
    assert sum(query.cost for query in queries) <= 30
    assert len(queries) == 2


def test_texts_cost_a_point_however_many_they_are() -> None:
    (query,) = batch([Ask(ONE, bodies=tuple(range(1, 150)))])
    assert query.cost == 1


numbers = st.lists(st.integers(1, 10_000), unique=True, max_size=450).map(tuple)
asks = st.builds(
    Ask,
    repo=st.sampled_from([ONE, TWO, RepoName("me/three")]),
    issues=st.none() | st.builds(Page, st.integers(1, 100)),
    pulls=st.none() | st.builds(Page, st.integers(1, 100)),
    ended=st.booleans(),
    numbers=numbers,
    bodies=numbers,
    pull_numbers=numbers,
)


@given(st.lists(asks, max_size=8))
def test_nothing_is_lost_and_no_query_is_too_large(wanted: list[Ask]) -> None:
    queries = batch(wanted)
    for kind in ("numbers", "bodies", "pull_numbers"):
        asked = [(ask.repo, n) for query in queries for ask in query.asks for n in getattr(ask, kind)]
        assert asked == [(ask.repo, n) for ask in wanted for n in getattr(ask, kind)]
    for kind in ("issues", "pulls"):
        assert sum(getattr(ask, kind) is not None for query in queries for ask in query.asks) == sum(
            getattr(ask, kind) is not None for ask in wanted
        )
    for query in queries:
        assert sum(ask.requests for ask in query.asks) <= MAX_REQUESTS
        assert sum(ask.singles for ask in query.asks) <= MAX_SINGLE
