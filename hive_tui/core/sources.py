"""What backends tell the store: full state first, then changes, and how fresh it is."""

import enum
from datetime import datetime

import msgspec

from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import ApiUse, Claim, Event, Fleet, Issue, PullRequest, RepoState, Run

CLUSTER = "cluster"
FORGE = "forge"
"""The names of a fleet's two sources, whatever backends they are."""

Item = Fleet | Run | Claim | Event | Issue | PullRequest | RepoState | ApiUse


class Kind(enum.Enum):
    """The tables of a snapshot."""

    FLEET = "fleet"
    RUN = "run"
    CLAIM = "claim"
    EVENT = "event"
    ISSUE = "issue"
    PULL = "pull"
    REPO = "repo"
    API = "api"


KIND_OF: dict[type, Kind] = {
    Fleet: Kind.FLEET,
    Run: Kind.RUN,
    Claim: Kind.CLAIM,
    Event: Kind.EVENT,
    Issue: Kind.ISSUE,
    PullRequest: Kind.PULL,
    RepoState: Kind.REPO,
    ApiUse: Kind.API,
}

Key = IssueKey | PullKey | RunId | int | str
"""Of an issue or claim, a pull request, a run, an event (its seq), a fleet, repository or API budget (its
name)."""


class Listed(msgspec.Struct, frozen=True):
    """The whole of these kinds, as this source knows it now: what is not in `items` is gone."""

    source: str
    kinds: tuple[Kind, ...]
    items: tuple[Item, ...]


class Changed(msgspec.Struct, frozen=True):
    """Items that are new or different, and keys that are gone."""

    source: str
    items: tuple[Item, ...] = ()
    gone: tuple[tuple[Kind, Key], ...] = ()


class Alive(msgspec.Struct, frozen=True):
    """The source answered and nothing changed (a bookmark, a 304, a quiet poll)."""

    source: str
    heard_at: datetime | None = None
    """When what it mirrors was read last, where that is not now."""


class SourceFailed(msgspec.Struct, frozen=True):
    """The source cannot be read; what it said before stays, marked."""

    source: str
    why: str
    retry_at: datetime | None = None
    heard_at: datetime | None = None
    """When it answered last, where the source itself knows that better than whoever listens to it."""


SourceEvent = Listed | Changed | Alive | SourceFailed


class Health(enum.Enum):
    FRESH = "fresh"
    STALE = "stale"
    FAILED = "failed"


class Freshness(msgspec.Struct, frozen=True):
    """How far a source can be trusted at a given moment."""

    name: str
    state: Health
    heard_at: datetime | None
    """When it last answered."""
    why: str | None = None
    retry_at: datetime | None = None

    @property
    def ok(self) -> bool:
        return self.state is Health.FRESH
