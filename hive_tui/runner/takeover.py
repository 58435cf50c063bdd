"""How the agent's work comes over: as bytes of one bounded pack, checked before it counts.

The runner never opens the agent's repository (git executes what a repository's configuration names).
The agent's side commits and packs; the runner indexes the pack in quarantine with git's own checks of
every object, then asks its own directory what it has got. Limits and order were tried against hostile
repositories; fetching from a repository or a bundle instead lets malformed trees through.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hive_tui.core.errors import GitError, WorkRejected
from hive_tui.core.ports import Sandbox
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.runner import policy
from hive_tui.system import bounded, git

_COMMIT = r"""
set -e
message=$1 name=$2 email=$3 keep=$4 move=$5 most=$6
set -- git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c commit.gpgSign=false
set -- "$@" -c gc.auto=0 -c "user.name=$name" -c "user.email=$email"
dir=$("$@" rev-parse --absolute-git-dir)
rm -f "$dir/index.lock" "$dir/HEAD.lock"
if [ "$keep" = work ]; then
    head=$("$@" rev-parse --verify HEAD^{commit})
    find . -name .git -prune -o -type f -size +"$most"c -exec sh -c '
        for path; do
            ignored=0
            git check-ignore -q -- "$path" 2>/dev/null || ignored=$?
            [ "$ignored" = 1 ] || continue
            path=${path#./}
            if [ -n "$(git ls-files -- ":(literal)$path")" ]; then
                git diff --quiet HEAD -- ":(literal)$path" && continue
            fi
            printf ":(top,exclude,literal)%s\0" "$path"
        done' sh {} + >"$dir/hive-large"
    if [ "$move" = move ] && [ -s "$dir/hive-large" ]; then
        printf 'large '
        head -c 300 "$dir/hive-large"
        exit 0
    fi
    printf ':/\0' >>"$dir/hive-large"
    cp -p "$dir/index" "$dir/hive-index" 2>/dev/null || GIT_INDEX_FILE=$dir/hive-index "$@" read-tree "$head"
    rm -f "$dir/hive-index.lock"
    GIT_INDEX_FILE=$dir/hive-index "$@" add -A --pathspec-file-nul \
        --pathspec-from-file="$dir/hive-large" >/dev/null
    tree=$(GIT_INDEX_FILE=$dir/hive-index "$@" write-tree)
    rm -f "$dir/hive-index"
    if [ "$tree" != "$("$@" rev-parse "$head^{tree}")" ]; then
        new=$("$@" commit-tree -p "$head" -m "$message" "$tree")
        if [ "$move" = move ]; then
            "$@" update-ref -m hive HEAD "$new" "$head"
            "$@" read-tree "$new"
        fi
        head=$new
    fi
    printf '%s\n' "$head"
else
    "$@" rev-parse --verify HEAD^{commit}
fi
"""
"""Runs on the agent's side, as one shell call. `work` takes the uncommitted changes along through an
index of its own, so that the agent's index and half-done merges stay as they are; `move` makes the new
commit its HEAD. A file that git could not take over in time is named instead of committed, or left out
where something is to be saved at all. Nothing else runs there by now, so a lock is a dead git's."""


_LARGE = "Keep large files out of git: remove them, or add them to .gitignore."

_SHORTEST_SECRET = 8
"""Characters; a shorter value would be found in innocent text."""


class Limits(msgspec.Struct, frozen=True):
    """How much a run may hand over. Bytes and counts."""

    pack: int = 64 << 20
    blob: int = 32 << 20
    total: int = 512 << 20
    objects: int = 100_000
    listing: int = 8 << 20
    """Of git's list of changed paths."""
    patches: int = 128 << 20
    """Of the text of all changes, which is looked through for secrets."""
    memory: int = 512 << 20
    """Address space of each git on the runner's side, besides its own packs' indexes."""
    seconds: float = 60.0
    """For each command."""


class Identity(msgspec.Struct, frozen=True):
    """Who the agent's commits are by."""

    name: str
    email: str


class Taken(msgspec.Struct, frozen=True):
    """What came over: its objects are in the runner's directory now."""

    tip: str
    changes: tuple[policy.Change, ...]
    targets: dict[str, str]
    """Where the new symbolic links point, by path."""
    leaks: bool = False
    """Some commit holds one of the secrets."""


def commit_all(
    sandbox: Sandbox, message: str, identity: Identity, *, move: bool, timeout: float = 60.0
) -> str:
    """Commit what the agent left uncommitted; returns the tip. `move` makes it the agent's HEAD.

    Raises WorkRejected for a file that is too large; without `move` such files are left out.
    """
    return _tip(sandbox, message, identity, "work", "move" if move else "stay", timeout)


def committed(sandbox: Sandbox, timeout: float = 10.0) -> str:
    """The tip of what the agent committed itself."""
    return _tip(sandbox, "", Identity("", ""), "nothing", "stay", timeout)


def _tip(sandbox: Sandbox, message: str, who: Identity, keep: str, move: str, timeout: float) -> str:
    most = Limits().blob
    argv = ("sh", "-c", _COMMIT, "sh", message, who.name, who.email, keep, move, str(most))
    tip = sandbox.stream(argv, stdin=b"", limit=1_000, timeout=timeout).strip().decode("utf-8", "replace")
    if tip.startswith("large "):
        path = clean_line(tip.partition(")")[2].partition("\0")[0], limit=200)
        raise WorkRejected(f"{path} has more than {most >> 20} MB.", _LARGE)
    if not git.SHA.fullmatch(tip):
        raise WorkRejected("The agent's side named no commit.")
    return tip


def take_over(
    sandbox: Sandbox, bare: Path, base: str, tip: str, limits: Limits, *, secrets: tuple[str, ...] = ()
) -> Taken:
    """Bring everything from `base` to `tip` into the runner's directory `bare`, and look in every commit for
    `secrets` (the values of the agent's credentials).

    Raises WorkRejected when it is not a pack of ordinary commits on top of `base` within the limits,
    GitError when either side's git fails. `bare` is unchanged then.
    """
    if not git.SHA.fullmatch(tip):
        raise WorkRejected("The agent's side named no commit.")
    try:
        packed = sandbox.stream(
            ("git", "pack-objects", "--revs", "--thin", "--stdout", "-q"),
            stdin=f"{tip}\n^{base}\n".encode(),
            limit=limits.pack,
            timeout=limits.seconds,
        )
    except WorkRejected as error:
        raise WorkRejected(f"The work has more than {limits.pack >> 20} MB.", _LARGE) from error
    quarantine = Path(tempfile.mkdtemp(prefix="incoming-", dir=bare))
    try:
        side = _Quarantine(bare, quarantine, limits)
        side.git("index-pack", "--stdin", "--fix-thin", "--strict", "--threads=1",
                 f"--max-input-size={limits.pack}", stdin=packed, what="a pack of valid objects")  # fmt: skip
        if side.try_git("merge-base", "--is-ancestor", base, tip).code:
            raise WorkRejected("The work does not descend from the commit that the agent was given.")
        _measure(side, base, tip, limits)
        listing = side.git(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-textconv",
            base, tip, limit=limits.listing, what="a comparable tree",
        )  # fmt: skip
        changes = policy.parse(listing)
        targets = {}
        for change in policy.links(changes)[:1_000]:
            target = side.git("cat-file", "blob", change.blob, limit=8_192, what="a link")
            targets[change.path] = target.decode("utf-8", "surrogateescape")
        leaks = _leaks(side, base, tip, secrets, limits)
        _move_in(quarantine / "pack", bare / "objects" / "pack")
    finally:
        shutil.rmtree(quarantine, ignore_errors=True)
    return Taken(tip, tuple(changes), targets, leaks)


def _leaks(side: _Quarantine, base: str, tip: str, secrets: tuple[str, ...], limits: Limits) -> bool:
    wanted = [secret.encode() for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    if not wanted:
        return False
    said = side.git(
        "log", "-p", "-m", "-a", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
        f"{base}..{tip}", limit=limits.patches, what="a readable change",
    )  # fmt: skip
    return any(secret in said for secret in wanted)


def _measure(side: _Quarantine, base: str, tip: str, limits: Limits) -> None:
    names = side.git("rev-list", "--objects", "--no-object-names", tip, "--not", base,
                     limit=limits.objects * 2 * 65, what="a complete history")  # fmt: skip
    if names.count(b"\n") > limits.objects:
        raise WorkRejected(f"The work has more than {limits.objects:,} objects.")
    sizes = side.git("cat-file", "--batch-check=%(objectsize)", stdin=names,
                     limit=limits.objects * 24, what="readable objects").split()  # fmt: skip
    try:
        numbers = [int(size) for size in sizes]
    except ValueError as error:
        raise WorkRejected("The work names objects that did not come over.") from error
    if max(numbers, default=0) > limits.blob:
        raise WorkRejected(f"A file has more than {limits.blob >> 20} MB.", _LARGE)
    if sum(numbers) > limits.total:
        raise WorkRejected(f"The work has more than {limits.total >> 20} MB.", _LARGE)


def _move_in(packs: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    # A pack counts from the moment that its index is there, so that comes last.
    for path in sorted(packs.iterdir(), key=lambda path: path.suffix == ".idx"):
        if path.suffix in (".pack", ".rev", ".idx"):
            os.replace(path, to / path.name)


class _Quarantine:
    """git with new objects in a folder of their own, over those of the runner's directory."""

    def __init__(self, bare: Path, folder: Path, limits: Limits) -> None:
        (folder / "pack").mkdir()
        (folder / "info").mkdir()
        self._bare, self._limits = bare, limits
        objects = bare / "objects"
        # A colon separates entries, so the path is quoted the way git reads it.
        quoted = '"' + str(objects).replace("\\", "\\\\").replace('"', '\\"') + '"'
        self._env = git.environment(
            {"GIT_OBJECT_DIRECTORY": str(folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}
        )
        # Indexes are mapped whole whatever the window is.
        self._memory = limits.memory + sum(_indexes(objects))
        self._redact = Redactor()

    def try_git(self, *args: str, stdin: bytes = b"", limit: int = 65_536) -> bounded.Output:
        argv = git.command(
            "-c", "core.packedGitWindowSize=16m", "-c", "core.packedGitLimit=64m",
            "-c", "core.bigFileThreshold=16m", "-c", "pack.threads=1", *args,
        )  # fmt: skip
        return bounded.run(
            argv, cwd=self._bare, env=self._env, stdin=stdin, limit=limit,
            timeout=self._limits.seconds, memory=self._memory,
        )  # fmt: skip

    def git(self, *args: str, what: str, stdin: bytes = b"", limit: int = 65_536) -> bytes:
        done = self.try_git(*args, stdin=stdin, limit=limit)
        if done.code:
            words = self._redact(clean(done.stderr.decode("utf-8", "replace"), limit=500)).strip()
            raise WorkRejected(f"What the agent handed over is not {what}: {words or f'exit {done.code}'}")
        return done.stdout


def _indexes(objects: Path) -> Iterator[int]:
    """Sizes of the pack indexes in a directory of objects and in those that it borrows from."""
    for path in (objects / "pack").glob("*.idx"):
        yield path.stat().st_size
    with contextlib.suppress(FileNotFoundError):
        for line in (objects / "info" / "alternates").read_bytes().splitlines():
            yield from _indexes(Path(os.fsdecode(line)))


def mark(bare: Path, name: str, sha: str) -> None:
    """Remember a commit under `refs/hive/<name>` of the runner's own directory."""
    git.run("update-ref", f"refs/hive/{name}", sha, cwd=bare)


def marked(bare: Path, name: str) -> str | None:
    """The commit that `mark` remembered, if any."""
    with contextlib.suppress(GitError):
        sha = git.text("rev-parse", "--verify", "--quiet", f"refs/hive/{name}", cwd=bare)
        return sha if git.SHA.fullmatch(sha) else None
    return None
