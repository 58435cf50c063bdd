"""What a hostile agent's side hands over, and what comes of it."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import msgspec
import pytest

from backends.clusters.local.sandbox import LocalSandbox
from hive_tui.core.errors import GitError, HiveError, WorkRejected
from hive_tui.runner import policy, takeover
from hive_tui.runner.takeover import Identity, Limits, take_over
from hive_tui.system import git
from tests.fakes.run_host import repository

ME = Identity("Me", "me@example.com")
LIMITS = Limits()


class Side:
    """The runner's bare directory and the agent's clone of it."""

    def __init__(self, folder: Path) -> None:
        source = repository(folder / "source", {"a.txt": "1\n", "dir/b.txt": "b\n"})
        self.bare = folder / 'own "ü:".git'
        git.run("clone", "--quiet", "--bare", "--template=", source, self.bare)
        self.base = git.text("rev-parse", "main", cwd=source)
        self.sandbox = LocalSandbox(folder / "work tree", "run-1")
        self.sandbox.clone(self.bare, self.base, "hive/issue-7-a1")
        self.tree = self.sandbox.workdir

    def git(self, *args: str, stdin: bytes = b"") -> str:
        done = git.run("-c", "user.name=x", "-c", "user.email=x@y", *args, cwd=self.tree, stdin=stdin)
        return done.stdout.decode().strip()

    def commit(self, name: str, content: bytes, message: str = "Change") -> str:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def raw(self, kind: str, body: bytes) -> str:
        """An object as nobody checks it."""
        data = f"{kind} {len(body)}".encode() + b"\0" + body
        sha = hashlib.sha1(data).hexdigest()
        path = self.tree / ".git" / "objects" / sha[:2] / sha[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(data))
        return sha

    def tip_of(self, *entries: tuple[str, str, str], parent: str | None = None) -> str:
        """A commit on the base with a tree of (mode, name, sha), unchecked."""
        tree = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
        body = f"tree {self.raw('tree', tree)}\nparent {parent or self.base}\n"
        body += "author x <x@y> 1 +0000\ncommitter x <x@y> 1 +0000\n\nHostile\n"
        return self.raw("commit", body.encode())

    def take(self, tip: str, limits: Limits = LIMITS) -> takeover.Taken:
        return take_over(self.sandbox, self.bare, self.base, tip, limits)

    def has(self, sha: str) -> bool:
        return git.ok("cat-file", "-e", sha, cwd=self.bare)


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


def nothing_stays(side: Side) -> bool:
    return not [path for path in side.bare.iterdir() if path.name.startswith("incoming")]


def test_ordinary_work_comes_over(side: Side) -> None:
    tip = side.commit("dir/ä.txt", b"new\n")
    taken = side.take(tip)
    assert [change.path for change in taken.changes] == ["dir/ä.txt"]
    assert side.has(tip)
    assert nothing_stays(side)
    assert git.ok("fsck", "--strict", tip, cwd=side.bare)
    assert side.take(tip) == taken


def test_a_link_comes_with_its_target(side: Side) -> None:
    (side.tree / "dir" / "link").symlink_to("../../etc/passwd")
    taken = side.take(takeover.commit_all(side.sandbox, "Left", ME, move=True))
    assert taken.targets == {"dir/link": "../../etc/passwd"}
    assert policy.judge(taken.changes, taken.targets, ())


def test_a_change_within_the_clock_tick_of_the_checkout_is_seen(side: Side) -> None:
    """git believes a file's times unless the index is as old as the file; a copy must not look younger."""
    side.git("config", "core.trustctime", "false")
    path, index = side.tree / "a.txt", side.tree / ".git" / "index"
    checkout = (path.stat().st_mtime_ns - 10**10,) * 2
    os.utime(path, ns=checkout)
    side.git("update-index", "--refresh")
    path.write_text("2\n")  # as long as it was
    os.utime(path, ns=checkout)
    os.utime(index, ns=checkout)
    tip = takeover.commit_all(side.sandbox, "Left", ME, move=False)
    assert side.git("show", f"{tip}:a.txt") == "2"


@pytest.mark.parametrize("tip", ["", "HEAD", "--all", "0" * 39, "g" * 40, "0" * 40 + "\n--all", "../x"])
def test_a_tip_that_is_no_sha(side: Side, tip: str) -> None:
    with pytest.raises(WorkRejected):
        side.take(tip)


def test_a_tip_that_is_not_there(side: Side) -> None:
    with pytest.raises(HiveError):
        side.take("1" * 40)


def test_a_tip_that_does_not_descend_from_the_base(side: Side) -> None:
    side.git("checkout", "-q", "--orphan", "other")
    tip = side.commit("c.txt", b"c")
    with pytest.raises(WorkRejected, match="descend"):
        side.take(tip)
    assert not side.has(tip)
    assert nothing_stays(side)


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", "..", ".", "a/b", ""])
def test_trees_with_names_that_git_forbids(side: Side, name: str) -> None:
    blob = side.raw("blob", b"[core]\n")
    inner = side.raw("tree", b"100644 config\0" + bytes.fromhex(blob))
    tip = side.tip_of(("40000", name, inner))
    with pytest.raises(HiveError):
        side.take(tip)
    assert not side.has(tip)
    assert nothing_stays(side)


