"""The tab Diff: what a branch changes, file by file, with a list of the files on top."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.prose import Block, Passage

LIMIT = 1_000_000
"""Bytes of a diff that are read and shown."""

KEPT_LINES = 400
"""Lines of one file's changes before they are folded: a lock file must not bury the rest."""

MOST_FILES = 300
"""Files that the list on top names."""

_TAB = "    "


class FileChange(msgspec.Struct, frozen=True):
    """What happens to one file."""

    path: str
    lines: tuple[str, ...]
    """From its first hunk on; empty for a binary file or a mere change of its mode."""
    added: int = 0
    removed: int = 0
    note: str = ""
    """new, deleted, renamed from …, binary, mode."""


def parse(diff: str) -> list[FileChange]:
    """A unified diff by file. Whatever does not look like one becomes a file without a name, so that
    nothing is lost."""
    found: list[FileChange] = []
    head: list[str] = []
    body: list[str] = []
    in_hunk = False
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            if head or body:
                found.append(_file(head, body))
            head, body, in_hunk = [line], [], False
        elif in_hunk or line.startswith("@@"):
            in_hunk = True
            body.append(line)
        elif head:
            head.append(line)
        elif line.strip():
            in_hunk = True
            body.append(line)
    if head or body:
        found.append(_file(head, body))
    return found


def _file(head: Sequence[str], body: Sequence[str]) -> FileChange:
    while body and not body[-1]:
        body = body[:-1]
    return FileChange(
        path=_path(head),
        lines=tuple(body),
        added=sum(line.startswith("+") for line in body),
        removed=sum(line.startswith("-") for line in body),
        note=_note(head),
    )


def _path(head: Sequence[str]) -> str:
    """The file's name: from the lines that hold nothing else, for the first line is ambiguous."""
    named: dict[str, str] = {}
    for line in head[1:]:
        for start in ("+++ ", "--- ", "rename to "):
            if line.startswith(start):
                named[start] = line[len(start) :].rstrip("\t").strip('"')
    new, old = named.get("+++ ", ""), named.get("--- ", "")
    if new and new != "/dev/null":
        return new.removeprefix("b/")
    if old and old != "/dev/null":
        return old.removeprefix("a/")
    if "rename to " in named:
        return named["rename to "]
    if not head:
        return ""
    # "diff --git a/NAME b/NAME" of a binary, empty or merely chmodded file: the same name twice.
    names = head[0].removeprefix("diff --git ")
    return names[(len(names) + 1) // 2 :].strip('"').removeprefix("b/")


def _note(head: Sequence[str]) -> str:
    notes: list[str] = []
    for line in head[1:]:
        if line.startswith("new file mode"):
            notes.append("new link" if line.endswith("120000") else "new")
        elif line.startswith("deleted file mode"):
            notes.append("deleted")
        elif line.startswith("rename from "):
            notes.append(f"renamed from {line.removeprefix('rename from ')}")
        elif line.startswith("Binary files ") or line.startswith("GIT binary patch"):
            notes.append("binary")
        elif line.startswith("new mode "):
            notes.append(f"mode {line.removeprefix('new mode ')}")
    return ", ".join(notes)


def diff_blocks(files: Sequence[FileChange], *, said: Sequence[Cell] = (), cut: str = "") -> list[Block]:
    """The list of files, then the changes of each. `said` tells what is compared, `cut` what is missing."""
    blocks = [Block((*_overview(files, said, cut), Passage(())), key="files", part=True)]
    blocks += [_changes(change) for change in files]
    if cut and files:
        blocks.append(Block((Passage((Cell(cut, Tone.SOON),)),), key="cut"))
    return blocks


def _overview(files: Sequence[FileChange], said: Sequence[Cell], cut: str) -> list[Passage]:
    added, removed = sum(change.added for change in files), sum(change.removed for change in files)
    total = (
        Cell(text.plural(len(files), "file"), Tone.TITLE),
        Cell(f"  +{added:,}", Tone.GOOD),
        Cell(f" −{removed:,}", Tone.BROKEN),
        Cell("   "),
        *said,
    )
    lines = [Passage(total, 2)]
    if cut:
        lines.append(Passage((Cell(cut, Tone.SOON),), 2))
    shown = files[:MOST_FILES]
    digits = max(
        (len(f"{count:,}") for change in shown for count in (change.added, change.removed)), default=1
    )
    for change in shown:
        cells = (
            Cell(
                f"  {'+' + format(change.added, ','):>{digits + 1}}",
                Tone.GOOD if change.added else Tone.QUIET,
            ),
            Cell(
                f" {'−' + format(change.removed, ','):>{digits + 1}}",
                Tone.BROKEN if change.removed else Tone.QUIET,
            ),
            Cell(f"  {change.path or 'a file'}"),
            Cell(f"  {change.note}" if change.note else "", Tone.QUIET),
        )
        lines.append(Passage(cells, 2 * digits + 7))
    left = len(files) - len(shown)
    if left > 0:
        lines.append(Passage((Cell(f"  and {text.plural(left, 'more file')} below", Tone.QUIET),)))
    return lines


def _changes(change: FileChange) -> Block:
    note = f"  {change.note}" if change.note else ""
    head = Passage(
        (
            Cell("── ", Tone.QUIET),
            Cell(change.path or "changes", Tone.TITLE),
            Cell(f"  +{change.added:,}", Tone.GOOD if change.added else Tone.QUIET),
            Cell(f" −{change.removed:,}", Tone.BROKEN if change.removed else Tone.QUIET),
            Cell(note, Tone.QUIET),
        )
    )
    lines = tuple(Passage((_cell(line),), 1) for line in change.lines)
    return Block((head, *lines, Passage(())), keep=KEPT_LINES, key=("file", change.path), part=True)


def _cell(line: str) -> Cell:
    words = line.replace("\t", _TAB)
    match line[:1]:
        case "+":
            return Cell(words, Tone.GOOD)
        case "-":
            return Cell(words, Tone.BROKEN)
        case "@" | "\\":
            return Cell(words, Tone.QUIET)
    return Cell(words)
