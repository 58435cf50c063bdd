"""Pane 2: what is to be done, who does it, and why the rest is not started."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

from hive_tui.app import findable, rows, standstill
from hive_tui.app.findable import IssueThing
from hive_tui.app.panes.base import ListPane, count
from hive_tui.app.rows import IssueAbout
from hive_tui.core import merging, text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import Issue
from hive_tui.core.sources import FORGE
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View


class IssuesPane(ListPane):
    """Issues in the order of attention."""

    tab = "issues"
    source = FORGE
    noun = "issue"
    sorts = findable.ISSUES
    empty = ("No issues yet", "`:issue new` writes the first one")

    def __init__(self, *, many: bool) -> None:
        super().__init__(2, "Issues", rows.issue_columns(many=many), id="issues")

    def keys(self, view: View) -> Sequence[Hashable]:
        return view.issues

    def row(self, view: View, key: Hashable) -> Row:
        issue = view.snapshot.issues.get(cast(IssueKey, key))
        if issue is None:
            return Row(key, ())
        return rows.issue_row(
            issue,
            view.settings.labels,
            self._about(view, issue),
            view.now,
            many=view.many,
            compact=not self.has_room("who"),
        )

    def _about(self, view: View, issue: Issue) -> IssueAbout:
        key = issue.key
        claim, pull = view.snapshot.claims.get(key), view.pull_of.get(key)
        return IssueAbout(
            gate=view.plan.gate(key) if issue.open else None,
            run=view.at_work.get(key),
            pull=pull,
            mergeable=pull is not None
            and merging.ready(pull, issue, view.settings, base=view.snapshot.base(pull.repo)),
            fired=claim is not None and claim.fire is not None,
            pending=view.pending_of(Target(repo=key.repo, issue=key.number)),
        )

    def thing(self, view: View, key: Hashable) -> IssueThing | None:
        issue = view.snapshot.issues.get(cast(IssueKey, key))
        if issue is None:
            return None
        gate = view.plan.gate(issue.key) if issue.open else None
        return IssueThing(issue, gate, view.at_work.get(issue.key), view.settings.labels)

    facts = staticmethod(findable.issue_facts)

    def target(self, view: View, key: Hashable) -> Target:
        return view.target_of_issue(cast(IssueKey, key))

    def nothing(self, view: View) -> Sequence[str]:
        if not view.settings.repos:
            return ("No repository yet", "`hive init` in a repository adds it to the fleet")
        why = standstill.why(view)
        return (*self.empty, why) if why is not None else self.empty

    def details(self, view: View, key: Hashable) -> Sequence[Cell]:
        """The whole title, why it is not started, and its labels."""
        thing = self.thing(view, key)
        if thing is None:
            return ()
        gate = thing.gate if thing.run is None else None
        return (
            Cell(thing.issue.title[: rows.TITLE]),
            Cell("" if gate is None else f"{gate.name}: {gate.detail}", Tone.SOON),
            Cell("  ".join(thing.issue.labels), Tone.QUIET),
        )

    def counts(self, view: View) -> Iterable[Cell]:
        source = self.freshness(view)
        if source is not None and source.heard_at is not None:
            yield count(view.tally.issues, "open")
            if view.tally.ready:
                yield Cell(f"{text.count(view.tally.ready)} ready")

    def hint(self, view: View) -> Cell | None:
        """Why the selected issue is not started, and what to do about it."""
        key = cast("IssueKey | None", self.table.selected)
        issue = view.snapshot.issues.get(key) if key is not None else None
        if key is None or issue is None or not issue.open or key in view.at_work:
            return None
        gate = view.plan.gate(key)
        why = gate.detail if gate is not None else standstill.why(view)
        if why is None:
            return None
        tone = Tone.QUIET if gate is not None else Tone.SOON
        return Cell(f"{rows.number(key.repo, key.number, '#', many=view.many)}: {why}", tone)
