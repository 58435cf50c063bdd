"""A whole hive whose issues and pull requests are on the GitHub for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.fakes.github import changes
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Issue, Repository
from tests.fakes.workshop import PLAN_AND_DONE, Workshop

FROM_VARIABLE = ("--token-env", "SHOP_TOKEN")


class GitHubShop(Workshop):
    """A fleet `github` that serves `kay/shop`, as a person with a data folder of its own has it."""

    def __init__(
        self, root: Path, github: GitHub, secret: str, *how: str, test: str | None = None, **settings: Any
    ) -> None:
        """`secret` is the token in the variable SHOP_TOKEN, `how` tells `hive init` which one to take,
        `settings` are the fleet's."""
        super().__init__(root)
        self.env["SHOP_TOKEN"] = secret
        self.env.pop("GITHUB_TOKEN", None)
        self.hive(
            *("init", "--forge", "github", "--url", github.site, *(how or FROM_VARIABLE)),
            *("--repo", "kay/shop", "--labels", *(("--test", test) if test else ())),
        )
        path = self.home / "config" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        agent = {"name": "robin", "backend": "scripted", "options": {"scenarios": str(self.scenarios)}}
        fleet = config["fleets"]["github"]
        fleet |= {"agents": [agent], "backoff": {"first": 0.1, "most": 0.5}, **settings}
        fleet["github"] |= {"active_seconds": 1, "idle_seconds": 1}
        path.write_text(yaml.safe_dump(config))

    def fleet_home(self) -> Path:
        return self.home / "data" / "fleets" / "github"


def ready(github: GitHub, repository: Repository, title: str) -> Issue:
    """An issue of kay's that may be started, made as on GitHub's own pages."""
    with github.world.lock:
        return changes.create_issue(
            github.world,
            repository,
            author="kay",
            title=title,
            body=title + PLAN_AND_DONE,
            labels=["status:ready"],
        )


def labels_of(github: GitHub, repository: Repository, number: int) -> set[str]:
    """The names of an issue's labels, as GitHub has them now."""
    with github.world.lock:
        return {repository.labels[label].name for label in repository.issues[number].labels}
