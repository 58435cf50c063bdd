"""The part of `hive doctor` about a cluster of several machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from hive_tui import plugins
from hive_tui.cli.common import Session
from hive_tui.core import actions, cluster_words
from hive_tui.core.errors import HiveError
from hive_tui.core.findings import Finding, broken, failed, ok, warning
from hive_tui.core.model import Fleet
from hive_tui.fleet import LOCAL


def examine(session: Session) -> Iterator[Finding]:
    """What a cluster of several machines says of itself, and of what runs need there."""
    settings = session.fleet_settings
    if settings.cluster != LOCAL and settings.forge == LOCAL:
        yield broken(
            "tracker",
            "local: its issues and repositories are on this machine, where no pod gets at them",
            f"`hive fleet add NAME --cluster {settings.cluster} --forge github` makes a fleet that can work.",
        )
    try:
        setup = plugins.cluster_setup(settings.cluster, session.fleet.context)
        if setup is not None:
            with closing(setup):
                session.say_asking("the cluster")
                yield from setup.examine()
    except HiveError as error:
        yield failed("cluster", error)


def size(fleet: Fleet) -> Iterator[Finding]:
    """The machines of the cluster, and what one may do there."""
    if fleet.facts is not None and fleet.facts.nodes is not None:
        size = " · ".join(
            filter(None, (cluster_words.nodes(fleet.facts), cluster_words.capacity(fleet.facts)))
        )
        lacking = cluster_words.unready(fleet.facts)
        if not any(node.ready for node in fleet.facts.nodes):
            yield broken(
                "nodes", size, f"Nothing can work there: {'; '.join(lacking[:3]) or 'none is there'}."
            )
        elif lacking:
            yield warning("nodes", size, f"{'; '.join(lacking[:3])}. `kubectl describe node` says more.")
        else:
            yield ok("nodes", size)
    denied = cluster_words.denied(fleet.denied)
    if denied is not None:
        yield warning("rights", denied, actions.ASK_FOR_RIGHTS)
    elif fleet.facts is not None:
        yield ok("rights", "you may do everything that hive does there")
