"""What was ordered and is not a fact yet; pure, the caller passes the state and the time.

The console never shows a wish as a fact: until the fleet's own state says it, the target is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from hive_tui.core.actions import Action, Request
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

CONFIRM_WITHIN = timedelta(seconds=10)
"""How long an order that was carried out may stay unconfirmed before it counts as failed."""


class Wish(NamedTuple):
    """One thing that an order is to bring about."""

    action: Action
    request: Request | None
    target: Target
    """As `Action.subject` has it."""
    label: str
    before: Snapshot
    """What was known when it was ordered."""
    since: datetime
    carried_out: bool = False

    def came_true(self, after: Snapshot) -> bool:
        confirmed = self.action.confirmed
        return confirmed is not None and confirmed(self.before, after, self.request, self.target)


class Pending:
    """Every order that is waited for; one action waits for a target at most once."""

    def __init__(self) -> None:
        self._wishes: dict[tuple[str, Target], Wish] = {}

    def begin(self, wish: Wish) -> None:
        self._wishes[wish.action.id, wish.target] = wish

    def carried_out(self, action: Action, targets: Iterable[Target], now: datetime) -> None:
        """The backends took the order; from now on its confirmation is due."""
        for target in targets:
            wish = self._wishes.get((action.id, target))
            if wish is None:
                continue
            if action.confirmed is None:
                del self._wishes[action.id, target]
            else:
                self._wishes[action.id, target] = wish._replace(carried_out=True, since=now)

    def drop(self, action: Action, targets: Iterable[Target] | None = None) -> None:
        """The order failed, or was called off, for these targets; None is all of them."""
        for name, target in list(self._wishes):
            if name == action.id and (targets is None or target in targets):
                del self._wishes[name, target]

    def settle(self, snapshot: Snapshot) -> bool:
        """Forget what has come true; whether there was something."""
        true = [key for key, wish in self._wishes.items() if wish.came_true(snapshot)]
        for key in true:
            del self._wishes[key]
        return bool(true)

    def overdue(self, now: datetime) -> list[Wish]:
        """Orders that were carried out and not confirmed in time; they are given up."""
        late = [
            wish for wish in self._wishes.values() if wish.carried_out and now - wish.since > CONFIRM_WITHIN
        ]
        for wish in late:
            del self._wishes[wish.action.id, wish.target]
        return late

    def waits(self, action: Action, target: Target | None = None) -> bool:
        """Whether this action is waited for, on this target or on any."""
        if target is not None:
            return (action.id, target) in self._wishes
        return any(name == action.id for name, _ in self._wishes)

    @property
    def words(self) -> Mapping[Target, str]:
        """What stands at each target; of several orders the last one."""
        return {wish.target: wish.action.doing for wish in self._wishes.values() if wish.action.doing}
