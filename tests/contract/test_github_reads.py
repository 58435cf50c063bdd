"""Polling GitHub: what is read and what it costs, and what a broken repository or a broken site does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from backends.forges.github import GitHubForge
from backends.forges.github.decode import ReadIssue
from backends.forges.github.desk import Desk
from backends.forges.github.issues import Issues
from backends.forges.github.limits import SETTLE
from hive_tui.core.ids import IssueKey, PullKey, RepoName, run_id
from hive_tui.core.model import ApiUse, CheckState, Issue, PullRequest, PullState, RepoState
from hive_tui.core.ports import BackendContext
from hive_tui.core.sources import Alive, Listed, SourceEvent, SourceFailed
from tests.fakes.github import changes, pulls
from tests.fakes.github.faults import Fault
from tests.fakes.github.hooks import GraphError
from tests.fakes.github.state import Issue as Stored
from tests.fakes.github.state import Repository
from tests.fakes.polled_github import PolledGitHub

T = TypeVar("T")
ONE, TWO = RepoName("me/one"), RepoName("me/two")
PLAN = "## Plan\nDo.\n\n## Definition of Done\n- [ ] it works\n"


class Place(PolledGitHub):
    """A site with two repositories, and a fleet that polls it."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path)
        for name in (ONE, TWO):
            repository = self.world.add_repository(name, collaborators={"ann": "write"})
            for label in ("status:ready", "status:in-progress", "bug"):
                changes.create_label(self.world, repository, label)
        self.serve((ONE, TWO))

    def repository(self, name: RepoName = ONE) -> Repository:
        found = self.world.repository(name)
        assert found is not None
        return found

    def issue(self, *labels: str, repo: RepoName = ONE, body: str = PLAN, title: str = "Mend it") -> Stored:
        with self.world.lock:
            return changes.create_issue(
                self.world, self.repository(repo), author="me", title=title, body=body, labels=labels
            )

    def pull(self, branch: str, *, repo: RepoName = ONE, body: str = "") -> PullKey:
        repository = self.repository(repo)
        with self.world.lock:
            repository.git.add(
                branch, {f"{branch}.txt": "x"}, "Work", by=self.world.person("me"), start="main"
            )
            made = pulls.open_pull(
                self.world, repository, author="me", title="Mend", head=branch, base="main", body=body
            )
        return PullKey(repo, made.number)

    def label(self, item: Stored, add: str, repo: RepoName = ONE) -> None:
        with self.world.lock:
            changes.add_labels(self.world, self.repository(repo), item, [add], "ann")

    def poll(self, *, active: bool = False, wanted: bool = True) -> None:
        self.pass_time(1)
        self.poller.poll(active=active, wanted=wanted)

    def heard(self) -> list[object]:
        """Everything that a fresh read says."""
        with self.mirror.database.reading() as connection:
            return list(self.feed()._items(connection))

    def issues(self) -> dict[IssueKey, Issue]:
        return {item.key: item for item in self.heard() if isinstance(item, Issue)}

    def pulls(self) -> dict[PullKey, PullRequest]:
        return {item.key: item for item in self.heard() if isinstance(item, PullRequest)}

    def failed(self) -> str | None:
        """Why GitHub as a whole cannot be read."""
        return self.mirror.tracker().why

    def state(self, repo: RepoName = ONE) -> RepoState:
        return self.mirror.state(repo)

    def calls(self) -> list[tuple[str, str, int]]:
        """Method, path and status of what was asked since the last time."""
        found = [(e.method, e.path, e.status) for e in self.server.audit.entries]
        self.server.audit.clear()
        return found

    def fail(self, kind: str, **more: object) -> Fault:
        return self.server.faults.add(Fault(kind, **{"times": None, **more}))  # type: ignore[arg-type]

    def mend(self) -> None:
        self.server.faults.clear()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with place.server:
        yield place
    place.close()


def key(number: int, repo: RepoName = ONE) -> IssueKey:
    return IssueKey(repo, number)


