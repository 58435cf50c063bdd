"""What no list says of an issue or a pull request: looked up one by one, where a label says that it is there.

An approval is a comment, a lease is a ref; both may have been made by another fleet or another person's hive.
"""

from __future__ import annotations

import re

from backends.forges.github import approvals, leases
from backends.forges.github.client import Client
from backends.forges.github.desk import RepoApi
from backends.forges.github.mirror import Mirror
from backends.forges.github.reading import Reading
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.model import Issue, PullRequest, PullState, body_sha
from hive_tui.core.settings import FleetSettings

MOST = 20
"""Of a repository in one poll; the others are not approved, or not leased, until they are read again."""


class Lookups:
    """For the polls of one fleet."""

    def __init__(self, client: Client, mirror: Mirror, settings: FleetSettings) -> None:
        self._client = client
        self._mirror = mirror
        self._settings = settings
        agents = "|".join(re.escape(agent.name) for agent in settings.agents)
        self._worker = re.compile(rf"(?:{agents})-[a-z]+")

    def complete(self, reading: Reading) -> None:
        """Look up what the issues and pull requests that were just read point at. Raises GitHubError."""
        api = RepoApi(self._client, reading.repo)
        for issue in [issue for issue in reading.issues_with_text() if self._has_approval(issue)][:MOST]:
            found = approvals.find(api, issue.number, body_sha(issue.body), self._settings)
            reading.annotate_issue(issue.number, approval=found)
        for pull in [pull for pull in reading.whole_pulls() if self._has_lease(reading.repo, pull)][:MOST]:
            reading.annotate_pull(pull.number, lease=leases.find(api, pull.number))

    def _has_approval(self, issue: Issue) -> bool:
        """Whether there is one that is not known yet."""
        if not issue.open or approvals.LABEL not in issue.labels:
            return False
        known = self._mirror.issue(IssueKey(issue.repo, issue.number))
        approval = known.approval if known is not None else None
        return approval is None or approval.body_sha != body_sha(issue.body)

    def _has_lease(self, repo: RepoName, pull: PullRequest) -> bool:
        if pull.state is not PullState.OPEN or not any(map(self._worker.fullmatch, pull.labels)):
            return False
        known = self._mirror.pull(PullKey(repo, pull.number))
        return known is None or known.lease is None
