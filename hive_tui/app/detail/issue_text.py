"""The tab Issue: what is to be done, in the words of whoever wrote it, and what was said about it.

Only what tells the structure of a text is looked at (headings, lists, tick boxes, quotes, code); the rest
of Markdown stays as it was typed. Nothing in it is a link or a picture here: it is somebody else's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hive_tui.app import rows
from hive_tui.app.detail.subject import Subject
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Comment, Issue, PullRequest
from widgets.cells import Cell
from widgets.prose import Block, Passage, passage

MOST_COMMENTS = 200
"""Comments that are shown, the newest; a bot may have written thousands."""

KEPT_LINES = 30
"""Lines of one comment before it is folded."""

_EMPTY = Passage(())

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_TICK = re.compile(r"(\s*)[-*+]\s+\[([ xX])\]\s?(.*)$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$")
_QUOTE = re.compile(r" {0,3}>\s?(.*)$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def issue_blocks(view: View, subject: Subject, comments: Sequence[Comment] | None) -> list[Block]:
    """The issue; `comments` are None while they are read."""
    blocks: list[Block] = []
    if subject.issue is not None:
        blocks.append(Block(tuple(_head(view, subject.issue)), key="head", part=True))
        blocks += body_blocks(subject.issue.body, "body")
        blocks += comment_blocks(view, subject.issue, comments)
    elif subject.pull is not None:
        blocks.append(Block(tuple(_pull_head(subject.pull)), key="head", part=True))
        blocks += body_blocks(subject.pull.body, "body")
    return blocks


def _head(view: View, issue: Issue) -> Iterator[Passage]:
    gate = view.plan.gate(issue.key) if issue.open else None
    run = view.at_work.get(issue.key)
    mark = rows.issue_mark(issue, view.settings.labels, gate, run)
    yield Passage((Cell(issue.title, Tone.TITLE),))
    facts = [rows.cell(mark), Cell(f"   by {issue.author}, {text.since(issue.created_at, view.now)} ago")]
    if issue.edited_by is not None:
        facts.append(Cell(f", changed by {issue.edited_by}", Tone.SOON))
    if issue.approval is not None:
        facts.append(Cell(f", approved by {issue.approval.by}", Tone.QUIET))
    yield Passage(tuple(facts))
    if issue.labels:
        yield Passage((Cell("  ".join(issue.labels), Tone.QUIET),))
    if gate is not None and run is None:
        yield Passage((Cell("Not started: ", Tone.QUIET), Cell(gate.detail, Tone.SOON)), 2)
    if issue.url is not None:
        yield Passage((Cell(issue.url, Tone.QUIET),), link=issue.url)
    yield _EMPTY


def _pull_head(pull: PullRequest) -> Iterator[Passage]:
    yield Passage((Cell(pull.title, Tone.TITLE),))
    yield Passage((Cell(f"by {pull.author}, {pull.branch} onto {pull.base}", Tone.QUIET),))
    if pull.url is not None:
        yield Passage((Cell(pull.url, Tone.QUIET),), link=pull.url)
    yield _EMPTY


def body_blocks(body: str, key: str) -> list[Block]:
    """A text in blocks, one from each heading to the next."""
    if not body.strip():
        return [Block((passage("Nobody wrote anything here.")._replace(), _EMPTY), key=key)]
    blocks: list[Block] = []
    lines: list[Passage] = []
    number, part = 0, False
    for line, heading in _passages(text.clean(body)):
        if heading and lines:
            blocks.append(Block(tuple(lines), key=(key, number), part=part))
            lines, number = [], number + 1
        part = heading or (part and bool(lines))
        lines.append(line)
    return [*blocks, Block((*lines, _EMPTY), key=(key, number), part=part)]


def _passages(body: str) -> Iterator[tuple[Passage, bool]]:
    """Each line as it is to be read, and whether it is a heading."""
    fence = ""
    for line in body.splitlines():
        mark = _FENCE.match(line)
        if fence:
            closes = mark is not None and mark[1].startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
            yield Passage((Cell(f"  {line}", Tone.QUIET if closes else Tone.PLAIN),), 4), False
        elif mark is not None:
            fence = mark[1]
            yield Passage((Cell(f"  {line}", Tone.QUIET),), 4), False
        elif (found := _HEADING.match(line)) is not None:
            yield Passage((Cell(found[2], Tone.TITLE),)), True
        elif (found := _TICK.match(line)) is not None:
            done = found[2] != " "
            box = Cell(f"{found[1]}{'☑' if done else '☐'} ", Tone.GOOD if done else Tone.PLAIN)
            yield Passage((box, Cell(found[3], Tone.QUIET if done else Tone.PLAIN)), len(found[1]) + 2), False
        elif (found := _ITEM.match(line)) is not None:
            bullet = "•" if found[2] in "-*+" else found[2]
            cells = (Cell(f"{found[1]}{bullet} ", Tone.QUIET), Cell(found[3]))
            yield Passage(cells, len(found[1]) + len(bullet) + 1), False
        elif (found := _QUOTE.match(line)) is not None:
            yield Passage((Cell("│ ", Tone.QUIET), Cell(found[1], Tone.QUIET)), 2), False
        else:
            yield passage(line), False


def comment_blocks(view: View, issue: Issue, comments: Sequence[Comment] | None) -> list[Block]:
    """What was said about an issue, the oldest first."""
    if comments is None:
        said = f"reading {text.plural(issue.comments, 'comment')} …" if issue.comments else ""
        return [Block((Passage((Cell(said, Tone.QUIET),)),), key="comments")] if said else []
    blocks: list[Block] = []
    left = len(comments) - MOST_COMMENTS
    if left > 0:
        words = f"{text.plural(left, 'older comment')} not shown"
        blocks.append(Block((Passage((Cell(words, Tone.QUIET),)), _EMPTY), key="older"))
    for comment in comments[-MOST_COMMENTS:]:
        head = Passage(
            (
                Cell(comment.author, Tone.TITLE),
                Cell(f"  {text.since(comment.at, view.now)} ago", Tone.QUIET),
            )
        )
        lines = tuple(
            Passage((Cell("  "), *line.cells), line.indent + 2)
            for line, _ in _passages(text.clean(comment.body))
        )
        key = (comment.author, comment.at)
        blocks.append(Block((head, *lines, _EMPTY), keep=KEPT_LINES, key=key, part=True))
    return blocks
