"""What a run changed, read without trusting anything that its agent made.

An agent owns its clone: the configuration, hooks and attributes in there may name programs. So git never
opens that clone. It works in an empty repository of ours that borrows the runner's objects, and the agent's
files are no more than files to it: filters, drivers and monitors that a `.gitattributes` names have no
configuration here, and submodules are not looked into. Files that git does not know are read by us.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.clusters.agent_side import BY_PRODUCTS
from backends.clusters.local.places import RunPlace
from hive_tui.core.errors import GitError
from hive_tui.core.model import RunStatus
from hive_tui.core.ports import DiffOf, RunDiff
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.system import bounded, git

SECONDS = 20.0
"""For each command."""

LARGEST_FILE = 1 << 20
"""Bytes of a file that is compared line by line; what is larger counts as binary."""

MOST_NEW_FILES = 2_000

MOST_ODD_FILES = 200

_LISTING = 32 << 20
"""Bytes of a list of files."""

_MEMORY = 2 << 30
"""Address space of each git: a delta chain may ask for much more than a diff is worth."""

_QUIET = (
    "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--find-renames",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip

_redact = Redactor()


def diff(place: RunPlace, status: RunStatus, source: Path, *, limit: int) -> RunDiff:
    """See `core.ports.Cluster.diff`. `source` is the user's repository, which has what was pushed also
    when the runner's own one was swept away."""
    base = status.base_sha
    if base is None or not git.SHA.fullmatch(base):
        return RunDiff(DiffOf.NOTHING)
    at_work = not status.phase.final
    if at_work and _is_folder(place.work) and _is_folder(place.bare):
        return _of_work(place, base, limit)
    for of, sha in ((DiffOf.BRANCH, status.head), (DiffOf.SAVED, status.wip)):
        if sha is not None and git.SHA.fullmatch(sha):
            return _of_commit(place, source, base, sha, of, limit)
    if _is_folder(place.work) and _is_folder(place.bare):
        return _of_work(place, base, limit)
    return RunDiff(DiffOf.NOTHING)


def _of_commit(place: RunPlace, source: Path, base: str, sha: str, of: DiffOf, limit: int) -> RunDiff:
    where = place.bare if _is_folder(place.bare) else source
    done = _git(where, "diff", *_QUIET, base, sha, "--", limit=limit)
    if done.code and not done.cut:
        if where is place.bare and source.is_dir():
            where = source
            done = _git(where, "diff", *_QUIET, base, sha, "--", limit=limit)
        if done.code and not done.cut:
            raise GitError(
                f"git cannot compare {sha[:10]} with its base: {_words(done.stderr)}",
                "The commit may have been removed with its branch.",
            )
    return RunDiff(of, _text(done.stdout), sha, _cut(done, limit))


def _of_work(place: RunPlace, base: str, limit: int) -> RunDiff:
    with tempfile.TemporaryDirectory(prefix="hive-diff-") as folder:
        env = {"GIT_DIR": folder, "GIT_WORK_TREE": str(place.work)}
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(place.bare / "objects")
        _make_repository(Path(folder), long=len(base) == 64)
        read = _git(place.work, "read-tree", base, limit=_LISTING, env=env)
        if read.code:
            raise GitError(f"git cannot read the run's base: {_words(read.stderr)}", "Try again.")
        odd = _odd_files(place.work, base, env)
        paths = [os.fsdecode(b":(top,exclude,literal)" + name) for name in odd]
        done = _git(place.work, "diff", *_QUIET, base, "--", *paths, limit=limit, env=env)
        if done.code and not done.cut:
            raise GitError(f"git cannot compare the work tree: {_words(done.stderr)}", "Try again.")
        listed = _git(place.work, "ls-files", "-z", "--others", "--exclude-standard", limit=_LISTING, env=env)
    if done.cut:
        return RunDiff(DiffOf.WORK, _text(done.stdout), cut=_cut(done, limit))
    binary = "".join(map(_unread, odd))
    names = [name for name in listed.stdout.split(b"\0") if name]
    new, missing = _new_files(place.work, names, limit - len(done.stdout))
    cut = None
    if missing or listed.cut:
        cut = f"{missing:,} new files are not shown: the diff is longer than {limit:,} bytes."
    return RunDiff(DiffOf.WORK, _text(done.stdout) + binary + "".join(new), cut=cut)


def _make_repository(folder: Path, *, long: bool) -> None:
    """A repository of our own, without objects: its index and settings are nobody else's, and nothing is
    written to the runner's."""
    for name in ("objects", "refs", "info"):
        (folder / name).mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    kind = "\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n" if long else ""
    (folder / "config").write_text(f"[core]\n{kind}", encoding="ascii")
    # These come before every `.gitattributes`: no file is read otherwise than as it is.
    (folder / "info" / "attributes").write_text(
        "* !filter !diff !ident !working-tree-encoding\n", encoding="ascii"
    )
    (folder / "info" / "exclude").write_text("".join(f"{name}\n" for name in BY_PRODUCTS), encoding="ascii")