class TestIssues:
    def test_those_with_a_status_are_read_with_the_text_that_they_are_judged_by(self, place: Place) -> None:
        ready, other = place.issue("status:ready", "bug"), place.issue("bug")
        place.poll()
        found = place.issues()
        assert list(found) == [key(ready.number)]
        assert found[key(ready.number)].body == PLAN
        assert found[key(ready.number)].author_role == "OWNER"
        assert other.number not in {k.number for k in found}

    def test_a_label_makes_an_issue_one_of_hives(self, place: Place) -> None:
        issue = place.issue("bug")
        place.poll()
        place.label(issue, "status:ready")
        place.poll()
        assert place.issues()[key(issue.number)].body == PLAN

    def test_without_its_label_it_stays_as_long_as_it_is_open(self, place: Place) -> None:
        issue = place.issue("status:ready")
        place.poll()
        with place.world.lock:
            changes.remove_label(place.world, place.repository(), issue, "status:ready", "ann")
        place.poll()
        assert place.issues()[key(issue.number)].labels == ()

    def test_a_closed_one_goes(self, place: Place) -> None:
        issue = place.issue("status:ready")
        place.poll()
        with place.world.lock:
            changes.set_open(place.world, issue, False, by="ann")
        place.poll()
        assert place.issues() == {}

    def test_one_that_was_deleted_goes_with_the_next_full_read(self, place: Place) -> None:
        issue, kept = place.issue("status:ready"), place.issue("status:ready")
        place.poll()
        del place.repository().issues[issue.number]
        place.pass_time(3600)
        place.poll()
        assert list(place.issues()) == [key(kept.number)]

    def test_an_edit_by_somebody_else_is_known(self, place: Place) -> None:
        issue = place.issue("status:ready")
        place.poll()
        with place.world.lock:
            changes.edit(place.world, issue, by="ann", body="Do evil.")
        place.poll()
        found = place.issues()[key(issue.number)]
        assert (found.body, found.edited_by) == ("Do evil.", "ann")

    def test_more_than_a_hundred_are_paged(self, place: Place) -> None:
        for _ in range(130):
            place.issue("status:ready")
        place.poll()
        assert len(place.issues()) == 130
        assert all(issue.body == PLAN for issue in place.issues().values())

    def test_more_changes_than_a_page_shows_are_all_read(self, place: Place) -> None:
        made = [place.issue("bug") for _ in range(40)]
        place.poll()
        place.pass_time(60)
        place.poll()
        place.pass_time(60)
        for issue in made:
            place.label(issue, "status:ready")
        place.poll()
        assert len(place.issues()) == 40

    def test_changes_in_the_same_second_are_all_seen(self, place: Place) -> None:
        first, second = place.issue("bug"), place.issue("bug")
        place.poll()
        place.label(first, "status:ready")
        at = place.now
        place.poller.poll(active=False, wanted=True)
        place.now = at
        place.label(second, "status:ready")
        place.poller.poll(active=False, wanted=True)
        assert set(place.issues()) == {key(first.number), key(second.number)}

    def test_texts_that_nothing_is_decided_by_follow_later(self, place: Place) -> None:
        issue = place.issue("status:in-progress")
        place.poll()
        place.poll()
        assert place.issues()[key(issue.number)].body == PLAN


