"""Who may do what: roles of users in repositories, and what a token was given of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.github.state import Installation, Issue, Repository, Token, User

Permissions = dict[str, str]
"""Such as `{"issues": "write"}`; levels are `read`, `write`, `admin`."""

LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
ROLES = ("none", "read", "triage", "write", "maintain", "admin")


class Rights:
    """The part of `World` that decides about access."""

    users: dict[str, User]
    repositories: dict[int, Repository]

    def visible(self, token: Token) -> list[Repository]:
        """What a token may read, in the order of making."""
        return [x for x in self.repositories.values() if self.may(token, x, "metadata", "read")]

    def role(self, login: str, repository: Repository) -> str:
        """One of ROLES."""
        if login.lower() == repository.owner.lower():
            return "admin"
        owner = self.users.get(repository.owner.lower())
        given = {name.lower(): role for name, role in repository.collaborators.items()}
        if login.lower() in given:
            return given[login.lower()]
        if owner and login.lower() in {name.lower() for name in owner.members}:
            return "write"
        return "none" if repository.private else "read"

    def may(self, token: Token, repository: Repository, permission: str, level: str) -> bool:
        """Whether the token itself is allowed that; the user's role is looked at by `role`."""
        if token.repositories is not None and repository.full_name.lower() not in token.repositories:
            public_read = level == "read" and not repository.private and token.kind != "installation"
            return public_read
        if token.installation is not None:
            return self._installed(token.installation, repository) and self._granted(token, permission, level)
        if self.role(token.user, repository) == "none":
            return False
        if token.permissions is not None:
            return self._granted(token, permission, level)
        if level == "read" and not repository.private:
            return True
        return "repo" in token.scopes or ("public_repo" in token.scopes and not repository.private)

    def _installed(self, installation: Installation, repository: Repository) -> bool:
        chosen = installation.repositories
        mine = repository.owner.lower() == installation.account.lower()
        return mine and (chosen is None or repository.full_name.lower() in chosen)

    @staticmethod
    def _granted(token: Token, permission: str, level: str) -> bool:
        if permission == "metadata" and level == "read":
            return True
        return LEVELS[(token.permissions or {}).get(permission, "none")] >= LEVELS[level]

    def association(self, login: str, repository: Repository, issue: Issue | None = None) -> str:
        """What GitHub calls the relation of an author to a repository."""
        if issue is not None and issue.association and login == issue.author:
            return issue.association
        if login.lower() == repository.owner.lower():
            return "OWNER"
        owner = self.users.get(repository.owner.lower())
        if owner and login.lower() in {name.lower() for name in owner.members}:
            return "MEMBER"
        if login.lower() in {name.lower() for name in repository.collaborators}:
            return "COLLABORATOR"
        if any(pull.merged_at and pull.author == login for pull in repository.pulls.values()):
            return "CONTRIBUTOR"
        return "NONE"
