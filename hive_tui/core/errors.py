"""The errors that a user sees: each says what happened and what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class HiveError(Exception):
    """Something failed; `hint` is the user's next step, `exit_code` what a script sees."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def words(self) -> str:
        """What happened, and the next step."""
        return f"{self.message} {self.hint or ''}".strip()


class UsageError(HiveError):
    """The call itself is wrong: an unknown name, a malformed value."""

    exit_code = 2


class Refused(HiveError):
    """hive could, but will not: a gate, read-only mode or a missing permission."""

    exit_code = 3


class ConfigError(UsageError):
    """A configuration file that cannot be used; the message has its path, the key and the value."""


class ClaimLost(HiveError):
    """Somebody else took the claim between reading and writing it."""


class NoSlot(Refused):
    """Every slot is taken, or the fleet is paused."""


class RunEnded(Refused):
    """The run does not take part any more: it has ended, or another process is it."""


class SourceError(HiveError):
    """A backend cannot be read or written now; what was known before stays valid."""


class StoreError(SourceError):
    """The fleet's own database is locked, full, read-only, corrupt or from a newer hive."""


class GitError(HiveError):
    """A git command failed."""


class WorkRejected(HiveError):
    """What the agent handed over is not acceptable as a pack of ordinary commits."""


def words_of(error: BaseException | None) -> str:
    """Any error for a person; one that is not ours is a bug, or the system's."""
    return error.words if isinstance(error, HiveError) else f"{type(error).__name__}: {error}"


def unknown(kind: str, name: str, known: Iterable[str], *, listing: str | None = None) -> UsageError:
    """An error for an unknown name that lists the nearest known ones, or the first few of all."""
    import difflib  # only for somebody who mistyped

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif names:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        hint = f"Known: {shown}."
    else:
        hint = f"There is no {kind} yet."
    if listing:
        hint += f" `{listing}` lists them all."
    return UsageError(f"Unknown {kind} {name!r}.", hint)