class TestPulls:
    def test_it_belongs_to_its_run_by_its_branch(self, place: Place) -> None:
        issue = place.issue("status:in-progress")
        pull = place.pull(f"hive/issue-{issue.number}-a2")
        place.poll()
        found = place.pulls()[pull]
        assert found.issue == issue.number
        assert found.run == run_id("github.com", ONE, issue.number, 2)
        assert found.mergeable is True

    def test_another_ones_issue_is_the_one_that_it_closes(self, place: Place) -> None:
        issue = place.issue("status:ready")
        pull = place.pull("mine", body=f"Fixes #{issue.number}")
        place.poll()
        found = place.pulls()[pull]
        assert (found.issue, found.run) == (issue.number, None)

    def test_checks_are_followed_while_they_are_pending_though_nothing_else_moves(self, place: Place) -> None:
        pull = place.pull("hive/issue-1-a1")
        repository = place.repository()
        head = repository.pulls[pull.number].head_sha
        with place.world.lock:
            changes.add_check(place.world, repository, head, name="build", status="in_progress")
        place.poll()
        assert [check.state for check in place.pulls()[pull].checks] == [CheckState.PENDING]
        with place.world.lock:
            changes.add_check(place.world, repository, head, name="build")
        place.poll()
        assert [check.state for check in place.pulls()[pull].checks] == [CheckState.PASSED]
        place.pass_time(1200)
        place.poll()
        place.calls()
        place.poll()
        assert not [path for _, path, _ in place.calls() if path == "/graphql"], "nothing is pending"

    def test_a_check_that_failed_and_was_run_again_is_seen_by_who_asks(self, place: Place) -> None:
        pull = place.pull("hive/issue-1-a1")
        repository = place.repository()
        head = repository.pulls[pull.number].head_sha
        with place.world.lock:
            changes.add_check(place.world, repository, head, name="build", conclusion="failure")
        place.poll()
        assert [check.state for check in place.pulls()[pull].checks] == [CheckState.FAILED]
        with place.world.lock:
            changes.add_check(place.world, repository, head, name="build")
        place.poll()
        assert [check.state for check in place.pulls()[pull].checks] == [CheckState.PASSED]

    def test_a_verdict_is_a_status_of_the_head(self, place: Place) -> None:
        pull = place.pull("hive/issue-1-a1")
        repository = place.repository()
        head = repository.pulls[pull.number].head_sha
        with place.world.lock:
            changes.add_status(
                place.world, repository, head, context="hive/review", state="success", creator="me"
            )
        place.poll()
        verdict = place.pulls()[pull].verdict
        assert verdict is not None
        assert (verdict.value.value, verdict.sha, verdict.by) == ("PASS", head, "me")

    def test_a_conflict_by_a_push_to_the_base_is_seen(self, place: Place) -> None:
        pull = place.pull("hive/issue-1-a1")
        place.poll()
        place.poll()
        repository = place.repository()
        with place.world.lock:
            by = place.world.person("ann")
            repository.git.add("main", {"hive/issue-1-a1.txt": "else"}, "Else", by=by)
            pulls.sync(place.world, repository, by="ann")
        place.poll()
        assert place.pulls()[pull].mergeable is False

    def test_a_merged_one_of_hives_stays_a_while_others_go(self, place: Place) -> None:
        mine, other = place.pull("hive/issue-1-a1"), place.pull("other")
        place.poll()
        repository = place.repository()
        with place.world.lock:
            for pull in (mine, other):
                pulls.merge(place.world, repository, repository.pulls[pull.number], by="ann")
        place.poll()
        found = place.pulls()
        assert list(found) == [mine]
        assert found[mine].state is PullState.MERGED
        assert found[mine].merged_as
        place.pass_time(8 * 86_400)
        place.poll()
        assert place.pulls() == {}


