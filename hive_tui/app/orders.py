"""Orders of a person to the fleet: asked for, planned and carried out away from the screen, then waited for.

    key -> what stands against it -> what has to be asked -> plan -> consent -> look again, execute -> pending

Whatever takes time runs in threads; this object itself belongs to the screen's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from hive_tui.app import order_words, questions
from hive_tui.app.live import Fleet
from hive_tui.app.pending import CONFIRM_WITHIN, Pending, Wish
from hive_tui.app.slots import SlotsDial
from hive_tui.app.view import View
from hive_tui.core import actions, text
from hive_tui.core.actions import (
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Danger,
    Request,
    Scope,
    SetSlots,
)
from hive_tui.core.errors import HiveError, Refused, words_of
from hive_tui.core.model import Actor, ActorKind
from hive_tui.core.ports import Capability
from hive_tui.core.sources import Kind
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target

if TYPE_CHECKING:
    from hive_tui.app.app import HiveApp
    from hive_tui.app.screens.confirm import ConfirmScreen

APPLY_AFTER_SECONDS = 1.0
"""How long the number of slots rests before it is applied."""

TURNS = {"slots.more": 1, "slots.fewer": -1}

ASKS_ALWAYS = frozenset({"issue.approve"})
"""Ends nothing, but is a consent: what is consented to has to be on the screen."""

FORMS = frozenset({"fire", "send", "issue.status", "agent.enable", "agent.disable"})
"""Ask for something to be filled in or chosen before they can be planned."""


class Orders:
    """What a person at this console may order, orders, and waits for."""

    def __init__(
        self,
        app: HiveApp,
        fleet: Fleet,
        *,
        user: str,
        read_only: bool,
        now: Callable[[], datetime],
        start_dispatcher: Callable[[], str | None] | None = None,
    ) -> None:
        """A session that is `read_only` from its start stays so. `start_dispatcher` starts the process on
        this machine; None where it does not belong on this machine."""
        self._app = app
        self._fleet = fleet
        self._user = user
        self._pinned = self.read_only = read_only
        self._now = now
        self._start_dispatcher = start_dispatcher
        self._pending = Pending()
        self._dial = SlotsDial()
        self._turned = 0
        self._planning: set[tuple[str, tuple[Target, ...]]] = set()
        self._dialog: _Dialog | None = None
        self._capabilities: frozenset[Capability] | None = None
        self.drafts: dict[Target, str] = {}
        """Messages that were begun and not sent, by their runs."""

    # What is shown

    def mark(self, view: View) -> View:
        """The view with what was ordered here and is not a fact yet."""
        if not self._pending.waits(_SLOTS):
            self._dial.settled()
        slots = view.snapshot.fleet.slots if view.snapshot.fleet is not None else None
        return msgspec.structs.replace(
            view,
            pending=self._pending.words,
            slots_wanted=None if slots is None else self._dial.wanted(slots),
            read_only=self.read_only,
        )

    def seen(self, view: View, diff: Diff) -> None:
        """A new state: what has come true is not waited for, and an open dialog looks again."""
        self._pending.settle(view.snapshot)
        if self._dialog is not None and any(diff.keys(kind) for kind in _LOOKED_AT):
            self._app.run_worker(
                self._look_again(self._dialog), group="look-again", exclusive=True, exit_on_error=False
            )

    def tick(self, view: View) -> None:
        """Give up what was not confirmed in time, and say so with the next step."""
        self._pending.settle(view.snapshot)
        late = self._pending.overdue(self._now())
        if not late:
            return
        broken = [source.name for source in view.snapshot.sources.values() if not source.ok]
        step = (
            f"The {broken[0]} cannot be read: `hive doctor` looks for the cause."
            if broken
            else "Look at it (d) and at what happened (8), then give the order again."
        )
        what = text.truncate(", ".join(dict.fromkeys(map(order_words.wish_words, late))), 200)
        self._app.say(f"The fleet did not confirm {what} within {text.age(CONFIRM_WITHIN)}. {step}", "error")

    # What may be ordered

    def lacks(self, action: Action) -> bool:
        """Whether this fleet's backends can not do that at all: then it has no key."""
        if action.id == "dispatcher.start" and self._start_dispatcher is None:
            return True
        return self._capabilities is not None and bool(action.needs - self._capabilities)

    def unavailable(self, action: Action, targets: Sequence[Target]) -> str | None:
        """Why it cannot be ordered now, in half a sentence."""
        if action.id == "dispatcher.start" and self._start_dispatcher is None:
            return "this fleet's dispatcher is not started from here"
        return actions.unavailable(
            action,
            capabilities=self._capabilities,
            read_only=self.read_only,
            snapshot=self._app.view.snapshot,
            targets=targets,
        )

    def learn(self) -> None:
        """Find out what the backends can do. Blocks while they open; for a thread."""
        self._capabilities = self._fleet.cluster.capabilities | self._fleet.forge.capabilities

    def able(self, capability: Capability) -> bool:
        """Whether one of the backends is known to be able to do that."""
        return self._capabilities is not None and capability in self._capabilities

    def toggle_read_only(self) -> None:
        """Change nothing from here on, or allow it again; a session that began read-only stays so, since
        whoever began it so meant the whole session."""
        if self._pinned:
            self._app.say("This session was started read-only: start hive without that to change things.")
            return
        self.read_only = not self.read_only
        self._dial.reset()
        self._app.say(
            "Read-only: nothing is changed from here." if self.read_only else "Changes are allowed."
        )
        self._app.show_again()
        self._app.refresh_bindings()

    # Slots

    @property
    def turning(self) -> bool:
        """Whether a number of slots is shown that was not applied yet."""
        return self._dial.turned != 0

    def _turn(self, by: int) -> None:
        fleet = self._app.view.snapshot.fleet
        if fleet is None:
            return
        self._dial.turn(by, fleet.slots)
        self._turned += 1
        turned = self._turned
        self._app.set_timer(
            APPLY_AFTER_SECONDS, lambda: self.apply_slots() if turned == self._turned else None
        )
        self._app.show_again()
        self._app.refresh_bindings()

    def apply_slots(self) -> None:
        """Set the slots to the number that is shown."""
        if self._dial.turned and self._pending.waits(_SLOTS):
            # One order after the other: each is confirmed by the number moving.
            self._app.set_timer(0.1, self.apply_slots)
        elif by := self._dial.take():
            self._app.refresh_bindings()
            request = SetSlots(by=by)
            self._begin(_SLOTS, {Target(): "slots"}, request)
            self._work(self._execute_all(_SLOTS, [request], {Target(): "slots"}))

    def reset_slots(self) -> None:
        """Forget the number that is shown."""
        self._dial.reset()
        self._app.show_again()
        self._app.refresh_bindings()

    # Giving an order

    def give(self, action: Action, targets: Sequence[Target]) -> None:
        """Order something, or say why not."""
        reason = self.unavailable(action, targets)
        if reason is not None:
            self._app.say(f"{action.title}: {reason}.", "warning")
        elif action.id in TURNS:
            self._turn(TURNS[action.id])
        elif action.id == "attach":
            self._work(self._attach(action, targets))
        else:
            self._give(action, self._not_waited_for(action, targets))

    async def _attach(self, action: Action, targets: Sequence[Target]) -> None:
        """Give the terminal to a shell in the first of the selected runs that has a place for one."""
        snapshot, against = self._app.view.snapshot, action.against
        runs = (
            subject.run
            for subject in action.subjects(targets)
            if against is None or against(snapshot, subject) is None
        )
        run = next((run for run in runs if run is not None), None)
        if run is not None:
            argv = await asyncio.to_thread(self._fleet.cluster.shell, run)
            self._app.commander.give_terminal(argv, name=f"a shell in {run}")

    def _not_waited_for(self, action: Action, targets: Sequence[Target]) -> tuple[Target, ...] | None:
        """The targets for which this was not ordered already; None when it was for all of them."""
        if action.scope is Scope.FLEET:
            agents = {Target(agent=target.agent) for target in targets} or {Target()}
            waits = all(self._pending.waits(action, agent) for agent in agents)
            return None if waits else tuple(targets)
        free = tuple(target for target in targets if not self._waits(action, target))
        return free if action.subjects(free) else None

    def _waits(self, action: Action, target: Target) -> bool:
        subject = action.subject(target)
        return subject is not None and self._pending.waits(action, subject)

    def _give(self, action: Action, targets: tuple[Target, ...] | None) -> None:
        if targets is None:
            self._app.say(f"{action.doing.capitalize()} already: the fleet has not confirmed it yet.")
            return
        planned = (action.id, targets)
        if planned not in self._planning:
            self._planning.add(planned)
            # What is typed from here on is for the form, not for the panes.
            form = self._app.expect() if action.id in FORMS else None

            def after() -> None:
                self._planning.discard(planned)
                if form is not None:
                    form.set()

            self._work(self._ask_and_carry_out(action, targets), after=after)

    def _work(self, order: Awaitable[None], after: Callable[[], object] = lambda: None) -> None:
        async def work() -> None:
            try:
                await order
            except HiveError as error:
                self._app.say(words_of(error), "error")
            finally:
                after()
                self._app.show_again()

        self._app.run_worker(work(), group="orders", exit_on_error=False)

    async def _ask_and_carry_out(self, action: Action, targets: tuple[Target, ...]) -> None:
        if action.id == "dispatcher.start":
            await self._begin_dispatcher(action)
            return
        from hive_tui.app import asking

        requests = await asking.requests(self._app, self, action, targets)
        if not requests:
            return
        asks = action.danger is not Danger.NONE or action.id in ASKS_ALWAYS
        early = {} if asks else order_words.subjects(action, targets, requests)
        self._begin(action, early, requests[0])
        try:
            plans = await asyncio.to_thread(self._plan_all, requests)
        finally:
            self._pending.drop(action, early)
        if asks:
            agreed = await self._consent(plans[0])
            plans = [agreed] if agreed is not None else []
        if plans:
            await self._carry_out(action, plans, looked_again=not asks)

    def _plan_all(self, requests: Sequence[Request]) -> list[ActionPlan]:
        """Plan against the newest state. Raises Refused when nothing of it can be done."""
        context, snapshot = self.context(), self._app.latest
        plans = [actions.plan(context, snapshot, request) for request in requests]
        if all(plan.refusal is not None for plan in plans):
            raise Refused(actions.sentence(plans[0].refusal or ""), plans[0].hint)
        return plans

    def context(self) -> ActionContext:
        """With what orders are carried out; opens the backends, so for threads only."""
        return ActionContext(
            cluster=self._fleet.cluster,
            forge=self._fleet.forge,
            settings=self._fleet.settings,
            actor=Actor(ActorKind.PERSON, self._user),
            now=self._now,
            read_only=self.read_only,
        )

    @property
    def user(self) -> str:
        return self._user

    # Consent

    async def _consent(self, plan: ActionPlan) -> ActionPlan | None:
        """The plan that the person agreed to, as it was on the screen then; None for no."""
        hidden = self._app.hidden_marks
        await asyncio.to_thread(_load_dialog)
        from hive_tui.app.screens.confirm import ConfirmScreen

        dialog = self._dialog = _Dialog(
            ConfirmScreen(questions.question(plan, hidden=hidden)), hidden, plan, plan
        )
        try:
            agreed = await self._app.push_screen_wait(dialog.screen)
        finally:
            self._dialog = None
        return dialog.plan if agreed else None

    async def _look_again(self, dialog: _Dialog) -> None:
        plan = await asyncio.to_thread(
            lambda: actions.plan(self.context(), self._app.latest, dialog.plan.request)
        )
        if self._dialog is dialog:
            asked = questions.question(plan, hidden=dialog.hidden, shown=dialog.first)
            dialog.screen.ask(asked, wait=questions.widened(plan, dialog.plan))
            dialog.plan = plan

    # Carrying out

    async def _carry_out(self, action: Action, plans: Sequence[ActionPlan], *, looked_again: bool) -> None:
        labels: dict[Target, str] = {}
        for plan in plans:
            mine = order_words.labels_of(action, plan) if plan.refusal is None else {}
            self._begin(action, mine, plan.request)
            labels |= mine
        await self._execute_all(action, plans, labels, looked_again=looked_again)

    def _begin(self, action: Action, labels: dict[Target, str], request: Request | None) -> None:
        before, now = self._app.view.snapshot, self._now()
        for target, label in labels.items():
            self._pending.begin(Wish(action, request, target, label, before, now))
        self._app.show_again()

    async def _execute_all(
        self,
        action: Action,
        orders: Sequence[ActionPlan | Request],
        labels: dict[Target, str],
        *,
        looked_again: bool = False,
    ) -> None:
        try:
            result = await asyncio.to_thread(self._execute, orders, looked_again)
        except BaseException:
            self._pending.drop(action, labels)
            raise
        failed = {found for target in result.failed if (found := action.subject(target)) is not None}
        if result.errors and not result.messages:
            failed = set(labels)
        self._pending.drop(action, failed)
        self._pending.carried_out(action, labels.keys() - failed, self._now())
        if action.id == "send":
            for target in labels.keys() - failed:
                self.drafts.pop(target, None)
        self.seen(self._app.view, Diff({}))
        self._report(result)
        if not result.errors:
            self._app.unmark(labels)

    def _execute(self, orders: Sequence[ActionPlan | Request], looked_again: bool) -> ActionResult:
        """Look again and carry out, one after the other; one that fails keeps none from being done."""
        context = self.context()
        results: list[ActionResult] = []
        for order in orders:
            try:
                if isinstance(order, Request):
                    plan = actions.plan(context, self._app.latest, order)
                elif looked_again:
                    plan = order
                else:
                    plan = questions.agreed(actions.plan(context, self._app.latest, order.request), order)
                results.append(actions.execute(context, plan))
            except HiveError as error:
                targets = tuple(p.target for p in order.targets) if isinstance(order, ActionPlan) else ()
                results.append(ActionResult(errors=(error,), failed=targets))
        return ActionResult(
            messages=tuple(message for result in results for message in result.messages),
            errors=tuple(error for result in results for error in result.errors),
            failed=tuple(target for result in results for target in result.failed),
        )

    def _report(self, result: ActionResult) -> None:
        done, errors = result.messages, result.errors
        if not errors:
            self._app.say(order_words.several(done) if done else "There was nothing to do.")
            return
        why = order_words.several([words_of(error) for error in errors])
        if done:
            total = len(done) + len(errors)
            why = f"{len(done)} of {total} done: {order_words.several(done)} Not done: {why}"
        self._app.say(why, "error")

    async def _begin_dispatcher(self, action: Action) -> None:
        start = self._start_dispatcher
        assert start is not None
        if self.read_only:
            raise Refused(f"{actions.READ_ONLY}.")
        self._begin(action, {Target(): "the dispatcher"}, None)
        try:
            said = await asyncio.to_thread(start)
        except BaseException:
            self._pending.drop(action)
            raise
        self._pending.carried_out(action, (Target(),), self._now())
        self._app.say(said or "A dispatcher runs already.")


class _Dialog:
    """A consent that is being asked for."""

    def __init__(self, screen: ConfirmScreen, hidden: int, first: ActionPlan, plan: ActionPlan) -> None:
        self.screen, self.hidden = screen, hidden
        self.first, self.plan = first, plan


_SLOTS = actions.get("slots.more")
_LOOKED_AT = (Kind.RUN, Kind.ISSUE, Kind.PULL, Kind.CLAIM, Kind.FLEET)


def _load_dialog() -> None:
    """Import what a dialog is made of, which takes long the first time, in a thread."""
    import hive_tui.app.screens.confirm  # noqa: F401
