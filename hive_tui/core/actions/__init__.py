"""The one registry of what a user can do.

Keys, command line, palette, help and the generated tables read from here. An action is planned without
side effects, its plan is shown, then it is carried out:

    plan = actions.plan(context, snapshot, Kill((run,)))
    if plan.refusal is None:
        result = actions.execute(context, plan)

Read-only mode, missing capabilities and refusals are kept here, whoever calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from hive_tui.core.actions import fleet, issues, pulls, runs, views, work
from hive_tui.core.actions.base import (
    ASK_FOR_RIGHTS,
    BULK,
    READ_ONLY,
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Danger,
    Planned,
    Request,
    Scope,
    execute_plan,
    forbidden,
    key_label,
    make_plan,
    refusal_of,
    sentence,
    unavailable,
)
from hive_tui.core.actions.fleet import (
    Collect,
    DisableAgent,
    EnableAgent,
    Pause,
    Resume,
    SetSlots,
    StopAll,
    Wake,
)
from hive_tui.core.actions.issues import Approve, EditIssue, NewIssue, SetOpen, SetStatus
from hive_tui.core.actions.pulls import LEASE, Merge, Release, Take
from hive_tui.core.actions.runs import Kill, Send
from hive_tui.core.actions.work import FireIssue, Reset, Retry
from hive_tui.core.errors import unknown
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

REGISTRY: tuple[Action, ...] = (
    *fleet.ACTIONS,
    *work.ACTIONS,
    *runs.ACTIONS,
    *pulls.ACTIONS,
    *issues.ACTIONS,
    *views.ACTIONS,
)

_BY_ID = {action.id: action for action in REGISTRY}
_BY_REQUEST = {action.request: action for action in REGISTRY if action.request is not None}


def get(name: str) -> Action:
    """The action with this id. Raises UsageError naming the nearest."""
    action = _BY_ID.get(name)
    if action is None:
        raise unknown("action", name, _BY_ID)
    return action


def plan(context: ActionContext, snapshot: Snapshot, request: Request) -> ActionPlan:
    """What carrying out the request would do; what stands against it is in the plan.

    Raises UsageError when the request names something that does not exist.
    """
    return make_plan(_BY_REQUEST[type(request)], context, snapshot, request)


def execute(context: ActionContext, planned: ActionPlan) -> ActionResult:
    """Carry out a plan. Raises Refused when it is refused, and HiveError when a backend fails;
    what fails for one of several targets is in the result."""
    return execute_plan(context, planned)


def with_key(
    key: str, scopes: Sequence[Scope], snapshot: Snapshot, targets: Sequence[Target] = ()
) -> Action | None:
    """The action that a key means for what is selected; `scopes` in the order of nearness."""
    for scope in scopes:
        for action in REGISTRY:
            if action.scope is scope and key in action.keys and action.applies(snapshot, targets):
                return action
    return None


__all__ = [
    "ASK_FOR_RIGHTS",
    "BULK",
    "LEASE",
    "READ_ONLY",
    "REGISTRY",
    "Action",
    "ActionContext",
    "ActionPlan",
    "ActionResult",
    "Approve",
    "Collect",
    "Danger",
    "DisableAgent",
    "EditIssue",
    "EnableAgent",
    "FireIssue",
    "Kill",
    "Merge",
    "NewIssue",
    "Pause",
    "Planned",
    "Release",
    "Request",
    "Reset",
    "Resume",
    "Retry",
    "Scope",
    "Send",
    "SetOpen",
    "SetSlots",
    "SetStatus",
    "StopAll",
    "Take",
    "Wake",
    "execute",
    "forbidden",
    "get",
    "key_label",
    "plan",
    "refusal_of",
    "sentence",
    "unavailable",
    "with_key",
]