class TestCost:
    def test_nothing_new_costs_nothing(self, place: Place) -> None:
        place.issue("status:ready")
        place.pull("hive/issue-1-a1")
        for _ in range(3):
            place.poll()
            place.pass_time(700)
        place.spent()
        for _ in range(5):
            place.poll()
        assert {status for _, _, status in place.calls()} == {304}
        assert place.spent() == 0

    def test_one_query_asks_about_all_that_moved(self, place: Place) -> None:
        for repo in (ONE, TWO):
            place.issue("status:ready", repo=repo)
        place.poll()
        place.pass_time(60)
        place.poll()
        place.pass_time(60)
        for repo in (ONE, TWO):
            place.label(place.repository(repo).issues[1], "bug", repo)
        place.calls()
        place.poll()
        assert [path for _, path, _ in place.calls() if path == "/graphql"] == ["/graphql"]

    def test_what_a_query_costs_was_known(self, place: Place) -> None:
        for repo in (ONE, TWO):
            for _ in range(5):
                place.issue("status:ready", repo=repo)
            place.pull("hive/issue-1-a1", repo=repo)
        place.poll()
        use = next(use for use in place.client.uses() if use.name == "graphql")
        spent = sum(entry.points for entry in place.server.audit.entries if entry.path == "/graphql")
        assert use.used_hour == spent

    def test_the_budget_is_published(self, place: Place) -> None:
        place.poll()
        uses = {item.name: item for item in place.heard() if isinstance(item, ApiUse)}
        assert uses["graphql"].limit == 5000
        assert uses["graphql"].reserve == 500

    def test_the_reserve_is_not_touched(self, place: Place) -> None:
        place.server.limits.rules.graphql = 20
        place.poll()
        for _ in range(30):
            place.issue("status:ready")
            place.poll()
        use = next(item for item in place.heard() if isinstance(item, ApiUse) and item.name == "graphql")
        assert use.remaining >= use.reserve > 0
        tracker = place.mirror.tracker()
        assert "kept for writes" in (tracker.why or "")
        assert tracker.next_at == use.reset_at + SETTLE
        assert place.issues(), "what was known stays"
        place.now = use.reset_at
        place.poll()
        assert place.mirror.tracker().why is None
        assert len(place.issues()) == 30


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("missing", {}, "no access"),
        ("forbidden", {"permission": "issues=read"}, "issues: read"),
        ("sso", {}, "single sign-on"),
        ("disabled", {}, "disabled"),
        ("html", {}, "cannot be read"),
    ],
)
class TestOneBrokenRepository:
    def test_it_says_why_and_the_others_go_on(
        self, place: Place, kind: str, more: dict[str, object], words: str
    ) -> None:
        known = place.issue("status:ready")
        place.issue("status:ready", repo=TWO)
        place.poll()
        place.pass_time(60)
        place.fail(kind, path="/repos/me/one/*", **more)
        new = place.issue("status:ready", repo=TWO)
        place.poll()
        state = place.state(ONE)
        assert words in (state.why or "")
        assert state.since == place.now
        assert state.retry_at is not None
        assert state.retry_at > place.now
        assert place.state(TWO).why is None
        assert {key(known.number), key(new.number, TWO)} <= set(place.issues())
        assert place.mirror.tracker().why is None, "GitHub as a whole is well"

        since = state.since
        place.pass_time(60)
        place.poll()
        assert place.state(ONE).since == since
        place.mend()
        place.poll()
        assert place.state(ONE).why is None
        assert place.state(ONE).since is None


