"""The tracker's rows and the structs they stand for."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from hive_tui.core.errors import UsageError, unknown
from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId
from hive_tui.core.model import Comment, Issue, PullRequest, PullState
from hive_tui.core.text import Redactor, clean, clean_line

MAX_TITLE = 256
MAX_LABEL = 100

_issue = msgspec.json.Decoder(Issue)
_pull = msgspec.json.Decoder(PullRequest)
_redact = Redactor()


def title(text: str) -> str:
    """A title as it is stored. Raises UsageError for an empty one."""
    cleaned = _redact(clean_line(text, limit=MAX_TITLE))
    if not cleaned:
        raise UsageError("A title is missing.", "Say in a few words what is wanted.")
    return cleaned


def body(text: str) -> str:
    return _redact(clean(text))


def login(text: str) -> str:
    return clean_line(text, limit=MAX_LABEL)


def label(text: str) -> str:
    """A label as it is stored. Raises UsageError for an empty one."""
    cleaned = clean_line(text, limit=MAX_LABEL)
    if not cleaned:
        raise UsageError("A label is empty.", "Leave it out, or give it a name.")
    return cleaned


def next_number(connection: sqlite3.Connection, repo: RepoName) -> int:
    """Issues and pull requests of a repository share one sequence."""
    connection.execute(
        "INSERT INTO numbers (repo, last) VALUES (?, 1) ON CONFLICT (repo) DO UPDATE SET last = last + 1",
        (repo,),
    )
    number: int = connection.execute("SELECT last FROM numbers WHERE repo = ?", (repo,)).fetchone()[0]
    return number


def read_issues(connection: sqlite3.Connection) -> tuple[Issue, ...]:
    return tuple(_issue.decode(doc) for (doc,) in connection.execute("SELECT doc FROM issues"))


def find_issue(connection: sqlite3.Connection, key: IssueKey) -> Issue | None:
    row = connection.execute("SELECT doc FROM issues WHERE repo = ? AND number = ?", key).fetchone()
    return None if row is None else _issue.decode(row[0])


def get_issue(connection: sqlite3.Connection | None, key: IssueKey) -> Issue:
    """Raises UsageError naming the nearest issues."""
    found = None if connection is None else find_issue(connection, key)
    if found is None:
        raise _missing(connection, "issue", "issues", key, str(key))
    return found


def write_issue(connection: sqlite3.Connection, issue: Issue) -> None:
    connection.execute(
        "INSERT INTO issues (repo, number, doc) VALUES (?, ?, ?)"
        " ON CONFLICT (repo, number) DO UPDATE SET doc = excluded.doc WHERE doc IS NOT excluded.doc",
        (issue.repo, issue.number, msgspec.json.encode(issue)),
    )


def put_comment(connection: sqlite3.Connection, key: IssueKey, comment: Comment, marker: str | None) -> None:
    """Add a comment, or replace the text of the one with the same marker."""
    connection.execute(
        "INSERT INTO comments (repo, number, marker, doc) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (repo, number, marker) DO UPDATE SET doc = excluded.doc",
        (*key, marker, msgspec.json.encode(comment)),
    )


def read_comments(connection: sqlite3.Connection, key: IssueKey) -> list[Comment]:
    """Oldest first."""
    found = connection.execute("SELECT doc FROM comments WHERE repo = ? AND number = ? ORDER BY id", key)
    return [msgspec.json.decode(doc, type=Comment) for (doc,) in found]


def read_pulls(connection: sqlite3.Connection) -> tuple[PullRequest, ...]:
    return tuple(_pull.decode(doc) for (doc,) in connection.execute("SELECT doc FROM pulls"))


def open_pulls(connection: sqlite3.Connection | None) -> list[tuple[PullRequest, str | None]]:
    """Open pull requests, each with the `base head` that its mergeability was worked out for."""
    if connection is None:
        return []
    found = connection.execute("SELECT doc, merge_tried FROM pulls WHERE open = 1 ORDER BY repo, number")
    return [(_pull.decode(doc), tried) for doc, tried in found]


def find_pull(connection: sqlite3.Connection, key: PullKey) -> PullRequest | None:
    row = connection.execute("SELECT doc FROM pulls WHERE repo = ? AND number = ?", key).fetchone()
    return None if row is None else _pull.decode(row[0])


def get_pull(connection: sqlite3.Connection | None, key: PullKey) -> PullRequest:
    """Raises UsageError naming the nearest pull requests."""
    found = None if connection is None else find_pull(connection, key)
    if found is None:
        raise _missing(connection, "pull request", "pulls", key, str(key))
    return found


def pull_of_branch(
    connection: sqlite3.Connection, repo: RepoName, branch: str, run: RunId | None
) -> PullRequest | None:
    """The one that is open for a branch, or that was opened for this run."""
    row = connection.execute(
        "SELECT doc FROM pulls WHERE repo = ? AND branch = ? AND (open = 1 OR run = ?)"
        " ORDER BY open DESC, number DESC",
        (repo, branch, run),
    ).fetchone()
    return None if row is None else _pull.decode(row[0])


def write_pull(connection: sqlite3.Connection, pull: PullRequest, tried: str | None = None) -> None:
    """`tried` None keeps what mergeability was worked out for."""
    is_open = pull.state is PullState.OPEN
    connection.execute(
        "INSERT INTO pulls (repo, number, branch, run, open, doc, merge_tried) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (repo, number) DO UPDATE SET open = excluded.open, doc = excluded.doc,"
        " merge_tried = ifnull(excluded.merge_tried, merge_tried)",
        (pull.repo, pull.number, pull.branch, pull.run, is_open, msgspec.json.encode(pull), tried),
    )


def touched(issue: Issue, now: datetime, **changes: object) -> Issue:
    """The issue with changes, and a new time of update if they are any."""
    new = msgspec.structs.replace(issue, **changes)
    return issue if new == issue else msgspec.structs.replace(new, updated_at=now)


def _missing(
    connection: sqlite3.Connection | None, kind: str, table: str, key: tuple[str, int], name: str
) -> UsageError:
    mark = "#" if table == "issues" else "!"
    rows = [] if connection is None else connection.execute(f"SELECT repo, number FROM {table}").fetchall()
    here = [number for repo, number in rows if repo == key[0]] or [number for _, number in rows]
    near = sorted(here, key=lambda number: (abs(number - key[1]), number))[:10]
    names = [f"{repo}{mark}{number}" for repo, number in rows if number in near]
    return unknown(kind, name, names)
