"""Issues and pull requests of repositories on GitHub, or on an Enterprise server of one's own.

What is shown and decided by is a mirror in the fleet's own file, which one process of the fleet keeps up to
date (`polling`); reading it loads nothing that talks to GitHub. Writes, and the reads that must be fresh, go
to GitHub at once and are put into the mirror.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.database import fleet_database
from backends.forges.github.feed import Feed
from backends.forges.github.mirror import Mirror
from backends.forges.github.site import site
from backends.forges.github.writing import Writing
from hive_tui.core.errors import unknown
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import READ_SECONDS, BackendContext, Capability, Emit, Remote
from hive_tui.core.sources import SourceEvent

if TYPE_CHECKING:
    from backends.forges.github.client import Client
    from backends.forges.github.desk import Desk
    from backends.forges.github.polling import Poller
    from hive_tui.core.setup import ForgeSetup


class GitHubForge(Writing):
    """See `core.ports.Forge`. Thread-safe; nothing is asked of GitHub before the first call that needs it."""

    name = "github"
    capabilities = frozenset(
        {
            Capability.MERGE,
            Capability.LEASE,
            Capability.CREATE_ISSUE,
            Capability.EDIT_ISSUE,
            Capability.COMMENT,
        }
    )

    def __init__(self, context: BackendContext) -> None:
        """Raises ConfigError for a site that a token must not go to."""
        self._context = context
        self._settings = context.settings
        self.identity = site(context.settings.github).host
        self._made = threading.Lock()
        self._connection: tuple[Client, Poller] | None = None
        repos = frozenset(repo.name for repo in context.settings.repos)
        self._mirror = Mirror(fleet_database(context.home), repos)
        self._feed = Feed(self._mirror, self._poll_alone)
        self._polled = False

    @staticmethod
    def setup(context: BackendContext) -> ForgeSetup:
        from backends.forges.github.setup import GitHubSetup

        return GitHubSetup(context)

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        return self._feed.read(seconds)

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event) -> None:
        self._feed.watch(emit, stop, wake)

    def poll(self, *, active: bool, wanted: bool) -> float:
        # What failed before this process began may have been mended, by whoever began it.
        anew, self._polled = not self._polled, True
        wanted = wanted or (anew and self._mirror.tracker().why is not None)
        return self._connected()[1].poll(active=active, wanted=wanted)

    def _poll_alone(self, wanted: bool, patience: float) -> float:
        """A poll by somebody who found no dispatcher that does it."""
        return self._connected()[1].poll(active=False, wanted=wanted, patience=patience)

    def remote(self, repo: RepoName) -> Remote:
        from backends.forges.github import remotes

        base, size = self._base(repo), self._mirror.state(repo).size_kb
        return remotes.remote(self._settings.github, repo, base=base, size_kb=size)

    def close(self) -> None:
        with self._made:
            if self._connection is not None:
                self._connection[0].close()
        self._mirror.database.close()

    def _base(self, repo: RepoName) -> str:
        """As the configuration says, else as GitHub was heard to say. Raises UsageError."""
        if repo not in self._mirror.repos:
            raise unknown("repository", repo, self._mirror.repos)
        settings = self._settings.repo(repo)
        if settings is not None and settings.base is not None:
            return settings.base
        return self._mirror.state(repo).base or "main"

    def _desk(self) -> Desk:
        from backends.forges.github.desk import Desk

        return Desk(self._connected()[0], self._mirror, self._settings, self.identity)

    def _connected(self) -> tuple[Client, Poller]:
        """What talks to GitHub, loaded when it first has to: reading the mirror takes milliseconds."""
        with self._made:
            if self._connection is None:
                from backends.forges.github.auth import Credentials
                from backends.forges.github.client import Client
                from backends.forges.github.polling import Poller

                credentials = Credentials(self._settings.github)
                client = Client(self._settings.github, credentials)
                poller = Poller(
                    home=self._context.home,
                    mirror=self._mirror,
                    client=client,
                    settings=self._settings,
                    identity=self.identity,
                    scope=credentials.scope,
                )
                polled_at = self._mirror.tracker().polled_at
                if polled_at is not None:
                    # Whoever was at work before this process spent it.
                    for use in self._mirror.uses():
                        client.limits.spent(use.name, use.used_hour, polled_at)
                self._connection = client, poller
            return self._connection
