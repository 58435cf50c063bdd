"""git against the server that stands in for GitHub: as a person, as an App, and where it is not let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.clusters import git_remote
from backends.clusters.local import exchange
from backends.forges.github import remotes
from backends.forges.github.auth import Credentials
from hive_tui.core.errors import GitError
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import RepoJob
from hive_tui.core.settings import AppSettings, GitHubSettings
from hive_tui.system import git
from tests import builders
from tests.fakes import app_key
from tests.fakes.github import changes
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository

pytestmark = pytest.mark.e2e

REPO = RepoName("acme/app")
SPEC = builders.run().spec


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_remote, "PAUSES", (0.0, 0.0))


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as github:
        yield github
    assert github.crashes == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github.world.add_repository(REPO, private=True, collaborators={"kay": "write", "zoe": "read"})


def secret_file(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def as_person(github: GitHub, tmp_path: Path, login: str, **rights: dict[str, str]) -> GitHubSettings:
    token = github.world.add_token(login, **rights)  # type: ignore[arg-type]
    return GitHubSettings(url=github.site, token_file=secret_file(tmp_path / "token", token.secret))


def as_app(github: GitHub, tmp_path: Path, permissions: dict[str, str] | None = None) -> GitHubSettings:
    key = tmp_path / "key.pem"
    app = app_key.install(github, "acme", key, permissions)
    return GitHubSettings(url=github.site, app=AppSettings(str(app.id), str(key)))


def job(settings: GitHubSettings) -> RepoJob:
    way = remotes.remote(settings, REPO, base="main")
    return RepoJob(REPO, way.source, way.base, credential=way.credential)


def work(bare: Path, base: str) -> str:
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return git.text("commit-tree", f"{base}^{{tree}}", "-p", base, "-m", "Work", cwd=bare, env=who)


def round_trip(settings: GitHubSettings, tmp_path: Path) -> str:
    """Fetch, and push a commit; returns it."""
    home, bare = tmp_path / "home", tmp_path / "own.git"
    sha = work(bare, exchange.fetch(home, bare, job(settings)))
    exchange.push(home, bare, job(settings), sha, SPEC.branch, SPEC)
    return sha


def test_a_person(github: GitHub, repository: Repository, tmp_path: Path) -> None:
    sha = round_trip(as_person(github, tmp_path, "kay"), tmp_path)
    assert repository.git.ref(f"refs/heads/{SPEC.branch}") == sha


def test_an_app_with_a_token_for_this_repository_alone(
    github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    other = github.world.add_repository("acme/other", private=True)
    settings = as_app(github, tmp_path)
    sha = round_trip(settings, tmp_path)
    assert repository.git.ref(f"refs/heads/{SPEC.branch}") == sha
    token = github.world.tokens[Credentials(settings).git_token(REPO)]
    assert github.world.may(token, repository, "contents", "write")
    assert not github.world.may(token, repository, "issues", "write")
    assert not github.world.may(token, other, "contents", "read")


def test_an_app_that_was_not_granted_contents(github: GitHub, repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"gets no token.*docs/github\.md"):
        round_trip(as_app(github, tmp_path, {**app_key.PERMISSIONS, "contents": "read"}), tmp_path)


def test_who_may_only_read_cannot_push(github: GitHub, repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="lets git not in"):
        round_trip(as_person(github, tmp_path, "zoe"), tmp_path)
    assert repository.git.ref(f"refs/heads/{SPEC.branch}") is None


def test_who_may_not_read_is_told_where_to_look(
    github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(GitError) as caught:
        round_trip(as_person(github, tmp_path, "mallory"), tmp_path)
    assert "hive doctor" in caught.value.words


def test_a_renamed_repository_is_not_followed_with_the_token(
    github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    settings = as_person(github, tmp_path, "kay")
    with github.world.lock:
        changes.rename(github.world, repository, "acme/renamed")
    with pytest.raises(GitError, match="renamed or moved"):
        round_trip(settings, tmp_path)
