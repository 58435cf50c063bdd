"""Backends by name: the built-in ones directly, third-party ones through their entry points.

Scanning entry points costs tens of milliseconds, so it happens only for names that are not built in;
a test holds this table equal to the entry points in pyproject.toml.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

from hive_tui.core.errors import ConfigError, UsageError, unknown
from hive_tui.core.ports import Agent, BackendContext, Cluster, Forge, Ledger, TranscriptParser

if TYPE_CHECKING:
    from hive_tui.core.setup import ClusterSetup, ForgeSetup

BUILT_IN: dict[str, dict[str, str]] = {
    "hive.clusters": {
        "kubernetes": "backends.clusters.kubernetes.cluster:KubernetesCluster",
        "local": "backends.clusters.local:LocalCluster",
    },
    "hive.forges": {
        "github": "backends.forges.github:GitHubForge",
        "local": "backends.forges.local:LocalForge",
    },
    "hive.agents": {
        "claude": "backends.agents.claude:ClaudeAgent",
        "codex": "backends.agents.codex:CodexAgent",
        "scripted": "backends.agents.scripted:ScriptedAgent",
    },
}


_KINDS = {"hive.clusters": "cluster backend", "hive.forges": "tracker backend", "hive.agents": "agent"}


def names(group: str) -> list[str]:
    """All backends of a group that are installed."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN[group], *(point.name for point in entry_points(group=group))})


def unknown_backend(group: str, name: str) -> UsageError:
    """An error for a backend that is not there, with the nearest ones."""
    return unknown(_KINDS[group], name, names(group))


def _load(group: str, name: str) -> Any:
    target = BUILT_IN[group].get(name)
    if target is None:
        from importlib.metadata import entry_points

        found = [point for point in entry_points(group=group) if point.name == name]
        if not found:
            raise unknown_backend(group, name)
        target = found[0].value
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"Backend {name!r} ({target}) cannot be loaded: {error}.",
            "Reinstall the package that it comes from, or choose another backend in the configuration.",
        ) from error


def cluster(name: str, context: BackendContext) -> Cluster:
    """The cluster backend `name` of a fleet. Raises UsageError for an unknown name."""
    return cast(Cluster, _load("hive.clusters", name)(context))


def forge(name: str, context: BackendContext) -> Forge:
    """The forge backend `name` of a fleet. Raises UsageError for an unknown name."""
    return cast(Forge, _load("hive.forges", name)(context))


def forge_setup(name: str, context: BackendContext) -> ForgeSetup | None:
    """What sets a fleet of that forge up; None where nothing has to be. Raises UsageError for an unknown
    name."""
    make = getattr(_load("hive.forges", name), "setup", None)
    return None if make is None else cast("ForgeSetup", make(context))


def cluster_setup(name: str, context: BackendContext) -> ClusterSetup | None:
    """What deploys to a cluster of that backend; None where nothing has to be. Raises UsageError for an
    unknown name."""
    make = getattr(_load("hive.clusters", name), "setup", None)
    return None if make is None else cast("ClusterSetup", make(context))


def agent(name: str) -> Agent:
    """The agent backend `name`. Raises UsageError for an unknown name."""
    return cast(Agent, _load("hive.agents", name)())


def transcript(name: str) -> TranscriptParser | None:
    """What reads the transcripts of agent `name`; None where its backend cannot. Raises UsageError for an
    unknown name."""
    make = getattr(agent(name), "transcript", None)
    return None if make is None else cast(TranscriptParser, make())


def ledger(context: BackendContext) -> Ledger:
    """The ledger of a fleet, whatever its backends are."""
    return cast(Ledger, importlib.import_module("backends.ledger").FleetLedger(context))