def test_a_tree_with_a_missing_object(side: Side) -> None:
    with pytest.raises(HiveError):
        side.take(side.tip_of(("100644", "x", "2" * 40)))


def test_a_broken_commit(side: Side) -> None:
    with pytest.raises(HiveError):
        side.take(side.raw("commit", b"tree nothing\n"))


def test_a_huge_file(side: Side) -> None:
    tip = side.commit("big", b"\0" * (3 << 20))
    with pytest.raises(WorkRejected, match="1 MB"):
        side.take(tip, msgspec.structs.replace(LIMITS, blob=1 << 20))
    assert not side.has(tip)


def test_a_pack_that_is_too_large(side: Side) -> None:
    tip = side.commit("noise", os.urandom(1 << 20))
    with pytest.raises(WorkRejected, match="has more than 0 MB"):
        side.take(tip, msgspec.structs.replace(LIMITS, pack=1 << 16))


def test_files_that_are_too_large_together(side: Side) -> None:
    for number in range(4):
        tip = side.commit(f"f{number}", bytes([number]) * 400_000)
    with pytest.raises(WorkRejected, match="1 MB"):
        side.take(tip, msgspec.structs.replace(LIMITS, total=1 << 20))


def test_too_many_objects(side: Side) -> None:
    for number in range(40):
        (side.tree / f"f{number}").write_text(str(number), encoding="ascii")
    tip = takeover.commit_all(side.sandbox, "Many", ME, move=True)
    with pytest.raises(WorkRejected, match="objects"):
        side.take(tip, msgspec.structs.replace(LIMITS, objects=20))


def test_a_tree_bomb(side: Side) -> None:
    """Ten entries a level, ten levels: ten objects, ten thousand million paths."""
    inner = side.raw("blob", b"x")
    mode = "100644"
    for _ in range(10):
        entries = [f"{mode} {n}".encode() + b"\0" + bytes.fromhex(inner) for n in range(10)]
        inner, mode = side.raw("tree", b"".join(entries)), "40000"
    tip = side.tip_of(("40000", "bomb", inner))
    with pytest.raises(HiveError):
        side.take(tip, msgspec.structs.replace(LIMITS, listing=1 << 20))
    assert not side.has(tip)


def test_a_zip_bomb(side: Side) -> None:
    tip = side.commit("zeros", b"\0" * (80 << 20))
    with pytest.raises(WorkRejected):
        side.take(tip)
    assert not side.has(tip)


def test_garbage_instead_of_a_pack(side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Liar(LocalSandbox):
        def stream(
            self, argv: object, *, stdin: bytes, limit: int, timeout: float, inherit: object = ()
        ) -> bytes:
            return b"PACK\0\0\0\2\0\0\0\1garbage\x1b[2J"

    liar = Liar(side.tree, "run-1")
    with pytest.raises(WorkRejected) as caught:
        take_over(liar, side.bare, side.base, "1" * 40, LIMITS)
    assert "\x1b" not in caught.value.message


def test_git_that_says_too_little_memory_is_an_error_not_a_crash(side: Side) -> None:
    tip = side.commit("x", b"x")
    with pytest.raises(HiveError):
        side.take(tip, msgspec.structs.replace(LIMITS, memory=1 << 20))


def test_saving_leaves_the_agents_index_and_branch_alone(side: Side) -> None:
    (side.tree / "staged").write_text("s", encoding="ascii")
    side.git("add", "staged")
    (side.tree / "loose").write_text("l", encoding="ascii")
    before = side.git("status", "--porcelain"), side.git("rev-parse", "HEAD")
    tip = takeover.commit_all(side.sandbox, "WIP", ME, move=False)
    assert (side.git("status", "--porcelain"), side.git("rev-parse", "HEAD")) == before
    assert side.git("ls-tree", "--name-only", tip).split() == ["a.txt", "dir", "loose", "staged"]
    assert side.git("log", "-1", "--format=%an <%ae> %s", tip) == "Me <me@example.com> WIP"


def test_committing_what_is_left_is_idempotent(side: Side) -> None:
    (side.tree / "loose").write_text("l", encoding="ascii")
    tip = takeover.commit_all(side.sandbox, "Left", ME, move=True)
    assert side.git("rev-parse", "HEAD") == tip
    assert side.git("status", "--porcelain") == ""
    assert takeover.commit_all(side.sandbox, "Left", ME, move=True) == tip


def test_a_clone_without_a_commit_has_no_tip(side: Side) -> None:
    side.git("checkout", "-q", "--orphan", "other")
    side.git("update-ref", "-d", "refs/heads/other")
    with pytest.raises(GitError):
        takeover.commit_all(side.sandbox, "Left", ME, move=True)


def test_marks_survive(side: Side) -> None:
    assert takeover.marked(side.bare, "publish") is None
    takeover.mark(side.bare, "publish", side.base)
    assert takeover.marked(side.bare, "publish") == side.base
    assert takeover.marked(side.bare / "nowhere", "publish") is None
