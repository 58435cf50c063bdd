"""A GitHub and a fleet that polls it, both by one clock that a test or a benchmark moves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backends.database import Database
from backends.forges.github.auth import Credentials
from backends.forges.github.client import Client
from backends.forges.github.feed import Feed
from backends.forges.github.mirror import Mirror
from backends.forges.github.polling import Poller
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import FleetSettings, GitHubSettings, RepoSettings
from tests.fakes.github.server import GitHub

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class PolledGitHub:
    """`server` is to be entered once its repositories are made; `close` ends the rest."""

    def __init__(self, home: Path) -> None:
        self.now = START
        self.home = home
        self.server = GitHub(home / "github", clock=lambda: self.now)
        self.world = self.server.world
        self.world.add_user("me")
        self.world.add_user("ann")
        self.token = home / "token"
        self.token.touch(mode=0o600)
        self.token.write_text(self.world.add_token("me").secret)

    def serve(self, names: Iterable[RepoName]) -> None:
        """Make the fleet's side for these repositories."""
        repos = tuple(names)
        self.settings = FleetSettings(
            forge="github",
            repos=tuple(RepoSettings(name) for name in repos),
            allowed_authors=("me",),
            github=GitHubSettings(url=self.server.site, token_file=str(self.token)),
        )
        self.mirror = Mirror(Database(self.home / "fleet" / "fleet.db"), frozenset(repos))
        credentials = Credentials(self.settings.github)
        self.slept: list[float] = []
        self.client = Client(
            self.settings.github, credentials, clock=lambda: self.now, sleep=self.slept.append
        )
        self.poller = Poller(
            home=self.home / "fleet",
            mirror=self.mirror,
            client=self.client,
            settings=self.settings,
            identity="github.com",
            scope=credentials.scope,
            clock=lambda: self.now,
            luck=lambda: 0.0,
        )

    def feed(self) -> Feed:
        return Feed(
            self.mirror,
            lambda wanted, patience: self.poller.poll(active=False, wanted=wanted, patience=patience),
        )

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def spent(self) -> int:
        """Points of both budgets since the last time."""
        points = sum(entry.points for entry in self.server.audit.entries)
        self.server.audit.clear()
        return points

    def close(self) -> None:
        self.client.close()
        self.mirror.database.close()
