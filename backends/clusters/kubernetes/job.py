"""A run's Job, made from its work order and the fleet's template: pure, so that a test can look at every pod.

Three containers share a pod (docs/kubernetes.md). The runner has the tokens and drives the run; `work`, where
the agent and the tests are, and `judge`, where work is reviewed, have none, and only answer on a socket.
Namespaces that enforce Pod Security `restricted` take the pod.
"""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Any

import msgspec

from backends.clusters.kubernetes.objects import (
    API_VERSION,
    FLEET_LABEL,
    JUDGE,
    RUN_LABEL,
    RUNNER,
    WORK,
    job_name,
)
from hive_tui.core.errors import ConfigError
from hive_tui.core.ids import RunId
from hive_tui.core.ports import TRACKER_TOKEN, Job, RepoJob
from hive_tui.core.text import clean_line
from hive_tui.core.worker_template import Amounts, Toleration, WorkerTemplate

# Where things are in the pod; the same in every run, since agents remember paths across pods.
OWN = PurePosixPath("/hive/own")
"""The runner's folder: git with the tokens works here. Only the runner has it."""
WORK_TREE = PurePosixPath("/hive/work/tree")
"""The agent's clone, in `work`; that of a review, in `judge`."""
SHARE = PurePosixPath("/hive/share")
"""Where `work` and `judge` put their sockets; each has its own."""
WORK_SOCKET = PurePosixPath("/hive/work-share/box.sock")
JUDGE_SOCKET = PurePosixPath("/hive/judge-share/box.sock")
"""The same sockets, as the runner sees them."""
CERTIFICATES = PurePosixPath("/hive/tracker/ca.crt")
"""The tracker's certificate authority; not there when the secret has none."""

HEARS_LATER = ("env", "--block-signal=TERM")
"""As the first process of its container Python would never hear of an order to end that comes while it loads;
blocked, the signal waits until somebody listens."""

START_SECONDS = 300
"""For a pod to be scheduled and its image to be fetched, before the deadline of the run counts."""

_GROUP = 1500
"""What the containers share of the file system: the sockets."""

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_SHARE_SIZE = "1Mi"
_LABEL = "app.kubernetes.io/"


def in_pod(work: Job, template: WorkerTemplate) -> Job:
    """The work order as a runner in a pod can follow it: git asks the fleet's secret for the token.

    Raises ConfigError for a repository that only this machine can reach.
    """
    return msgspec.structs.replace(work, repo=reached(work.repo, template))


def reached(repo: RepoJob, template: WorkerTemplate) -> RepoJob:
    """The way to a repository from a pod. Raises ConfigError where there is none."""
    if "://" not in repo.source:
        raise ConfigError(
            f"{repo.name} is at {repo.source}, where no pod can reach it.",
            "Use a forge whose repositories have URLs, or the cluster `local`.",
        )
    if repo.credential and not repo.portable:
        raise ConfigError(
            f"What git needs to get into {repo.name} cannot leave this machine.",
            "Use the cluster `local` for it.",
        )
    trusted = template.tracker_secret is not None
    asks = trusted and bool(repo.portable)
    return msgspec.structs.replace(
        repo,
        credential=repo.portable if asks else (),
        variables=(TRACKER_TOKEN,) if asks else (),
        certificates=str(CERTIFICATES) if trusted else None,
    )


def manifest(
    run: RunId, uid: str, work: Job, template: WorkerTemplate, fleet: str, starts: int
) -> dict[str, Any]:
    """The Job of a run that had `starts` pods so far; `uid` is its AgentRun's, with which it goes.

    Raises ConfigError when the template names no image.
    """
    if template.image is None:
        raise ConfigError(
            f"Fleet {fleet} names no image for the pods of its runs.",
            f"Build one (agent-image/README.md), then set `worker.image`: `kubectl edit fleet {fleet}`.",
        )
    labels = {
        f"{_LABEL}name": "hive-run",
        f"{_LABEL}managed-by": "hive",
        FLEET_LABEL: fleet,
        RUN_LABEL: run,
    }
    annotations = {
        "hive.dev/issue": clean_line(f"{work.spec.repo}#{work.spec.issue}", limit=300),
        "hive.dev/title": clean_line(work.title, limit=300),
        "hive.dev/worker": clean_line(work.spec.worker, limit=100),
        "kubectl.kubernetes.io/default-container": RUNNER,
    }
    # A node is not emptied for the sake of thrift while an agent works there.
    stays = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
    deadline = math.ceil(work.deadline_seconds) + START_SECONDS + template.grace_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run, starts),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "AgentRun", "name": run, "uid": uid, "controller": True}
            ],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            # A pod that is being deleted still saves its work: there is no other beside it.
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": deadline,
            "ttlSecondsAfterFinished": template.keep_seconds,
            "template": {
                "metadata": {"labels": labels, "annotations": {**annotations, **stays}},
                "spec": _pod(run, work, template, fleet),
            },
        },
    }


def _pod(run: RunId, work: Job, template: WorkerTemplate, fleet: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": template.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": template.grace_seconds,
        "securityContext": _pod_security(template),
        # With `restartPolicy: Always` these live beside the runner, start before it and end after it.
        "initContainers": [
            _box(WORK, run, template, template.work),
            _box(JUDGE, run, template, template.judge),
        ],
        "containers": [_runner(run, work, template, fleet)],
        "volumes": _volumes(template),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {FLEET_LABEL: fleet}},
            }
        ],
        "imagePullSecrets": [{"name": name} for name in template.image_pull_secrets],
        "nodeSelector": template.node_selector,
        "tolerations": [_toleration(one) for one in template.tolerations],
        "runtimeClassName": template.runtime_class,
        "priorityClassName": template.priority_class,
    }
    return {key: value for key, value in spec.items() if value not in (None, [], {})}


