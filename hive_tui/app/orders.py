"""Orders of a person to the fleet: planned and carried out by the action registry, then waited for.

The console never shows a wish as a fact: until the fleet's own state says it, an order is pending.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from hive_tui.core import actions
from hive_tui.core.actions import ActionContext
from hive_tui.core.errors import Refused
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

CONFIRM_WITHIN = timedelta(seconds=10)
"""How long an order may stay unconfirmed by the fleet's own state before it counts as failed."""


class Wish(NamedTuple):
    """Something that an order is to bring about."""

    word: str
    """What stands beside the fact that it is to replace."""
    true: Callable[[Snapshot], bool]


def _paused(snapshot: Snapshot) -> bool | None:
    return None if snapshot.fleet is None else snapshot.fleet.paused is not None


WISHES = {
    "pause": Wish("pausing", lambda snapshot: _paused(snapshot) is True),
    "resume": Wish("resuming", lambda snapshot: _paused(snapshot) is False),
}


class Pending:
    """The order that is waited for, at most one."""

    def __init__(self) -> None:
        self._wish: tuple[Wish, datetime] | None = None

    def begin(self, name: str, now: datetime) -> None:
        wish = WISHES.get(name)
        self._wish = None if wish is None else (wish, now)

    def clear(self) -> None:
        """The order failed."""
        self._wish = None

    def word(self, snapshot: Snapshot) -> str:
        """What is waited for, until the fleet's state says it."""
        if self._wish is not None and self._wish[0].true(snapshot):
            self._wish = None
        return "" if self._wish is None else self._wish[0].word

    def overdue(self, now: datetime) -> str | None:
        """The word of an order that was not confirmed in time; it is then given up."""
        if self._wish is None or now - self._wish[1] <= CONFIRM_WITHIN:
            return None
        word, self._wish = self._wish[0].word, None
        return word


def carry_out(context: ActionContext, snapshot: Snapshot, name: str, targets: Sequence[Target]) -> str:
    """Plan and execute an action that needs nothing but its name; what was done, in words.

    Blocks. Raises Refused with the reason, HiveError when a backend fails.
    """
    action = actions.get(name)
    assert action.of is not None, f"{name} needs more than its name"
    plan = actions.plan(context, snapshot, action.of(targets, context.actor.name) or actions.Wake())
    if plan.refusal is not None:
        raise Refused(plan.refusal, plan.hint)
    return " ".join(actions.execute(context, plan).messages)
