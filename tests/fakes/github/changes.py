"""Everything that people, apps and pushes do to issues and pull requests, by GitHub's rules.

What bumps `updated_at`: labels, comments, edits, assignees, reviews, opening and closing, pushes to a pull
request's head. What does not: check runs, commit statuses, and pushes to its base. Hold `world.lock`.
What is particular to pull requests is in `pulls.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.fakes.github.state import (
    CheckRun,
    Comment,
    Edit,
    Issue,
    Label,
    Pull,
    Repository,
    Status,
    TimelineEvent,
    World,
)

DEFAULT_COLORS = ("ededed", "d73a4a", "0075ca", "cfd3d7", "a2eeef", "7057ff", "008672", "e4e669", "d876e3")


@dataclass
class Invalid(Exception):
    """422: the request is understood and cannot be done; `errors` as GitHub lists them."""

    message: str
    errors: list[dict[str, str]] = field(default_factory=list)


def invalid(resource: str, name: str, code: str, message: str | None = None) -> Invalid:
    """One field is wrong; `code` is `missing`, `missing_field`, `invalid`, `already_exists`, `custom`."""
    error = {"resource": resource, "field": name, "code": code}
    return Invalid("Validation Failed", [error | ({"message": message} if message else {})])


def note(
    world: World, item: Issue, event: str, by: str, *, label: str | None = None, detail: str | None = None
) -> None:
    """Add to the timeline."""
    now = world.now()
    item.events.append(TimelineEvent(world.next_id(), event, by, now, label, detail))
    item.updated_at = now


# Labels


def create_label(
    world: World, repo: Repository, name: str, *, color: str | None = None, description: str | None = None
) -> Label:
    if repo.label(name):
        raise invalid("Label", "name", "already_exists")
    if color is not None and not re.fullmatch(r"[0-9a-fA-F]{6}", color):
        raise invalid("Label", "color", "invalid")
    if not name or len(name) > 50:
        raise invalid("Label", "name", "invalid")
    number = world.next_id()
    label = Label(number, name, color or DEFAULT_COLORS[number % len(DEFAULT_COLORS)], description)
    repo.labels[label.id] = label
    return label


def delete_label(world: World, repo: Repository, label: Label) -> None:
    del repo.labels[label.id]
    for item in repo.issues.values():
        if label.id in item.labels:
            item.labels.remove(label.id)
            item.updated_at = world.now()


def add_labels(world: World, repo: Repository, item: Issue, names: Sequence[str], by: str) -> None:
    """Labels that the repository lacks are made; those that the issue has stay."""
    for name in names:
        label = repo.label(name) or create_label(world, repo, name)
        if label.id not in item.labels:
            item.labels.append(label.id)
            note(world, item, "labeled", by, label=label.name)


def remove_label(world: World, repo: Repository, item: Issue, name: str, by: str) -> bool:
    """Returns whether the issue had it."""
    label = repo.label(name)
    if label is None or label.id not in item.labels:
        return False
    item.labels.remove(label.id)
    note(world, item, "unlabeled", by, label=label.name)
    return True


def set_labels(world: World, repo: Repository, item: Issue, names: Sequence[str], by: str) -> None:
    wanted = {name.lower() for name in names}
    for label in repo.labels_of(item):
        if label.name.lower() not in wanted:
            remove_label(world, repo, item, label.name, by)
    add_labels(world, repo, item, names, by)


# Issues


def create_issue(
    world: World,
    repo: Repository,
    *,
    author: str,
    title: str,
    body: str = "",
    labels: Sequence[str] = (),
    assignees: Sequence[str] = (),
) -> Issue:
    now = world.now()
    issue = Issue(world.next_id(), repo.next_number, author, title, body, now, now)
    repo.issues[issue.number] = issue
    add_labels(world, repo, issue, labels, author)
    set_assignees(world, repo, issue, assignees, author)
    return issue


def edit(world: World, item: Issue, *, by: str, title: str | None = None, body: str | None = None) -> None:
    """Title and text of an issue or pull request; saying what they are already is no change."""
    if title is not None and title != item.title:
        note(world, item, "renamed", by, detail=item.title)
        item.title = title
    if body is not None and body != item.body:
        item.edits.append(Edit(by, world.now(), item.body))
        item.body = body
        item.updated_at = world.now()


def set_open(world: World, item: Issue, is_open: bool, *, by: str, reason: str | None = None) -> None:
    if item.open == is_open:
        if not is_open and reason is not None:
            item.state_reason = reason
        return
    if is_open and isinstance(item, Pull) and item.merged_at:
        raise invalid(
            "PullRequest", "state", "invalid", "state cannot be changed. The pull request is merged."
        )
    item.open = is_open
    item.closed_at = None if is_open else world.now()
    item.closed_by = None if is_open else by
    if not isinstance(item, Pull):
        item.state_reason = "reopened" if is_open else reason or "completed"
    note(world, item, "reopened" if is_open else "closed", by)


def set_assignees(world: World, repo: Repository, item: Issue, logins: Sequence[str], by: str) -> None:
    """Logins that may not be assigned are left out silently, as GitHub does."""
    able = [x for x in logins if x.lower() in world.users and world.role(x, repo) not in ("none", "read")]
    for login in sorted(set(item.assignees) - set(able)):
        item.assignees.remove(login)
        note(world, item, "unassigned", by, detail=login)
    for login in able:
        if login not in item.assignees:
            item.assignees.append(login)
            note(world, item, "assigned", by, detail=login)


def comment(world: World, item: Issue, *, author: str, body: str) -> Comment:
    now = world.now()
    made = Comment(world.next_id(), author, body, now, now)
    item.comments.append(made)
    item.updated_at = now
    return made


def edit_comment(world: World, item: Issue, made: Comment, *, by: str, body: str) -> None:
    now = world.now()
    made.edits.append(Edit(by, now, made.body))
    made.body = body
    made.updated_at = item.updated_at = now


def delete_comment(world: World, item: Issue, made: Comment) -> None:
    item.comments.remove(made)
    item.updated_at = world.now()


# Statuses and checks


def add_status(
    world: World,
    repo: Repository,
    sha: str,
    *,
    context: str,
    state: str,
    creator: str,
    description: str | None = None,
    target_url: str | None = None,
) -> Status:
    """GitHub keeps at most 1000 of one context on one commit."""
    there = repo.statuses.setdefault(sha, [])
    if sum(status.context == context for status in there) >= 1000:
        words = "This SHA and context has reached the maximum number of statuses."
        raise Invalid("Validation Failed", [{"resource": "Status", "code": "custom", "message": words}])
    status = Status(world.next_id(), context, state, creator, world.now(), description, target_url)
    there.append(status)
    return status


def add_check(
    world: World,
    repo: Repository,
    sha: str,
    *,
    name: str,
    status: str = "completed",
    conclusion: str | None = "success",
    started_at: datetime | None = None,
    app: str = "github-actions",
) -> CheckRun:
    now = world.now()
    done = now if status == "completed" else None
    check = CheckRun(
        world.next_id(), name, sha, status, conclusion if done else None, started_at or now, done, app
    )
    repo.check_runs.setdefault(sha, []).append(check)
    return check


def rename(world: World, repo: Repository, full_name: str) -> None:
    """The former name redirects from now on; tokens and installations follow the repository."""
    old, new = repo.full_name.lower(), full_name.lower()
    world.renames[old] = repo.id
    world.renames.pop(new, None)
    repo.owner, repo.name = full_name.split("/")
    repo.updated_at = world.now()
    for token in world.tokens.values():
        if token.repositories is not None and old in token.repositories:
            token.repositories = token.repositories - {old} | {new}
    for installation in world.installations.values():
        if installation.repositories is not None and old in installation.repositories:
            installation.repositories = installation.repositories - {old} | {new}
