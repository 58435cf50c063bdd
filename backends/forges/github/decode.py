"""GitHub's answers to our queries as the core's structs; every text is made harmless here.

Whatever may be null is taken as null: GitHub nulls a field that the token may not read, an author whose
account is gone, and a node of a list that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from backends import typed
from backends.forges.github.rollup import Rollup, checks
from backends.forges.github.wording import GHOST as GHOST
from backends.forges.github.wording import MAX_NAME as MAX_NAME
from backends.forges.github.wording import MAX_TITLE, Who, body, login, title
from hive_tui.core.ids import RepoName, run_id
from hive_tui.core.model import (
    Check,
    Issue,
    PullRequest,
    PullState,
    RepoState,
    Verdict,
)
from hive_tui.core.text import clean_line

_HIVE_BRANCH = re.compile(r"hive/issue-([1-9]\d{0,9})-a([1-9]\d{0,5})")


# The shapes of answers


class Label(msgspec.Struct, frozen=True):
    name: str = ""


class _Count(msgspec.Struct, frozen=True, rename="camel"):
    total_count: int = 0


class Labels(msgspec.Struct, frozen=True):
    nodes: list[Label | None] | None = None


class _Issue(msgspec.Struct, frozen=True, rename="camel"):
    number: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    last_edited_at: datetime | None = None
    url: str | None = None
    author_association: str | None = None
    author: Who | None = None
    editor: Who | None = None
    comments: _Count | None = None
    labels: Labels | None = None
    body: str | None = None


class _Text(msgspec.Struct, frozen=True, rename="camel"):
    number: int
    body: str = ""
    last_edited_at: datetime | None = None


class _Commit(msgspec.Struct, frozen=True, rename="camel"):
    oid: str = ""
    status_check_rollup: Rollup | None = None


class _Repository(msgspec.Struct, frozen=True, rename="camel"):
    name_with_owner: str = ""


class _Closing(msgspec.Struct, frozen=True):
    number: int
    repository: _Repository = _Repository()


class _ClosingList(msgspec.Struct, frozen=True):
    nodes: list[_Closing | None] | None = None


class _Pull(msgspec.Struct, frozen=True, rename="camel"):
    number: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    head_ref_name: str
    head_ref_oid: str
    base_ref_name: str
    body: str | None = None
    is_draft: bool = False
    is_cross_repository: bool = False
    url: str | None = None
    mergeable: str | None = None
    review_decision: str | None = None
    head_repository_owner: Who | None = None
    author: Who | None = None
    merged_by: Who | None = None
    merge_commit: _Commit | None = None
    labels: Labels | None = None
    closing_issues_references: _ClosingList | None = None
    status_check_rollup: Rollup | None = None


class _Account(msgspec.Struct, frozen=True):
    """As REST calls it."""

    login: str = ""
    type: str = ""


class _End(msgspec.Struct, frozen=True):
    ref: str
    sha: str


class OpenedPull(msgspec.Struct, frozen=True):
    """What REST answers when a pull request was opened for a branch of the repository itself."""

    number: int
    title: str
    created_at: datetime
    updated_at: datetime
    head: _End
    base: _End
    body: str | None = None
    draft: bool = False
    html_url: str | None = None
    user: _Account | None = None
    labels: list[Label | None] = []


class _PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    has_next_page: bool = False
    end_cursor: str | None = None


class _Issues(msgspec.Struct, frozen=True, rename="camel"):
    page_info: _PageInfo = _PageInfo()
    nodes: list[_Issue | None] | None = None


class _Pulls(msgspec.Struct, frozen=True, rename="camel"):
    page_info: _PageInfo = _PageInfo()
    nodes: list[_Pull | None] | None = None


class _Branch(msgspec.Struct, frozen=True):
    name: str = ""
    target: _Commit | None = None


class _Facts(msgspec.Struct, frozen=True, rename="camel"):
    name_with_owner: str = ""
    url: str | None = None
    is_archived: bool = False
    is_disabled: bool = False
    disk_usage: int | None = None
    viewer_permission: str | None = None
    default_branch_ref: _Branch | None = None
    issues: _Issues | None = None
    pulls: _Pulls | None = None
    ended: _Pulls | None = None


# What was read


class ReadIssue(msgspec.Struct, frozen=True):
    issue: Issue
    revision: str
    """Of the text, as `IssueText.revision`."""
    has_body: bool


class IssueText(msgspec.Struct, frozen=True):
    number: int
    body: str
    revision: str
    """Changes with every edit of the text."""


class ReadPull(msgspec.Struct, frozen=True):
    pull: PullRequest
    whole: bool
    """Its checks, labels and mergeability were asked for."""


class Seen(msgspec.Struct):
    """What one answer says of one repository."""

    name: RepoName
    called: str
    """As GitHub calls it now."""
    base: str | None = None
    base_sha: str | None = None
    url: str | None = None
    size_kb: int | None = None
    closed_to_work: str | None = None
    issues: list[ReadIssue] = []
    texts: list[IssueText] = []
    pulls: list[ReadPull] = []
    checks: dict[str, tuple[tuple[Check, ...], Verdict | None]] = {}
    """By commit."""
    missing_issues: list[int] = []
    missing_pulls: list[int] = []
    """Asked for by number, and not there."""
    holes: bool = False
    """Nodes of a list are missing: nothing follows from what is not in it."""
    next_issues: str | None = None
    next_pulls: str | None = None
    """Cursors of the pages that follow."""


def repositories(data: bytes) -> dict[str, msgspec.Raw]:
    """What an answer has by alias; null stays null. Raises msgspec.DecodeError."""
    return typed.decode(data, dict[str, msgspec.Raw])


def repository(raw: msgspec.Raw, name: RepoName, identity: str) -> Seen | None:
    """What is below a repository's alias, or None for null. Raises msgspec.DecodeError."""
    if _is_null(raw):
        return None
    facts = typed.decode(raw, _Facts)
    seen = Seen(
        name,
        clean_line(facts.name_with_owner, limit=200) or name,
        url=_url(facts.url),
        size_kb=facts.disk_usage,
        closed_to_work=_closed_to_work(facts, name),
    )
    if facts.default_branch_ref is not None:
        seen.base = clean_line(facts.default_branch_ref.name, limit=MAX_TITLE) or None
        target = facts.default_branch_ref.target
        seen.base_sha = _sha(target.oid) if target is not None else None
    if facts.issues is not None:
        nodes = facts.issues.nodes or []
        seen.issues += [_issue(node, name) for node in nodes if node is not None]
        seen.holes |= facts.issues.nodes is None or None in nodes
        seen.next_issues = _next(facts.issues.page_info)
    for connection, whole in ((facts.pulls, True), (facts.ended, False)):
        if connection is not None:
            found = connection.nodes or []
            seen.pulls += [ReadPull(_pull(node, name, identity), whole) for node in found if node is not None]
            seen.holes |= connection.nodes is None or None in found
    if facts.pulls is not None:
        seen.next_pulls = _next(facts.pulls.page_info)
    _singles(seen, raw, identity)
    return seen


