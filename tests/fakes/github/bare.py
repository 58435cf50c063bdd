"""A bare git repository on the fake's disk, worked with by real git."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hive_tui.system import git

ZERO = "0" * 40
_PATH_OF_COMMIT = re.compile(r"[0-9a-f]{40}:")
_CONFIG = """[http]
\treceivepack = true
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[gc]
\tauto = 0
[receive]
\thideRefs = refs/pull
"""


class GitRefused(Exception):
    """What git said on its standard error."""


@dataclass(frozen=True)
class Person:
    """Author or committer of a commit."""

    name: str
    email: str
    at: datetime


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


class Bare:
    """`path` is the bare repository; it is made when it is not there."""

    def __init__(self, path: Path, default_branch: str = "main") -> None:
        self.path = path
        self._commits: dict[str, Commit] = {}
        self._kinds: dict[str, str] = {}
        self._inside: dict[str, str | None] = {}
        """`commit:path` to what is there, which cannot change."""
        if not path.exists():
            path.mkdir(parents=True)
            # No template: its sample hooks are a dozen files for each of a thousand repositories.
            self.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")
            with (path / "config").open("a") as config:
                config.write(_CONFIG)

    def run(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, ok: tuple[int, ...] = (0,)
    ) -> bytes:
        """Standard output; raises GitRefused for another exit status than `ok`."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env=git.environment({"GIT_ALLOW_PROTOCOL": "file", **(env or {})}),
            input=stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode not in ok:
            raise GitRefused(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout

    def text(self, *args: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        return self.run(*args, stdin=stdin.encode(), env=env).decode("utf-8", "replace").strip()

    # Refs

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Full name to object, of all refs below a prefix, sorted."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        pairs = (line.split(" ") for line in lines)
        return {name: sha for name, sha in pairs if name.startswith(prefix)}

    def ref(self, name: str) -> str | None:
        """The object that a full ref name, or `commit:path`, stands for."""
        loose = self._loose(name)
        if loose is not None:
            return loose
        if name in self._inside:
            return self._inside[name]
        try:
            found = self.text("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        except GitRefused:
            found = None
        if _PATH_OF_COMMIT.match(name):
            self._inside[name] = found
        return found

    def _loose(self, name: str) -> str | None:
        """Nothing packs refs here, and starting git for each of a thousand pull requests takes seconds."""
        if not name.startswith("refs/") or ".." in name:
            return None
        with contextlib.suppress(OSError):
            return (self.path / name).read_text().strip()
        return None

    def branch(self, name: str) -> str | None:
        return self.ref(f"refs/heads/{name}")

    def update_ref(self, name: str, new: str, old: str) -> None:
        """Compare and swap; ZERO stands for none."""
        self.run("update-ref", name, new, old)

    def delete_ref(self, name: str) -> None:
        self.run("update-ref", "-d", name)

    def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            self.run("merge-base", "--is-ancestor", older, newer)
        except GitRefused:
            return False
        return True

    # Objects

    def kind(self, sha: str) -> str | None:
        """`commit`, `tree`, `blob`, `tag`; None for an object that is not there."""
        if sha not in self._kinds:
            try:
                self._kinds[sha] = self.text("cat-file", "-t", sha)
            except GitRefused:
                return None
        return self._kinds[sha]

    def commit(self, sha: str) -> Commit | None:
        """One commit; what was read once is kept, since it cannot change."""
        if sha not in self._commits:
            if self.kind(sha) != "commit":
                return None
            self._commits[sha] = _parsed(sha, self.run("cat-file", "commit", sha))
        return self._commits[sha]

    def resolve(self, name: str) -> str | None:
        """The commit of a branch, tag, full ref, `HEAD` or (abbreviated) SHA."""
        if name == "HEAD":
            name = (self.path / "HEAD").read_text().strip().removeprefix("ref: ")
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            there = self._loose(candidate)
            if there is not None and self.kind(there) == "commit":
                return there
        for candidate in (f"refs/tags/{name}", name):
            sha = self.ref(f"{candidate}^{{commit}}")
            if sha:
                return sha
        return None

    def write_commit(
        self, *, tree: str, parents: tuple[str, ...], message: str, author: Person, committer: Person
    ) -> str:
        env = {}
        for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
            env[f"GIT_{role}_NAME"] = person.name
            env[f"GIT_{role}_EMAIL"] = person.email
            env[f"GIT_{role}_DATE"] = f"{int(person.at.timestamp())} +0000"
        args = [arg for parent in parents for arg in ("-p", parent)]
        return self.text("commit-tree", tree, *args, stdin=message, env=env)

    def write_blob(self, content: bytes) -> str:
        return self.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def write_tree(self, base: str | None, entries: Mapping[str, tuple[str, str | None]]) -> str:
        """A tree of `base` with `path -> (mode, object)`; None removes the path."""
        index = self.path / f"index-{datetime.now(UTC).timestamp()}"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            self.run("read-tree", *([base] if base else ["--empty"]), env=env)
            lines = [
                f"{mode} {sha}\t{path}\0" if sha else f"0 {ZERO}\t{path}\0"
                for path, (mode, sha) in entries.items()
            ]
            self.run("update-index", "-z", "--index-info", stdin="".join(lines).encode(), env=env)
            return self.text("write-tree", env=env)
        finally:
            index.unlink(missing_ok=True)

    def add(
        self,
        branch: str,
        files: Mapping[str, str],
        message: str,
        *,
        by: Person,
        start: str | None = None,
    ) -> str:
        """Commit files on top of a branch, or of `start` for a new one; returns the commit."""
        parent = self.branch(branch) or (self.resolve(start) if start else None)
        self.load([(f"refs/heads/{branch}", parent, message, files)], by=by)
        made = self.branch(branch)
        assert made is not None
        return made

    def load(self, commits: Iterable[tuple[str, str | None, str, Mapping[str, str]]], *, by: Person) -> None:
        """Make a commit for each (full ref, parent, message, files), all by one process."""
        lines: list[bytes] = []
        for ref, parent, message, files in commits:
            lines += [f"commit {ref}".encode()]
            lines += [f"committer {by.name} <{by.email}> {int(by.at.timestamp())} +0000".encode()]
            lines += _data(message) + ([f"from {parent}^0".encode()] if parent else [])
            for path, text in files.items():
                lines += [f"M 100644 inline {path}".encode(), *_data(text)]
        self.run("fast-import", "--quiet", stdin=b"".join(line + b"\n" for line in lines))

    def tree(self, sha: str, *, recursive: bool = False) -> Iterator[tuple[str, str, str, int | None, str]]:
        """(mode, type, object, size, path) of a tree's entries."""
        flags = ["-r", "-t"] if recursive else []
        for line in self.run("ls-tree", "-z", "-l", *flags, sha).decode("utf-8", "replace").split("\0"):
            if line:
                head, path = line.split("\t", 1)
                mode, kind, entry, size = head.split()
                yield mode, kind, entry, None if size == "-" else int(size), path

    def show(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit."""
        try:
            return self.run("cat-file", "blob", f"{commit}:{path}")
        except GitRefused:
            return None

    # Merging

    def merge_tree(self, base: str, head: str) -> str | None:
        """The tree of a merge of two commits; None when they conflict."""
        try:
            out = self.run("merge-tree", "--write-tree", base, head).decode("utf-8", "replace")
        except GitRefused:
            return None
        return out.splitlines()[0]

    def between(self, base: str, head: str) -> list[str]:
        """Commits of `head` that `base` lacks, oldest first."""
        return self.text("rev-list", "--reverse", f"{base}..{head}").split()

    def diff(self, base: str, head: str) -> str:
        """What `head` changed since it left `base`."""
        return self.run("diff", f"{base}...{head}").decode("utf-8", "replace")

    def changed(self, base: str, head: str) -> list[tuple[int, int, str, str]]:
        """(added lines, removed lines, status letter, path) of each file changed since it left `base`."""
        numbers = self.text("diff", "--no-renames", "--numstat", f"{base}...{head}").splitlines()
        letters = self.text("diff", "--no-renames", "--name-status", f"{base}...{head}").splitlines()
        found = []
        for count, letter in zip(numbers, letters, strict=True):
            added, removed, path = count.split("\t", 2)
            found.append((_number(added), _number(removed), letter[0], path))
        return found


def _data(text: str) -> list[bytes]:
    raw = text.encode()
    return [f"data {len(raw)}".encode(), raw]


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)


def _person(line: str) -> Person:
    name, rest = line.split(" <", 1)
    email, stamp = rest.split("> ", 1)
    return Person(name, email, datetime.fromtimestamp(int(stamp.split()[0]), UTC))


def _parsed(sha: str, raw: bytes) -> Commit:
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.splitlines():
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    return Commit(
        sha,
        fields["tree"][0],
        tuple(fields.get("parent", ())),
        _person(fields["author"][0]),
        _person(fields["committer"][0]),
        message,
    )
