"""Everything that the cluster has of one run, asked for afresh."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from backends.clusters.kubernetes.api import EVENTS, JOBS, PODS, Api
from backends.clusters.kubernetes.errors import Forbidden
from backends.clusters.kubernetes.evidence import Signs
from backends.clusters.kubernetes.objects import RUN_LABEL, EventObject, JobObject, PodObject
from hive_tui.core.ids import RunId

WARNINGS = frozenset(
    {
        *("FailedCreate", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"),
        *("Evicted", "Preempted", "NodeNotReady"),
    }
)
"""Reasons of the cluster's Events from which something follows; what else they tell, the objects tell too."""


def of(api: Api, run: RunId, *, events: bool = True) -> Signs:
    """Raises SourceError."""
    labels = f"{RUN_LABEL}={run}"
    with ThreadPoolExecutor(2, thread_name_prefix="signs") as pool:
        jobs = pool.submit(api.list, JOBS, JobObject, labels=labels)
        pods = api.list(PODS, PodObject, labels=labels).items
        found = jobs.result().items
    if not events:
        return Signs(found, pods)
    return Signs(found, pods, tuple(event for event in about(api, found, pods) if event.reason in WARNINGS))


def about(api: Api, jobs: tuple[JobObject, ...], pods: tuple[PodObject, ...]) -> list[EventObject]:
    """The cluster's Events about these objects; none where one may not see any."""
    uids = [each.metadata.uid for each in (*jobs, *pods)]
    owners = {owner.uid for pod in pods for owner in pod.metadata.owner_references}
    found: list[EventObject] = []
    for uid in dict.fromkeys((*uids, *sorted(owners))):
        try:
            found += api.list(EVENTS, EventObject, fields=f"involvedObject.uid={uid}").items
        except Forbidden:
            return []
    return found
