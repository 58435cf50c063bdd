"""`hive deploy`: bring what a fleet needs into its cluster."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.core.errors import Refused

if TYPE_CHECKING:
    from hive_tui.core.ports import BackendContext
    from hive_tui.core.setup import ClusterSetup, Deployed


@click.command("deploy")
@click.option("--crds-only", is_flag=True, help="Only what runs need; the dispatcher stays where it is.")
@click.option("--namespace", metavar="NAME", help="Another than the fleet's; made if it is not there.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@global_options
@output_option
@click.pass_context
@pass_session
def deploy_command(
    session: Session, ctx: click.Context, crds_only: bool, namespace: str | None, dry_run: bool
) -> None:
    """Bring what runs need into the fleet's Kubernetes cluster, or up to date there.

    Its own resources (AgentRun, Fleet), the namespace, the account of runs with its role, and a quota. What
    people have set otherwise since is kept and said. Nothing is deleted.
    """
    from hive_tui.core.setup import Outcome

    if not crds_only:
        raise Refused(
            "The dispatcher cannot be brought into a cluster yet; `hive dispatcher run` drives it from here.",
            "`hive deploy --crds-only` applies what runs need: the resources AgentRun and Fleet, the"
            " namespace, the account of runs with its role, and a quota.",
        )
    if not dry_run:
        session.require_writable()
    setup = _setup(session, namespace)
    parts: list[Deployed] = []
    with closing(setup):
        where = {"cluster": setup.place, "namespace": setup.namespace, "dry_run": dry_run}
        if session.output_option == "text":
            session.say(f"Cluster {setup.place}, namespace {setup.namespace}{', dry run' * dry_run}:")
        for part in setup.deploy(dry_run=dry_run):
            parts.append(part)
            if session.output_option == "text":
                click.echo(_line(part, dry_run))  # at once: a part may take seconds
    session.emit({**where, "parts": parts}, "")
    if any(part.outcome is Outcome.FAILED for part in parts):
        ctx.exit(1)
    if setup.namespace != (session.fleet_settings.kubernetes.namespace or setup.namespace):
        key = f"fleets.{session.fleet_name}.kubernetes.namespace"
        session.say(f"The fleet does not use this namespace yet: `hive config set {key} {setup.namespace}`.")


def _setup(session: Session, namespace: str | None) -> ClusterSetup:
    from hive_tui import plugins

    context = session.fleet.context
    setup = plugins.cluster_setup(context.settings.cluster, _in_namespace(context, namespace))
    if setup is None:
        raise Refused(
            f"Fleet {session.fleet_name!r} runs its agents on this machine: there is nothing to deploy.",
            "`hive fleet add NAME --cluster kubernetes` makes one that has a cluster; --fleet chooses it.",
        )
    return setup


def _in_namespace(context: BackendContext, namespace: str | None) -> BackendContext:
    if namespace is None:
        return context
    import msgspec

    kubernetes = msgspec.structs.replace(context.settings.kubernetes, namespace=_checked(namespace))
    settings = msgspec.structs.replace(context.settings, kubernetes=kubernetes)
    return msgspec.structs.replace(context, settings=settings)


def _checked(namespace: str) -> str:
    """Raises UsageError for what cannot be a namespace's name."""
    import re

    if len(namespace) > 63 or not re.fullmatch(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", namespace):
        raise click.BadParameter(
            "a name of at most 63 lower-case letters, digits and dashes", param_hint="--namespace"
        )
    return namespace


def _line(part: Deployed, dry_run: bool) -> str:
    from hive_tui.core.setup import Outcome
    from hive_tui.core.text import clean_line

    mark = {
        Outcome.CREATED: "+",
        Outcome.CHANGED: "~",
        Outcome.UNCHANGED: " ",
        Outcome.KEPT: "=",
        Outcome.FAILED: "✗",
    }[part.outcome]
    would = "would be " if dry_run and part.outcome in (Outcome.CREATED, Outcome.CHANGED) else ""
    why = f": {clean_line(part.why)}" if part.why else ""
    return f"{mark} {part.object} {would}{part.outcome.value}{why}"
