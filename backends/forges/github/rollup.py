"""The checks of a commit: which of them count, what they say, and hive's own verdict among them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from backends.forges.github import verdicts
from backends.forges.github.wording import MAX_DETAIL, Who, line, login, name
from hive_tui.core.model import Check, CheckState, Verdict
from hive_tui.core.text import clean_line


class _Suite(msgspec.Struct, frozen=True, rename="camel"):
    """The checks that one event started; another run of one of them stays in it."""

    database_id: int | None = None
    created_at: datetime | None = None


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    """A check run or a commit status."""

    kind: str = msgspec.field(default="", name="__typename")
    name: str = ""
    status: str = ""
    conclusion: str | None = None
    title: str | None = None
    started_at: datetime | None = None
    check_suite: _Suite | None = None
    context: str = ""
    state: str = ""
    description: str | None = None
    created_at: datetime | None = None
    creator: Who | None = None


class _Contexts(msgspec.Struct, frozen=True, rename="camel"):
    total_count: int = 0
    nodes: list[_Context | None] | None = None


class Rollup(msgspec.Struct, frozen=True):
    state: str = ""
    contexts: _Contexts | None = None


_PASSED = frozenset({"SUCCESS", "NEUTRAL", "SKIPPED"})
_STATUS = {
    "SUCCESS": CheckState.PASSED,
    "FAILURE": CheckState.FAILED,
    "ERROR": CheckState.FAILED,
}


_GRAVITY = {CheckState.PASSED: 0, CheckState.PENDING: 1, CheckState.FAILED: 2}
"""Of several checks of one name the worst is shown."""

_OWN = "hive/"
"""How the names of hive's own statuses begin."""

_WORKFLOWS = frozenset({"github-actions", "github-actions[bot]"})
"""As whom workflows act."""

SAME_EVENT = timedelta(minutes=1)
"""What one event starts is created within this; what is created later was started by another one."""


def checks(rollup: Rollup | None, sha: str) -> tuple[tuple[Check, ...], Verdict | None]:
    """The checks of a commit, one for each name, and hive's own verdict among them.

    Whoever may push, or is an App that somebody let in, may speak in hive's name: they could do worse. What
    runs in a repository's workflows may not, since agents write that, and its token may often set statuses.
    """
    if rollup is None or rollup.contexts is None:
        return (), None
    nodes = [node for node in rollup.contexts.nodes or () if node is not None]
    verdict = None
    found: dict[str, Check] = {}
    for node in _that_count(nodes):
        if node.kind != "StatusContext":
            check = _check_run(node, sha)
        elif node.context.startswith(_OWN) and _is_a_workflow(node.creator):
            by = login(node.creator)
            check = Check(name(node.context), CheckState.FAILED, sha, f"said by {by}, not by hive")
        else:
            check = _status(node, sha)
            if node.context == verdicts.CONTEXT and node.created_at is not None:
                words = clean_line(node.description or "", limit=MAX_DETAIL)
                verdict = verdicts.read(node.state, words, sha, login(node.creator), node.created_at)
        known = found.get(check.name)
        if known is None or _GRAVITY[check.state] >= _GRAVITY[known.state]:
            found[check.name] = check
    unread = rollup.contexts.total_count - len(nodes)
    if unread > 0:
        # What the rest of them says together is all that is needed of it.
        rest = f"{unread} more"
        found[rest] = Check(rest, _STATUS.get(rollup.state, CheckState.PENDING), sha)
    return tuple(check for _, check in sorted(found.items())), verdict


def _that_count(nodes: Iterable[_Context]) -> list[_Context]:
    """Without those that another run of the same check has made void. Two workflows may each have a check of
    one name: of those that the same event started, each counts."""
    latest: dict[tuple[str, str, int | None], _Context] = {}
    for node in sorted(nodes, key=_when):
        suite = node.check_suite.database_id if node.check_suite is not None else None
        latest[node.kind, node.name or node.context, suite] = node
    newest: dict[tuple[str, str], datetime] = {}
    for (kind, called, _), node in latest.items():
        began = _began(node)
        if began is not None:
            newest[kind, called] = max(began, newest.get((kind, called), began))
    return [
        node
        for (kind, called, _), node in latest.items()
        if (began := _began(node)) is None or newest[kind, called] - began <= SAME_EVENT
    ]


def _began(node: _Context) -> datetime | None:
    return node.check_suite.created_at if node.check_suite is not None else None


def _is_a_workflow(creator: Who | None) -> bool:
    return creator is not None and creator.kind == "Bot" and creator.login in _WORKFLOWS


def _when(node: _Context) -> float:
    at = node.created_at or node.started_at
    return at.timestamp() if at is not None else 0.0


def _check_run(node: _Context, sha: str) -> Check:
    state = CheckState.PENDING
    if node.status == "COMPLETED":
        state = CheckState.PASSED if node.conclusion in _PASSED else CheckState.FAILED
    detail = node.title or (node.conclusion or node.status).lower().replace("_", " ")
    return Check(name(node.name), state, sha, line(detail))


def _status(node: _Context, sha: str) -> Check:
    return Check(
        name(node.context), _STATUS.get(node.state, CheckState.PENDING), sha, line(node.description or "")
    )