def _runner(run: RunId, work: Job, template: WorkerTemplate, fleet: str) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        {"name": "HOME", "value": str(OWN)},
        {"name": "TMPDIR", "value": "/tmp"},
        {"name": "HIVE_OWN", "value": str(OWN)},
        {"name": "HIVE_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "HIVE_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    ]
    if TRACKER_TOKEN in work.repo.variables:
        secret = {"name": template.tracker_secret, "key": "token"}
        env.append({"name": TRACKER_TOKEN, "valueFrom": {"secretKeyRef": secret}})
    if template.agent_secret is not None:
        # Only to know them: what the agent says is masked of them, and no commit may hold one.
        for name in work.agent.credentials:
            known = {"name": template.agent_secret, "key": name, "optional": True}
            env.append({"name": name, "valueFrom": {"secretKeyRef": known}})
    mounts = [
        _mount("own", OWN),
        _mount("tmp-runner", "/tmp"),
        _mount("share-work", WORK_SOCKET.parent, read_only=True),
        _mount("share-judge", JUDGE_SOCKET.parent, read_only=True),
        _mount("account", _ACCOUNT, read_only=True),
    ]
    if template.tracker_secret is not None:
        mounts.append(_mount("tracker", CERTIFICATES.parent, read_only=True))
    argv = [*HEARS_LATER, "python3", "-P", "-m", "hive_tui.runner"]
    argv += ["--cluster", "kubernetes", "--fleet", fleet]
    return {
        **_container(RUNNER, template, template.runner, template.user_id),
        "command": [*argv, "--home", str(OWN), run],
        "env": env,
        "volumeMounts": mounts,
        # A runner that died before its first word is heard all the same.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _box(name: str, run: RunId, template: WorkerTemplate, amounts: Amounts) -> dict[str, Any]:
    """A container for what is not trusted: a server that runs what the runner asks for, and no secret but the
    agent's own."""
    user = None if template.user_id is None else template.user_id + 1
    box: dict[str, Any] = {
        **_container(name, template, amounts, user),
        "restartPolicy": "Always",
        "command": [
            *(*HEARS_LATER, "python3", "-P", "-m", "backends.clusters.kubernetes.box.server"),
            *("--socket", str(SHARE / WORK_SOCKET.name), "--workdir", str(WORK_TREE)),
        ],
        "env": [
            {"name": "HOME", "value": str(WORK_TREE.parent)},
            {"name": "TMPDIR", "value": "/tmp"},
            {"name": "HIVE_RUN", "value": run},
        ],
        "volumeMounts": [
            _mount(f"tree-{name}", WORK_TREE.parent),
            _mount(f"tmp-{name}", "/tmp"),
            _mount(f"share-{name}", SHARE),
        ],
    }
    if template.agent_secret is not None:
        box["envFrom"] = [{"secretRef": {"name": template.agent_secret}}]
    return box


def _container(name: str, template: WorkerTemplate, amounts: Amounts, user: int | None) -> dict[str, Any]:
    requests = {"cpu": amounts.cpu, "memory": amounts.memory}
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if user is not None:
        security |= {"runAsUser": user, "runAsGroup": user}
    return {
        "name": name,
        "image": template.image,
        "imagePullPolicy": template.image_pull_policy,
        "securityContext": security,
        "resources": {
            "requests": {key: value for key, value in requests.items() if value is not None},
            "limits": {} if amounts.memory is None else {"memory": amounts.memory},
        },
    }


def _pod_security(template: WorkerTemplate) -> dict[str, Any]:
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if template.user_id is None:
        return security  # the cluster gives a user and a group of its own, the same to all containers
    return {**security, "fsGroup": _GROUP, "fsGroupChangePolicy": "OnRootMismatch"}


def _volumes(template: WorkerTemplate) -> list[dict[str, Any]]:
    disk = {"sizeLimit": template.storage}
    memory = {"medium": "Memory", "sizeLimit": _SHARE_SIZE}
    names = ("own", f"tree-{WORK}", f"tree-{JUDGE}", *(f"tmp-{name}" for name in (RUNNER, WORK, JUDGE)))
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": disk} for name in names]
    volumes += [{"name": f"share-{name}", "emptyDir": memory} for name in (WORK, JUDGE)]
    # What a pod usually gets by itself, for the one container that may have it.
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes.append({"name": "account", "projected": {"sources": sources}})
    if template.tracker_secret is not None:
        # Only the certificate is a file. Optional, so that a secret may do without.
        items = [{"key": CERTIFICATES.name, "path": CERTIFICATES.name}]
        source = {"secretName": template.tracker_secret, "items": items, "optional": True}
        volumes.append({"name": "tracker", "secret": source})
    return volumes


def _mount(name: str, path: PurePosixPath | str, *, read_only: bool = False) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": name, "mountPath": str(path)}
    return {**mount, "readOnly": True} if read_only else mount


def _toleration(one: Toleration) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(one)
    plain["tolerationSeconds"] = plain.pop("toleration_seconds")
    return {key: value for key, value in plain.items() if value is not None}
