"""hive's writes against the GitHub for tests, without the half of the forge that reads and publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.database import Database
from backends.forges.github.answers import Answer
from backends.forges.github.client import Client
from backends.forges.github.desk import Desk
from backends.forges.github.mirror import Mirror
from backends.forges.github.writing import Writing
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import FleetSettings, GitHubSettings, RepoSettings
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository


class Token:
    """One token that never changes."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def token(self, repo: RepoName | None = None, *, write: bool) -> str:
        return self.secret

    def forget(self) -> None:
        pass


class Killed(BaseException):
    """`kill -9`: nothing below may catch it and go on."""


class MortalClient(Client):
    """Dies after a call that was answered."""

    dies_after: int | None = None
    calls = 0

    def rest(self, *args: Any, **kwargs: Any) -> Answer:
        answer = super().rest(*args, **kwargs)
        self.calls += 1
        if self.calls == self.dies_after:
            raise Killed
        return answer


class Writer(Writing):
    """One process of a fleet, as whoever `login` is."""

    def __init__(
        self, github: GitHub, repo: str, home: Path, login: str = "hive", *, waits: list[float] | None = None
    ) -> None:
        name = RepoName(repo)
        settings = FleetSettings(
            forge="github",
            repos=(RepoSettings(name),),
            allowed_authors=("anna",),
            github=GitHubSettings(url=github.site),
        )
        token = next((t for t in github.world.tokens.values() if t.user == login), None)
        secret = (token or github.world.add_token(login)).secret
        sleep = (lambda seconds: None) if waits is None else waits.append
        self.client = MortalClient(settings.github, Token(secret), sleep=sleep)
        self.mirror = Mirror(Database(home / "fleet.db"), frozenset({name}))
        self.desk = Desk(self.client, self.mirror, settings, "test")

    def _desk(self) -> Desk:
        return self.desk

    def _base(self, repo: RepoName) -> str:
        return "main"

    def close(self) -> None:
        self.client.close()
        self.mirror.database.close()


FILES = {"a.txt": "one\ntwo\nthree\n"}


def repository(github: GitHub, name: str) -> Repository:
    """A repository that `hive`, `anna` and `bob` may write to."""
    with github.world.lock:
        for login in ("hive", "anna", "bob"):
            if login not in github.world.users:
                github.world.add_user(login)
        people = dict.fromkeys(("hive", "anna", "bob"), "write")
        return github.world.add_repository(name, files=FILES, collaborators=people)