class TestWhatCanWait:
    """A query is a point however little it asks for."""

    def write(self, place: Place) -> tuple[Stored, Issues]:
        issue = place.issue("status:ready")
        place.poll()
        place.calls()
        issues = Issues(Desk(place.client, place.mirror, place.settings, "github.com"))
        place.pass_time(5)
        issues.set_labels(key(issue.number), add=["status:in-progress"], remove=["status:ready"], by="hive")
        place.calls()
        return issue, issues

    def look(self, place: Place, *, after: float = 20) -> None:
        place.pass_time(after)
        place.poll(active=True, wanted=False)

    def queries(self, place: Place) -> int:
        return sum(path == "/graphql" for _, path, _ in place.calls())

    def test_hives_own_write_is_read_with_the_next_query(self, place: Place) -> None:
        issue, _ = self.write(place)
        self.look(place)
        assert self.queries(place) == 0
        assert place.issues()[key(issue.number)].labels == ("status:in-progress",)
        place.issue("status:ready", repo=TWO)
        self.look(place)
        assert self.queries(place) == 1
        assert place.issues()[key(issue.number)].updated_at == issue.updated_at
        self.look(place, after=60)
        assert self.queries(place) == 0

    def test_nothing_waits_for_longer_than_a_minute(self, place: Place) -> None:
        issue, _ = self.write(place)
        for _ in range(3):
            self.look(place)
        assert self.queries(place) == 1
        assert place.issues()[key(issue.number)].updated_at == issue.updated_at

    def test_a_person_s_change_after_it_is_read_at_once(self, place: Place) -> None:
        issue, _ = self.write(place)
        place.pass_time(2)
        place.label(issue, "status:needs-human")
        self.look(place)
        assert "status:needs-human" in place.issues()[key(issue.number)].labels

    def test_what_waits_is_known_to_the_next_dispatcher(self, place: Place) -> None:
        issue, _ = self.write(place)
        place.label(issue, "bug")  # in the same second
        self.look(place)
        assert place.issues()[key(issue.number)].labels == ("status:in-progress",)
        place.client.close()
        place.mirror.database.close()
        place.serve((ONE, TWO))
        self.look(place)
        assert set(place.issues()[key(issue.number)].labels) == {"status:in-progress", "bug"}

    def test_checks_are_asked_for_about_once_a_minute(self, place: Place) -> None:
        pull = place.pull("hive/issue-1-a1")
        with place.world.lock:
            head = place.repository().pulls[pull.number].head_sha
            changes.add_check(place.world, place.repository(), head, name="ci", status="in_progress")
        place.poll()
        place.poll()
        place.calls()
        asked = []
        for _ in range(9):
            self.look(place)
            asked.append(self.queries(place))
        assert sum(asked) == 3
        assert max(asked) == 1


