"""Actions on an issue itself: its status, its text, whether it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hive_tui.core import gates, text, workflow
from hive_tui.core.actions.base import (
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Draft,
    Planned,
    Request,
    Scope,
    for_each,
    issue_label,
    issue_target,
    keys_of,
    record,
)
from hive_tui.core.errors import Refused
from hive_tui.core.ids import IssueKey, RepoName
from hive_tui.core.model import Issue, body_sha
from hive_tui.core.ports import Capability
from hive_tui.core.settings import Preset
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from hive_tui.core.workflow import IssueState

MAX_TITLE = 256


class SetStatus(Request, frozen=True):
    issues: tuple[IssueKey, ...]
    state: IssueState


class NewIssue(Request, frozen=True):
    repo: RepoName
    title: str
    body: str = ""
    labels: tuple[str, ...] = ()


class EditIssue(Request, frozen=True):
    """What is None stays as it is."""

    issue: IssueKey
    title: str | None = None
    body: str | None = None
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()


class SetOpen(Request, frozen=True):
    issues: tuple[IssueKey, ...]
    is_open: bool = False


class Approve(Request, frozen=True):
    """Consent to exactly the text that the issue has now."""

    issues: tuple[IssueKey, ...]


def _planned(snapshot: Snapshot, keys: Sequence[IssueKey]) -> tuple[Planned, ...]:
    return tuple(
        Planned(
            issue_target(key),
            issue_label(snapshot, key),
            refusal=None if key in snapshot.issues else "there is no such issue",
        )
        for key in keys
    )


def _key(planned: Planned) -> IssueKey:
    key = planned.target.issue_key
    assert key is not None
    return key


def _draft_status(context: ActionContext, snapshot: Snapshot, request: SetStatus) -> Draft:
    return Draft(_planned(snapshot, request.issues))


def _status(context: ActionContext, plan: ActionPlan, request: SetStatus) -> ActionResult:
    preset = context.settings.labels
    wanted = workflow.label(request.state, preset)

    def move(planned: Planned) -> str:
        key = _key(planned)
        issue = context.forge.get_issue(key)
        before = workflow.states(issue.labels, preset)
        add, remove = workflow.transition(issue.labels, request.state, preset)
        if not add and not remove:
            return f"{key} is {wanted} already."
        context.forge.set_labels(key, add=add, remove=remove, by=context.actor.name)
        old = " and ".join(workflow.label(state, preset) for state in before) or "no status"
        record(context, "status", f"{old} → {wanted}", planned.target)
        return f"{key}: {old} → {wanted}"

    return for_each(plan, move)


def _title_problem(title: str | None) -> str | None:
    if title is None:
        return None
    if not text.clean_line(title):
        return "the title is empty"
    return f"the title is longer than {MAX_TITLE} characters" if len(title) > MAX_TITLE else None


def _draft_new(context: ActionContext, snapshot: Snapshot, request: NewIssue) -> Draft:
    return Draft(refusal=_title_problem(request.title), hint="Give it a short title.")


def _new(context: ActionContext, plan: ActionPlan, request: NewIssue) -> ActionResult:
    issue = context.forge.create_issue(
        request.repo,
        title=text.clean_line(request.title),
        body=text.clean(request.body),
        author=context.actor.name,
        labels=request.labels,
    )
    record(context, "issue", f"wrote: {issue.title}", issue_target(issue.key))
    return ActionResult((f"{issue.key} {issue.title}",), issue=issue)


def _draft_edit(context: ActionContext, snapshot: Snapshot, request: EditIssue) -> Draft:
    changed = request.title is not None or request.body is not None
    refusal = _title_problem(request.title)
    if not changed and not request.add_labels and not request.remove_labels:
        refusal = "nothing would change"
    return Draft(_planned(snapshot, (request.issue,)), refusal=refusal)


def _edit(context: ActionContext, plan: ActionPlan, request: EditIssue) -> ActionResult:
    key, by = request.issue, context.actor.name
    what: list[str] = []
    if request.title is not None or request.body is not None:
        title = None if request.title is None else text.clean_line(request.title)
        body = None if request.body is None else text.clean(request.body)
        context.forge.edit_issue(key, by=by, title=title, body=body)
        what += [name for name, value in (("title", title), ("text", body)) if value is not None]
    if request.add_labels or request.remove_labels:
        context.forge.set_labels(key, add=request.add_labels, remove=request.remove_labels, by=by)
        what.append("labels")
    record(context, "issue", f"changed the {' and the '.join(what)}", issue_target(key))
    issue = context.forge.get_issue(key)
    return ActionResult((f"{key} {issue.title}",), issue=issue)


def _draft_open(context: ActionContext, snapshot: Snapshot, request: SetOpen) -> Draft:
    at_work = {run.key: run.spec.worker for run in snapshot.runs.values() if not run.phase.final}
    lines = tuple(
        f"{at_work[key]} works on {key} and goes on: `hive kill {key.number}` ends it"
        for key in request.issues
        if key in at_work and not request.is_open
    )
    return Draft(_planned(snapshot, request.issues), lines)


def _open(context: ActionContext, plan: ActionPlan, request: SetOpen) -> ActionResult:
    word = "opened" if request.is_open else "closed"

    def change(planned: Planned) -> str:
        context.forge.set_open(_key(planned), request.is_open, by=context.actor.name)
        record(context, "issue", f"{word} it", planned.target)
        return f"{word.capitalize()} {planned.label}."

    done = for_each(plan, change)
    return ActionResult((*done.messages, *plan.consequences), done.errors, done.failed)


def _draft_approve(context: ActionContext, snapshot: Snapshot, request: Approve) -> Draft:
    return Draft(
        tuple(
            msgspec.structs.replace(planned, consequences=_text_of(issue), evidence=body_sha(issue.body))
            if (issue := snapshot.issues.get(_key(planned))) is not None
            else planned
            for planned in _planned(snapshot, request.issues)
        ),
        ("An agent is given exactly this text. If it changes, it has to be approved again.",),
    )


def _text_of(issue: Issue) -> tuple[str, ...]:
    """Whose text it is, and the text."""
    edited = f", changed by {issue.edited_by}" if issue.edited_by is not None else ""
    return (f"written by {issue.author}{edited}", "", *text.clean(issue.body).splitlines())


def _approve(context: ActionContext, plan: ActionPlan, request: Approve) -> ActionResult:
    def approve(planned: Planned) -> str:
        key = _key(planned)
        if body_sha(context.forge.get_issue(key).body) != planned.evidence:
            raise Refused(f"The text of {key} was changed just now.", "Read it again, then approve it.")
        approval = context.forge.approve_issue(key, by=context.actor.name).approval
        record(context, "approve", "approved its text", planned.target)
        done = f"Approved {planned.label} as it is now."
        if approval is not None and not gates.may_approve(approval, context.settings):
            done += f" It does not count: {approval.by} is neither in allowed_authors nor of allowed_roles."
        return done

    return for_each(plan, approve)


def _is_open(snapshot: Snapshot, targets: Sequence[Target]) -> bool:
    found = [snapshot.issues[key] for key in keys_of(targets) if key in snapshot.issues]
    return any(issue.open for issue in found)


def _of(
    request: Callable[[tuple[IssueKey, ...]], Request],
) -> Callable[[Sequence[Target], str], Request | None]:
    """The request for the issues that are selected."""

    def of(targets: Sequence[Target], user: str) -> Request | None:
        keys = keys_of(targets)
        return request(keys) if keys else None

    return of


def _issue(snapshot: Snapshot, target: Target) -> Issue | None:
    return snapshot.issues.get(target.issue_key) if target.issue_key is not None else None


def _unknown(snapshot: Snapshot, target: Target) -> str | None:
    return "there is no such issue" if _issue(snapshot, target) is None else None


def _already(is_open: bool) -> Callable[[Snapshot, Target], str | None]:
    def against(snapshot: Snapshot, target: Target) -> str | None:
        issue = _issue(snapshot, target)
        same = issue is not None and issue.open is is_open
        return f"it is {'open' if is_open else 'closed'} already" if same else _unknown(snapshot, target)

    return against


def _approved_already(snapshot: Snapshot, target: Target) -> str | None:
    issue = _issue(snapshot, target)
    same = (
        issue is not None and issue.approval is not None and issue.approval.body_sha == body_sha(issue.body)
    )
    return "its text is approved already" if same else _unknown(snapshot, target)


def _status_set(before: Snapshot, after: Snapshot, request: SetStatus, target: Target) -> bool:
    issue = _issue(after, target)
    return issue is not None and any(
        workflow.state(issue.labels, preset) is request.state for preset in Preset
    )


def _open_set(before: Snapshot, after: Snapshot, request: SetOpen, target: Target) -> bool:
    issue = _issue(after, target)
    return issue is not None and issue.open is request.is_open


def _approval_set(before: Snapshot, after: Snapshot, request: Approve, target: Target) -> bool:
    return _approved_already(after, target) is not None


_EDIT = frozenset({Capability.EDIT_ISSUE})

ACTIONS = (
    Action(
        id="issue.status",
        title="Set the status",
        help="Put one status label on an issue and take the others off.",
        scope=Scope.ISSUE,
        command="status ISSUE STATUS",
        needs=_EDIT,
        writes=True,
        request=SetStatus,
        draft=_draft_status,
        perform=_status,
        against=_unknown,
        doing="changing",
        confirmed=_status_set,
    ),
    Action(
        id="issue.new",
        title="New issue",
        help="Write an issue, with a template for its Plan and Definition of Done.",
        scope=Scope.FLEET,
        command="issue new TITLE",
        needs=frozenset({Capability.CREATE_ISSUE}),
        writes=True,
        request=NewIssue,
        draft=_draft_new,
        perform=_new,
    ),
    Action(
        id="issue.edit",
        title="Edit the issue",
        help="Change an issue's title, text or labels.",
        scope=Scope.ISSUE,
        command="issue edit ISSUE",
        needs=_EDIT,
        writes=True,
        request=EditIssue,
        draft=_draft_edit,
        perform=_edit,
    ),
    Action(
        id="issue.close",
        title="Close the issue",
        help="Close an issue; it is not started any more.",
        scope=Scope.ISSUE,
        command="issue close ISSUE",
        needs=_EDIT,
        writes=True,
        request=SetOpen,
        draft=_draft_open,
        perform=_open,
        of=_of(SetOpen),
        when=_is_open,
        against=_already(False),
        doing="closing",
        confirmed=_open_set,
    ),
    Action(
        id="issue.reopen",
        title="Open the issue again",
        help="Open a closed issue again.",
        scope=Scope.ISSUE,
        command="issue reopen ISSUE",
        needs=_EDIT,
        writes=True,
        draft=_draft_open,
        perform=_open,
        of=_of(lambda keys: SetOpen(keys, is_open=True)),
        when=lambda snapshot, targets: not _is_open(snapshot, targets),
        against=_already(True),
        doing="opening",
        confirmed=_open_set,
    ),
    Action(
        id="issue.approve",
        title="Approve the text",
        help="Let an issue of somebody who is not trusted, or that was changed, be started as it is now.",
        scope=Scope.ISSUE,
        command="issue approve ISSUE",
        needs=_EDIT,
        writes=True,
        request=Approve,
        draft=_draft_approve,
        perform=_approve,
        of=_of(Approve),
        against=_approved_already,
        doing="approving",
        confirmed=_approval_set,
    ),
)
