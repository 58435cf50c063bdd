"""Where a fleet's Kubernetes cluster is and what its pods need: options of `fleet add` and `init`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from hive_tui import plugins
from hive_tui.config import edit
from hive_tui.core.errors import UsageError
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings

NAMESPACE = "hive"
"""Of a fleet that was given none, and whose context names none: never `default`, where everybody is."""

DEFAULT = "default"

_OPTIONS = (
    click.option("--kubeconfig", metavar="FILE", help="kubernetes: another file than KUBECONFIG names."),
    click.option(
        "--context", metavar="NAME", help="kubernetes: of the kubeconfig; default: its current one."
    ),
    click.option(
        "--namespace",
        metavar="NAME",
        help="kubernetes: where the fleet is; default: the context's, else hive.",
    ),
    click.option("--image", metavar="IMAGE", help="kubernetes: of the pods, built from agent-image/."),
    click.option("--tracker-secret", metavar="NAME", help="kubernetes: the secret with the tracker's token."),
    click.option(
        "--agent-secret", metavar="NAME", help="kubernetes: the secret with the agent's own variables."
    ),
)


class ClusterWish(msgspec.Struct, frozen=True):
    """What the command line says of the cluster."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    image: str | None = None
    tracker_secret: str | None = None
    agent_secret: str | None = None

    @property
    def given(self) -> list[str]:
        """The options that were given."""
        return [
            f"--{name.replace('_', '-')}"
            for name, value in msgspec.structs.asdict(self).items()
            if value is not None
        ]


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that make a `ClusterWish`; the command gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wish_of(values: dict[str, Any]) -> ClusterWish:
    """The wish among the keyword arguments of a command; it is taken out of them."""
    return ClusterWish(**{name: values.pop(name) for name in ClusterWish.__struct_fields__})


def refuse(wish: ClusterWish, cluster: str) -> None:
    """Raises UsageError where something was given for another cluster than the fleet's."""
    if wish.given:
        raise UsageError(f"{wish.given[0]} is not for a cluster {cluster!r}.", "Add --cluster kubernetes.")


def ask(wish: ClusterWish) -> ClusterWish:
    """With what a person says of the cluster, where somebody is there and has not said it yet."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return wish

    def answer(name: str, words: str, default: str) -> str | None:
        known: str | None = getattr(wish, name)
        if known is not None:
            return known
        said: str = click.prompt(words, default=default, show_default=bool(default), err=True)
        return said.strip() or None

    return msgspec.structs.replace(
        wish,
        context=answer("context", "Context of the kubeconfig (empty: the current one)", ""),
        namespace=answer("namespace", "Namespace", NAMESPACE),
        image=answer("image", "Image of the pods (empty: later)", ""),
        agent_secret=answer("agent_secret", "Secret with the agent's variables (empty: later)", ""),
    )


def wished(settings: FleetSettings, wish: ClusterWish) -> FleetSettings:
    """The fleet's settings with the wish."""
    before = settings.kubernetes
    worker = msgspec.structs.replace(
        before.worker,
        **{
            name: value
            for name in ("image", "tracker_secret", "agent_secret")
            if (value := getattr(wish, name)) is not None
        },
    )
    kubeconfig = before.kubeconfig
    if wish.kubeconfig is not None:
        kubeconfig = str(Path(wish.kubeconfig).expanduser().absolute())
    kubernetes = msgspec.structs.replace(
        before,
        kubeconfig=kubeconfig,
        context=wish.context or before.context,
        namespace=wish.namespace or before.namespace,
        worker=worker,
    )
    return msgspec.structs.replace(settings, kubernetes=kubernetes)


def pinned(context: BackendContext) -> FleetSettings:
    """The fleet's settings with the context and the namespace that are meant now: whatever `kubectl config
    use-context` says later, the fleet stays where it is. Asks no server.

    Raises ConfigError and UsageError.
    """
    settings = context.settings
    setup = plugins.cluster_setup(settings.cluster, context)
    if setup is None:
        return settings
    with closing(setup):
        place, namespace = setup.place, setup.namespace
    before = settings.kubernetes
    if namespace == DEFAULT and before.namespace is None:
        namespace = NAMESPACE
    # What has no context is the account of a pod, and is called by its server's address.
    named = None if "://" in place else place
    kubernetes = msgspec.structs.replace(before, context=before.context or named, namespace=namespace)
    return msgspec.structs.replace(settings, kubernetes=kubernetes)


def write(fleet: edit.Document, settings: FleetSettings) -> None:
    """Where the cluster is and what its pods need, as far as it is not the default."""
    kubernetes = settings.kubernetes
    worker = kubernetes.worker
    default = type(worker)()
    wanted = {
        "kubeconfig": kubernetes.kubeconfig,
        "context": kubernetes.context,
        "namespace": kubernetes.namespace,
    }
    pods = {
        name: getattr(worker, name)
        for name in ("image", "tracker_secret", "agent_secret")
        if getattr(worker, name) != getattr(default, name)
    }
    section = edit.section(fleet, "kubernetes")
    section.update({key: value for key, value in wanted.items() if value is not None})
    if pods:
        edit.section(section, "worker").update(pods)


def next_steps(name: str, *, repository: bool) -> list[str]:
    """What to do about a new fleet on a cluster, a line each."""
    hive = f"hive --fleet {name}"
    steps = [(f"{hive} deploy --crds-only", "bring what runs need into the cluster")]
    if not repository:
        steps.append((f"{hive} init --repo OWNER/NAME", "a repository on GitHub"))
    steps += [
        (f"{hive} doctor", "what is missing"),
        (f"{hive} dispatcher start", "on the one machine that shall start agents"),
        (f"{hive} top", "watch the agents work, from any machine"),
    ]
    width = max(len(command) for command, _ in steps)
    return [f"  {command:<{width}}   {words}" for command, words in steps]
