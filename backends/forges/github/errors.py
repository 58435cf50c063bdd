"""What GitHub may answer instead of what was asked for, each with the person's next step.

Those that pass by themselves, or by somebody's hand on GitHub, are `SourceError`s: what was known stays, and
the same is tried again. Those that say no to one write are `Refused`.
"""

from __future__ import annotations

from datetime import datetime

from hive_tui.core.errors import HiveError, Refused, SourceError

LOOK_AT_GITHUB = "Look at your network; https://www.githubstatus.com tells whether GitHub has trouble."


class GitHubError(HiveError):
    """Any of them; `retry_at` is when it may be tried again, None where only a person can mend it."""

    retry_at: datetime | None = None


class RateLimited(GitHubError, SourceError):
    """No call may be made before `until`: a budget is used up, or calls came too fast (`secondary`), or
    hive keeps what is left for writes (`kept`)."""

    def __init__(self, until: datetime, *, what: str, secondary: bool = False, kept: bool = False) -> None:
        nothing = "hive reads nothing from GitHub" if kept else "GitHub takes no calls"
        super().__init__(
            f"{nothing} until {until.astimezone():%H:%M:%S}: {what}.",
            "The dispatcher goes on by itself then; repeat a command of your own.",
        )
        self.until = until
        self.retry_at = until
        self.secondary = secondary


class ServerDown(GitHubError, SourceError):
    """No answer, or one that is the server's own trouble (5xx).

    `reached` is False when the request certainly did not get there, so that a write did not take place.
    """

    def __init__(self, what: str, *, retry_after: float | None = None, reached: bool = True) -> None:
        super().__init__(what, LOOK_AT_GITHUB)
        self.retry_after = retry_after
        self.reached = reached


class AnswerLost(ServerDown):
    """A write that must not be repeated blindly may have taken place: look before doing it again."""


class Garbled(GitHubError, SourceError):
    """The answer is not what GitHub documents: too long, no JSON, or of another shape."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "If a proxy stands between, it may have answered; `hive doctor` tells more.")


class QueryFailed(GitHubError, SourceError):
    """A GraphQL query brought nothing at all."""


class BadToken(GitHubError, SourceError):
    """401: the token is wrong, expired or revoked."""

    def __init__(self, what: str = "GitHub does not accept the token (401).") -> None:
        super().__init__(what, "Make a new one, put it where the old one is; `hive doctor` names the place.")


class NoToken(GitHubError, SourceError):
    """An App gets no token for one account: it is not installed there, suspended, or not granted enough."""


class SsoRequired(GitHubError, SourceError):
    """The organisation wants the token to be authorised for its single sign-on."""

    def __init__(self, where: str, url: str | None) -> None:
        # No full stop behind an address: it would be copied with it.
        at = f": {url}" if url else " in your token settings on GitHub."
        super().__init__(f"{where} wants single sign-on for this token.", f"Authorise the token{at}")
        self.url = url


class Forbidden(GitHubError, Refused):
    """403 that no waiting mends; `permission` is what the token lacks, in GitHub's words, if it is known."""

    def __init__(self, what: str, permission: str | None = None) -> None:
        lacks = f"Give the token the permission {permission}." if permission else "Check the token's rights."
        super().__init__(what, f"{lacks} `hive doctor` checks what it may.")
        self.permission = permission


class NotFound(GitHubError, SourceError):
    """404: it is not there, or the token may not know that it is."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is not there, or the token has no access to it (404).",
            "Check the name, and that the token may read it.",
        )


class Gone(GitHubError, SourceError):
    """410: issues are turned off, or it was deleted or moved."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was deleted, moved or turned off (410).", "Look at it on GitHub.")


class Archived(GitHubError, Refused):
    """The repository takes no writes any more."""

    def __init__(self, repo: str) -> None:
        super().__init__(
            f"{repo} is archived: nothing in it can be changed.",
            "Unarchive it on GitHub, or take it out of the fleet.",
        )


class Blocked(GitHubError, SourceError):
    """The repository was disabled by GitHub (403 or 451)."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was disabled by GitHub.", "Its page says why; or take it out of the fleet.")


class Renamed(GitHubError, SourceError):
    """301: the repository has another name now; `to` is None where it could not be found out."""

    def __init__(self, repo: str, to: str | None) -> None:
        super().__init__(
            f"{repo} was renamed or moved{f' to {to}' if to else ''}.",
            f"`hive init --forge github --repo {to or 'OWNER/NAME'}` adds it; take the old name out of "
            "`repos` in the configuration.",
        )
        self.to = to


class Conflict(GitHubError, Refused):
    """405 or 409: what is there does not allow it now."""


class Invalid(GitHubError, Refused):
    """422: GitHub will not take this; `codes` are its reasons (`already_exists`, `missing`, `custom` …)."""

    def __init__(self, what: str, codes: tuple[str, ...] = ()) -> None:
        super().__init__(what, "Look at it on GitHub.")
        self.codes = codes
