"""A terminal where the agent of a run works: `kubectl exec`, which knows terminals best."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from backends.clusters.kubernetes import evidence, rights, runs, signs
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.job import WORK_TREE
from backends.clusters.kubernetes.objects import WORK
from hive_tui.core.cluster_facts import Right
from hive_tui.core.errors import Refused
from hive_tui.core.ids import RunId
from hive_tui.core.ports import BackendContext

_THERE = f"cd {WORK_TREE} 2>/dev/null"
_SHELL = ("sh", "-c", f"{_THERE}; command -v bash >/dev/null && exec bash; exec sh")
_COMMAND = ("sh", "-c", f'{_THERE}; exec "$@"', "sh")


def argv(api: Api, context: BackendContext, run: RunId, command: Sequence[str]) -> tuple[str, ...]:
    """What to call. Raises Refused where it cannot be done now, UsageError for an unknown run."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Refused(
            "There is no kubectl on PATH, with which hive opens a terminal in a pod.",
            "Install it (https://kubernetes.io/docs/tasks/tools/), of about the cluster's version.",
        )
    found = runs.get(api, context.fleet, run)
    seen = signs.of(api, run, events=False)
    pod = evidence.mine(run, found.status, seen)
    containers = () if pod is None else pod.status.init_container_statuses
    running = any(each.name == WORK and each.state.running is not None for each in containers)
    if pod is None or not running:
        place = evidence.look(run, found.status, seen, datetime.now(UTC)).place
        why = f" ({place.condition})" if place is not None and place.condition else ""
        raise Refused(
            f"Run {run} has no container now in which its agent works{why}.",
            "`hive describe` shows what there is; `hive logs` what it said.",
        )
    for denied in rights.review(api):
        if denied.right is Right.EXEC:
            raise Refused(
                f"You have {denied.why}.", "Ask whoever runs the cluster for it: `create` on `pods/exec`."
            )
    where = [f"--namespace={api.namespace}"]
    settings = context.settings.kubernetes
    if settings.kubeconfig is not None:
        where.append(f"--kubeconfig={Path(settings.kubeconfig).expanduser()}")
    if api.context is not None:
        where.append(f"--context={api.context}")
    inner = (*_COMMAND, *command) if command else _SHELL
    # Without a terminal here, none is wanted there: what it says may go into a file.
    terminal = "-it" if sys.stdin.isatty() and sys.stdout.isatty() else "-i"
    return (kubectl, "exec", terminal, *where, f"--container={WORK}", pod.metadata.name, "--", *inner)
