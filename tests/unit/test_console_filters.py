"""What is typed behind `/`, and what it finds."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.app import filters, findable
from hive_tui.app.filters import Facts, Term, facts, parse
from hive_tui.app.findable import IssueThing
from hive_tui.core.gates import Gate
from hive_tui.core.settings import Preset
from tests.fakes import scene

FACTS = facts(
    "acme/parser#37",
    "Parser drops CRLF at the end",
    repo="acme/parser",
    state=("stalled", "in-progress"),
    agent=("claude-a", "claude"),
    labels=("type:bug", "Priority: High"),
)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "crlf",
        "CRLF PARSER",
        "#37",
        "37 drops",
        "!flag",
        "!flag !codex drops",
        '"drops crlf"',
        '"drops cr',
        '!"crlf drops"',
        "repo:parser",
        "repo:acme/parser state:stalled agent:claude-a label:bug",
        "REPO:Acme label:BUG",
        "state:progress",
        "!state:ready",
        "!label:docs crlf",
        'label:"priority: high"',
        "stalled",
        "claude-a",
        "state:",
        "state: crlf",
        "!",
        '""',
        '!""',
    ],
)
def test_matches(typed: str) -> None:
    assert parse(typed).matches(FACTS)


@pytest.mark.parametrize(
    "typed",
    [
        '"lf cr"',
        "!crlf",
        "crlf flag",
        '"crlf drops"',
        "repo:other",
        "state:ready",
        "!state:stalled",
        "agent:codex",
        "agent:drops",
        "label:parser",
        "foo:bar",
        "drops !agent:claude",
    ],
)
def test_does_not_match(typed: str) -> None:
    assert not parse(typed).matches(FACTS)


def test_a_word_before_a_colon_that_is_no_field_is_a_word() -> None:
    assert parse("foo:bar Type:bug").terms == (Term(0, "foo:bar"), Term(0, "type:bug"))


def test_what_is_shown_is_harmless() -> None:
    query = parse("\x1b[31mred\x1b]52;c;ZXZpbA==\x07  two\twords\u202e\x00")
    assert query.shown == "red two words"
    assert [term.text for term in query.terms] == ["red", "two", "words"]


def test_letters_are_compared_whatever_their_case_and_spelling() -> None:
    assert parse("STRASSE").matches(facts("Straße"))
    assert parse("cafe\u0301").matches(facts("CAFÉ"))
    assert parse("世界").matches(facts("你好世界"))
    assert parse("zerowidth").matches(facts("zero\u200bwidth"))


def test_only_plain_words_stand_out() -> None:
    pattern = parse("a.c !b state:ready").pattern
    assert pattern is not None
    assert pattern.findall("A.C abc b ready") == ["A.C"]
    assert parse("!b state:ready").pattern is None


@given(st.text())
def test_nothing_that_is_typed_is_an_error(typed: str) -> None:
    query = parse(typed)
    assert query.matches(FACTS) in (True, False)
    if query.pattern is not None:
        query.pattern.findall("x" * 100)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in query.shown)
    assert parse(query.shown).terms == query.terms


@given(st.lists(st.sampled_from(['"', "!", ":", "state:", "repo", "a", " ", "\\", "[", "(*", "\ud800"])))
def test_odd_input_is_understood(parts: list[str]) -> None:
    query = parse("".join(parts))
    assert query.matches(Facts("")) in (True, False)


def test_a_filter_is_read_to_its_bound() -> None:
    assert len(parse("x" * 1_000_000).shown) <= filters.LONGEST


def test_an_issue_is_found_by_all_that_its_row_says() -> None:
    held = IssueThing(
        scene.issue(45, "Which line was wrong", "status:ready", "type:bug"),
        Gate("definition-of-done", "no DoD"),
        None,
        Preset.STATUS,
    )
    found = findable.issue_facts(held)
    for typed in (
        "#45",
        "which LINE",
        "state:held",
        "held",
        "dod",
        "label:status:ready",
        "label:bug",
        "state:open",
    ):
        assert parse(typed).matches(found), typed
    for typed in ("agent:claude", "state:ready"):
        assert not parse(typed).matches(found), typed
    at_work = msgspec.structs.replace(held, gate=None, run=scene.RUNS[1])
    found = findable.issue_facts(at_work)
    for typed in ("state:working", "claude-b", "agent:claude-b", "!held"):
        assert parse(typed).matches(found), typed


def test_runs_and_pull_requests_are_found() -> None:
    run = findable.run_facts(scene.RUNS[0])
    for typed in ("#37", "crlf", "agent:claude", "state:stalled", "same test", "test"):
        assert parse(typed).matches(run), typed
    pull = findable.pull_facts(scene.PULLS[0])
    for typed in (str(scene.PULLS[0].number), "state:open", "repo:acme"):
        assert parse(typed).matches(pull), typed
