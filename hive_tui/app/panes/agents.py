"""Pane 3: what each agent is doing right now."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

from hive_tui.app import findable, rows, standstill
from hive_tui.app.panes.base import ListPane
from hive_tui.core import cluster_words, text
from hive_tui.core.glyphs import PHASES, Tone
from hive_tui.core.ids import RunId
from hive_tui.core.model import Run
from hive_tui.core.rows import turn_of
from hive_tui.core.sources import CLUSTER
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View


class AgentsPane(ListPane):
    """Runs at work, those that need somebody first, and the last ones that ended."""

    tab = "agents"
    source = CLUSTER
    noun = "agent"
    sorts = findable.RUNS
    empty = ("No agent is at work", "They start when an issue is ready and a slot is free")

    def __init__(self, *, many: bool, placed: bool = False) -> None:
        """`placed` as in `rows.agent_columns`."""
        super().__init__(3, "Agents", rows.agent_columns(many=many, placed=placed), id="agents")
        self._placed = placed

    def keys(self, view: View) -> Sequence[Hashable]:
        return view.runs

    def row(self, view: View, key: Hashable) -> Row:
        run = view.snapshot.runs.get(cast(RunId, key))
        if run is None:
            return Row(key, ())
        return rows.agent_row(
            run,
            view.now,
            many=view.many,
            placed=self._placed,
            pending=view.pending_of(Target(run=run.id)),
            pull=view.pull_of.get(run.key) if run.phase.final else None,
            turn=turn_of(view.snapshot.fleet),
        )

    def thing(self, view: View, key: Hashable) -> Run | None:
        return view.snapshot.runs.get(cast(RunId, key))

    facts = staticmethod(findable.run_facts)

    def target(self, view: View, key: Hashable) -> Target:
        return view.target_of_run(cast(RunId, key))

    def nothing(self, view: View) -> Sequence[str]:
        return ("No agent is at work", standstill.idle(view) or self.empty[1])

    def details(self, view: View, key: Hashable) -> Sequence[Cell]:
        """The issue's title, why it is in its state, and the whole of what it said last."""
        run = self.thing(view, key)
        if run is None:
            return ()
        last = run.status.last_event
        return (
            Cell(run.spec.title[: rows.TITLE]),
            Cell(run.why or "", PHASES[run.phase].tone),
            Cell("" if run.place is None else cluster_words.place(run.place), Tone.QUIET),
            Cell("" if last is None else f"{text.since(last.at, view.now)} ago: {last.text}", Tone.QUIET),
        )

    def counts(self, view: View) -> Iterable[Cell]:
        for phase, number in view.tally.phases:
            yield Cell(f"{number} {phase.value}", PHASES[phase].tone)
        if view.runs and not view.tally.phases:
            yield Cell("none at work", Tone.QUIET)

    def hint(self, view: View) -> Cell | None:
        """Why nothing happens, while all that is listed has ended."""
        idle = standstill.idle(view) if view.runs else None
        return None if idle is None else Cell(idle, Tone.SOON)
