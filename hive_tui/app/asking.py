"""What has to be asked before an order can be planned: which agent, how much, what to say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from hive_tui.core import actions, text, workflow
from hive_tui.core.actions import Action, Collect, DisableAgent, EnableAgent, Request, Send, SetStatus
from hive_tui.core.actions.base import keys_of
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Run
from hive_tui.core.targets import Target
from hive_tui.core.workflow import IssueState

if TYPE_CHECKING:
    from hive_tui.app.app import HiveApp
    from hive_tui.app.orders import Orders

KEPT = timedelta(hours=1)
"""Work trees of runs that ended within this time stay, as with `hive gc`."""

ONE_BY_ONE = frozenset({"take", "release"})
"""Actions whose request is about one thing: several of them make several requests."""

WRITTEN = frozenset({"issue.new", "issue.edit"})
"""Actions that need more words than a key can give."""


async def requests(app: HiveApp, orders: Orders, action: Action, targets: Sequence[Target]) -> list[Request]:
    """What is to be planned; nothing when the person called it off."""
    match action.id:
        case "fire":
            return await _fire(app, orders, targets)
        case "send":
            return await _send(app, orders, action.subjects(targets))
        case "issue.status":
            return await _status(app, targets)
        case "agent.enable" | "agent.disable":
            return await _agent(app, action, targets)
        case "gc":
            return [Collect(orders.context().now() - KEPT)]
        case name if name in WRITTEN:
            app.say(f"{action.title}: `:{action.command}`, or `hive {action.command}` in a terminal.")
            return []
    assert action.of is not None, f"nobody knows how to ask for {action.id}"
    groups = [(target,) for target in targets] if action.id in ONE_BY_ONE else [tuple(targets)]
    made = (action.of(group, orders.user) for group in groups)
    return [request for request in made if request is not None]


async def _fire(app: HiveApp, orders: Orders, targets: Sequence[Target]) -> list[Request]:
    from hive_tui.app import firing

    keys = keys_of(targets)
    form = await asyncio.to_thread(firing.form, app.view, keys)
    from hive_tui.app.screens.fire import FireScreen

    def gates(wishes: Sequence[actions.FireIssue]) -> list[str]:
        plans = [actions.plan(orders.context(), app.latest, wish) for wish in wishes]
        return [plan.refusal for plan in plans if plan.refusal is not None]

    fired = await app.push_screen_wait(FireScreen(form, gates))
    return [] if fired is None else list(fired)


async def _send(app: HiveApp, orders: Orders, subjects: Sequence[Target]) -> list[Request]:
    runs = [run for subject in subjects if (run := _run(app, subject)) is not None]
    if not runs:
        return []
    from hive_tui.app.screens.message import MessageScreen

    # What was written stays until it was sent: also when the run has ended meanwhile.
    about = Target(run=runs[0].id)
    screen = MessageScreen(runs, orders.drafts.get(about, ""))
    words = await app.push_screen_wait(screen)
    orders.drafts[about] = screen.draft
    return [] if words is None else [Send(run.id, words) for run in runs]


def _run(app: HiveApp, target: Target) -> Run | None:
    return app.view.snapshot.runs.get(target.run) if target.run is not None else None


async def _status(app: HiveApp, targets: Sequence[Target]) -> list[Request]:
    from hive_tui.app.screens.choose import ChooseScreen

    keys = keys_of(targets)
    preset = app.view.settings.labels
    issue = app.view.snapshot.issues.get(keys[0])
    now = workflow.state(issue.labels, preset) if issue is not None else None
    choices = [(state.value, workflow.label(state, preset)) for state in IssueState]
    title = f"Status of {keys[0]}" if len(keys) == 1 else f"Status of {text.plural(len(keys), 'issue')}"
    chosen = await app.push_screen_wait(ChooseScreen(title, choices, now.value if now is not None else None))
    return [] if chosen is None else [SetStatus(keys, IssueState(chosen))]


async def _agent(app: HiveApp, action: Action, targets: Sequence[Target]) -> list[Request]:
    from hive_tui.app import fleet_lines
    from hive_tui.app.screens.choose import ChooseScreen

    named = next((target.agent for target in targets if target.agent is not None), None)
    if named is None:
        fleet = app.view.snapshot.fleet
        agents = fleet.agents if fleet is not None else ()
        choices = [
            (agent.name, f"{agent.name}  {fleet_lines.agent_mark(agent, app.view.now)}") for agent in agents
        ]
        chosen = await app.push_screen_wait(ChooseScreen(action.title, choices))
        if chosen is None:
            return []
        named = AgentName(chosen)
    return [EnableAgent(named) if action.id == "agent.enable" else DisableAgent(named)]
