"""What selected things are called, where their pages are, and what is related to them; pure."""

from __future__ import annotations

from collections.abc import Hashable

from hive_tui.app.detail.subject import subject_of
from hive_tui.app.view import View
from hive_tui.core.targets import Target

ISSUE, PULL, RUN = "issue", "pull", "run"
"""What a target is first of all, where it names several things."""

PANES = {ISSUE: "issues", PULL: "pulls", RUN: "agents"}
"""The panes that list them, by id."""

_KINDS = {"issues": ISSUE, "pulls": PULL, "agents": RUN, "log": RUN}

_WORDS = {ISSUE: "issue", PULL: "pull request", RUN: "run"}


def kind_of(target: Target, pane: str | None = None) -> str:
    """What a target of a pane (by its id) is first of all."""
    kind = _KINDS.get(pane or "")
    if kind is not None:
        return kind
    if target.issue is not None:
        return ISSUE
    return PULL if target.pull_request is not None else RUN


def name_of(target: Target, kind: str) -> str | None:
    """The name to be pasted: `owner/name#42`, `owner/name!7`, or a run's id."""
    names = {
        RUN: target.run,
        PULL: None if target.pull_key is None else str(target.pull_key),
        ISSUE: None if target.issue_key is None else str(target.issue_key),
    }
    return names[kind] or next(filter(None, names.values()), None)


def page_of(view: View, target: Target, kind: str) -> str | None:
    """The address of a thing's page: its own, else that of what it belongs to."""
    if target.repo is not None and target.issue is None and target.pull_request is None:
        state = view.snapshot.repos.get(target.repo)
        return None if state is None else state.url
    subject = subject_of(view, target)
    pull = None if subject.pull is None else subject.pull.url
    issue = None if subject.issue is None else subject.issue.url
    return (issue or pull) if kind == ISSUE else (pull or issue)


def tab_of(view: View, target: Target, pane: str | None) -> str:
    """The tab to begin with, from where one comes."""
    subject = subject_of(view, target)
    match _KINDS.get(pane or ""):
        case "issue":
            return "issue"
        case "pull":
            return "diff"
        case "run":
            return "log"
    if subject.run is not None and not subject.run.phase.final:
        return "log"
    if target.pull_request is not None:
        return "diff"
    return "log" if target.run is not None and subject.run is not None else "issue"


def related(view: View, target: Target, kind: str) -> Hashable | None:
    """The key in its pane of the issue, pull request or run that belongs to a target."""
    subject = subject_of(view, target)
    if kind == ISSUE:
        return subject.key
    if kind == PULL:
        return None if subject.pull is None else subject.pull.key
    return None if subject.run is None else subject.run.id


def no_such(target: Target, kind: str) -> str:
    """Why there is nothing to go to."""
    name = name_of(target, kind_of(target)) or "This"
    if kind == PULL:
        return f"{name} has no pull request yet: one is opened when its work is pushed."
    return f"Nobody has worked on {name} yet." if kind == RUN else f"{name} belongs to no {_WORDS[kind]}."
