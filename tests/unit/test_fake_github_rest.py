"""The GitHub for tests, asked by PyGithub as hive asks the real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github import (
    Auth,
    BadCredentialsException,
    Github,
    GithubException,
    GithubIntegration,
    UnknownObjectException,
)
from github.Repository import Repository

from tests.fakes.github import changes
from tests.fakes.github.seeding import seed
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Protection, Token

REPO = "octo/repo-1"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path) as server:
        seed(server.world, repos=1, issues=3, opened=2)
        yield server
        assert server.crashes == []


def client(github: GitHub, token: Token) -> Github:
    return Github(
        auth=Auth.Token(token.secret),
        base_url=github.api,
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


@pytest.fixture
def repo(github: GitHub) -> Iterator[Repository]:
    with client(github, github.world.add_token("octo")) as connection:
        yield connection.get_repo(REPO)


def add_label(repo: Repository, number: int, name: str) -> None:
    """PyGithub sends a bare list, which GitHub takes and its description does not have."""
    repo.requester.requestJsonAndCheck("POST", f"{repo.url}/issues/{number}/labels", input={"labels": [name]})


def test_issues_are_listed_by_label_and_state_page_by_page(github: GitHub, repo: Repository) -> None:
    ready = repo.get_issues(labels=["ready"])
    assert [issue.number for issue in ready] == [1]
    repo.get_issue(2).edit(state="closed", state_reason="not_planned")
    assert [(x.number, x.state_reason) for x in repo.get_issues(state="closed")] == [(2, "not_planned")]

    github.audit.clear()
    requester = repo.requester
    headers, first = requester.requestJsonAndCheck("GET", f"/repos/{REPO}/issues?state=all&per_page=2")
    assert [issue["number"] for issue in first] == [5, 4]
    assert 'page=2>; rel="next"' in headers["link"]
    assert 'page=3>; rel="last"' in headers["link"]
    assert [entry.points for entry in github.audit.entries] == [1]


def test_since_finds_what_labels_comments_and_edits_touched_and_not_what_statuses_did(
    github: GitHub, repo: Repository
) -> None:
    later = github.world.now() + timedelta(minutes=5)
    github.world.clock = lambda: later
    add_label(repo, 1, "docs")
    repo.get_issue(2).create_comment("Which version?")
    repo.get_commit(repo.get_pull(4).head.sha).create_status("success", context="hive/tests")
    assert sorted(issue.number for issue in repo.get_issues(state="all", since=later)) == [1, 2]


def test_an_answer_that_is_known_is_304_and_free(github: GitHub, repo: Repository) -> None:
    asked = f"/repos/{REPO}/issues?state=all"
    headers, _ = repo.requester.requestJsonAndCheck("GET", asked)
    status, _, _ = repo.requester.requestJson("GET", asked, headers={"If-None-Match": headers["etag"]})
    assert status == 304
    assert github.audit.entries[-1].points == 0
    add_label(repo, 1, "docs")
    status, _, _ = repo.requester.requestJson("GET", asked, headers={"If-None-Match": headers["etag"]})
    assert status == 200


def test_labels_are_added_and_removed_one_by_one(repo: Repository) -> None:
    repo.create_label("hive:stuck", "d93f0b", "An agent needs a person")
    issue = repo.get_issue(1)
    add_label(repo, 1, "hive:stuck")
    issue.remove_from_labels("ready")
    assert [label.name for label in repo.get_issue(1).labels] == ["hive:stuck"]
    with pytest.raises(GithubException, match="Label does not exist"):
        issue.remove_from_labels("ready")
    with pytest.raises(GithubException, match="already_exists"):
        repo.create_label("Hive:Stuck", "d93f0b")


def test_a_comment_is_written_once_and_edited(github: GitHub, repo: Repository) -> None:
    comment = repo.get_issue(1).create_comment("At work")
    comment.edit("Done")
    assert [(x.user.login, x.body) for x in repo.get_issue(1).get_comments()] == [("octo", "Done")]
    stored = github.world.repository(REPO)
    assert stored is not None
    assert [edit.before for edit in stored.issues[1].comments[0].edits] == ["At work"]


def test_a_pull_request_is_opened_judged_and_merged(github: GitHub, repo: Repository) -> None:
    stored = github.world.repository(REPO)
    assert stored is not None
    stored.git.add("fix", {"a.txt": "new\n"}, "Mend", by=github.world.person("ada"), start="main")
    pull = repo.create_pull(title="Mend", body="Fixes #1", head="fix", base="main")
    with pytest.raises(GithubException, match="already exists for octo:fix"):
        repo.create_pull(title="Again", body="", head="fix", base="main")

    assert repo.get_pull(pull.number).mergeable is True
    stored.protection["main"] = Protection(required_checks=["build"])
    assert repo.get_pull(pull.number).mergeable_state == "blocked"
    with pytest.raises(GithubException, match='"build" is expected'):
        pull.merge(merge_method="squash")
    changes.add_check(github.world, stored, pull.head.sha, name="build")
    with pytest.raises(GithubException, match="Head branch was modified"):
        pull.merge(merge_method="squash", sha="0" * 40)
    done = pull.merge(merge_method="squash", sha=pull.head.sha, commit_title="Mend (#6)")

    assert repo.get_branch("main").commit.sha == done.sha
    assert repo.get_pull(pull.number).merged
    assert repo.get_issue(1).state == "closed"
    with pytest.raises(GithubException, match="not mergeable"):
        pull.merge()


def test_a_conflict_is_seen(github: GitHub, repo: Repository) -> None:
    stored = github.world.repository(REPO)
    assert stored is not None
    by = github.world.person("ada")
    stored.git.add("fix", {"app.py": "one\n"}, "One", by=by, start="main")
    stored.git.add("main", {"app.py": "two\n"}, "Two", by=by)
    number = repo.create_pull(title="One", body="", head="fix", base="main").number
    assert (repo.get_pull(number).mergeable, repo.get_pull(number).mergeable_state) == (False, "dirty")


def test_refs_of_ones_own_move_forward_only(github: GitHub, repo: Repository) -> None:
    tip = repo.get_git_commit(repo.get_branch("main").commit.sha)
    claim = repo.create_git_commit('{"run": "a"}', tip.tree, [])
    ref = repo.create_git_ref("refs/hive/claims/issue-1", claim.sha)
    with pytest.raises(GithubException, match="Reference already exists"):
        repo.create_git_ref("refs/hive/claims/issue-1", claim.sha)
    renewed = repo.create_git_commit('{"run": "a", "n": 2}', tip.tree, [claim])
    ref.edit(renewed.sha)
    rival = repo.create_git_commit('{"run": "b"}', tip.tree, [claim])
    with pytest.raises(GithubException, match="not a fast forward"):
        repo.get_git_ref("hive/claims/issue-1").edit(rival.sha)
    assert [x.ref for x in repo.get_git_matching_refs("hive/claims/")] == ["refs/hive/claims/issue-1"]
    assert repo.get_git_commit(renewed.sha).message == '{"run": "a", "n": 2}'


def test_a_combined_status_says_the_worst(repo: Repository) -> None:
    commit = repo.get_commit("change-1")
    assert commit.get_combined_status().state == "pending"
    commit.create_status("success", context="hive/tests")
    assert commit.get_combined_status().state == "success"
    commit.create_status("error", context="hive/review", description="No verdict")
    assert commit.get_combined_status().state == "failure"
    assert [check.name for check in commit.get_check_runs()] == ["build"]


def test_each_token_may_what_it_was_given(github: GitHub, repo: Repository) -> None:
    world = github.world
    reader = world.add_token("ada", permissions={"issues": "read"})
    with client(github, reader) as connection:
        theirs = connection.get_repo(REPO)
        with pytest.raises(GithubException, match="not accessible by personal access token") as refused:
            add_label(theirs, 1, "docs")
        assert (refused.value.headers or {})["x-accepted-github-permissions"] == "issues=write"
    with client(github, world.add_token("mallory")) as connection:
        issue = connection.get_repo(REPO).get_issue(1)
        issue.create_comment("Me too")
        with pytest.raises(GithubException, match="Must have push rights"):
            issue.edit(title="Mine")
    world.add_repository("octo/secret", private=True)
    with client(github, world.add_token("mallory")) as connection, pytest.raises(UnknownObjectException):
        connection.get_repo("octo/secret")
    reader.revoked = True
    with client(github, reader) as connection, pytest.raises(BadCredentialsException):
        connection.get_repo(REPO)


def test_renamed_archived_and_disabled_repositories(github: GitHub, repo: Repository) -> None:
    stored = github.world.repository(REPO)
    assert stored is not None
    stored.archived = True
    with pytest.raises(GithubException, match="archived so is read-only"):
        repo.create_issue("Late")
    stored.archived, stored.disabled = False, True
    with pytest.raises(GithubException, match="access blocked"):
        repo.get_issue(1)
    stored.disabled = False
    changes.rename(github.world, stored, "octo/moved")
    with client(github, github.world.add_token("octo")) as connection:
        assert connection.get_repo(REPO).full_name == "octo/moved"
    entry = github.audit.calls("GET", f"/repos/{REPO}")[-1]
    assert entry.status == 301
    assert entry.answer_headers["Location"] == f"{github.api}/repositories/{stored.id}"


def test_an_app_gets_narrow_tokens_of_an_hour(github: GitHub, repo: Repository) -> None:
    world = github.world
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    permissions = {"issues": "write", "contents": "write"}
    app = world.add_app("hive", owner="octo", public_key=public.decode(), permissions=permissions)
    installed = world.install(app, "octo")
    now = world.now()
    world.clock = lambda: now
    with GithubIntegration(auth=Auth.AppAuth(app.id, pem), base_url=github.api) as integration:
        assert integration.get_repo_installation("octo", "repo-1").id == installed.id
        granted = integration.get_access_token(installed.id, {"issues": "write"})
        with pytest.raises(GithubException, match="not granted to this installation"):
            integration.get_access_token(installed.id, {"administration": "write"})
    token = world.tokens[granted.token]
    assert token.expires_at == now + timedelta(hours=1)
    with client(github, token) as connection:
        issue = connection.get_repo(REPO).get_issue(1)
        issue.create_comment("By an app")
        assert [x.user.login for x in issue.get_comments()] == ["hive[bot]"]
        with pytest.raises(GithubException, match="Resource not accessible by integration"):
            connection.get_repo(REPO).create_git_ref("refs/heads/x", repo.get_branch("main").commit.sha)
        world.clock = lambda: now + timedelta(hours=1)
        with pytest.raises(BadCredentialsException):
            connection.get_repo(REPO)
