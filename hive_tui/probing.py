"""What is on this machine that hive could work with: agents, the repository one is in, a kubeconfig.

Looking changes nothing and asks no server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hive_tui import plugins
from hive_tui.config.discover import remote_of, repository
from hive_tui.core.errors import HiveError
from hive_tui.core.text import clean_line

WELL_KNOWN = ("claude", "codex")
"""Agents that are looked for where none is configured."""

_LARGEST = 2_000_000
"""Bytes of a kubeconfig that are read."""


class AgentFound(msgspec.Struct, frozen=True):
    """An agent of the fleet, as it is on this machine."""

    name: str
    found: bool
    version: str | None = None
    logged_in: bool | None = None
    problem: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        if not self.found or self.problem:
            problem, hint = (self.problem or "not found").rstrip("."), (self.hint or "").rstrip(".")
            return f"{self.name}: {problem}" + (f" ({hint})" if hint else "")
        return " ".join(
            filter(None, (self.name, self.version, "" if self.logged_in is not False else "(not logged in)"))
        )


class Checkout(msgspec.Struct, frozen=True):
    """The repository that somebody is in."""

    path: Path
    name: str
    """`owner/name`, as the fleet would call it."""
    branch: str
    remote: str | None
    """Where `origin` is, without credentials."""


class Kubeconfig(msgspec.Struct, frozen=True):
    """Which cluster `kubectl` would speak to."""

    path: Path
    context: str | None


def probe(name: str, entry_point: str, command: str | None = None) -> AgentFound:
    """Ask an agent's CLI who it is. Blocks for as long as that takes."""
    try:
        found = plugins.agent(entry_point).probe(command)
    except HiveError as error:
        return AgentFound(name, False, problem=error.message, hint=error.hint)
    return AgentFound(name, found.found, found.version, found.logged_in, found.problem, found.hint)


def checkout(start: Path, user: str) -> Checkout:
    """The repository around a folder. Raises HiveError where there is none that hive can work on."""
    found = repository(start, name=None, base=None, user=user)
    return Checkout(found.path, found.name, found.base, remote_of(found.path))


def kubeconfig(environ: Mapping[str, str], home: Path) -> Kubeconfig | None:
    """The first kubeconfig that is there, and its current context; None where there is none.

    Raises HiveError for one that cannot be read.
    """
    named = environ.get("KUBECONFIG", "")
    candidates = [Path(part) for part in named.split(os.pathsep) if part] or [home / ".kube" / "config"]
    for path in candidates:
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HiveError(f"{path}: {error.strerror}.", "Check its permissions.") from error
        return Kubeconfig(path, _context(path, content))
    return None


def _context(path: Path, content: bytes) -> str | None:
    import yaml

    try:
        parsed = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise HiveError(f"{path} is no YAML.", "`kubectl config view` says more.") from error
    context = parsed.get("current-context") if isinstance(parsed, dict) else None
    return clean_line(context, limit=200) if isinstance(context, str) and context else None
