"""What `hive doctor` looks at in a cluster before a run could work there, each with its next step.

Everything is only read. Of secrets their keys are looked at, never a value.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from backends.clusters.kubernetes import fleet_object, schema
from backends.clusters.kubernetes.api import (
    AGENT_RUNS,
    CRDS,
    FLEETS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Api,
)
from backends.clusters.kubernetes.errors import Forbidden, NotFound, NotInstalled
from backends.clusters.kubernetes.fleet_object import FleetRecord
from backends.clusters.kubernetes.manifests import RESTRICTED
from backends.clusters.kubernetes.objects import API_VERSION, KubeObject, template_of
from hive_tui.core.errors import HiveError
from hive_tui.core.findings import Finding, State, broken, failed, ok, warning
from hive_tui.core.ports import BackendContext
from hive_tui.core.text import clean_line
from hive_tui.core.worker_template import WorkerTemplate

LEAST_VERSION = (1, 30)

_ENFORCE = "pod-security.kubernetes.io/enforce"


class _Secret(KubeObject, frozen=True):
    data: Mapping[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    """Its values stay as they came."""


class _Version(msgspec.Struct, frozen=True):
    name: str = ""
    served: bool = False


class _Definition(msgspec.Struct, frozen=True):
    versions: tuple[_Version, ...] = ()


class _Crd(KubeObject, frozen=True):
    spec: _Definition = _Definition()


def examine(api: Api, context: BackendContext) -> Iterator[Finding]:
    """Look at the cluster, its namespace and what the fleet's pods need there. Raises nothing of a cluster's
    trouble."""
    yield ok("kubeconfig", f"context {api.context or 'of this pod'}, {api.server}")
    reached = _server(api)
    yield reached
    if reached.state is State.BROKEN:
        return
    there = _namespace(api, context)
    yield there
    if there.state is State.BROKEN:
        return
    installed = _resources(api, context)
    yield installed
    try:
        record = fleet_object.read(api, context)
    except HiveError as error:
        if installed.state is State.OK:
            yield failed("fleet", error)
        record = fleet_object.initial(context)
    yield from _pods(api, context, record)


def _deploy(context: BackendContext) -> str:
    return f"`hive --fleet {context.fleet} deploy --crds-only`"


def _server(api: Api) -> Finding:
    try:
        version = clean_line(api.version(), limit=60)
    except HiveError as error:
        return failed("cluster", error)
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is not None and tuple(map(int, found.groups())) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        return broken(
            "cluster", f"Kubernetes {version}", f"hive needs {least} or newer: upgrade the cluster."
        )
    return ok("cluster", f"Kubernetes {version}")


def _namespace(api: Api, context: BackendContext) -> Finding:
    name = api.namespace
    try:
        found = api.get(NAMESPACES, name, KubeObject)
    except NotFound:
        key = f"fleets.{context.fleet}.kubernetes.namespace"
        hint = f"{_deploy(context)} makes it, if you may; {key} names it."
        return broken("namespace", f"there is no namespace {name}", hint)
    except Forbidden:
        return ok("namespace", f"{name} (you may not look at its labels)")
    except HiveError as error:
        return failed("namespace", error)
    if name == "default":
        return warning(
            "namespace",
            f"{name}: everything that names no other is there, too",
            f"`hive config set fleets.{context.fleet}.kubernetes.namespace NAME`, then {_deploy(context)}.",
        )
    level = found.metadata.labels.get(_ENFORCE)
    if level == RESTRICTED[_ENFORCE]:
        return ok("namespace", f"{name}, Pod Security {level}")
    return warning(
        "namespace",
        f"{name}: Pod Security {level or 'is not enforced'}, so that less restricted pods are let in, too",
        f"`kubectl label namespace {name} {_ENFORCE}=restricted --overwrite`",
    )


def _resources(api: Api, context: BackendContext) -> Finding:
    """Whether the server knows AgentRun and Fleet as this hive does."""
    lacking: list[str] = []
    for name, mine in schema.definitions().items():
        kind, version = mine["spec"]["names"]["kind"], mine["spec"]["versions"][0]["name"]
        try:
            there = api.get(CRDS, name, _Crd)
        except NotFound:
            lacking.append(f"{kind} is not there")
        except Forbidden:
            return _asked_directly(api, context)
        except HiveError as error:
            return failed("resources", error)
        else:
            served = [each.name for each in there.spec.versions if each.served]
            if version not in served:
                lacking.append(f"{kind} is there as {', '.join(served) or 'nothing'}, not as {version}")
    if lacking:
        return broken(
            "resources", "; ".join(lacking), f"{_deploy(context)} brings them, by an administrator."
        )
    return ok("resources", f"AgentRun and Fleet ({API_VERSION})")


def _asked_directly(api: Api, context: BackendContext) -> Finding:
    """The same for whoever may not look at definitions: that the server can list them will do."""
    for resource in (AGENT_RUNS, FLEETS):
        try:
            api.list(resource, KubeObject, fields="metadata.name=none")
        except NotInstalled as error:
            return broken("resources", error.message, f"{_deploy(context)} brings them, by an administrator.")
        except HiveError as error:
            return failed("resources", error)
    return ok("resources", f"AgentRun and Fleet ({API_VERSION})")


def _pods(api: Api, context: BackendContext, record: FleetRecord) -> Iterator[Finding]:
    """What the templates of the fleet's pods name, each thing once."""
    templates = {agent.name: template_of(record.spec, agent.name) for agent in context.settings.agents}
    several = len(set(map(_written, templates.values()))) > 1
    seen: set[object] = set()
    for agent, template in templates.items():
        which = f" of {agent}" if several else ""
        if _new(seen, ("image", template.image)):
            yield _image(context, api.namespace, record, template, which)
        if _new(seen, ("account", template.service_account)):
            yield _account(api, context, template)
        if template.tracker_secret is None:
            if context.settings.forge != "local" and _new(seen, ("no tracker",)):
                yield warning(
                    "secret",
                    "none for the tracker, so that pods fetch and push as nobody",
                    "Set kubernetes.worker.tracker_secret, unless anybody may write to the repository.",
                )
        elif _new(seen, (template.tracker_secret, "token")):
            yield _tracker(api, context, template.tracker_secret)
        if template.agent_secret is None:
            if _new(seen, ("no agent", which)):
                yield warning(
                    "secret",
                    f"none for the agent's own variables{which}: a CLI that needs a key will not find it",
                    f"`kubectl --namespace {api.namespace} create secret generic hive-agent"
                    f" --from-literal=ANTHROPIC_API_KEY=…`, then"
                    f" {_set_worker(context, api.namespace, record, 'agent_secret', 'hive-agent')}.",
                )
        elif _new(seen, (template.agent_secret, None)):
            yield _secret(
                api, template.agent_secret, "the agent's variables", "generic", "--from-literal=NAME=…"
            )
        for name in template.image_pull_secrets:
            if _new(seen, (name, None)):
                yield _secret(api, name, "to fetch the image", "docker-registry", "…")


