"""The labels that hive works with, as a tracker's list of labels should have them."""

from __future__ import annotations

import msgspec

from hive_tui.core import workflow
from hive_tui.core.model import IssueType
from hive_tui.core.settings import Preset
from hive_tui.core.workflow import IssueState


class Label(msgspec.Struct, frozen=True):
    name: str
    colour: str
    """Six hexadecimal digits."""
    description: str
    """At most 100 characters, GitHub's own limit."""


_STATES = {
    IssueState.READY: ("0e8a16", "hive may start an agent on it"),
    IssueState.IN_PROGRESS: ("fbca04", "An agent of hive is at work on it"),
    IssueState.IN_REVIEW: ("1d76db", "hive opened a pull request for it"),
    IssueState.CHANGES_REQUESTED: ("e99695", "The review asks for changes"),
    IssueState.NEEDS_HUMAN: ("d93f0b", "hive cannot go on without a person"),
    IssueState.DONE: ("5319e7", "Merged by hive"),
}

_TYPES = {
    IssueType.FEATURE: ("a2eeef", "Something new"),
    IssueType.BUG: ("d73a4a", "Something is broken"),
    IssueType.IMPROVEMENT: ("c2e0c6", "Something could be better"),
    IssueType.RESEARCH: ("d4c5f9", "Answered with a document"),
    IssueType.QA_FEEDBACK: ("f9d0c4", "Found by trying the running thing"),
}

_PRIORITIES = (
    Label("priority:critical", "b60205", "hive starts it first"),
    Label("priority:high", "d93f0b", "hive starts it before others"),
    Label("priority:medium", "fbca04", "hive starts it before those without a priority"),
    Label("priority:low", "c5def5", "hive starts it last"),
)


def labels(preset: Preset) -> tuple[Label, ...]:
    """What a repository should have, in the order of an issue's life."""
    return (
        *(Label(workflow.label(state, preset), *look) for state, look in _STATES.items()),
        *(Label(f"type:{kind.value}", *look) for kind, look in _TYPES.items()),
        *_PRIORITIES,
    )
