"""Filing the demo's issues. What was filed before an interruption is not filed again: titles are unique."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.core.model import Issue
from hive_tui.core.sources import FORGE
from hive_tui.core.text import clean_line
from hive_tui.demo.content import DEFAULT, DemoIssue, backlog
from hive_tui.demo.names import MAINTAINER, REPO, SCENARIOS
from hive_tui.fleet import OpenFleet

STATUS = "status:"


def file_backlog(fleet: OpenFleet) -> None:
    """File the issues that are there from the start. Raises SourceError."""
    store_scenario(fleet.home, "default", DEFAULT)
    known = by_title(fleet)
    for issue in backlog():
        file_issue(fleet, issue, known)


def by_title(fleet: OpenFleet) -> dict[str, Issue]:
    """The issues that are there. Raises SourceError when they cannot be read."""
    snapshot = fleet.read_snapshot()
    source = snapshot.sources.get(FORGE)
    if source is not None and source.why is not None:
        raise SourceError(
            f"The demo's issues cannot be read: {source.why}", "`hive doctor` looks for the cause."
        )
    return {issue.title: issue for issue in snapshot.issues.values()}


def file_issue(fleet: OpenFleet, issue: DemoIssue, known: dict[str, Issue]) -> None:
    """Write an issue into the tracker, and for the agents what they do about it, unless both is done."""
    forge = fleet.forge
    filed = known.get(clean_line(issue.title))
    if filed is None:
        filed = forge.create_issue(
            REPO, title=issue.title, body=issue.body, author=issue.author, labels=issue.labels
        )
    elif any(label.startswith(STATUS) for label in filed.labels):
        return
    for name, scenario in issue.scenarios(filed.number).items():
        store_scenario(fleet.home, name, scenario)
    if issue.edited_by is not None:
        forge.approve_issue(filed.key, by=MAINTAINER)
        forge.edit_issue(filed.key, by=issue.edited_by, body=f"{filed.body}\n(edited)\n")
    if issue.closed:
        forge.set_open(filed.key, False, by=MAINTAINER)
    # Last, because it is what lets the issue be started.
    forge.set_labels(filed.key, add=(f"{STATUS}{issue.status}",), by=MAINTAINER)


def store_scenario(home: Path, name: str, scenario: dict[str, Any]) -> None:
    """Where the fleet's agents look for it."""
    folder = home / SCENARIOS
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{name}.half"
    half.write_bytes(msgspec.json.format(msgspec.json.encode(scenario)))
    half.replace(folder / f"{name}.json")
