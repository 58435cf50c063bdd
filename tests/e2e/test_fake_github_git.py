"""git itself against the GitHub for tests: who may fetch and push, and what protected branches refuse."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive_tui.system import git
from tests.fakes.github import changes, pulls
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Protection, Repository, Token

pytestmark = pytest.mark.e2e

REPO = "octo/proj"


class Checkout:
    """A clone of one person, whose git sends their token in a header."""

    def __init__(self, path: Path, github: GitHub, token: Token | None, name: str = REPO) -> None:
        self._path = path
        self._env = git.environment({"GIT_ALLOW_PROTOCOL": "http"})
        if token is not None:
            coded = base64.b64encode(f"x-access-token:{token.secret}".encode()).decode()
            self._env |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {coded}",
            }
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", f"{github.site}/{name}.git")

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@x", *args],
            cwd=self._path,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def start(self) -> Checkout:
        self.git("fetch", "--quiet", "origin", "main")
        self.git("checkout", "--quiet", "-B", "work", "FETCH_HEAD")
        return self

    def commit(self, text: str) -> str:
        (self._path / "work.txt").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path / "site") as server:
        server.world.add_repository(REPO, collaborators={"ada": "write"})
        yield server
        assert server.crashes == []


@pytest.fixture
def stored(github: GitHub) -> Repository:
    found = github.world.repository(REPO)
    assert found is not None
    return found


@pytest.fixture
def ada(github: GitHub, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "ada", github, github.world.add_token("ada")).start()


def test_a_pushed_branch_is_there_and_moves_its_pull_request(
    github: GitHub, stored: Repository, ada: Checkout
) -> None:
    ada.commit("one")
    ada.git("push", "--quiet", "origin", "work")
    world = github.world
    pull = pulls.open_pull(world, stored, author="ada", title="Work", head="work", base="main")
    second = ada.commit("two")
    ada.git("push", "--quiet", "origin", "work")
    assert pull.head_sha == second
    assert ada.git("ls-remote", "origin", f"refs/pull/{pull.number}/head").startswith(second)
    ada.git("commit", "--quiet", "--amend", "-m", "other")
    ada.git("push", "--quiet", "--force", "origin", "work")
    assert pull.events[-1].event == "head_ref_force_pushed"
    ada.git("push", "--quiet", "origin", ":work")
    assert not pull.open


def test_what_was_pushed_to_the_base_is_merged(github: GitHub, stored: Repository, ada: Checkout) -> None:
    issue = changes.create_issue(github.world, stored, author="ada", title="Work")
    sha = ada.commit("one")
    ada.git("push", "--quiet", "origin", "work")
    pull = pulls.open_pull(
        github.world,
        stored,
        author="ada",
        title="Work",
        head="work",
        base="main",
        body=f"Fixes #{issue.number}",
    )
    ada.git("push", "--quiet", "origin", "work:main")
    assert (pull.merge_commit, issue.open) == (sha, False)


def test_blobs_are_left_out_where_they_are_not_asked_for(ada: Checkout) -> None:
    ada.git("fetch", "--quiet", "--filter=blob:none", "--depth=1", "origin", "main")


def test_protected_branches_refuse_force_deletion_and_direct_pushes(
    stored: Repository, ada: Checkout, github: GitHub
) -> None:
    stored.protection["main"] = Protection()
    ada.commit("one")
    ada.git("push", "--quiet", "origin", "work:main")
    ada.git("commit", "--quiet", "--amend", "-m", "other")
    with pytest.raises(RuntimeError, match="Cannot force-push to this protected branch"):
        ada.git("push", "--force", "origin", "work:main")
    with pytest.raises(RuntimeError, match="remote rejected"):
        ada.git("push", "origin", ":main")
    stored.protection["main"].required_checks = ["build"]
    ada.git("reset", "--quiet", "--hard", stored.git.branch("main") or "")
    ada.commit("two")
    with pytest.raises(RuntimeError, match="Changes must be made through a pull request"):
        ada.git("push", "origin", "work:main")
    with pytest.raises(RuntimeError, match="deny updating a hidden ref"):
        ada.git("push", "origin", "work:refs/pull/1/head")


def test_a_rule_refuses_new_branches_of_a_pattern(stored: Repository, ada: Checkout) -> None:
    ada.commit("one")
    ada.git("push", "--quiet", "origin", "work:hive/there")
    stored.rules["hive/*"] = ["creation"]
    with pytest.raises(RuntimeError, match="creations being restricted"):
        ada.git("push", "origin", "work:hive/issue-1-a1")
    ada.commit("two")
    ada.git("push", "--quiet", "origin", "work:hive/there", "work:other")


def test_nobody_pushes_without_the_right(github: GitHub, tmp_path: Path, ada: Checkout) -> None:
    world = github.world
    tokens = {
        "mallory": world.add_token("mallory"),
        "reader": world.add_token("ada", permissions={"contents": "read"}),
    }
    for name, token in tokens.items():
        checkout = Checkout(tmp_path / name, github, token).start()
        checkout.commit("one")
        with pytest.raises(RuntimeError, match=r"Permission to octo/proj\.git denied"):
            checkout.git("push", "origin", "work")
    anonymous = Checkout(tmp_path / "anonymous", github, None).start()
    with pytest.raises(RuntimeError, match="could not read Username"):
        anonymous.git("push", "origin", "work")
    tokens["mallory"].revoked = True
    with pytest.raises(RuntimeError, match=r"could not read Username|Authentication failed"):
        Checkout(tmp_path / "revoked", github, tokens["mallory"]).start()


def test_renamed_archived_and_hidden_repositories(
    github: GitHub, stored: Repository, ada: Checkout, tmp_path: Path
) -> None:
    changes.rename(github.world, stored, "octo/moved")
    assert ada.git("ls-remote", "origin", "refs/heads/main")
    stored.archived = True
    ada.commit("one")
    with pytest.raises(RuntimeError, match="archived so it is read-only"):
        ada.git("push", "origin", "work")
    github.world.add_repository("octo/secret", private=True)
    with pytest.raises(RuntimeError, match="Repository not found"):
        Checkout(tmp_path / "x", github, github.world.add_token("ada"), "octo/secret").start()


def test_a_push_whose_answer_was_lost_took_place(github: GitHub, stored: Repository, ada: Checkout) -> None:
    sha = ada.commit("one")
    github.faults.add(Fault("lost", "POST", "*/git-receive-pack"))
    with pytest.raises(RuntimeError):
        ada.git("push", "origin", "work")
    assert stored.git.branch("work") == sha
    assert ada.git("push", "--porcelain", "origin", "work").splitlines()[1].startswith("=")
    first = github.audit.calls("POST", "receive-pack")[0]  # curl may have asked once more by itself
    assert (first.status, first.fault) == (0, "lost")
