"""What a run will probably cost: what similar runs of this fleet cost, and what a text is likely to; pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import NamedTuple

from hive_tui.core import text
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Mode, Phase, Run

BYTES_A_TOKEN = 4
"""Of English or of code, on average."""

ENOUGH = 3
"""So many runs make a median worth showing; with fewer, less similar ones are asked too."""


class Estimate(NamedTuple):
    """A median in micro-dollars, and what it is the median of."""

    micros: int
    runs: int
    of: str
    """`14 runs of claude in mode bug-fix that succeeded`."""


def rough_tokens(text: str) -> int:
    """About how many tokens a text has, by its length; what is shown of it has `~`."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def estimate(runs: Iterable[Run], *, agent: AgentName | None, mode: Mode | None) -> Estimate | None:
    """The median cost of the most similar runs that succeeded, None where none is known.

    Similar is: of this agent in this mode, else in this mode, else any.
    """
    known = [
        (run, run.status.usage.cost_micros)
        for run in runs
        if run.phase is Phase.SUCCEEDED and run.status.usage.cost_micros is not None
    ]
    named = f" of {agent}" if agent is not None else ""
    moded = f" in mode {mode.value}" if mode is not None else ""
    groups = (
        (f"{named}{moded}", [cost for run, cost in known if _same(run, agent, mode)], ENOUGH),
        (moded, [cost for run, cost in known if _same(run, None, mode)], ENOUGH),
        ("", [cost for _, cost in known], 1),
    )
    for similar, costs, enough in groups:
        if len(costs) >= enough:
            of = f"{text.plural(len(costs), 'run')}{similar} that succeeded"
            return Estimate(round(statistics.median(costs)), len(costs), of)
    return None


def _same(run: Run, agent: AgentName | None, mode: Mode | None) -> bool:
    return agent in (None, run.spec.agent) and mode in (None, run.spec.mode)