class TestFirstLoad:
    def test_what_was_read_before_it_was_cut_off_is_kept(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backends.forges.github.query.MAX_REQUESTS", 300)  # a query for each
        monkeypatch.setattr("backends.forges.github.polling.AT_ONCE", 1)
        issues = [place.issue("status:ready", repo=name) for name in (ONE, TWO)]
        ask = place.client.graphql

        def dies(query: str, *args: Any, **kwargs: Any) -> Any:
            if f'name:"{TWO.partition("/")[2]}"' in query:
                raise KeyboardInterrupt
            return ask(query, *args, **kwargs)

        monkeypatch.setattr(place.client, "graphql", dies)
        with pytest.raises(KeyboardInterrupt):
            place.poll()
        assert (place.state(ONE).heard_at, place.state(TWO).heard_at) == (place.now, None)
        monkeypatch.setattr(place.client, "graphql", ask)
        place.spent()
        place.poll(wanted=False)
        assert not place.server.audit.calls(path=f"/repos/{ONE}")
        asked = [str(entry.request) for entry in place.server.audit.calls(path="/graphql")]
        assert len([query for query in asked if "issues(" in query]) == 1
        assert set(place.issues()) == {key(issues[0].number), key(issues[1].number, TWO)}


class TestRepositories:
    def test_it_rests_between_tries(self, place: Place) -> None:
        place.poll()
        place.fail("missing", path="/repos/me/one/*")
        place.poll()
        place.calls()
        place.pass_time(20)
        place.poll(wanted=False, active=True)
        assert not [path for _, path, _ in place.calls() if path.startswith("/repos/me/one")]

    def test_a_renamed_one_says_its_new_name(self, place: Place) -> None:
        place.issue("status:ready")
        place.poll()
        with place.world.lock:
            changes.rename(place.world, place.repository(), "me/other")
        place.poll()
        assert "me/other" in (place.state().why or "")
        assert place.issues()

    def test_a_renamed_one_is_known_at_the_first_read_too(self, place: Place) -> None:
        with place.world.lock:
            changes.rename(place.world, place.repository(), "me/other")
        place.poll()
        assert "me/other" in (place.state().why or "")

    def test_an_archived_one_is_closed_to_work(self, place: Place) -> None:
        place.issue("status:ready")
        place.repository().archived = True
        place.poll()
        assert "archived" in (place.state().closed_to_work or "")
        assert place.state().why is None
        assert place.issues()

    @pytest.mark.parametrize(("wanted", "seconds"), [(True, 1), (False, 601)])
    def test_one_that_is_open_to_work_again_is_seen_soon_and_at_once_by_who_asks(
        self, place: Place, wanted: bool, seconds: float
    ) -> None:
        place.repository().archived = True
        place.poll()
        assert place.state().closed_to_work
        place.repository().archived = False
        place.pass_time(seconds)
        place.poll(wanted=wanted)
        assert place.state().closed_to_work is None

    def test_a_token_without_write_access_is_said(self, place: Place) -> None:
        place.repository().collaborators["ann"] = "read"
        secret = place.world.add_token("ann").secret
        Path(place.settings.github.token_file or "").write_text(secret)
        place.client._credentials.forget()
        place.poll()
        assert "write access" in (place.state().closed_to_work or "")

    def test_one_that_graphql_refuses_does_not_hide_the_others(self, place: Place) -> None:
        place.issue("status:ready")
        place.issue("status:ready", repo=TWO)
        error = GraphError(("r0",), "FORBIDDEN", "Resource protected by organization SAML enforcement.")
        place.fail("graphql", path="/graphql", errors=(error,), times=1)
        place.poll()
        assert "single sign-on" in (place.state(ONE).why or "")
        assert place.state(TWO).why is None
        assert list(place.issues()) == [key(1, TWO)]
        place.poll()
        assert set(place.issues()) == {key(1), key(1, TWO)}

    @pytest.mark.parametrize("kind", ["error", "html"])
    def test_one_that_is_too_much_for_a_query_does_not_hide_the_others(self, place: Place, kind: str) -> None:
        place.poll()
        place.issue("status:ready")
        place.issue("status:ready", repo=TWO)
        place.fail(kind, path="/graphql", containing="two")
        place.poll()
        assert list(place.issues()) == [key(1)]
        assert place.state(TWO).why
        assert (place.state(ONE).why, place.mirror.tracker().why) == (None, None)
        place.mend()
        place.poll()
        assert set(place.issues()) == {key(1), key(1, TWO)}

    def test_one_that_stays_too_much_fails_for_itself_alone(self, place: Place) -> None:
        """It is tried again and again, and then often nothing else is asked beside it."""
        place.poll()
        place.issue("status:ready")
        place.issue("status:ready", repo=TWO)
        place.fail("error", path="/graphql", containing="two")
        for _ in range(3):
            place.pass_time(900)
            place.poll()
            assert place.mirror.tracker().why is None
            assert "(502)" in (place.state(TWO).why or "")
        assert list(place.issues()) == [key(1)]

    def test_no_repository_is_asked_for_alone_when_two_in_a_row_fail(self, place: Place) -> None:
        place.issue("status:ready")
        place.fail("error", path="/graphql")
        place.poll()
        assert "502" in (place.mirror.tracker().why or "")
        assert {place.state(ONE).why, place.state(TWO).why} == {None}, "it is GitHub's trouble"

    def test_what_came_of_a_partial_answer_is_used_and_the_rest_named(self, place: Place) -> None:
        place.issue("status:ready")
        pull = place.pull("hive/issue-1-a1")
        words = "Resource not accessible by integration"
        error = GraphError(("r0", "pulls", "nodes", 0, "statusCheckRollup"), "FORBIDDEN", words)
        place.fail("graphql", path="/graphql", errors=(error,), times=2)
        place.poll()
        assert pull in place.pulls()
        assert key(1) in place.issues()
        why = place.state().why or ""
        assert words in why
        assert "statusCheckRollup" in why

    def test_what_failed_of_an_issue_is_named_by_its_number(self, place: Place) -> None:
        place.poll()
        place.issue("status:ready")
        error = GraphError(("r0", "i1"), "FORBIDDEN", "Resource not accessible by integration")
        place.fail("graphql", path="/graphql", errors=(error,), times=1)
        place.poll()
        assert "in part: #1: Resource not accessible" in (place.state().why or "")

    def test_nothing_is_forgotten_because_of_a_hole(self, place: Place) -> None:
        issue = place.issue("status:ready")
        place.poll()
        place.pass_time(3600)
        error = GraphError(("r0", "issues"), "SERVICE_UNAVAILABLE", "Something went wrong.")
        place.fail("graphql", path="/graphql", errors=(error,), times=1)
        place.poll()
        assert key(issue.number) in place.issues()


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("unauthorized", {}, "401"),
        ("primary", {}, "used up"),
        ("secondary", {"retry_after": 90}, "too fast"),
        ("error", {"status": 503}, "503"),
        ("reset", {}, "broke off"),
    ],
)
class TestNothingAnswers:
    def test_the_source_says_why_and_when_it_is_tried_again_and_recovers(
        self, place: Place, kind: str, more: dict[str, object], words: str
    ) -> None:
        known = place.issue("status:ready")
        place.poll()
        heard_at = place.mirror.tracker().polled_at
        place.pass_time(60)
        new = place.issue("status:ready")
        place.fail(kind, **more)
        place.poll()
        tracker = place.mirror.tracker()
        assert words in (tracker.why or "")
        assert tracker.since == place.now
        assert tracker.polled_at == heard_at
        assert tracker.next_at is not None
        assert tracker.next_at > place.now
        assert list(place.issues()) == [key(known.number)], "what was known stays"
        assert place.state().why is None, "it says nothing against a repository"

        place.calls()
        place.poller.poll(active=False, wanted=False)
        assert place.calls() == [], "not before its time"
        place.mend()
        place.now = tracker.next_at + timedelta(seconds=1)
        place.poller.poll(active=False, wanted=False)
        assert place.mirror.tracker().why is None
        assert set(place.issues()) == {key(known.number), key(new.number)}


