"""What an order is about, and the words for it and for what became of it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hive_tui.app import questions
from hive_tui.app.pending import Wish
from hive_tui.core.actions import Action, ActionPlan, Request, Scope
from hive_tui.core.targets import Target

SAID = 3
"""Messages of one order that are told in full."""


def subjects(action: Action, targets: Iterable[Target], requests: Sequence[Request]) -> dict[Target, str]:
    """What is pending while the order is planned, and how it is called."""
    if action.scope is Scope.FLEET:
        agent = getattr(requests[0], "agent", None)
        return {Target(agent=agent): agent or "the fleet"}
    return {found: _name(found) for found in action.subjects(tuple(targets))}


def labels_of(action: Action, plan: ActionPlan) -> dict[Target, str]:
    """What is pending while a plan is carried out, and how it is called."""
    if plan.action.scope is Scope.FLEET:
        runs = {
            found: "" for planned in plan.targets if (found := action.subject(planned.target)) is not None
        }
        return {**subjects(action, (), [plan.request]), **{target: _name(target) for target in runs}}
    return {found: _name(found) for found in questions.subjects(plan)}


def _name(target: Target) -> str:
    if target.run is not None:
        return target.run
    return str(target.issue_key or target.pull_key or target.agent or "the fleet")


def wish_words(wish: Wish) -> str:
    """`killing claude-b-29-1`."""
    doing = wish.action.doing or "the new number of slots"
    return doing if wish.target == Target() else f"{doing} {wish.label}"


def several(said: Sequence[str]) -> str:
    """The first messages, and how many more there are."""
    rest = len(said) - SAID
    return " ".join([*said[:SAID], *([f"And {rest} more."] if rest > 0 else [])])
