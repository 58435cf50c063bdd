"""Users, organizations and bots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.github import state
from tests.fakes.github.graphql_views import Asked, Info, Page, Trouble, View, ordered


class Account(View):
    """What all kinds of accounts have."""

    @property
    def login(self) -> str:
        return str(self.record.login)

    @property
    def name(self) -> str | None:
        name: str | None = self.record.name
        return name

    @property
    def resourcePath(self) -> str:
        return f"/{self.record.login}"

    def avatarUrl(self, info: Info, **_: Any) -> str:
        return f"{self.asked.call.base}/avatars/u/{self.record.id}"

    def repositories(
        self,
        info: Info,
        *,
        orderBy: dict[str, str] | None = None,
        ownerAffiliations: Sequence[str] = (),
        **page: Any,
    ) -> Page:
        """Those that it owns, whatever the affiliations; other ways to choose are not served."""
        mine = [
            repo
            for repo in self.asked.world.visible(self.asked.call.token)
            if repo.owner.lower() == self.record.login.lower()
        ]
        keys = {
            "CREATED_AT": lambda x: x.repo.created_at,
            "UPDATED_AT": lambda x: x.repo.updated_at,
            "PUSHED_AT": lambda x: x.repo.pushed_at,
            "NAME": lambda x: x.repo.name,
        }
        found = [self.asked.view(repo, repo) for repo in mine]
        return Page(info, found, **ordered(orderBy, keys), **page)

    def repository(self, info: Info, *, name: str, followRenames: bool = True) -> View:
        return repository(self.asked, self.login, name, follow=followRenames)


class User(Account):
    @property
    def isViewer(self) -> bool:
        return bool(self.record.login == self.asked.call.token.user)

    @property
    def email(self) -> str:
        return self.record.email or ""


class Organization(Account):
    @property
    def viewerIsAMember(self) -> bool:
        return self.asked.call.token.user.lower() in {name.lower() for name in self.record.members}


class Bot(Account):
    @property
    def login(self) -> str:
        # REST says `name[bot]`, GraphQL says `name` and the type.
        return str(self.record.login).removesuffix("[bot]")

    @property
    def resourcePath(self) -> str:
        return f"/apps/{self.login}"


def account(asked: Asked, repo: state.Repository | None, record: state.User) -> View:
    return {"Bot": Bot, "Organization": Organization}.get(record.type, User)(asked, repo, record)


def repository(asked: Asked, owner: str, name: str, *, follow: bool) -> View:
    """One that the token may see; raises what GitHub says of all others."""
    full_name = f"{owner}/{name}"
    world = asked.world
    found = world.repository(full_name)
    if found is None and follow:
        found = world.repositories.get(world.renames.get(full_name.lower(), 0))
    if found is None or not world.may(asked.call.token, found, "metadata", "read"):
        raise Trouble("NOT_FOUND", f"Could not resolve to a Repository with the name '{full_name}'.")
    asked.demand(found, "metadata")
    return asked.view(found, found)
