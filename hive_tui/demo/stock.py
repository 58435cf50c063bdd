"""Filing the demo's issues. What was filed before an interruption is not filed again: titles are unique."""

from __future__ import annotations

from hive_tui.core.errors import SourceError
from hive_tui.core.sources import FORGE
from hive_tui.core.text import clean_line
from hive_tui.demo.content import DemoIssue, backlog
from hive_tui.demo.names import MAINTAINER, REPO
from hive_tui.fleet import OpenFleet


def file_backlog(fleet: OpenFleet) -> None:
    """File the issues that are there from the start. Raises SourceError."""
    known = titles(fleet)
    for issue in backlog():
        file_issue(fleet, issue, known)


def titles(fleet: OpenFleet) -> set[str]:
    """The titles of the issues that are there. Raises SourceError when they cannot be read."""
    snapshot = fleet.read_snapshot()
    source = snapshot.sources.get(FORGE)
    if source is not None and source.why is not None:
        raise SourceError(
            f"The demo's issues cannot be read: {source.why}", "`hive doctor` looks for the cause."
        )
    return {issue.title for issue in snapshot.issues.values()}


def file_issue(fleet: OpenFleet, issue: DemoIssue, known: set[str]) -> None:
    """Write an issue into the tracker unless its title is known."""
    if clean_line(issue.title) in known:
        return
    forge = fleet.forge
    filed = forge.create_issue(
        REPO, title=issue.title, body=issue.body, author=issue.author, labels=issue.labels
    )
    if issue.edited_by is not None:
        forge.approve_issue(filed.key, by=MAINTAINER)
        forge.edit_issue(filed.key, by=issue.edited_by, body=f"{filed.body}\n(edited)\n")
    if issue.closed:
        forge.set_open(filed.key, False, by=MAINTAINER)
    # Last, because it is what lets the issue be started.
    forge.set_labels(filed.key, add=(f"status:{issue.status}",), by=MAINTAINER)
