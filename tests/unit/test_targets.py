"""What a person points at is found exactly, or an error lists what is near."""

from __future__ import annotations

import pytest

from hive_tui.core.errors import UsageError
from hive_tui.core.ids import IssueKey, RepoName, WorkerName
from hive_tui.core.model import Phase, PullState
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import (
    find_issue,
    find_pull,
    find_pull_to_merge,
    find_run,
    find_worker,
)
from tests import builders as b

OTHER = RepoName("me/other")


@pytest.fixture
def one() -> Snapshot:
    return b.snapshot(
        *(b.issue(number) for number in (1, 2, 40, 41, 42)),
        b.run(42, attempt=1, phase=Phase.FAILED),
        b.run(42, attempt=2, worker=WorkerName("claude-b")),
        b.run(41, phase=Phase.FAILED),
        b.pull(50, issue=42, state=PullState.CLOSED),
        b.pull(51, issue=42),
        b.pull(52, issue=41, state=PullState.MERGED),
    )


@pytest.fixture
def two() -> Snapshot:
    return b.snapshot(b.issue(7), b.issue(7, repo=OTHER), b.issue(8, repo=OTHER))


@pytest.mark.parametrize("words", ["42", "#42", "issue-42", "me/proj#42", " 42 "])
def test_an_issue_has_several_spellings(one: Snapshot, words: str) -> None:
    assert find_issue(one, words) == IssueKey(b.REPO, 42)


@pytest.mark.parametrize("words", ["", "x", "4 2", "#", "!42", "-1", "42a", "٤٢x", "9" * 30])
def test_what_is_no_issue_is_said_so(one: Snapshot, words: str) -> None:
    with pytest.raises(UsageError):
        find_issue(one, words)


def test_an_unknown_issue_lists_the_nearest_numbers(one: Snapshot) -> None:
    with pytest.raises(UsageError) as caught:
        find_issue(one, "44")
    assert caught.value.hint is not None
    assert "#42, #41, #40" in caught.value.hint


def test_a_number_in_two_repositories_is_no_guess(two: Snapshot) -> None:
    with pytest.raises(UsageError) as caught:
        find_issue(two, "7")
    assert caught.value.hint == "Say which: me/other#7, me/proj#7."
    assert find_issue(two, "8") == IssueKey(OTHER, 8)
    assert find_issue(two, "7", repo=OTHER) == IssueKey(OTHER, 7)
    assert find_issue(two, "me/proj#7") == IssueKey(b.REPO, 7)


def test_a_repository_is_exact(two: Snapshot) -> None:
    with pytest.raises(UsageError, match="repository 'me/othr'") as caught:
        find_issue(two, "7", repo="me/othr")
    assert caught.value.hint is not None
    assert "me/other" in caught.value.hint
    with pytest.raises(UsageError):
        find_issue(two, "me/proj#7", repo=OTHER)


def test_a_number_in_two_repositories_is_the_one_that_you_are_in(two: Snapshot) -> None:
    assert find_issue(two, "7", here=OTHER) == IssueKey(OTHER, 7)
    assert find_issue(two, "7", here=b.REPO) == IssueKey(b.REPO, 7)
    assert find_issue(two, "8", here=b.REPO) == IssueKey(OTHER, 8)
    with pytest.raises(UsageError):
        find_issue(two, "7", here="me/third")


def test_a_repository_may_be_named_as_lists_print_it(two: Snapshot) -> None:
    assert find_issue(two, "proj#7") == IssueKey(b.REPO, 7)
    with pytest.raises(UsageError):
        find_issue(two, "pro#7")
    namesakes = b.snapshot(b.issue(7), b.issue(7, repo=RepoName("you/proj")))
    with pytest.raises(UsageError, match="repository 'proj'"):
        find_issue(namesakes, "proj#7")


def test_a_run_by_id_prefix_worker_or_issue(one: Snapshot) -> None:
    first, second = b.run(42, attempt=1).id, b.run(42, attempt=2).id
    assert find_run(one, first).id == first
    assert find_run(one, "42").id == second
    assert find_run(one, "claude-b").id == second
    assert find_run(one, second[:-1] + "2").id == second
    assert find_run(one, b.run(41).id[:-2]).id == b.run(41).id


def test_a_start_of_several_ids_lists_them(one: Snapshot) -> None:
    with pytest.raises(UsageError) as caught:
        find_run(one, b.run(42).id[:-1])
    assert caught.value.hint is not None
    assert b.run(42, attempt=2).id in caught.value.hint


@pytest.mark.parametrize("words", ["", "claude-c", "proj-zzz", "\x1b[31m"])
def test_an_unknown_run_lists_the_nearest(one: Snapshot, words: str) -> None:
    with pytest.raises(UsageError, match="Unknown run"):
        find_run(one, words)


def test_an_issue_that_nobody_worked_on_has_no_run(one: Snapshot) -> None:
    with pytest.raises(UsageError, match="Nobody has worked on me/proj#1 yet"):
        find_run(one, "1")


def test_merging_an_issue_means_its_open_pull_request(one: Snapshot) -> None:
    assert find_pull_to_merge(one, "42").number == 51
    assert find_pull_to_merge(one, "41").number == 52
    assert find_pull_to_merge(one, "!50").number == 50
    assert find_pull_to_merge(one, "51").number == 51
    with pytest.raises(UsageError, match="no pull request for me/proj#1"):
        find_pull_to_merge(one, "1")
    with pytest.raises(UsageError, match="Unknown issue"):
        find_pull_to_merge(one, "99")


def test_a_runs_own_pull_request_comes_before_one_that_names_its_issue() -> None:
    mine, theirs = b.pull(50, issue=42, run=b.run(42).id), b.pull(51, issue=42, branch="theirs")
    assert find_pull_to_merge(b.snapshot(b.issue(42), mine, theirs), "42") == mine


def test_a_pull_request_has_several_spellings(one: Snapshot) -> None:
    for words in ("52", "!52", "me/proj!52"):
        assert find_pull(one, words).number == 52
    with pytest.raises(UsageError, match="Unknown pull request"):
        find_pull(one, "99")


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 64, "a\x1b"])
def test_a_worker_has_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError):
        find_worker(name)
