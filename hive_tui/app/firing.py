"""What the fire dialog offers and what its fields mean; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from hive_tui.app import fleet_lines
from hive_tui.app.view import View
from hive_tui.core import text, workflow
from hive_tui.core.actions import FireIssue
from hive_tui.core.errors import UsageError
from hive_tui.core.estimate import Estimate, estimate
from hive_tui.core.glyphs import Mark
from hive_tui.core.ids import AgentName, IssueKey
from hive_tui.core.model import Mode, Run

MODES = {
    Mode.FEATURE: "feature",
    Mode.BUG_FIX: "bug",
    Mode.IMPROVEMENT: "improvement",
    Mode.RESEARCH: "research",
}
"""The types, as `hive fire --type` calls them."""

MOST_MICROS = 100_000 * 1_000_000


class AgentChoice(NamedTuple):
    name: AgentName
    mark: Mark
    until: str
    model: str | None
    """The one it works with when none is named."""


class FireForm(NamedTuple):
    """All that the dialog needs to know of the fleet."""

    issues: tuple[tuple[IssueKey, str], ...]
    """With their titles."""
    mode: Mode | None
    """What the labels say; None where several issues differ."""
    agent: AgentName | None
    """What the labels ask for."""
    agents: tuple[AgentChoice, ...]
    """Those that are enabled."""
    run_limit: int | None
    """The fleet's limit for one run, in micro-dollars."""
    runs: tuple[Run, ...]

    def estimate(self, agent: AgentName | None, mode: Mode | None) -> Estimate | None:
        return estimate(self.runs, agent=agent, mode=mode)


def form(view: View, keys: Sequence[IssueKey]) -> FireForm:
    """The form for these issues."""
    snapshot, fleet = view.snapshot, view.snapshot.fleet
    issues = [issue for key in keys if (issue := snapshot.issues.get(key)) is not None]
    modes = {workflow.mode(issue.labels) for issue in issues}
    wanted = {name[6:] for issue in issues for name in issue.labels if name.startswith("agent:")}
    models = {agent.name: agent.model for agent in view.settings.agents}
    agents = tuple(
        AgentChoice(
            agent.name,
            fleet_lines.agent_mark(agent, view.now),
            text.clock(agent.quota.until, view.now) if agent.quota.until is not None else "",
            models.get(agent.name),
        )
        for agent in (fleet.agents if fleet is not None else ())
        if agent.enabled
    )
    named = [agent.name for agent in agents if {agent.name} == wanted]
    return FireForm(
        issues=tuple((issue.key, issue.title) for issue in issues),
        mode=modes.pop() if len(modes) == 1 else None,
        agent=named[0] if named else None,
        agents=agents,
        run_limit=fleet.budget.run_micros if fleet is not None else None,
        runs=tuple(snapshot.runs.values()),
    )


def requests(
    form: FireForm, *, mode: Mode | None, agent: AgentName | None, model: str, budget: str
) -> tuple[FireIssue, ...]:
    """One request for each issue. What is as the labels say is left to the dispatcher. Raises UsageError."""
    model = text.clean_line(model)
    micros = parse_budget(budget, form.run_limit)
    if len(model) > 200:
        raise UsageError("The model's name is too long.")
    return tuple(
        FireIssue(
            key,
            agent=None if agent == form.agent else agent,
            model=model or None,
            budget_micros=micros,
            mode=None if mode == form.mode else mode,
        )
        for key, _ in form.issues
    )


def parse_budget(typed: str, limit: int | None) -> int | None:
    """`2.50` or `$2.50` in micro-dollars; empty is None. Raises UsageError."""
    typed = typed.strip().removeprefix("$").strip()
    if not typed:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,6})?|\.[0-9]{1,6}", typed):
        raise UsageError("The budget is no amount: 2.50, for example.")
    micros = round(float(typed) * 1_000_000)
    if not math.isfinite(micros) or not 0 < micros <= MOST_MICROS:
        raise UsageError(f"The budget has to be above $0 and at most {text.money(MOST_MICROS)}.")
    if limit is not None and micros > limit:
        raise UsageError(f"A run of this fleet may cost {text.money(limit)} at most.")
    return micros


def budget_text(limit: int | None) -> str:
    """What stands in the budget's field at first: the fleet's own limit for a run."""
    return "" if limit is None else f"{limit / 1_000_000:.2f}"
