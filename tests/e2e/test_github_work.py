"""From a label on GitHub to a merged pull request, with real processes, git over HTTP and the API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.github import changes
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Pull, Repository
from tests.fakes.github_shop import GitHubShop, labels_of, ready
from tests.fakes.model_server import Figures, ModelServer, Reply, bash, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TEMPLATE = "## Checklist\n\n- [ ] The notes of the release say so.\n"
MODEL = "claude-haiku-4-5"


@pytest.fixture
def github(tmp_path: Path, published_schema: None) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as github:
        github.world.add_user("kay")
        yield github
    assert github.crashes == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    files = {"README.md": "A shop.\n", ".github/pull_request_template.md": TEMPLATE}
    return github.world.add_repository("kay/shop", files=files)


@pytest.fixture
def shop(tmp_path: Path, github: GitHub, repository: Repository) -> Iterator[GitHubShop]:
    made = GitHubShop(
        tmp_path / "shop", github, github.world.add_token("kay").secret, test="python3 hello.py"
    )
    yield made
    made.close()


def the_pull(shop: GitHubShop, repository: Repository, number: int, github: GitHub) -> Pull:
    """The pull request for an issue, once hive has said all on the issue that there is to say."""
    shop.wait("a pull request", lambda: repository.pulls, 120)
    shop.wait("its label", lambda: "status:in-review" in labels_of(github, repository, number), 60)
    comments = repository.issues[number].comments
    shop.wait("its link", lambda: any("/pull/" in comment.body for comment in comments), 60)
    (pull,) = repository.pulls.values()
    return pull


def assert_reported(repository: Repository, number: int, pull: Pull) -> None:
    """What stands on GitHub before the merge."""
    assert pull.head == f"hive/issue-{number}-a1"
    assert f"Closes #{number}" in (pull.body or "")
    assert "The notes of the release say so." in (pull.body or "")
    (comment,) = repository.issues[number].comments
    assert f"/pull/{pull.number}" in comment.body
    assert [(status.context, status.state) for status in repository.statuses[pull.head_sha]] == [
        ("hive/tests", "success")
    ]
    assert repository.git.branch(pull.head) == pull.head_sha


def test_a_label_starts_work_and_checks_hold_the_merge(
    shop: GitHubShop, github: GitHub, repository: Repository
) -> None:
    shop.scenario(
        "default", [{"write": {"path": "hello.py", "text": "print('hello')\n"}}, {"commit": "Say hello"}]
    )
    shop.hive("dispatcher", "start")
    number = ready(github, repository, "Say hello").number
    pull = the_pull(shop, repository, number, github)
    assert_reported(repository, number, pull)

    with github.world.lock:
        changes.add_check(github.world, repository, pull.head_sha, name="build", conclusion="failure")
    shop.hive("dispatch")
    shop.wait("the failed check", lambda: "failed" in states_of_checks(shop), 60)
    refused = shop.call("merge", "--yes", str(number))
    assert refused.returncode == 3
    assert "build" in refused.stderr
    assert repository.pulls[pull.number].open

    with github.world.lock:
        changes.add_check(github.world, repository, pull.head_sha, name="build", conclusion="success")
    shop.hive("dispatch")
    shop.wait("the check that passed", lambda: "failed" not in states_of_checks(shop), 60)
    shop.hive("merge", "--yes", str(number))
    shop.wait("done", lambda: "status:done" in labels_of(github, repository, number), 60)
    assert repository.pulls[pull.number].merged_at is not None
    assert not repository.issues[number].open
    assert repository.git.branch(pull.head) is None
    assert repository.git.show("refs/heads/main", "hello.py") == b"print('hello')\n"


def states_of_checks(shop: GitHubShop) -> list[str]:
    (pull,) = shop.snapshot()["pull_requests"]
    return [check["state"] for check in pull["checks"]]


@pytest.mark.skipif(shutil.which("claude") is None, reason="Claude Code (`claude`) is not on PATH")
def test_claude_code_answers_an_issue_with_a_pull_request(
    tmp_path: Path, github: GitHub, repository: Repository
) -> None:
    script = (
        Reply("I write it.", (write("hello.py", "print('hello')\n"),), Figures(20, 50)),
        Reply("I commit it.", (bash("git add hello.py && git commit -qm 'Say hello'"),), Figures(20, 60)),
        Reply("Done.", usage=Figures(20, 10)),
    )
    secret = github.world.add_token("kay").secret
    shop = GitHubShop(tmp_path / "shop", github, secret, test="python3 hello.py", agents=[{"name": "claude"}])
    home = tmp_path / "home of kay"
    home.mkdir()
    try:
        with ModelServer(*script) as server:
            shop.env |= {**server.environment(), "HOME": str(home), "ANTHROPIC_MODEL": MODEL}
            shop.hive("dispatcher", "start")
            number = ready(github, repository, "Say hello").number
            pull = the_pull(shop, repository, number, github)
            said = json.dumps(server.requests)
        assert_reported(repository, number, pull)
        assert "Say hello" in said
        assert secret not in said
        shop.hive("merge", "--yes", str(number))
        shop.wait("done", lambda: "status:done" in labels_of(github, repository, number), 60)
    finally:
        shop.close()
    assert repository.git.show("refs/heads/main", "hello.py") == b"print('hello')\n"
