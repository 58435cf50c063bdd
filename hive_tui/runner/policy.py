"""What a run's changes may be, judged on git's raw list of them: pure.

Valid git can still be something that nobody wants merged unseen: a link out of the tree, another
commit of a submodule, a changed workflow.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

import msgspec

from hive_tui.core.errors import WorkRejected
from hive_tui.core.text import clean_line

_SYMLINK = "120000"
_GITLINK = "160000"
_FILES = frozenset({"100644", "100755", "000000"})


class Change(msgspec.Struct, frozen=True):
    """One changed path: modes as six octal digits (`000000` for absent), `blob` the new object."""

    path: str
    mode_before: str
    mode: str
    blob: str


def parse(raw: bytes) -> list[Change]:
    """The output of `git diff-tree -r -z --raw --no-renames`. Raises WorkRejected when it is not that."""
    fields = raw.split(b"\0")
    changes = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        words = head.decode("ascii", "replace").split(" ")
        if len(words) != 5 or not words[0].startswith(":"):
            raise WorkRejected("git described the change in a way that hive does not understand.")
        changes.append(Change(path.decode("utf-8", "surrogateescape"), words[0][1:], words[1], words[3]))
    return changes


def links(changes: Iterable[Change]) -> list[Change]:
    """The symbolic links among the new files, whose targets `judge` wants to know."""
    return [change for change in changes if change.mode == _SYMLINK]


def judge(changes: Iterable[Change], targets: Mapping[str, str], protected: tuple[str, ...]) -> list[str]:
    """What a person has to look at, a line each; `targets` by path of each new symbolic link."""
    found = []
    for change in changes:
        shown = clean_line(change.path, limit=200)
        if _names_git(change.path):
            found.append(f"{shown} belongs to git itself")
        elif _protected(change.path, protected):
            found.append(f"{shown} is protected")
        elif _GITLINK in (change.mode, change.mode_before):
            found.append(f"{shown} changes a submodule")
        elif change.mode == _SYMLINK:
            target = targets.get(change.path, "/")
            if _escapes(change.path, target):
                found.append(f"{shown} links out of the tree to {clean_line(target, limit=100)}")
        elif change.mode not in _FILES:
            found.append(f"{shown} has the odd mode {clean_line(change.mode)}")
    return found


def _protected(path: str, prefixes: tuple[str, ...]) -> bool:
    # A file system that ignores case would read .GitHub/Workflows just the same.
    folded = path.casefold()
    return any(
        folded == prefix.casefold().rstrip("/") or folded.startswith(prefix.casefold()) for prefix in prefixes
    )


def _names_git(path: str) -> bool:
    return any(part.casefold() in (".git", "git~1") for part in path.split("/"))


def _escapes(path: str, target: str) -> bool:
    if target.startswith("/"):
        return True
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return resolved == ".." or resolved.startswith("../") or _names_git(resolved)