def _singles(seen: Seen, raw: msgspec.Raw, identity: str) -> None:
    """What was asked for by number or SHA, each below an alias of its own."""
    for alias, value in typed.decode(raw, dict[str, msgspec.Raw]).items():
        match re.fullmatch(r"([ibpc])([0-9a-f]+)", alias):
            case None:
                continue
            case found:
                kind, rest = found.groups()
        absent = _is_null(value)
        if kind == "c":
            rollup = None if absent else typed.decode(value, _Commit).status_check_rollup
            seen.checks[rest] = checks(rollup, rest)
        elif kind == "p":
            if absent:
                seen.missing_pulls.append(int(rest))
            else:
                pull = typed.decode(value, _Pull)
                seen.pulls.append(ReadPull(_pull(pull, seen.name, identity), True))
        elif absent:
            seen.missing_issues.append(int(rest))
        elif kind == "i":
            seen.issues.append(_issue(typed.decode(value, _Issue), seen.name))
        else:
            seen.texts.append(_text(typed.decode(value, _Text)))


def _closed_to_work(facts: _Facts, name: RepoName) -> str | None:
    if facts.is_disabled:
        return f"GitHub disabled {name}: its page says why"
    if facts.is_archived:
        return f"{name} is archived: unarchive it, or take it out of the fleet"
    if facts.viewer_permission in ("READ", "TRIAGE"):
        level = facts.viewer_permission.lower()
        return f"the token may only {level} {name}: give it write access to contents and pull requests"
    return None


def state(seen: Seen, heard_at: datetime) -> RepoState:
    """A repository that answered."""
    return RepoState(
        seen.name,
        heard_at=heard_at,
        closed_to_work=seen.closed_to_work,
        base=seen.base,
        url=seen.url,
        size_kb=seen.size_kb,
    )


# Items


