"""Whether a run that is started in the cluster now could work at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from time import monotonic

import msgspec

from backends.clusters.kubernetes import fleet_object, job, quantity
from backends.clusters.kubernetes.api import SECRETS, SERVICE_ACCOUNTS, Api, Resource
from backends.clusters.kubernetes.errors import Forbidden, NotFound
from backends.clusters.kubernetes.objects import KubeObject, template_of
from hive_tui.core.errors import ConfigError, HiveError, SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import BackendContext, Remote, RepoJob
from hive_tui.core.worker_template import WorkerTemplate

READY_SECONDS = 60.0
"""How long it is taken for granted that nothing has changed."""

UNREADY_SECONDS = 5.0

QUOTAS = Resource("", "v1", "resourcequotas")


class _Amounts(msgspec.Struct, frozen=True):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class _Quota(KubeObject, frozen=True):
    status: _Amounts = _Amounts()


class Readiness:
    """Remembers what it found for a while: each question is a handful of calls."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._known: dict[tuple[str, bool], tuple[float, HiveError | None]] = {}

    def check(self, api: Api, source: str, remote: Remote | None) -> None:
        """Raises HiveError with the next step. What needs no repository needs no pod either: making good for
        a run that died is possible whatever is missing."""
        if not source:
            return
        asks = remote is not None and bool(remote.portable)
        until, error = self._known.get((source, asks), (0.0, None))
        if monotonic() >= until:
            error = self._look(api, source, remote)
            lasts = READY_SECONDS if error is None else UNREADY_SECONDS
            self._known[source, asks] = (monotonic() + lasts, error)
        if error is not None:
            raise error

    def _look(self, api: Api, source: str, remote: Remote | None) -> HiveError | None:
        try:
            spec = fleet_object.read(api, self._context).spec
        except HiveError as error:
            return error
        found: HiveError | None = None
        seen: list[WorkerTemplate] = []
        for agent in self._context.settings.agents:
            template = template_of(spec, agent.name)
            if template in seen:
                continue
            seen.append(template)
            try:
                self._check_template(api, template, source, remote)
            except HiveError as error:
                found = found or error
            else:
                return None  # an agent whose pods cannot work is no reason to start none of the others
        return found

    def _check_template(self, api: Api, template: WorkerTemplate, source: str, remote: Remote | None) -> None:
        fleet = self._context.fleet
        if template.image is None:
            raise ConfigError(
                f"Fleet {fleet} names no image for the pods of its runs.",
                f"Build one (agent-image/README.md), then set `worker.image`: `kubectl edit fleet {fleet}`.",
            )
        way = remote if remote is not None else Remote(source, "")
        repo = RepoJob(
            RepoName(source), way.source, way.base, credential=way.credential, portable=way.portable
        )
        reached = job.reached(repo, template)
        where = f"namespace {api.namespace}"
        if not _is_there(api, SERVICE_ACCOUNTS, template.service_account):
            raise SourceError(
                f"There is no service account {template.service_account} in the {where}, which runs act as.",
                "`hive deploy --crds-only` makes the usual one.",
            )
        if template.agent_secret is not None and not _is_there(api, SECRETS, template.agent_secret):
            raise SourceError(
                f"There is no secret {template.agent_secret} in the {where}: agents could not log in.",
                f"`kubectl -n {api.namespace} create secret generic {template.agent_secret}"
                " --from-literal=ANTHROPIC_API_KEY=…` makes it.",
            )
        tracker = template.tracker_secret
        if reached.variables and tracker is not None and not _is_there(api, SECRETS, tracker):
            raise SourceError(
                f"There is no secret {tracker} in the {where}: runs could not fetch or push.",
                f"`kubectl -n {api.namespace} create secret generic {tracker} --from-file=token=FILE`"
                " makes it.",
            )
        for exhausted in _exhausted(api, template):
            raise SourceError(
                f"The quota of the {where} is used up: {exhausted}.",
                f"Wait until a run ends, or have it raised: `kubectl -n {api.namespace} describe quota`.",
            )


def _is_there(api: Api, resource: Resource, name: str) -> bool:
    """Whether an object is there, as far as one may look."""
    try:
        api.get(resource, name, KubeObject)
    except NotFound:
        return False
    except Forbidden:
        return True
    return True


def _exhausted(api: Api, template: WorkerTemplate) -> Iterator[str]:
    """What of the namespace's quotas does not suffice for one more pod, as far as one may look."""
    try:
        quotas = api.list(QUOTAS, _Quota).items
    except Forbidden:
        return
    containers = (template.runner, template.work, template.judge)
    cpu = sum((quantity.number(each.cpu) or Decimal(0) for each in containers), Decimal(0))
    memory = sum((quantity.number(each.memory) or Decimal(0) for each in containers), Decimal(0))
    one = Decimal(1)
    needs = {
        **{"pods": one, "count/pods": one, "count/jobs.batch": one},
        **{"cpu": cpu, "requests.cpu": cpu},
        **{"memory": memory, "requests.memory": memory, "limits.memory": memory},
    }
    for quota in quotas:
        for name, need in needs.items():
            hard, used = quantity.number(quota.status.hard.get(name)), quota.status.used.get(name)
            if hard is not None and (quantity.number(used) or Decimal(0)) + need > hard:
                yield f"{used or 0} of {quota.status.hard[name]} {name} ({quota.metadata.name})"