class TestCadence:
    def test_active_looks_are_quick_and_quiet_ones_slow(self, place: Place) -> None:
        place.poll(active=True)
        assert place.mirror.tracker().interval == 20
        place.pass_time(3000)
        place.poll(active=True)
        assert place.mirror.tracker().interval == 20
        place.poll(active=False)
        assert place.mirror.tracker().interval == 120

    def test_a_run_that_begins_ends_a_slow_pause(self, place: Place) -> None:
        place.poll()
        place.pass_time(3000)
        place.poll()
        place.calls()
        place.pass_time(30)
        place.poller.poll(active=True, wanted=False)
        assert place.calls()

    def test_a_write_is_followed_by_a_look(self, place: Place) -> None:
        place.poll()
        place.mirror.want_poll()
        place.calls()
        place.pass_time(6)
        place.poller.poll(active=False, wanted=False)
        assert place.calls()
        assert not place.mirror.wanted()

    def test_a_write_is_not_undone_by_an_older_poll(self, place: Place) -> None:
        issue = place.issue("status:ready")
        place.poll()
        before = place.mirror.issue(key(issue.number))
        assert before is not None
        place.pass_time(5)
        place.label(issue, "bug")
        place.poll()
        after = place.mirror.issue(key(issue.number))
        with place.mirror.taking_in() as into:
            into.issue(ReadIssue(before, "first", True), workflow_labels=("status:ready",))
        assert place.mirror.issue(key(issue.number)) == after

    def test_a_clock_that_is_off_hides_nothing(self, place: Place) -> None:
        place.fail("skew", seconds=-7200)
        place.issue("status:ready")
        place.poll()
        new = place.issue("status:ready")
        place.poll()
        assert key(new.number) in place.issues()


