"""What every forge backend promises: `core.ports.Forge`, sentence by sentence."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import pytest

from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.ids import PullKey, RepoName, RunId, WorkerName
from hive_tui.core.model import (
    Check,
    CheckState,
    Issue,
    PullRequest,
    PullState,
    Verdict,
    VerdictValue,
    body_sha,
)
from hive_tui.core.ports import Forge, NewPull
from hive_tui.core.sources import FORGE, Alive, Changed, Kind, Listed, SourceEvent
from tests.builders import HOSTILE
from tests.contract.conftest import REPO, ForgeFixture, key
from tests.waiting import until

T = TypeVar("T")
BRANCH = "hive/issue-1-a1"
A, B = WorkerName("claude-a"), WorkerName("claude-b")


def now() -> datetime:
    return datetime.now(UTC)


def new_issue(forge: Forge, **changes: object) -> Issue:
    fields: dict[str, object] = {"title": "Mend it", "body": "It is broken.", "author": "anna"}
    return forge.create_issue(REPO, **{**fields, **changes})  # type: ignore[arg-type]


def new_pull(branch: str = BRANCH, *, run: str = "run-1", issue: int = 1) -> NewPull:
    return NewPull(REPO, "Mend it", "Mended.", "claude-a", branch, "main", issue, RunId(run))


def settled(pull: PullRequest) -> PullRequest:
    """Without what a tracker may need another look for: the exact moment, and whether it can be merged."""
    return msgspec.structs.replace(pull, updated_at=pull.created_at, mergeable=None)


def assert_harmless(text: str) -> None:
    assert not any(char in text for char in "\x1b\x07\x00\x9b\u202e\u200b\u2066\ud800")
    assert "[bold red]markup[/]" in text


class TestIssues:
    def test_what_was_created_is_read(self, forge: Forge) -> None:
        issue = new_issue(forge, labels=("status:ready", "type:bug"))
        assert (issue.title, issue.body, issue.author, issue.open) == (
            "Mend it",
            "It is broken.",
            "anna",
            True,
        )
        assert issue.labels == ("status:ready", "type:bug")
        assert forge.get_issue(issue.key) == issue
        assert issue in listed(forge, Issue)

    def test_numbers_go_up(self, forge: Forge) -> None:
        assert new_issue(forge).number < new_issue(forge).number

    @pytest.mark.parametrize("title", ["", "  \n", "\x1b[2J\u200b"])
    def test_a_title_is_needed(self, forge: Forge, title: str) -> None:
        with pytest.raises(UsageError):
            new_issue(forge, title=title)
        assert listed(forge, Issue) == []

    def test_an_unknown_repository_names_the_known(self, forge: Forge) -> None:
        with pytest.raises(UsageError) as caught:
            forge.create_issue(RepoName("me/porj"), title="x", body="", author="anna")
        assert REPO in (caught.value.hint or "")

    def test_an_unknown_issue_names_the_nearest(self, forge: Forge) -> None:
        issue = new_issue(forge)
        with pytest.raises(UsageError) as caught:
            forge.get_issue(key(issue.number + 1))
        assert str(issue.key) in (caught.value.hint or "")

    def test_hostile_text_is_harmless(self, forge: Forge) -> None:
        issue = new_issue(forge, title=HOSTILE, body=HOSTILE, labels=("bug\x1b[31m",))
        forge.comment(issue.key, author="evil\x1b]0;x\x07", body=HOSTILE)
        assert_harmless(issue.title)
        assert_harmless(issue.body)
        assert_harmless(forge.comments(issue.key)[0].body)
        assert issue.labels == ("bug",)
        assert forge.comments(issue.key)[0].author.isprintable()

    def test_a_megabyte_is_cut(self, forge: Forge) -> None:
        issue = new_issue(forge, title="t" * 1_000_000, body="b" * 1_000_000)
        assert len(issue.title) <= 256
        assert len(issue.body) <= 65_536

    def test_secrets_are_masked(self, forge: Forge) -> None:
        issue = new_issue(forge, body="my token is ghp_" + "a" * 36)
        assert "ghp_" not in issue.body


class TestEditing:
    def test_who_wrote_the_body_is_known(self, tracker: ForgeFixture, forge: Forge) -> None:
        issue = new_issue(forge)
        bobs = tracker.connect("bob")
        assert bobs.edit_issue(issue.key, by="bob", title="Other").edited_by is None
        tracker.let_time_pass()
        edited = bobs.edit_issue(issue.key, by="bob", body="Do evil.")
        bobs.close()
        assert (edited.title, edited.body, edited.author, edited.edited_by) == (
            "Other",
            "Do evil.",
            "anna",
            "bob",
        )
        assert edited.updated_at > issue.updated_at
        assert forge.edit_issue(issue.key, by="anna", body="Do good.").edited_by is None

    def test_an_edit_without_a_change_changes_nothing(self, forge: Forge) -> None:
        issue = new_issue(forge)
        assert forge.edit_issue(issue.key, by="bob", title=issue.title, body=issue.body) == issue

    def test_labels_are_added_and_removed_and_the_rest_stays(self, forge: Forge) -> None:
        issue = new_issue(forge, labels=("status:ready", "mine", "type:bug"))
        changed = forge.set_labels(
            issue.key, add=("status:done",), remove=("status:ready", "none"), by="anna"
        )
        assert set(changed.labels) == {"mine", "type:bug", "status:done"}
        again = forge.set_labels(issue.key, add=("status:done",), remove=("status:ready",), by="anna")
        # A write's answer may not tell when it took place, to the second.
        assert msgspec.structs.replace(again, updated_at=changed.updated_at) == changed

    def test_labels_set_at_the_same_time_all_count(self, tracker: ForgeFixture, forge: Forge) -> None:
        issue = new_issue(forge)

        def add(name: str) -> None:
            other = tracker.connect()
            other.set_labels(issue.key, add=(name,), by="anna")
            other.close()

        together([lambda name=f"label-{n}": add(name) for n in range(8)])  # type: ignore[misc]
        assert len(forge.get_issue(issue.key).labels) == 8

    def test_close_and_open(self, forge: Forge) -> None:
        issue = new_issue(forge)
        assert not forge.set_open(issue.key, False, by="anna").open
        assert forge.set_open(issue.key, True, by="anna").open

    def test_an_approval_is_bound_to_the_text(self, forge: Forge) -> None:
        issue = forge.approve_issue(new_issue(forge).key, by="anna")
        assert issue.approval is not None
        assert (issue.approval.by, issue.approval.body_sha) == ("anna", body_sha(issue.body))
        edited = forge.edit_issue(issue.key, by="bob", body="Something else.")
        assert edited.approval == issue.approval
        assert edited.approval.body_sha != body_sha(edited.body)


class TestComments:
    def test_they_are_kept_in_order_and_counted(self, forge: Forge) -> None:
        issue = new_issue(forge)
        for body in ("one", "two"):
            forge.comment(issue.key, author="bob", body=body)
        assert [comment.body for comment in forge.comments(issue.key)] == ["one", "two"]
        assert forge.get_issue(issue.key).comments == 2

    def test_a_marker_replaces_its_own_comment_only(self, forge: Forge) -> None:
        issue = new_issue(forge)
        forge.comment(issue.key, author="hive", body="attempt 1", marker="status")
        forge.comment(issue.key, author="bob", body="thanks")
        forge.comment(issue.key, author="hive", body="attempt 2", marker="status")
        assert [comment.body for comment in forge.comments(issue.key)] == ["attempt 2", "thanks"]

    def test_an_unknown_issue_takes_none(self, forge: Forge) -> None:
        with pytest.raises(UsageError):
            forge.comment(key(99), author="bob", body="hello")


class TestOpening:
    def test_it_has_the_branch_and_its_head(self, tracker: ForgeFixture, forge: Forge) -> None:
        issue = new_issue(forge)
        head = tracker.branch(BRANCH, {"b.txt": "new\n"})
        pull = forge.open_pull(new_pull())
        assert (pull.branch, pull.head, pull.base, pull.state) == (BRANCH, head, "main", PullState.OPEN)
        assert (pull.issue, pull.run) == (1, "run-1")
        assert pull.number > issue.number, "one sequence for both"
        assert settled(forge.get_pull(pull.key)) == settled(pull)
        assert [settled(found) for found in listed(forge, PullRequest)] == [settled(pull)]
        assert new_issue(forge).number > pull.number

    def test_a_second_one_for_the_branch_is_the_first(self, tracker: ForgeFixture, forge: Forge) -> None:
        tracker.branch(BRANCH, {"b.txt": "new\n"})
        pulls: list[int] = []

        def open_it() -> None:
            other = tracker.connect()
            pulls.append(other.open_pull(new_pull()).number)
            other.close()

        together([open_it] * 4)
        assert len(set(pulls)) == 1
        assert len(listed(forge, PullRequest)) == 1

    def test_after_its_end_the_same_run_opens_no_other(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        forge.merge(pull.key, head=pull.head, by="anna", message="m")
        assert forge.open_pull(new_pull()).key == pull.key

    def test_a_missing_branch_is_refused(self, forge: Forge) -> None:
        with pytest.raises(Refused, match=BRANCH):
            forge.open_pull(new_pull())

    def test_hostile_text_is_harmless(self, tracker: ForgeFixture, forge: Forge) -> None:
        tracker.branch(BRANCH, {"b.txt": "\x1b]52;c;ZXZpbA==\x07[bold red]markup[/]\n"})
        pull = forge.open_pull(NewPull(REPO, HOSTILE, HOSTILE, "claude-a", BRANCH, "main", 1, None))
        assert_harmless(pull.title)
        assert_harmless(pull.body)
        assert_harmless(forge.diff(pull.key))

    def test_an_unknown_one_names_the_nearest(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        with pytest.raises(UsageError) as caught:
            forge.get_pull(PullKey(REPO, pull.number + 1))
        assert str(pull.key) in (caught.value.hint or "")


class TestReview:
    def test_a_check_is_replaced_by_name(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        forge.set_check(pull.key, Check("hive/tests", CheckState.PENDING, pull.head))
        forge.set_check(pull.key, Check("hive/review", CheckState.PASSED, pull.head))
        checked = forge.set_check(pull.key, Check("hive/tests", CheckState.FAILED, pull.head, "3 failed"))
        assert {check.name: check.state for check in checked.checks} == {
            "hive/tests": CheckState.FAILED,
            "hive/review": CheckState.PASSED,
        }

    def test_a_late_check_of_an_older_commit_does_not_count(
        self, tracker: ForgeFixture, forge: Forge
    ) -> None:
        pull = forge.open_pull(prepared(tracker))
        forge.set_check(pull.key, Check("hive/tests", CheckState.FAILED, pull.head))
        late = forge.set_check(pull.key, Check("hive/tests", CheckState.PASSED, "0" * 40))
        assert [check.state for check in late.checks if check.sha == pull.head] == [CheckState.FAILED]

    def test_a_new_push_moves_the_head_and_voids_the_verdict(
        self, tracker: ForgeFixture, forge: Forge
    ) -> None:
        pull = forge.open_pull(prepared(tracker))
        verdict = Verdict(VerdictValue.PASS, pull.head, "judge", now())
        assert forge.set_verdict(pull.key, verdict).verdict == verdict
        head = tracker.branch(BRANCH, {"c.txt": "more\n"})
        forge.poll(active=False, wanted=True)
        seen = forge.get_pull(pull.key)
        assert (seen.head, seen.verdict) == (head, None)
        assert forge.set_verdict(pull.key, verdict).verdict is None, "it is of the older commit"

    def test_a_lease_keeps_others_out_until_it_ends(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        until_when = now() + timedelta(hours=12)
        assert forge.set_lease(pull.key, A, until_when).lease is not None
        with pytest.raises(Refused, match="claude-a"):
            forge.set_lease(pull.key, B, until_when)
        forge.set_lease(pull.key, A, until_when + timedelta(hours=1))
        assert forge.set_lease(pull.key, None, None).lease is None
        forge.set_lease(pull.key, B, now() - timedelta(seconds=1))
        assert forge.set_lease(pull.key, A, until_when).lease is not None, "the other one had expired"

    def test_mergeability_follows_both_branches(self, tracker: ForgeFixture, forge: Forge) -> None:
        tracker.branch(BRANCH, {"a.txt": "one\nTWO\nthree\n"})
        pull = forge.open_pull(new_pull())
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).mergeable is True
        tracker.branch("main", {"a.txt": "one\nzwei\nthree\n"})
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).mergeable is False
        tracker.branch("main", {"a.txt": "one\ntwo\nthree\n"})
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).mergeable is True

    def test_a_deleted_branch_closes_it(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        tracker.delete_branch(BRANCH)
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).state is PullState.CLOSED

    def test_closing_is_idempotent(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        closed = forge.close_pull(pull.key, by="anna")
        assert closed.state is PullState.CLOSED
        assert forge.close_pull(pull.key, by="anna") == closed
        with pytest.raises(Refused):
            forge.merge(pull.key, head=pull.head, by="anna", message="m")

    def test_the_diff_is_the_branch_against_its_base(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        tracker.branch("main", {"unrelated.txt": "x\n"})
        diff = forge.diff(pull.key)
        assert "+new" in diff
        assert "unrelated" not in diff
        forge.merge(pull.key, head=pull.head, by="anna", message="m")
        assert "+new" in forge.diff(pull.key)


class TestMerging:
    def test_it_becomes_one_commit_and_the_branch_goes(self, tracker: ForgeFixture, forge: Forge) -> None:
        tracker.branch(BRANCH, {"b.txt": "draft\n"})
        tracker.branch(BRANCH, {"b.txt": "new\n"})
        pull = forge.open_pull(new_pull())
        merged = forge.merge(pull.key, head=pull.head, by="anna", message="Mend it (#1)\n\nBy hive.")
        assert (merged.state, merged.merged_by) == (PullState.MERGED, "anna")
        assert tracker.log("main")[0] == "Mend it (#1)"
        assert len(tracker.log("main")) == 2
        assert tracker.read("main", "b.txt") == "new"
        assert settled(forge.get_pull(pull.key)) == settled(merged)
        with pytest.raises(AssertionError):
            tracker.log(BRANCH)

    def test_merging_again_is_no_change(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        merged = forge.merge(pull.key, head=pull.head, by="anna", message="m")
        again = forge.merge(pull.key, head=pull.head, by="bob", message="again")
        # The answer to a merge may not say when it was; the tracker knows to the second.
        assert msgspec.structs.replace(again, updated_at=merged.updated_at) == merged
        assert len(tracker.log("main")) == 2

    def test_two_at_once_merge_once(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))

        def merge() -> None:
            other = tracker.connect()
            assert other.merge(pull.key, head=pull.head, by="anna", message="m").state is PullState.MERGED
            other.close()

        together([merge] * 3)
        assert len(tracker.log("main")) == 2

    def test_several_pull_requests_land_one_after_the_other(
        self, tracker: ForgeFixture, forge: Forge
    ) -> None:
        pulls = []
        for number in range(1, 4):
            tracker.branch(f"hive/issue-{number}-a1", {f"{number}.txt": "x\n"})
            pulls.append(forge.open_pull(new_pull(f"hive/issue-{number}-a1", run=f"r{number}", issue=number)))
        for pull in pulls:
            forge.merge(pull.key, head=pull.head, by="anna", message=f"Land {pull.number}")
        assert tracker.log("main")[:3] == [f"Land {pull.number}" for pull in reversed(pulls)]

    def test_a_moved_head_is_refused(self, tracker: ForgeFixture, forge: Forge) -> None:
        pull = forge.open_pull(prepared(tracker))
        tracker.branch(BRANCH, {"c.txt": "more\n"})
        with pytest.raises(Refused, match="moved"):
            forge.merge(pull.key, head=pull.head, by="anna", message="m")
        assert len(tracker.log("main")) == 1
        assert forge.get_pull(pull.key).state is PullState.OPEN

    def test_a_conflict_is_refused_and_named(self, tracker: ForgeFixture, forge: Forge) -> None:
        tracker.branch(BRANCH, {"a.txt": "one\nTWO\nthree\n"})
        pull = forge.open_pull(new_pull())
        tracker.branch("main", {"a.txt": "one\nzwei\nthree\n"})
        with pytest.raises(Refused, match="conflict"):
            forge.merge(pull.key, head=pull.head, by="anna", message="m")
        assert tracker.read("main", "a.txt") == "one\nzwei\nthree"


class TestWatch:
    def test_full_state_then_changes_by_others(self, tracker: ForgeFixture, forge: Forge) -> None:
        issue = new_issue(forge)
        other = tracker.connect()
        with watching(forge) as (events, _):
            first = events.get(timeout=10)
            assert isinstance(first, Listed)
            assert first.source == FORGE
            assert set(first.kinds) >= {Kind.ISSUE, Kind.PULL}
            assert issue in first.items
            other.set_labels(issue.key, add=("mine",), by="anna")
            assert wait_for(events, Issue).labels == ("mine",)
            pull = other.open_pull(prepared(tracker))
            assert wait_for(events, PullRequest) == pull
        other.close()

    def test_a_wish_to_look_is_answered_at_once(self, forge: Forge) -> None:
        new_issue(forge)
        with watching(forge) as (events, wake):
            assert isinstance(events.get(timeout=10), Listed)
            wake.set()
            assert isinstance(events.get(timeout=3), Listed | Alive | Changed)
            until(lambda: not wake.is_set())


def prepared(tracker: ForgeFixture) -> NewPull:
    tracker.branch(BRANCH, {"b.txt": "new\n"})
    return new_pull()


def listed(forge: Forge, kind: type[T]) -> list[T]:
    events = [event for event in forge.read() if isinstance(event, Listed)]
    return [item for event in events for item in event.items if isinstance(item, kind)]


def together(actions: list[Callable[[], None]]) -> None:
    """Do all of these at the same moment; an error in any fails the test."""
    ready = threading.Barrier(len(actions))
    failures: list[BaseException] = []

    def work(action: Callable[[], None]) -> None:
        ready.wait()
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@contextmanager
def watching(forge: Forge) -> Iterator[tuple[queue.Queue[SourceEvent], threading.Event]]:
    events: queue.Queue[SourceEvent] = queue.Queue()
    stop, wake = threading.Event(), threading.Event()
    thread = threading.Thread(target=forge.watch, args=(events.put, stop, wake))
    thread.start()
    try:
        yield events, wake
    finally:
        stop.set()
        wake.set()
        thread.join(10)
    assert not thread.is_alive()


def wait_for(events: queue.Queue[SourceEvent], kind: type[T]) -> T:
    """The next changed item of a kind."""
    while True:
        event = events.get(timeout=10)
        for item in event.items if isinstance(event, Changed) else ():
            if isinstance(item, kind):
                return item
