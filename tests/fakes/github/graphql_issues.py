"""Issues, their labels, comments, edits and timelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.fakes.github import pulls, state
from tests.fakes.github.graphql_schema import stamp
from tests.fakes.github.graphql_timeline import EVENTS, CrossReferencedEvent, Timeline, constant
from tests.fakes.github.graphql_views import Info, Page, Part, Trouble, View, ordered

ORDERS: dict[str, Callable[[Any], Any]] = {
    "CREATED_AT": lambda x: x.record.created_at,
    "UPDATED_AT": lambda x: x.record.updated_at,
    "COMMENTS": lambda x: len(x.record.comments),
}


class Text(Part):
    """What somebody wrote, and others may have edited."""

    @property
    def author(self) -> View | None:
        return self.asked.actor(self.record.author)

    @property
    def authorAssociation(self) -> str:
        issue = self.record if isinstance(self.record, state.Issue) else None
        return self.asked.world.association(self.record.author, self.repo, issue)

    @property
    def body(self) -> str:
        return str(self.record.body)

    bodyText = body

    @property
    def createdAt(self) -> str:
        return stamp(self.record.created_at)

    publishedAt = createdAt

    @property
    def updatedAt(self) -> str:
        return stamp(self.record.updated_at)

    @property
    def editor(self) -> View | None:
        return self.asked.actor(self.record.edits[-1].editor if self.record.edits else None)

    @property
    def lastEditedAt(self) -> str | None:
        return stamp(self.record.edits[-1].at) if self.record.edits else None

    @property
    def includesCreatedEdit(self) -> bool:
        return bool(self.record.edits)

    @property
    def createdViaEmail(self) -> bool:
        return False

    @property
    def viewerDidAuthor(self) -> bool:
        return bool(self.record.author == self.asked.call.token.user)

    def userContentEdits(self, info: Info, **page: Any) -> Page:
        """The newest first; the first text is an edit too once there is another."""
        made = self.record.edits
        first = [state.Edit(self.record.author, self.record.created_at, "")] if made else []
        texts = [edit.before for edit in made] + [self.record.body]
        found = [
            UserContentEdit(self.asked, self.repo, (self.record.id * 1000 + at, edit, texts[at]))
            for at, edit in enumerate(first + made)
        ]
        return Page(info, found[::-1], **page)


class UserContentEdit(Part):
    """The record is (a number, the edit, the text that it left)."""

    @property
    def id(self) -> str:
        return state.node_id("UCE", self.record[0])

    @property
    def editor(self) -> View | None:
        return self.asked.actor(self.record[1].editor)

    @property
    def editedAt(self) -> str:
        return stamp(self.record[1].at)

    createdAt = updatedAt = editedAt

    @property
    def diff(self) -> str:
        return str(self.record[2])

    deletedAt = deletedBy = None


class Label(Part):
    @property
    def name(self) -> str:
        return str(self.record.name)

    @property
    def color(self) -> str:
        return str(self.record.color)

    @property
    def description(self) -> str | None:
        description: str | None = self.record.description
        return description

    isDefault = False

    @property
    def resourcePath(self) -> str:
        return f"/{self.repo.full_name}/labels/{quote(self.record.name)}"


class IssueComment(Text):
    @property
    def _on(self) -> state.Issue:
        return next(x for x in self.repo.issues.values() if self.record in x.comments)

    @property
    def issue(self) -> View:
        return self.asked.view(self.repo, self._on)

    @property
    def pullRequest(self) -> View | None:
        on = self._on
        return self.asked.view(self.repo, on) if isinstance(on, state.Pull) else None

    @property
    def resourcePath(self) -> str:
        return f"{Thread(self.asked, self.repo, self._on).resourcePath}#issuecomment-{self.record.id}"

    isMinimized = False
    minimizedReason = None


class Thread(Text):
    """What issues and pull requests share."""

    @property
    def number(self) -> int:
        return int(self.record.number)

    @property
    def title(self) -> str:
        return str(self.record.title)

    @property
    def closed(self) -> bool:
        return not self.record.open

    @property
    def closedAt(self) -> str | None:
        return stamp(self.record.closed_at) if self.record.closed_at else None

    @property
    def locked(self) -> bool:
        return bool(self.record.locked)

    @property
    def resourcePath(self) -> str:
        kind = "pull" if isinstance(self.record, state.Pull) else "issues"
        return f"/{self.repo.full_name}/{kind}/{self.record.number}"

    activeLockReason = milestone = None

    def labels(self, info: Info, *, orderBy: dict[str, str] | None = None, **page: Any) -> Page:
        found = self.views(self.repo.labels_of(self.record))
        if orderBy is not None:
            page |= ordered(orderBy, {"CREATED_AT": lambda x: x.record.id, "NAME": lambda x: x.record.name})
        return Page(info, found, **page)

    def assignees(self, info: Info, **page: Any) -> Page:
        return Page(info, [self.asked.actor(login) for login in self.record.assignees], **page)

    def comments(self, info: Info, *, orderBy: dict[str, str] | None = None, **page: Any) -> Page:
        keys = {"CREATED_AT": lambda x: x.record.created_at, "UPDATED_AT": lambda x: x.record.updated_at}
        return Page(info, self.views(self.record.comments), **ordered(orderBy, keys), **page)

    def timelineItems(
        self,
        info: Info,
        *,
        itemTypes: Sequence[str] | None = None,
        since: datetime | None = None,
        skip: int = 0,
        **page: Any,
    ) -> Page:
        found: list[tuple[datetime, View]] = [
            (x.at, EVENTS[x.event](self.asked, self.repo, (self.record, x)))
            for x in self.record.events
            if x.event in EVENTS
        ]
        found += [(x.created_at, self.asked.view(self.repo, x)) for x in self.record.comments]
        found += [(pull.created_at, view) for pull, view in self._mentions()]
        items = [
            view
            for at, view in sorted(found, key=lambda pair: (pair[0], pair[1].id))
            if (itemTypes is None or constant(type(view).__name__) in itemTypes)
            and (since is None or at >= since)
        ]
        return Timeline(info, items[skip:], **page)

    def _mentions(self) -> list[tuple[state.Pull, View]]:
        """Pull requests that say that they close this issue."""
        return [
            (pull, CrossReferencedEvent(self.asked, self.repo, (self.record, pull)))
            for pull in self.repo.pulls.values()
            if self.record in pulls.closing_issues(self.repo, pull)
        ]


class Issue(Thread):
    @property
    def state(self) -> str:
        return "OPEN" if self.record.open else "CLOSED"

    def stateReason(self, info: Info, *, enableDuplicate: bool = False) -> str | None:
        reason = self.record.state_reason
        if reason == "duplicate" and not enableDuplicate:
            return "NOT_PLANNED"
        return reason and str(reason).upper()

    def closedByPullRequestsReferences(
        self,
        info: Info,
        *,
        includeClosedPrs: bool = False,
        orderByState: bool = False,
        userLinkedOnly: bool = False,
        **page: Any,
    ) -> Page:
        self.asked.demand(self.repo, "pull_requests")
        found = [pull for pull, _ in self._mentions() if includeClosedPrs or pull.open]
        if orderByState:
            found.sort(key=lambda pull: (not pull.open, pull.merged_at is None))
        # Links are made by words in the text alone; none is made by hand.
        return Page(info, [] if userLinkedOnly else self.views(found), **page)


def find(repo: state.Repository, number: int, kind: type[state.Issue]) -> state.Issue:
    """Raises what GitHub says when there is none of that kind."""
    found = repo.issues.get(number)
    if found is None or type(found) is not kind:
        name = "a PullRequest" if kind is state.Pull else "an Issue"
        raise Trouble("NOT_FOUND", f"Could not resolve to {name} with the number of {number}.")
    return found