class TestFeed:
    def test_a_first_read_polls_and_a_second_does_not(self, place: Place) -> None:
        place.now = datetime.now(UTC)
        place.issue("status:ready")
        feed = place.feed()
        events = list(feed.read())
        assert [type(event) for event in events] == [Listed, Alive]
        place.calls()
        assert list(feed.read()) == events
        assert place.calls() == []

    def test_what_is_known_is_said_before_a_poll_that_fails(self, place: Place) -> None:
        place.now = datetime.now(UTC) - timedelta(hours=2)
        place.issue("status:ready")
        place.poll()
        heard_at = place.mirror.tracker().polled_at
        place.fail("error", status=500)
        place.now = datetime.now(UTC)
        feed = place.feed()
        first, late, again, failed = list(feed.read())
        assert isinstance(first, Listed)
        assert isinstance(late, SourceFailed)
        assert "dispatcher" in late.why
        assert isinstance(again, Listed)
        assert isinstance(failed, SourceFailed)
        assert "500" in failed.why
        assert failed.heard_at == heard_at
        assert failed.retry_at is not None

    def test_an_unread_tracker_is_not_an_empty_one(self, place: Place) -> None:
        place.now = datetime.now(UTC)
        place.fail("unauthorized")
        feed = place.feed()
        (failed,) = list(feed.read())
        assert isinstance(failed, SourceFailed)
        assert "401" in failed.why


def test_no_token_is_a_failure_with_the_next_step(place: Place) -> None:
    Path(place.settings.github.token_file or "").unlink()
    place.client._credentials.forget()
    place.poll()
    assert "token" in (place.mirror.tracker().why or "")


def test_whoever_starts_anew_does_not_wait_for_the_next_try(place: Place) -> None:
    place.now = datetime.now(UTC)
    place.poller.poll(active=False, wanted=True)
    place.fail("unauthorized")
    place.poller.poll(active=False, wanted=True)
    place.mend()
    forge = GitHubForge(BackendContext("test", place.home / "fleet", place.settings, "me"))
    try:
        assert place.mirror.tracker().why is not None
        forge.poll(active=False, wanted=False)
        assert place.mirror.tracker().why is None
    finally:
        forge.close()


def test_what_was_spent_is_known_to_whoever_starts_anew(place: Place) -> None:
    place.now = datetime.now(UTC)
    place.issue("status:ready")
    place.poller.poll(active=False, wanted=True)
    (before,) = [use for use in place.client.uses() if use.name == "graphql"]
    assert before.used_hour
    forge = GitHubForge(BackendContext("test", place.home / "fleet", place.settings, "me"))
    try:
        place.issue("status:ready")
        forge.poll(active=False, wanted=True)
        (after,) = [item for item in place.heard() if isinstance(item, ApiUse) and item.name == "graphql"]
        assert after.used_hour > before.used_hour
    finally:
        forge.close()


class TestWatch:
    def test_a_failure_shows_while_it_lasts_and_hides_nothing(self, place: Place) -> None:
        place.now = datetime.now(UTC)
        issue = place.issue("status:ready")
        place.poller.poll(active=False, wanted=True)
        events: queue.Queue[SourceEvent] = queue.Queue()
        stop = threading.Event()
        thread = threading.Thread(target=place.feed().watch, args=(events.put, stop, threading.Event()))
        thread.start()
        try:
            first = events.get(timeout=10)
            assert isinstance(first, Listed)
            assert any(isinstance(item, Issue) and item.number == issue.number for item in first.items)
            place.fail("unauthorized")
            place.poll()
            failed = _next(events, SourceFailed)
            assert "401" in failed.why
            assert failed.retry_at is not None
            place.mend()
            place.poll()
            assert _next(events, Alive).heard_at == place.mirror.tracker().polled_at, "no look is newer"
        finally:
            stop.set()
            thread.join(10)
        assert not thread.is_alive()

    def test_without_a_dispatcher_it_polls_by_itself(self, place: Place) -> None:
        place.now = datetime.now(UTC)
        issue = place.issue("status:ready")
        events: queue.Queue[SourceEvent] = queue.Queue()
        stop = threading.Event()
        thread = threading.Thread(target=place.feed().watch, args=(events.put, stop, threading.Event()))
        thread.start()
        try:
            listed = _next(events, Listed)
            assert any(isinstance(item, Issue) and item.number == issue.number for item in listed.items)
        finally:
            stop.set()
            thread.join(10)


def _next(events: queue.Queue[SourceEvent], kind: type[T]) -> T:
    while True:
        event = events.get(timeout=20)
        if isinstance(event, kind):
            return event
