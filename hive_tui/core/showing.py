"""What a tracker shows of runs: an issue's labels and its one comment, unless a person decided otherwise.

Nothing is decided by what is shown here: a tracker that does not answer holds nobody up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hive_tui.core import messages, workflow
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import Claim, Issue, Run, RunSpec
from hive_tui.core.ports import Cluster, Forge
from hive_tui.core.settings import FleetSettings
from hive_tui.core.workflow import IssueState

AUTHOR = "hive"
"""The author of what hive itself writes into a tracker."""


class Showing:
    """Which starts are shown it remembers itself: whoever starts anew looks at all of them."""

    def __init__(
        self,
        cluster: Cluster,
        forge: Forge,
        settings: FleetSettings,
        fleet: str,
        attempts: Callable[[IssueKey], Sequence[Run]],
    ) -> None:
        """`fleet` is its name; `attempts` are all runs known of an issue."""
        self._cluster = cluster
        self._forge = forge
        self._labels = settings.labels
        self._fleet = fleet
        self._attempts = attempts
        self._shown: set[RunId] = set()

    def unshown(self, at_work: Iterable[Run]) -> list[Run]:
        """Of all runs at work those whose start the tracker is not known to show."""
        runs = list(at_work)
        self._shown &= {run.id for run in runs}
        return [run for run in runs if run.id not in self._shown]

    def start(self, claim: Claim, issue: Issue, spec: RunSpec) -> None:
        """Show that a run began."""
        self._begin(claim, issue)
        self.comment(issue.key, messages.work_comment(spec, self._fleet, self.earlier(spec)))
        self._shown.add(spec.id)

    def late(self, run: Run) -> bool:
        """Show a start that was not shown then, unless the issue's comment tells of it: the labels were
        changed before it, and those that are there now are somebody's own."""
        if any(f"`{run.id}`" in comment.body for comment in self._forge.comments(run.key)):
            self._shown.add(run.id)
            return False
        claim = self._cluster.get_claim(run.key)
        if claim is None or claim.run != run.id:
            return False  # its end is being settled
        self.start(claim, self._forge.get_issue(run.key), run.spec)
        return True

    def _begin(self, claim: Claim, issue: Issue) -> None:
        """Show that the issue is in progress, unless that is over by now.

        A dispatcher that was held up here for long may come after the run's end was settled by
        another one; then what it has just put over that settlement is taken back.
        """
        self.move(issue, IssueState.IN_PROGRESS, frm=(IssueState.READY,))
        now = self._cluster.get_claim(claim.key)
        if now is not None and now.run == claim.run:
            return
        settled = self._forge.get_issue(issue.key)
        found = workflow.states(settled.labels, self._labels)
        if IssueState.IN_PROGRESS in found:
            wanted = next((state for state in found if state is not IssueState.IN_PROGRESS), IssueState.READY)
            add, remove = workflow.transition(settled.labels, wanted, self._labels)
            self._forge.set_labels(issue.key, add=add, remove=remove, by=AUTHOR)

    def move(
        self,
        issue: Issue,
        to: IssueState,
        # Ready, too: a dispatcher that died right after a start has not shown it.
        frm: tuple[IssueState, ...] = (IssueState.IN_PROGRESS, IssueState.READY),
    ) -> None:
        """Mirror a state in the labels, unless a person changed it meanwhile: theirs wins."""
        # A tracker on a network needs two steps: a dispatcher that died between them left both states.
        left = set(workflow.states(issue.labels, self._labels)) - {to}
        if not left or not left <= set(frm):
            return
        add, remove = workflow.transition(issue.labels, to, self._labels)
        self._forge.set_labels(issue.key, add=add, remove=remove, by=AUTHOR)

    def comment(self, key: IssueKey, body: str) -> None:
        """Write the one comment of an issue anew."""
        self._forge.comment(key, author=AUTHOR, body=body, marker=messages.STATUS)

    def earlier(self, spec: RunSpec) -> list[Run]:
        """The attempts before a run, as its comment tells them."""
        return [run for run in self._attempts(spec.key) if run.spec.attempt < spec.attempt]
