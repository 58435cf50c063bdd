"""Every condition of a merge, each on its own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hive_tui.core.merging import obstacles
from hive_tui.core.model import Check, CheckState, Issue, PullState, Verdict, VerdictValue
from hive_tui.core.settings import RepoSettings, ReviewRule
from tests import builders as b

HEAD, OLD = "a" * 40, "b" * 40
REVIEWED = b.issue(1, labels=("status:in-review", "type:bug"))


def verdict(value: VerdictValue = VerdictValue.PASS, sha: str = HEAD) -> Verdict:
    return Verdict(value, sha, "ann", b.NOW)


def check(state: CheckState, sha: str = HEAD, name: str = "hive/tests") -> Check:
    return Check(name, state, sha)


def against(
    review: ReviewRule = ReviewRule.PERSON, issue: Issue | None = REVIEWED, **pull: Any
) -> tuple[str, ...]:
    return obstacles(b.pull(50, **pull), issue, b.settings(review=review), base="main")


def test_nothing_stands_against_what_is_ready() -> None:
    passed = (check(CheckState.PASSED),)
    assert against(checks=passed, mergeable=True) == ()
    assert against(ReviewRule.REQUIRED, checks=passed, mergeable=True, verdict=verdict()) == ()


def test_what_is_not_known_about_a_conflict_is_left_to_the_merge() -> None:
    assert against(mergeable=None) == ()
    assert against(mergeable=False) == ("it conflicts with its base branch",)


@pytest.mark.parametrize("state", [PullState.MERGED, PullState.CLOSED])
def test_only_an_open_one_is_merged(state: PullState) -> None:
    assert against(state=state) == (f"it is {state.value}",)


def test_the_base_is_the_repositorys() -> None:
    assert against(base="release") == ("its base is release, not main",)
    assert against(repo="me/else") == ("me/else is not a repository of this fleet",)


def test_without_a_configured_base_it_is_the_one_that_the_tracker_names() -> None:
    settings = b.settings(repos=(RepoSettings(b.REPO),))
    for base, words in (("main", ()), ("release", ("its base is release, not main",))):
        assert obstacles(b.pull(50, base=base), REVIEWED, settings, base="main") == words
    assert obstacles(b.pull(50, base="release"), REVIEWED, settings, base=None) == ()


def test_a_fork_is_not_merged_from_here() -> None:
    assert against(branch="mallory:main") == ("it comes from a fork: look at its page",)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("status:ready",), "issue #1 has status:ready, not status:in-review"),
        (("status:changes-requested",), "issue #1 has status:changes-requested, not status:in-review"),
        ((), "issue #1 has no status, not status:in-review"),
        (
            ("status:in-review", "status:done"),
            "issue #1 has status:in-review and status:done, not status:in-review",
        ),
    ],
)
def test_its_issue_is_in_review(labels: tuple[str, ...], words: str) -> None:
    assert against(issue=b.issue(1, labels=labels)) == (words,)


def test_without_an_issue_nobody_put_it_in_review() -> None:
    assert against(issue=None) == ("issue #1 is not known",)
    assert obstacles(b.pull(50, issue=None), None, b.settings(), base=None) == ("no issue belongs to it",)


@pytest.mark.parametrize("review", list(ReviewRule))
@pytest.mark.parametrize("value", [VerdictValue.CHANGES_REQUESTED, VerdictValue.UNKNOWN])
def test_a_verdict_that_is_not_pass_blocks_under_every_rule(review: ReviewRule, value: VerdictValue) -> None:
    assert against(review, verdict=verdict(value)) == (f"its review says {value.value}",)


def test_a_required_review_is_of_exactly_this_head() -> None:
    assert against(ReviewRule.REQUIRED) == ("it has no review yet",)
    assert against(ReviewRule.REQUIRED, verdict=verdict(sha=OLD)) == ("its review is of an older commit",)


def test_a_persons_merge_is_their_review() -> None:
    assert against(ReviewRule.PERSON, verdict=verdict(VerdictValue.CHANGES_REQUESTED, OLD)) == ()


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ((check(CheckState.FAILED),), ("check hive/tests failed",)),
        ((check(CheckState.PENDING),), ("check hive/tests is pending",)),
        ((check(CheckState.PASSED, OLD),), ("check hive/tests has not run on the head commit",)),
        ((check(CheckState.FAILED, OLD), check(CheckState.PASSED)), ()),
        ((check(CheckState.PASSED, OLD), check(CheckState.FAILED)), ("check hive/tests failed",)),
        ((check(CheckState.PASSED), check(CheckState.PENDING, name="ci")), ("check ci is pending",)),
    ],
)
def test_every_check_has_passed_on_the_head(checks: tuple[Check, ...], words: tuple[str, ...]) -> None:
    assert against(checks=checks) == words


def test_all_reasons_are_named_at_once() -> None:
    found = against(base="x", checks=(check(CheckState.FAILED),), mergeable=False, issue=b.issue(1))
    assert len(found) == 4


def test_a_draft_waits_for_its_author() -> None:
    assert against(draft=True) == ("it is a draft",)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("CHANGES_REQUESTED", ("a reviewer asked for changes",)),
        ("REVIEW_REQUIRED", ("its base branch wants an approving review",)),
        ("APPROVED", ()),
        (None, ()),
    ],
)
def test_people_who_review_are_heard(said: str | None, words: tuple[str, ...]) -> None:
    pull = msgspec.structs.replace(b.pull(50), review=said)
    assert obstacles(pull, REVIEWED, b.settings(), base=None) == words
