"""What happened to issues and pull requests, as their timelines list it."""

from __future__ import annotations

from tests.fakes.github import state
from tests.fakes.github.graphql_schema import stamp
from tests.fakes.github.graphql_views import Page, Part, View


class Timeline(Page):
    @property
    def filteredCount(self) -> int:
        return self.totalCount

    @property
    def pageCount(self) -> int:
        return len(self.nodes)

    @property
    def updatedAt(self) -> str:
        return max((x.createdAt for x in self.nodes), default="1970-01-01T00:00:00Z")


class Happened(Part):
    """An entry of a timeline; the record is (the issue, the event)."""

    @property
    def id(self) -> str:
        return state.node_id("EV", self.record[1].id)

    @property
    def actor(self) -> View | None:
        return self.asked.actor(self.record[1].actor)

    @property
    def createdAt(self) -> str:
        return stamp(self.record[1].at)

    @property
    def resourcePath(self) -> str:
        return f"{self.subject.resourcePath}#event-{self.record[1].id}"

    @property
    def subject(self) -> View:
        """The issue or pull request that it happened to, by whatever name the type has for it."""
        return self.asked.view(self.repo, self.record[0])

    labelable = closable = assignable = issue = pullRequest = subject


class LabeledEvent(Happened):
    @property
    def label(self) -> View:
        """A label that was deleted is shown as it was called."""
        name = str(self.record[1].label)
        there = self.repo.label(name) or state.Label(self.record[1].id, name)
        return self.asked.view(self.repo, there)


class UnlabeledEvent(LabeledEvent):
    pass


class ClosedEvent(Happened):
    closer = None

    @property
    def stateReason(self) -> str | None:
        reason = self.record[0].state_reason
        return reason and str(reason).upper()


class ReopenedEvent(ClosedEvent):
    pass


class RenamedTitleEvent(Happened):
    @property
    def previousTitle(self) -> str:
        return str(self.record[1].detail)

    @property
    def currentTitle(self) -> str:
        issue, event = self.record
        later = [x.detail for x in issue.events if x.event == "renamed" and x.id > event.id]
        return str(later[0] if later else issue.title)


class AssignedEvent(Happened):
    @property
    def assignee(self) -> View | None:
        return self.asked.actor(self.record[1].detail)


class UnassignedEvent(AssignedEvent):
    pass


class MergedEvent(Happened):
    @property
    def mergeRefName(self) -> str:
        return str(self.record[0].base)


class HeadRefForcePushedEvent(Happened):
    beforeCommit = None


class HeadRefDeletedEvent(Happened):
    @property
    def headRefName(self) -> str:
        return str(self.record[0].head)


EVENTS: dict[str, type[Happened]] = {
    "labeled": LabeledEvent,
    "unlabeled": UnlabeledEvent,
    "closed": ClosedEvent,
    "reopened": ReopenedEvent,
    "renamed": RenamedTitleEvent,
    "assigned": AssignedEvent,
    "unassigned": UnassignedEvent,
    "merged": MergedEvent,
    "head_ref_force_pushed": HeadRefForcePushedEvent,
    "head_ref_deleted": HeadRefDeletedEvent,
}


class CrossReferencedEvent(Part):
    """The record is (the issue, the pull request that names it)."""

    @property
    def id(self) -> str:
        issue, pull = self.record
        return state.node_id("CRE", issue.id * 1_000_000 + pull.id)

    @property
    def actor(self) -> View | None:
        return self.asked.actor(self.record[1].author)

    @property
    def createdAt(self) -> str:
        return stamp(self.record[1].created_at)

    referencedAt = createdAt
    isCrossRepository = False
    willCloseTarget = True

    @property
    def source(self) -> View:
        return self.asked.view(self.repo, self.record[1])

    @property
    def target(self) -> View:
        return self.asked.view(self.repo, self.record[0])


def constant(name: str) -> str:
    """LabeledEvent as LABELED_EVENT."""
    return "".join(f"_{x}" if x.isupper() and at else x for at, x in enumerate(name)).upper()
