"""GitHub's answers as the core's structs: whatever may be null is, and every text is hostile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from backends.forges.github import decode
from hive_tui.core.ids import RepoName, run_id
from hive_tui.core.model import CheckState, Issue, PullRequest, PullState, VerdictValue
from tests.builders import HOSTILE

REPO = RepoName("me/proj")
EVIL = HOSTILE.replace("\ud800", "")
"""JSON cannot say half a character."""

SHA = "a" * 40
AT = "2026-03-01T12:00:00Z"


def issue_node(**changes: Any) -> dict[str, Any]:
    return {
        "number": 7,
        "title": "Mend it",
        "state": "OPEN",
        "createdAt": AT,
        "updatedAt": AT,
        "lastEditedAt": None,
        "url": "https://github.com/me/proj/issues/7",
        "authorAssociation": "MEMBER",
        "author": {"login": "ann", "__typename": "User"},
        "editor": None,
        "comments": {"totalCount": 3},
        "labels": {"nodes": [{"name": "status:ready"}, None]},
        "body": "Text.",
        **changes,
    }


def pull_node(**changes: Any) -> dict[str, Any]:
    return {
        "number": 9,
        "title": "Mend it",
        "state": "OPEN",
        "createdAt": AT,
        "updatedAt": AT,
        "headRefName": "hive/issue-7-a2",
        "headRefOid": SHA,
        "baseRefName": "main",
        **changes,
    }


def seen(**aliases: Any) -> decode.Seen:
    facts = {"nameWithOwner": REPO, "url": "https://github.com/me/proj", "viewerPermission": "WRITE"}
    found = decode.repository(msgspec.Raw(msgspec.json.encode({**facts, **aliases})), REPO, "github.com")
    assert found is not None
    return found


def issue(**changes: Any) -> Issue:
    return seen(i7=issue_node(**changes)).issues[0].issue


def pull(**changes: Any) -> PullRequest:
    return seen(p9=pull_node(**changes)).pulls[0].pull


def checked(*contexts: dict[str, Any], total: int | None = None, state: str = "PENDING") -> PullRequest:
    listed = {"totalCount": len(contexts) if total is None else total, "nodes": list(contexts)}
    return pull(statusCheckRollup={"state": state, "contexts": listed})


class TestIssues:
    def test_all_of_it(self) -> None:
        found = issue()
        assert (found.repo, found.number, found.author, found.author_role) == (REPO, 7, "ann", "MEMBER")
        assert found.labels == ("status:ready",)
        assert found.comments == 3
        assert found.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)

    def test_a_deleted_account_is_a_ghost(self) -> None:
        assert issue(author=None).author == "ghost"

    def test_the_author_editing_is_no_edit_by_another(self) -> None:
        assert issue(lastEditedAt=AT, editor={"login": "ann"}).edited_by is None
        assert issue(lastEditedAt=AT, editor={"login": "bob"}).edited_by == "bob"

    def test_an_editor_whose_account_is_gone_is_somebody_else(self) -> None:
        assert issue(lastEditedAt=AT, editor=None).edited_by == "ghost"
        assert issue(lastEditedAt=AT, editor=None, author=None).edited_by == "ghost"

    def test_a_bot_is_known(self) -> None:
        assert issue(author={"login": "dependabot", "__typename": "Bot"}).author_is_bot

    def test_hostile_text_is_harmless(self) -> None:
        found = issue(
            title=EVIL,
            body=EVIL,
            author={"login": EVIL, "__typename": "User"},
            labels={"nodes": [{"name": EVIL}]},
            authorAssociation=EVIL,
            url="javascript:alert(1)",
        )
        told = f"{found.title}{found.author}{found.labels}{found.author_role}".replace("\\n", "")
        assert told.isprintable()
        assert not any(char in found.body for char in "\x1b\x07\x00\x9b\u202e\u200b")
        assert found.url is None

    def test_secrets_are_masked(self) -> None:
        token = "ghp_" + "a" * 36
        found = issue(title=f"see {token}", body=f"it is {token}")
        assert token not in found.title + found.body

    def test_a_hole_in_a_list_is_noted(self) -> None:
        assert seen(issues={"nodes": [None]}).holes
        assert seen(pulls={"nodes": None}).holes
        assert not seen(issues={"nodes": [issue_node()]}).holes

    def test_one_that_is_not_there_is_named(self) -> None:
        found = seen(i7=None, b8=None, p9=None)
        assert (found.missing_issues, found.missing_pulls) == ([7, 8], [9])


class TestPulls:
    def test_its_branch_names_its_run_and_issue(self) -> None:
        found = pull()
        assert (found.issue, found.run) == (7, run_id("github.com", REPO, 7, 2))

    def test_a_fork_cannot_pass_for_hive(self) -> None:
        found = pull(isCrossRepository=True, headRepositoryOwner={"login": "mallory"})
        assert found.branch == "mallory:hive/issue-7-a2"
        assert (found.issue, found.run) == (None, None)

    def test_a_fork_takes_no_issue_for_its_own(self) -> None:
        """Anybody may write `Closes #7`: it would keep hive from the issue, and be merged for it."""
        closes = {"nodes": [{"number": 7, "repository": {"nameWithOwner": "me/proj"}}]}
        found = pull(
            isCrossRepository=True, headRepositoryOwner={"login": "mallory"}, closingIssuesReferences=closes
        )
        assert (found.from_fork, found.issue) == (True, None)
        assert not pull().from_fork

    def test_a_name_that_only_looks_like_hives_is_none(self) -> None:
        for branch in ("hive/issue-07-a1", "hive/issue-7-a1x", "x/hive/issue-7-a1", "hive/issue-7"):
            assert pull(headRefName=branch).run is None

    def test_the_one_issue_that_it_closes_here(self) -> None:
        here = {"number": 3, "repository": {"nameWithOwner": "Me/Proj"}}
        there = {"number": 4, "repository": {"nameWithOwner": "me/else"}}
        other = {"number": 5, "repository": {"nameWithOwner": "me/proj"}}
        assert pull(headRefName="x", closingIssuesReferences={"nodes": [here, there]}).issue == 3
        assert pull(headRefName="x", closingIssuesReferences={"nodes": [here, other]}).issue is None

    def test_states(self) -> None:
        assert pull(state="MERGED", mergeCommit={"oid": SHA}).merged_as == SHA
        assert pull(state="CLOSED").state is PullState.CLOSED
        assert [pull(mergeable=m).mergeable for m in ("MERGEABLE", "CONFLICTING", "UNKNOWN", None)] == [
            True,
            False,
            None,
            None,
        ]
        assert pull(isDraft=True).draft
        assert pull(reviewDecision="CHANGES_REQUESTED").review == "CHANGES_REQUESTED"

    def test_what_is_no_sha_is_none(self) -> None:
        assert pull(headRefOid="; rm -rf /").head == ""


def run(
    name: str, status: str = "COMPLETED", conclusion: str | None = "SUCCESS", at: str = AT
) -> dict[str, Any]:
    return {
        "__typename": "CheckRun",
        "name": name,
        "status": status,
        "conclusion": conclusion,
        "startedAt": at,
    }


def status(context: str, state: str, **more: Any) -> dict[str, Any]:
    return {"__typename": "StatusContext", "context": context, "state": state, "createdAt": AT, **more}


class TestChecks:
    def test_each_conclusion(self) -> None:
        for conclusion, state in (
            ("SUCCESS", CheckState.PASSED),
            ("NEUTRAL", CheckState.PASSED),
            ("SKIPPED", CheckState.PASSED),
            ("FAILURE", CheckState.FAILED),
            ("CANCELLED", CheckState.FAILED),
            ("TIMED_OUT", CheckState.FAILED),
            ("ACTION_REQUIRED", CheckState.FAILED),
            ("SOMETHING_NEW", CheckState.FAILED),
        ):
            assert checked(run("ci", conclusion=conclusion)).checks[0].state is state
        assert checked(run("ci", "IN_PROGRESS", None)).checks[0].state is CheckState.PENDING
        assert checked(status("ci", "EXPECTED")).checks[0].state is CheckState.PENDING

    def test_of_two_of_a_name_the_later_counts(self) -> None:
        old, new = run("ci", conclusion="FAILURE", at="2026-03-01T11:00:00Z"), run("ci")
        assert [check.state for check in checked(new, old).checks] == [CheckState.PASSED]

    def test_two_workflows_may_have_a_check_of_one_name(self) -> None:
        """Both are called `build` alone; the one that ended well must not hide the other."""
        later = "2026-03-01T12:00:20Z"
        a = run("build", conclusion="FAILURE") | {"checkSuite": {"databaseId": 1, "createdAt": AT}}
        b = run("build", at=later) | {"checkSuite": {"databaseId": 2, "createdAt": AT}}
        for nodes in ((a, b), (b, a)):
            assert [(c.name, c.state) for c in checked(*nodes).checks] == [("build", CheckState.FAILED)]
        again = run("build", at=later) | {"checkSuite": {"databaseId": 1, "createdAt": AT}}
        assert [check.state for check in checked(a, again, b).checks] == [CheckState.PASSED]

    def test_what_a_later_event_started_counts_alone(self) -> None:
        later = "2026-03-01T13:00:00Z"
        old = run("build", conclusion="FAILURE") | {"checkSuite": {"databaseId": 1, "createdAt": AT}}
        new = run("build", at=later) | {"checkSuite": {"databaseId": 2, "createdAt": later}}
        assert [check.state for check in checked(new, old).checks] == [CheckState.PASSED]

    def test_a_check_and_a_status_of_one_name_both_count(self) -> None:
        found = checked(run("ci", conclusion="FAILURE"), status("ci", "SUCCESS")).checks
        assert [check.state for check in found] == [CheckState.FAILED]

    @pytest.mark.parametrize("name", ["hive/review", "hive/tests"])
    def test_a_workflow_does_not_speak_for_hive(self, name: str) -> None:
        """A repository's workflows run what an agent wrote, with a token that may set statuses."""
        said = status(name, "SUCCESS", creator={"login": "github-actions", "__typename": "Bot"})
        found = checked(said)
        assert (found.verdict, [check.state for check in found.checks]) == (None, [CheckState.FAILED])
        assert "github-actions, not by hive" in found.checks[0].detail

    def test_an_app_may_speak_for_hive(self) -> None:
        """A fleet may work as one, and a person merge what it made from another fleet."""
        said = status("hive/review", "SUCCESS", creator={"login": "hive", "__typename": "Bot"})
        assert checked(said).verdict is not None

    def test_those_that_were_not_read_count_together(self) -> None:
        found = checked(run("ci"), total=130, state="FAILURE").checks
        assert [(check.name, check.state) for check in found] == [
            ("129 more", CheckState.FAILED),
            ("ci", CheckState.PASSED),
        ]

    def test_a_verdict_is_of_this_head(self) -> None:
        found = checked(status("hive/review", "FAILURE", creator={"login": "me"})).verdict
        assert found is not None
        assert (found.value, found.sha, found.by) == (VerdictValue.CHANGES_REQUESTED, SHA, "me")
        assert checked(status("hive/review", "PENDING")).verdict is None


class TestRepositories:
    def test_null_is_none(self) -> None:
        assert decode.repository(msgspec.Raw(b"null"), REPO, "github.com") is None

    def test_what_closes_it_to_work(self) -> None:
        assert seen().closed_to_work is None
        assert "archived" in (seen(isArchived=True).closed_to_work or "")
        assert "disabled" in (seen(isDisabled=True).closed_to_work or "")
        assert "write access" in (seen(viewerPermission="READ").closed_to_work or "")
        assert seen(viewerPermission=None).closed_to_work is None, "an App has rights instead"

    def test_pages_that_follow(self) -> None:
        more = {"pageInfo": {"hasNextPage": True, "endCursor": "c1"}, "nodes": []}
        last = {"pageInfo": {"hasNextPage": False, "endCursor": "c2"}, "nodes": []}
        found = seen(issues=more, pulls=last)
        assert (found.next_issues, found.next_pulls) == ("c1", None)
