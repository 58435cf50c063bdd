"""An App that is installed on several accounts: a token, a budget and troubles of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.forges.github import GitHubForge
from hive_tui.core.ids import IssueKey, RepoName
from hive_tui.core.model import Issue
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import AppSettings, FleetSettings, GitHubSettings, RepoSettings
from hive_tui.core.sources import Listed, SourceFailed
from tests.fakes import app_key
from tests.fakes.github import changes
from tests.fakes.github.server import GitHub

ACME, OTHER, KAY = RepoName("acme/app"), RepoName("acme/other"), RepoName("kay/shop")


class Place:
    def __init__(self, folder: Path) -> None:
        self.server = GitHub(folder / "github")
        world = self.server.world
        for login in ("acme", "kay"):
            world.add_user(login)
        key = folder / "key.pem"
        app = app_key.install(self.server, "acme", key)
        self.installed = {"acme": next(iter(world.installations.values())), "kay": world.install(app, "kay")}
        for name in (ACME, OTHER, KAY):
            repository = world.add_repository(name, private=True)
            owner = name.partition("/")[0]
            changes.create_issue(
                world, repository, author=owner, title="Mend it", body="x", labels=["status:ready"]
            )
        github = GitHubSettings(url=self.server.site, app=AppSettings(str(app.id), str(key)))
        repos = tuple(map(RepoSettings, (ACME, OTHER, KAY)))
        settings = FleetSettings(forge="github", repos=repos, allowed_authors=("kay",), github=github)
        self.forge = GitHubForge(BackendContext("test", folder / "fleet", settings, "kay"))

    def poll(self) -> None:
        self.forge.poll(active=False, wanted=True)

    def issues(self) -> set[IssueKey]:
        listed = [event for event in self.forge.read() if isinstance(event, Listed)]
        return {item.key for item in listed[-1].items if isinstance(item, Issue)} if listed else set()

    def failed(self) -> list[str]:
        return [event.why for event in self.forge.read() if isinstance(event, SourceFailed)]

    def trouble(self, repo: RepoName) -> str | None:
        return self.forge._mirror.state(repo).why


@pytest.fixture
def place(tmp_path: Path, published_schema: None) -> Iterator[Place]:
    place = Place(tmp_path)
    with place.server:
        yield place
        place.forge.close()
    assert place.server.crashes == []


ALL = {IssueKey(ACME, 1), IssueKey(OTHER, 1), IssueKey(KAY, 1)}


def test_each_account_is_asked_with_its_own_token(place: Place) -> None:
    place.poll()
    assert place.issues() == ALL
    for repo, owner in ((ACME, "acme"), (KAY, "kay")):
        place.forge.set_labels(IssueKey(repo, 1), add=("mine",), by=owner)
    assert place.failed() == []


def test_one_account_that_took_the_app_out_hides_only_its_own(place: Place) -> None:
    place.poll()
    place.server.world.installations.pop(place.installed["acme"].id)
    assert place.forge._connection is not None
    place.forge._connection[0]._credentials.forget()
    place.poll()
    assert place.issues() == ALL
    assert place.failed() == []
    assert place.trouble(KAY) is None
    assert "not installed on acme/app" in (place.trouble(ACME) or "")


def test_one_account_without_the_app_hides_only_its_own_from_the_start(place: Place) -> None:
    place.server.world.installations.pop(place.installed["acme"].id)
    place.poll()
    assert place.issues() == {IssueKey(KAY, 1)}
    assert place.failed() == []
    assert "not installed on acme/app" in (place.trouble(ACME) or "")


def test_a_repository_that_the_app_was_not_given_hides_none_of_its_owner(place: Place) -> None:
    installed = place.installed["acme"]
    place.server.world.installations[installed.id] = replace(installed, repositories={OTHER})
    place.poll()
    assert place.issues() == {IssueKey(OTHER, 1), IssueKey(KAY, 1)}
    assert place.failed() == []
    assert "(404)" in (place.trouble(ACME) or "")