def _issue(node: _Issue, repo: RepoName) -> ReadIssue:
    author = login(node.author)
    editor = None
    if node.last_edited_at is not None:
        editor = login(node.editor)
        editor = None if editor == author and editor != GHOST else editor
    issue = Issue(
        repo=repo,
        number=node.number,
        title=title(node.title),
        body=body(node.body),
        author=author,
        open=node.state == "OPEN",
        created_at=node.created_at,
        updated_at=node.updated_at,
        labels=labels(node.labels),
        edited_by=editor,
        comments=node.comments.total_count if node.comments is not None else 0,
        url=_url(node.url),
        author_role=clean_line(node.author_association or "", limit=MAX_NAME) or None,
        author_is_bot=node.author is not None and node.author.kind == "Bot",
    )
    return ReadIssue(issue, _revision(node.last_edited_at), node.body is not None)


def _text(node: _Text) -> IssueText:
    return IssueText(node.number, body(node.body), _revision(node.last_edited_at))


def _revision(edited: datetime | None) -> str:
    return edited.isoformat() if edited is not None else "first"


def _pull(node: _Pull, repo: RepoName, identity: str) -> PullRequest:
    branch = clean_line(node.head_ref_name, limit=MAX_TITLE)
    ours, issue = None, None
    if node.is_cross_repository:
        # A fork may call its branch as it likes; with its owner before it no name is one of hive's. Nor is it
        # an issue's: anybody could keep hive from it, or be merged for it, by saying that it closes that.
        branch = f"{login(node.head_repository_owner)}:{branch}"
    else:
        ours = _HIVE_BRANCH.fullmatch(branch)
        issue = int(ours[1]) if ours else _closes(node.closing_issues_references, repo)
    head = _sha(node.head_ref_oid)
    found, verdict = checks(node.status_check_rollup, head)
    return PullRequest(
        repo=repo,
        number=node.number,
        title=title(node.title),
        body=body(node.body),
        author=login(node.author),
        branch=branch,
        head=head,
        base=clean_line(node.base_ref_name, limit=MAX_TITLE),
        state={"OPEN": PullState.OPEN, "MERGED": PullState.MERGED}.get(node.state, PullState.CLOSED),
        created_at=node.created_at,
        updated_at=node.updated_at,
        issue=issue,
        run=run_id(identity, repo, int(ours[1]), int(ours[2])) if ours else None,
        checks=found,
        verdict=verdict,
        mergeable={"MERGEABLE": True, "CONFLICTING": False}.get(node.mergeable or ""),
        merged_by=login(node.merged_by) if node.merged_by is not None else None,
        merged_as=_sha(node.merge_commit.oid) if node.merge_commit is not None else None,
        url=_url(node.url),
        labels=labels(node.labels),
        draft=node.is_draft,
        review=clean_line(node.review_decision or "", limit=MAX_NAME) or None,
    )


def opened(made: OpenedPull, repo: RepoName, identity: str) -> PullRequest:
    """As the first query about it will find it, but for its checks and whether it can be merged."""
    # GraphQL calls an App's account by its bare name.
    bare = (
        made.user.login.removesuffix("[bot]") if made.user is not None and made.user.type == "Bot" else None
    )
    author = None if made.user is None else Who(bare or made.user.login)
    node = _Pull(
        made.number,
        made.title,
        "OPEN",
        made.created_at,
        made.updated_at,
        made.head.ref,
        made.head.sha,
        made.base.ref,
        body=made.body,
        is_draft=made.draft,
        url=made.html_url,
        author=author,
        labels=Labels(made.labels),
    )
    return _pull(node, repo, identity)


def _closes(found: _ClosingList | None, repo: RepoName) -> int | None:
    """The issue that merging it closes, where it is one and of the same repository."""
    nodes = [node for node in (found.nodes if found is not None else None) or () if node is not None]
    here = {node.number for node in nodes if node.repository.name_with_owner.lower() == repo.lower()}
    return next(iter(here)) if len(here) == 1 else None


# Texts


def labels(found: Labels | None) -> tuple[str, ...]:
    nodes: Iterable[Label | None] = (found.nodes if found is not None else None) or ()
    names = (clean_line(node.name, limit=MAX_NAME) for node in nodes if node is not None)
    return tuple(dict.fromkeys(filter(None, names)))


def _sha(text: str) -> str:
    return text if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else ""


def _url(text: str | None) -> str | None:
    """A page's address; anything but a plain http address is none."""
    if text is None or not re.fullmatch(r"https?://[\x21-\x7e]{1,500}", text):
        return None
    return text


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw).strip() == b"null"


def _next(page: _PageInfo) -> str | None:
    return page.end_cursor if page.has_next_page else None
