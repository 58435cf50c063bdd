"""What setting a fleet up asks of a tracker on a network: `init`, `doctor` and `labels sync`."""

from __future__ import annotations

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