def _new(seen: set[object], thing: object) -> bool:
    known = thing in seen
    seen.add(thing)
    return not known


def _written(template: WorkerTemplate) -> bytes:
    return msgspec.json.encode(template)


def _image(
    context: BackendContext, namespace: str, record: FleetRecord, template: WorkerTemplate, which: str
) -> Finding:
    name = f"image{which}"
    if template.image is not None:
        return ok(name, clean_line(template.image, limit=300))
    fix = _set_worker(context, namespace, record, "image", "IMAGE")
    return broken(name, "none, so that no run is started", f"{fix}; agent-image/ says how to build one.")


def _set_worker(context: BackendContext, namespace: str, record: FleetRecord, field: str, value: str) -> str:
    """The command that sets a field of the fleet's pods where it counts."""
    if not record.uid:
        return f"`hive config set fleets.{context.fleet}.kubernetes.worker.{field} {value}`"
    # What the configuration says does not count any more.
    first, *more = field.split("_")
    name = first + "".join(word.title() for word in more)
    body = msgspec.json.encode({"spec": {"worker": {name: value}}}).decode()
    return f"`kubectl --namespace {namespace} patch fleet {context.fleet} --type merge -p '{body}'`"


def _account(api: Api, context: BackendContext, template: WorkerTemplate) -> Finding:
    name = template.service_account
    try:
        api.get(SERVICE_ACCOUNTS, name, KubeObject)
    except NotFound:
        return broken(
            "account", f"there is no service account {name}", f"{_deploy(context)} makes it, if you may."
        )
    except Forbidden:
        return ok("account", f"{name} (you may not look whether it is there)")
    except HiveError as error:
        return failed("account", error)
    return ok("account", f"{name}, of runs")


def _tracker(api: Api, context: BackendContext, name: str) -> Finding:
    github, keys = context.settings.github, {"token": context.settings.github.token_file or "FILE"}
    if github.ca_file is not None:
        keys["ca.crt"] = github.ca_file
    files = " ".join(f"--from-file={key}={shlex.quote(file)}" for key, file in keys.items())
    return _secret(api, name, "the tracker's token", "generic", files, keys)


def _secret(api: Api, name: str, what: str, kind: str, given: str, keys: Iterable[str] = ()) -> Finding:
    create = f"`kubectl --namespace {api.namespace} create secret {kind} {name} {given}`"
    try:
        found: Mapping[str, object] = api.get(SECRETS, name, _Secret).data
    except NotFound:
        return broken("secret", f"there is no secret {name} ({what})", f"{create} makes it.")
    except Forbidden:
        return ok("secret", f"{name} ({what}; you may not look whether it is there)")
    except HiveError as error:
        return failed("secret", error)
    lacking = [key for key in keys if key not in found]
    if lacking:
        there = ", ".join(sorted(clean_line(each, limit=60) for each in found)) or "nothing"
        return broken(
            "secret",
            f"{name} has {there}, not {' and '.join(lacking)} ({what})",
            f"`kubectl --namespace {api.namespace} delete secret {name}`, then {create}.",
        )
    return ok("secret", f"{name} ({what})")
