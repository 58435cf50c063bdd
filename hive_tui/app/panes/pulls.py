"""Pane 5: what may be merged."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

from hive_tui.app import findable, rows
from hive_tui.app.panes.base import ListPane, count
from hive_tui.core import merging, text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import PullKey
from hive_tui.core.model import PullRequest, PullState
from hive_tui.core.sources import FORGE
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View


class PullsPane(ListPane):
    """Open pull requests, then the last ones merged."""

    tab = "prs"
    source = FORGE
    noun = "pull request"
    sorts = findable.PULLS
    empty = ("No pull requests yet", "A run that succeeds opens one")

    def __init__(self, *, many: bool) -> None:
        super().__init__(5, "Pull requests", rows.pull_columns(many=many), id="pulls")

    def keys(self, view: View) -> Sequence[Hashable]:
        return view.pulls

    def row(self, view: View, key: Hashable) -> Row:
        pull = view.snapshot.pulls.get(cast(PullKey, key))
        if pull is None:
            return Row(key, ())
        return rows.pull_row(
            pull,
            view.now,
            many=view.many,
            ready=pull.mergeable is True and not self._obstacles(view, pull),
            pending=view.pending_of(Target(repo=pull.repo, pull_request=pull.number)),
            compact=not self.has_room("mergeable"),
        )

    def _obstacles(self, view: View, pull: PullRequest) -> Sequence[str]:
        issue = view.snapshot.issues.get(pull.issue_key) if pull.issue_key is not None else None
        return merging.obstacles(pull, issue, view.settings, base=view.snapshot.base(pull.repo))

    def thing(self, view: View, key: Hashable) -> PullRequest | None:
        return view.snapshot.pulls.get(cast(PullKey, key))

    facts = staticmethod(findable.pull_facts)

    def target(self, view: View, key: Hashable) -> Target:
        return view.target_of_pull(cast(PullKey, key))

    def details(self, view: View, key: Hashable) -> Sequence[Cell]:
        """The whole title, what stands against its merge, and its branch."""
        pull = self.thing(view, key)
        if pull is None:
            return ()
        against = self._obstacles(view, pull) if pull.state is PullState.OPEN else ()
        return (
            Cell(pull.title[: rows.TITLE]),
            *(Cell(why, Tone.SOON) for why in against),
            Cell(f"{pull.branch} by {pull.author}", Tone.QUIET),
        )

    def counts(self, view: View) -> Iterable[Cell]:
        source = self.freshness(view)
        if source is not None and source.heard_at is not None:
            yield count(view.tally.pulls, "open")

    def hint(self, view: View) -> Cell | None:
        """Who reserved the selected pull request, and what stands against its merge."""
        key = cast("PullKey | None", self.table.selected)
        pull = view.snapshot.pulls.get(key) if key is not None else None
        if pull is None or pull.state is not PullState.OPEN:
            return None
        lease, obstacles = pull.lease, self._obstacles(view, pull)
        taken = ""
        if lease is not None and view.now < lease.until:
            taken = f"{lease.worker} has it until {text.clock(lease.until, view.now)}"
        said = "; ".join(filter(None, (taken, *obstacles)))
        number = rows.number(pull.repo, pull.number, "!", many=view.many)
        ready = "ready to merge" if pull.mergeable else "whether it can be merged is not known yet"
        return Cell(f"{number}: {said or ready}", Tone.QUIET)
