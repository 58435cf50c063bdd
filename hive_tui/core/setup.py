"""What setting a fleet up asks of a tracker on a network (`init`, `doctor`, `labels sync`) and of a cluster
of several machines (`deploy`, `doctor`)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from hive_tui.core.findings import Finding
from hive_tui.core.ids import RepoName
from hive_tui.core.label_set import Label


class RepoAccess(msgspec.Struct, frozen=True):
    """What a tracker lets the fleet do in a repository."""

    name: RepoName
    """As the tracker writes it."""
    base: str
    """Its default branch."""
    url: str
    """Its page."""
    trouble: str | None = None
    """Why hive cannot work there, with the next step; None where it can."""


class LabelChange(msgspec.Struct, frozen=True):
    """A label that is to be made, or to be spelt as hive does."""

    label: Label
    spelt: str | None = None
    """As it is written now; None when there is none."""


class ForgeSetup(Protocol):
    """A forge's class hands it out as `setup(context)`; one without that needs no setting up."""

    def account(self) -> str | None:
        """The login that hive acts as; None for one that is no person (an App)."""
        ...

    def access(self, repo: RepoName) -> RepoAccess:
        """Raises SourceError when the repository cannot be read, with what to do."""
        ...

    def examine(self) -> Iterator[Finding]:
        """Look at the token and at every repository of the fleet. Raises nothing of a tracker's trouble."""
        ...

    def missing_labels(self, repo: RepoName) -> list[LabelChange]:
        """What `repo` lacks of hive's labels."""
        ...

    def make_labels(self, repo: RepoName, changes: Sequence[LabelChange]) -> None:
        """Carry those changes out; one that was made meanwhile is no error."""
        ...

    def close(self) -> None: ...


class Outcome(enum.Enum):
    """What became of one part of what is deployed; of a dry run, what would."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """Somebody else has set it otherwise, and it is left so."""
    FAILED = "failed"


class Deployed(msgspec.Struct, frozen=True):
    """One object of the cluster."""

    object: str
    """Its kind and name."""
    outcome: Outcome
    why: str | None = None
    """Why it was kept or failed, with the next step."""


class ClusterSetup(Protocol):
    """A cluster's class hands it out as `setup(context)`; one without that needs nothing deployed."""

    @property
    def place(self) -> str:
        """Which cluster it is, as people call it."""
        ...

    @property
    def namespace(self) -> str: ...

    def deploy(self, *, dry_run: bool) -> Iterator[Deployed]:
        """Bring what runs need into the cluster, part by part: one that fails does not stop the others.
        Raises SourceError when the cluster cannot be reached, UsageError and Refused for a namespace that
        cannot be meant."""
        ...

    def examine(self) -> Iterator[Finding]:
        """Look at the cluster and at what the fleet's runs need there. Raises nothing of a cluster's
        trouble."""
        ...

    def close(self) -> None: ...