def _odd_files(work: Path, base: str, env: dict[str, str]) -> list[bytes]:
    """Files of the base that are something else now (a pipe, a device), on which git gives up, or are so
    large that it would read for minutes only to see that they changed."""
    listed = _git(work, "ls-tree", "-r", "-l", "-z", "--full-tree", base, limit=_LISTING, env=env)
    found: list[bytes] = []
    for entry in listed.stdout.split(b"\0"):
        facts, _, name = entry.partition(b"\t")
        fields = facts.split()
        if len(fields) != 4 or fields[1] != b"blob":
            continue
        try:
            now = os.lstat(os.path.join(os.fsencode(work), name))
        except (OSError, ValueError):
            continue
        plain = stat.S_ISREG(now.st_mode)
        other = not plain and not stat.S_ISLNK(now.st_mode) and not stat.S_ISDIR(now.st_mode)
        if other or (plain and now.st_size > LARGEST_FILE and now.st_size != int(fields[3])):
            found.append(name)
    if len(found) > MOST_ODD_FILES:
        raise GitError(
            f"{len(found):,} files of the work tree are too large to be compared.",
            "The diff can be seen when the work is saved.",
        )
    return found


def _unread(name: bytes) -> str:
    shown = clean_line(name.decode("utf-8", "replace"))
    return f"diff --git a/{shown} b/{shown}\nBinary files a/{shown} and b/{shown} differ\n"


def _new_files(work: Path, names: Sequence[bytes], room: int) -> tuple[list[str], int]:
    """Files that git does not know as a diff from nothing, and how many had no room."""
    found: list[str] = []
    for index, name in enumerate(names):
        if room <= 0 or index >= MOST_NEW_FILES:
            return found, len(names) - index
        text = "".join(_new_file(work, name))
        found.append(text)
        room -= len(text)
    return found, 0


def _new_file(work: Path, name: bytes) -> Iterator[str]:
    shown = clean_line(name.decode("utf-8", "replace"))
    if name.endswith(b"/"):
        # A repository within the work tree; nobody asked to have it looked into.
        yield f"diff --git a/{shown} b/{shown}\nnew file mode 160000\n"
        return
    path = os.path.join(os.fsencode(work), name)
    yield f"diff --git a/{shown} b/{shown}\n"
    try:
        kind = os.lstat(path).st_mode
        if stat.S_ISLNK(kind):
            yield f"new file mode 120000\n--- /dev/null\n+++ b/{shown}\n@@ -0,0 +1 @@\n"
            yield f"+{clean_line(os.readlink(path).decode('utf-8', 'replace'))}\n"
            return
        data, whole = _read(path) if stat.S_ISREG(kind) else (b"\0", True)
    except OSError as error:
        yield f"new file mode 100644\nBinary files /dev/null and b/{shown} differ: {error.strerror}\n"
        return
    yield f"new file mode {'100755' if kind & 0o100 else '100644'}\n"
    if not whole or b"\0" in data[:8_000]:
        yield f"Binary files /dev/null and b/{shown} differ\n"
        return
    lines = _text(data).split("\n")
    ends = lines[-1] == ""
    lines = lines[:-1] if ends else lines
    if lines:
        yield f"--- /dev/null\n+++ b/{shown}\n@@ -0,0 +1,{len(lines)} @@\n"
        yield "".join(f"+{line}\n" for line in lines)
        if not ends:
            yield "\\ No newline at end of file\n"


def _read(path: bytes) -> tuple[bytes, bool]:
    """The beginning of a regular file, and whether that is all of it. Raises OSError."""
    # What was a file a moment ago may be a pipe or a link by now.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b"\0", True
        data = file.read(LARGEST_FILE + 1)
    return data[:LARGEST_FILE], len(data) <= LARGEST_FILE


def _git(where: Path, *args: str, limit: int, env: dict[str, str] | None = None) -> bounded.Output:
    # Refreshing the index would read every file, also those that are left out.
    options = (
        *("-c", f"core.bigFileThreshold={LARGEST_FILE}"),
        *("-c", "diff.autoRefreshIndex=false"),
        *("-c", "submodule.recurse=false"),
    )
    return bounded.run(
        git.command(*options, *args),
        cwd=where,
        env=git.environment(env),
        limit=limit,
        timeout=SECONDS,
        memory=_MEMORY,
        cut=True,
    )


def _text(data: bytes) -> str:
    # A line's end may be all that changed; made harmless it could not be seen.
    text = data.decode("utf-8", "replace").replace("\r\n", "␍\n")
    return _redact(clean(text, limit=len(text) + 1))


def _cut(done: bounded.Output, limit: int) -> str | None:
    return f"Cut here: the diff is longer than {limit:,} bytes." if done.cut else None


def _words(stderr: bytes) -> str:
    return clean_line(stderr.decode("utf-8", "replace"), limit=300) or "no message"


def _is_folder(path: Path) -> bool:
    """A folder itself, not a link that an agent put in its place."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
