"""Between a server and a runner's own repository: the token's way, the mirror, pushes and what is refused."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from backends.clusters import git_remote
from backends.clusters.local import exchange, readiness, remote
from backends.clusters.local.sandbox import LocalSandbox
from backends.forges.github import remotes
from hive_tui.core.errors import GitError, HiveError, Refused, SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import Remote, RepoJob
from hive_tui.core.settings import GitHubSettings
from hive_tui.system import flock, git
from tests import builders
from tests.fakes.git_server import GitServer, serving
from tests.fakes.repository import Repository

pytestmark = pytest.mark.e2e

CANARY = "ghp_canary0123456789canary0123456789ab"
SPEC = builders.run().spec


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """What is on the server: pushes land here."""
    repository = Repository(tmp_path / "work")
    bare = tmp_path / "served" / "o" / "n.git"
    bare.parent.mkdir(parents=True)
    repository.git("clone", "--quiet", "--bare", repository.path, bare)
    for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git.run("config", key, "true", cwd=bare)
    repository.git("remote", "add", "origin", bare)
    return repository


@pytest.fixture
def server(upstream: Repository, tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "served", CANARY) as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_remote, "PAUSES", (0.0, 0.0))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def way(server: GitServer, tmp_path: Path, *, base: str = "main") -> Remote:
    file = tmp_path / "token"
    file.write_text(CANARY)
    file.chmod(0o600)
    return remotes.remote(GitHubSettings(url=server.url, token_file=str(file)), RepoName("o/n"), base=base)


def job(server: GitServer, tmp_path: Path, *, base: str = "main", large: bool = False) -> RepoJob:
    found = way(server, tmp_path, base=base)
    return RepoJob(RepoName("o/n"), found.source, base, credential=found.credential, large=large)


def at(tmp_path: Path, branch: str) -> str:
    return git.text("rev-parse", branch, cwd=tmp_path / "served" / "o" / "n.git")


def work(bare: Path, base: str, message: str = "Work") -> str:
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return git.text("commit-tree", f"{base}^{{tree}}", "-p", base, "-m", message, cwd=bare, env=who)


class TestFetchAndPush:
    def test_runs_share_what_was_fetched(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        repo = job(server, tmp_path)
        for name in ("a", "b"):
            bare = tmp_path / f"{name}.git"
            assert exchange.fetch(home, bare, repo) == upstream.head()
            assert not list(bare.glob("objects/pack/*.pack")), "borrowed"
        sha = work(bare, upstream.head())
        exchange.push(home, bare, repo, sha, SPEC.branch, SPEC)
        exchange.push(home, bare, repo, sha, SPEC.branch, SPEC)
        assert at(tmp_path, SPEC.branch) == sha

    def test_the_token_is_nowhere(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        repo, bare = job(server, tmp_path), tmp_path / "own.git"
        seen: list[str] = []
        done = threading.Event()
        watcher = threading.Thread(target=_watch_processes, args=(seen, done))
        watcher.start()
        exchange.fetch(home, bare, repo)
        exchange.push(home, bare, repo, work(bare, upstream.head()), SPEC.branch, SPEC)
        done.set()
        watcher.join()
        assert f"x-access-token:{CANARY}" in server.authorized, "it was used"
        assert any("backends.forges.github.credential" in line for line in seen), "it was watched"
        assert not [line for line in seen if CANARY in line]
        files = [path for folder in (home, bare) for path in folder.rglob("*") if path.is_file()]
        assert not [path for path in files if CANARY.encode() in path.read_bytes()]

    def test_the_token_is_asked_for_and_never_stored(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        repo, bare, asked = job(server, tmp_path), tmp_path / "own.git", tmp_path / "asked"
        script = 'echo "$*" >>"$0"; exec "$@"'
        repo = msgspec.structs.replace(repo, credential=("sh", "-c", script, str(asked), *repo.credential))
        base = exchange.fetch(home, bare, repo)
        exchange.push(home, bare, repo, work(bare, base), SPEC.branch, SPEC)
        # A process for each of git's questions, and none for its thanks.
        assert {line.split()[-1] for line in asked.read_text().splitlines()} == {"get"}

    def test_the_base_that_moved_on_is_fetched_and_pushed_over(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        repo, bare = job(server, tmp_path), tmp_path / "own.git"
        base = exchange.fetch(home, bare, repo)
        upstream.commit({"b.txt": "b"}, "More")
        upstream.git("push", "--quiet", "origin", "main")
        exchange.push(home, bare, repo, work(bare, base), SPEC.branch, SPEC)
        assert exchange.fetch(home, tmp_path / "next.git", repo) == upstream.head()
        upstream.git("reset", "--quiet", "--hard", base)
        upstream.git("push", "--quiet", "--force", "origin", "main")
        assert exchange.fetch(home, tmp_path / "third.git", repo) == base, "also backwards"

    def test_only_unfinished_work_is_forced(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        repo, bare = job(server, tmp_path), tmp_path / "own.git"
        base = exchange.fetch(home, bare, repo)
        first, second = work(bare, base, "first"), work(bare, base, "second")
        for branch in (SPEC.branch, "hive/wip/issue-1-a1"):
            exchange.push(home, bare, repo, first, branch, SPEC)
        exchange.push(home, bare, repo, second, "hive/wip/issue-1-a1", SPEC)
        with pytest.raises(GitError, match="rejected"):
            exchange.push(home, bare, repo, second, SPEC.branch, SPEC)
        with pytest.raises(Refused):
            exchange.push(home, bare, repo, second, "main", SPEC)
        assert at(tmp_path, SPEC.branch) == first
        assert at(tmp_path, "main") == base

    @pytest.mark.parametrize("large", [False, True])
    def test_unfinished_work_comes_back(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path, large: bool
    ) -> None:
        repo, bare = job(server, tmp_path, large=large), tmp_path / "own.git"
        sha = work(bare, exchange.fetch(home, bare, repo))
        exchange.push(home, bare, repo, sha, "hive/wip/issue-1-a1", SPEC)
        elsewhere, again = tmp_path / "elsewhere", tmp_path / "again.git"
        exchange.fetch(elsewhere, again, repo, saved="hive/wip/issue-1-a1")
        assert git.ok("cat-file", "-e", sha, cwd=again)
        assert exchange.fetch(elsewhere, again, repo, saved="hive/wip/issue-9-a9") == upstream.head()

    def test_what_the_network_broke_off_is_tried_again(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        server.faults = [502, 503]
        assert exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path)) == upstream.head()

    def test_configuration_of_the_user_takes_no_part(
        self,
        server: GitServer,
        upstream: Repository,
        tmp_path: Path,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        (theirs / ".gitconfig").write_text(
            f"[credential]\n\thelper = \"!touch '{tmp_path}/ran'; echo password=x #\"\n"
            f'[url "http://127.0.0.1:9/"]\n\tinsteadOf = {server.url}\n'
        )
        monkeypatch.setenv("HOME", str(theirs))
        assert exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path)) == upstream.head()
        assert not (tmp_path / "ran").exists()


class TestLarge:
    def test_old_versions_of_files_stay_on_the_server(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        old = upstream.git("rev-parse", "HEAD:a.txt")
        upstream.commit({"a.txt": "new\n", "dir/b.txt": "b\n"}, "More")
        upstream.git("push", "--quiet", "origin", "main")
        repo, bare = job(server, tmp_path, large=True), tmp_path / "own.git"
        base = exchange.fetch(home, bare, repo)
        assert base == upstream.head()
        assert not git.ok("cat-file", "-e", old, cwd=bare)
        sandbox = LocalSandbox(tmp_path / "run" / "work", "r1")
        sandbox.workdir.parent.mkdir()
        sandbox.clone(bare, base, SPEC.branch)
        assert (sandbox.workdir / "dir" / "b.txt").read_text() == "b\n"
        sha = work(bare, base)
        exchange.push(home, bare, repo, sha, SPEC.branch, SPEC)
        assert at(tmp_path, SPEC.branch) == sha

    def test_a_server_without_filters_sends_all(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        git.run("config", "uploadpack.allowFilter", "false", cwd=tmp_path / "served" / "o" / "n.git")
        assert (
            exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path, large=True)) == upstream.head()
        )


class TestRefused:
    def test_no_token_no_entry(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        repo = msgspec.structs.replace(job(server, tmp_path), credential=())
        with pytest.raises(GitError, match="lets git not in") as caught:
            exchange.fetch(home, tmp_path / "own.git", repo)
        assert "hive doctor" in caught.value.words

    def test_a_token_that_cannot_be_read_says_so(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        repo = job(server, tmp_path)
        (tmp_path / "token").chmod(0o644)
        with pytest.raises(GitError, match=r"no token for .*Others may read .*chmod 600"):
            exchange.fetch(home, tmp_path / "own.git", repo)

    def test_another_host_is_not_asked(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        with serving(tmp_path / "served", "other") as thief:
            server.moved_to = thief.url
            with pytest.raises(GitError):
                exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path))
            assert thief.requests == 0

    def test_a_missing_base_says_so(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        with pytest.raises(GitError, match="has no branch trunk"):
            exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path, base="trunk"))

    @pytest.mark.parametrize("source", ["ext::sh -c touch% ran", "file:///tmp/x", "ssh://git@host/o/n"])
    def test_other_protocols_are_not_spoken(self, tmp_path: Path, home: Path, source: str) -> None:
        with pytest.raises(HiveError):
            exchange.fetch(home, tmp_path / "own.git", RepoJob(RepoName("o/n"), source, "main"))
        assert not Path("ran").exists()

    def test_submodules_are_named_and_not_fetched(
        self, server: GitServer, tmp_path: Path, home: Path
    ) -> None:
        inner, outer = Repository(tmp_path / "inner"), Repository(tmp_path / "outer")
        outer.git("submodule", "--quiet", "add", inner.path, "vendor/inner")
        outer.git("commit", "--quiet", "-m", "Add a submodule")
        outer.git("push", "--quiet", "--force", tmp_path / "served" / "o" / "n.git", "main")
        repo, bare = job(server, tmp_path), tmp_path / "own.git"
        base = exchange.fetch(home, bare, repo)
        sandbox = LocalSandbox(tmp_path / "run" / "work", "r1")
        sandbox.workdir.parent.mkdir()
        sandbox.clone(bare, base, SPEC.branch)
        assert sandbox.populate(bare, base, repo.source) == [
            "submodule vendor/inner: submodules of a remote repository are not fetched."
        ]


class TestStopped:
    def test_a_fetch_ends_when_the_run_is_told_to(
        self, server: GitServer, tmp_path: Path, home: Path
    ) -> None:
        server.hold.clear()
        began = time.monotonic()
        with pytest.raises(GitError, match="was stopped"):
            exchange.fetch(
                home, tmp_path / "own.git", job(server, tmp_path), stop=lambda: server.requests > 0
            )
        assert time.monotonic() - began < 10
        server.hold.set()

    def test_one_that_waits_for_another_run_too(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        repo = job(server, tmp_path)
        lock = flock.hold(remote.mirror(home, repo.source).with_suffix(".lock"))
        assert lock is not None
        with pytest.raises(GitError, match="was stopped"):
            exchange.fetch(home, tmp_path / "own.git", repo, stop=lambda: True)
        os.close(lock)


class TestReady:
    def test_a_server_is_asked_once_in_a_while(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        found = way(server, tmp_path)
        readiness.check(home, found.source, found)
        asked = server.requests
        assert asked
        readiness.check(home, found.source, found)
        assert server.requests == asked, "not a process a round"
        long_ago(home, found.source)
        readiness.check(home, found.source, found)
        assert server.requests > asked

    def test_a_server_that_is_gone_is_not_asked_each_round(
        self, server: GitServer, tmp_path: Path, home: Path
    ) -> None:
        found = way(server, tmp_path)
        server.faults = [502]
        with pytest.raises(GitError, match="502"):
            readiness.check(home, found.source, found)
        asked = server.requests
        with pytest.raises(SourceError, match="502"):
            readiness.check(home, found.source, found)
        assert server.requests == asked
        long_ago(home, found.source)
        readiness.check(home, found.source, found)

    def test_a_base_that_is_not_there(self, server: GitServer, tmp_path: Path, home: Path) -> None:
        found = way(server, tmp_path, base="trunk")
        with pytest.raises(GitError, match="has no branch trunk"):
            readiness.check(home, found.source, found)

    def test_a_run_that_got_through_counts(
        self, server: GitServer, upstream: Repository, tmp_path: Path, home: Path
    ) -> None:
        exchange.fetch(home, tmp_path / "own.git", job(server, tmp_path))
        asked = server.requests
        found = way(server, tmp_path)
        readiness.check(home, found.source, found)
        assert server.requests == asked


def long_ago(home: Path, source: str) -> None:
    note = remote.mirror(home, source).with_suffix(".reach")
    found = msgspec.json.decode(note.read_bytes(), type=remote.Reach)
    before = datetime.now(UTC) - timedelta(hours=1)
    note.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, at=before)))


def _watch_processes(seen: list[str], done: threading.Event) -> None:
    """Every command line and environment of this user's processes, but those that had it before."""
    own = str(os.getpid())
    while not done.is_set():
        for entry in os.listdir("/proc"):
            if entry.isdigit() and entry != own:
                for name in ("cmdline", "environ"):
                    try:
                        seen.append(Path(f"/proc/{entry}/{name}").read_bytes().decode("utf-8", "replace"))
                    except OSError:
                        continue
        time.sleep(0.005)
