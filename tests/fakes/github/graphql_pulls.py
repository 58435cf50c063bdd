"""Pull requests and their reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.github import pulls
from tests.fakes.github.graphql_commits import (
    Commit,
    PullRequestCommit,
    Ref,
    StatusCheckRollup,
    commits_between,
    ref,
)
from tests.fakes.github.graphql_issues import ORDERS, Text, Thread
from tests.fakes.github.graphql_schema import stamp
from tests.fakes.github.graphql_views import Info, Page, Part, View, ordered


class PullRequest(Thread):
    @property
    def state(self) -> str:
        return "OPEN" if self.record.open else "MERGED" if self.record.merged_at else "CLOSED"

    @property
    def isDraft(self) -> bool:
        return bool(self.record.draft)

    @property
    def merged(self) -> bool:
        return self.record.merged_at is not None

    @property
    def mergedAt(self) -> str | None:
        return stamp(self.record.merged_at) if self.record.merged_at else None

    @property
    def mergedBy(self) -> View | None:
        return self.asked.actor(self.record.merged_by)

    @property
    def mergeCommit(self) -> Commit | None:
        sha = self.record.merge_commit
        return Commit(self.asked, self.repo, sha) if sha else None

    @property
    def mergeable(self) -> str:
        able = pulls.mergeable(self.asked.world, self.repo, self.record)
        return "UNKNOWN" if able is None else "MERGEABLE" if able else "CONFLICTING"

    @property
    def mergeStateStatus(self) -> str:
        return pulls.merge_state(self.asked.world, self.repo, self.record).upper()

    @property
    def reviewDecision(self) -> str | None:
        return pulls.review_decision(self.repo, self.record)

    autoMergeRequest = None
    isCrossRepository = isInMergeQueue = isMergeQueueEnabled = maintainerCanModify = False

    # Branches

    @property
    def headRefName(self) -> str:
        return str(self.record.head)

    @property
    def headRefOid(self) -> str:
        return str(self.record.head_sha)

    @property
    def headRef(self) -> Ref | None:
        """None once the branch was deleted."""
        return ref(self.asked, self.repo, f"refs/heads/{self.record.head}")

    @property
    def baseRefName(self) -> str:
        return str(self.record.base)

    @property
    def baseRefOid(self) -> str:
        return str(self.record.base_sha)

    @property
    def baseRef(self) -> Ref | None:
        return ref(self.asked, self.repo, f"refs/heads/{self.record.base}")

    baseRepository = headRepository = Part.repository

    @property
    def headRepositoryOwner(self) -> View | None:
        return self.asked.actor(self.repo.owner)

    @property
    def _changed(self) -> list[tuple[int, int, str, str]]:
        return self.repo.git.changed(self.record.base_sha, self.record.head_sha)

    @property
    def additions(self) -> int:
        return sum(added for added, *_ in self._changed)

    @property
    def deletions(self) -> int:
        return sum(removed for _, removed, *_ in self._changed)

    @property
    def changedFiles(self) -> int:
        return len(self._changed)

    def commits(self, info: Info, **page: Any) -> Page:
        pull = self.record
        found = commits_between(self.repo.git.path, pull.base_sha, pull.head_sha)
        return Page(info, [PullRequestCommit(self.asked, self.repo, (pull, sha)) for sha in found], **page)

    @property
    def statusCheckRollup(self) -> StatusCheckRollup | None:
        return Commit(self.asked, self.repo, self.record.head_sha).statusCheckRollup

    # What belongs to it

    def closingIssuesReferences(
        self,
        info: Info,
        *,
        orderBy: dict[str, str] | None = None,
        userLinkedOnly: bool = False,
        **page: Any,
    ) -> Page:
        self.asked.demand(self.repo, "issues")
        # Links are made by words in the text alone; none is made by hand.
        found = [] if userLinkedOnly else pulls.closing_issues(self.repo, self.record)
        return Page(info, self.views(found), **ordered(orderBy, ORDERS), **page)

    def reviews(
        self,
        info: Info,
        *,
        author: str | None = None,
        states: Sequence[str] | None = None,
        **page: Any,
    ) -> Page:
        found = [
            x
            for x in self.record.reviews
            if (author is None or x.author.lower() == author.lower())
            and (states is None or x.state in states)
        ]
        return Page(info, self.views(found), **page)

    def latestReviews(self, info: Info, **page: Any) -> Page:
        """The last of each author."""
        last = {x.author: x for x in self.record.reviews}
        return Page(info, self.views(last.values()), **page)

    def latestOpinionatedReviews(self, info: Info, *, writersOnly: bool = False, **page: Any) -> Page:
        opinions = [
            x for x in self.record.reviews if x.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
        ]
        last = {x.author: x for x in opinions if not writersOnly or self._writes(x.author)}
        return Page(info, self.views(last.values()), **page)

    def _writes(self, login: str) -> bool:
        return self.asked.world.role(login, self.repo) in ("write", "maintain", "admin")


class PullRequestReview(Text):
    @property
    def state(self) -> str:
        return str(self.record.state)

    @property
    def submittedAt(self) -> str | None:
        return None if self.record.state == "PENDING" else stamp(self.record.at)

    createdAt = updatedAt = publishedAt = property(lambda self: stamp(self.record.at))
    editor = lastEditedAt = None
    includesCreatedEdit = isMinimized = False

    @property
    def commit(self) -> Commit:
        return Commit(self.asked, self.repo, self.record.commit)

    @property
    def pullRequest(self) -> View:
        on = next(x for x in self.repo.pulls.values() if self.record in x.reviews)
        return self.asked.view(self.repo, on)

    @property
    def authorCanPushToRepository(self) -> bool:
        return self.asked.world.role(self.record.author, self.repo) in ("write", "maintain", "admin")

    @property
    def resourcePath(self) -> str:
        pull = self.pullRequest
        return f"{pull.resourcePath}#pullrequestreview-{self.record.id}"
