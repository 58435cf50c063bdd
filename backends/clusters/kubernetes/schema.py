"""The schemas of hive's custom resources, made from the structs: what a field is called, what it may hold,
and what is said of it.

Every text, number, list and map has a bound, since the API server prices the rules by them, and so that
nothing grows without end in a place that all clients read. `clipped` keeps what hive writes within them.
"""

from __future__ import annotations

import enum
import functools
import inspect
import math
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from backends.clusters.kubernetes import camel, rules
from backends.clusters.kubernetes.objects import (
    GROUP,
    VERSION,
    AgentRunSpec,
    AgentRunStatus,
    Condition,
    FleetSpec,
    FleetStatus,
    PodClaim,
)
from hive_tui.core.ids import AgentName, RepoName, RunId, WorkerName
from hive_tui.core.model import USES_KEPT, Actor, Control, Quota, RunSpec, RunStatus, StepUse
from hive_tui.core.ports import AgentJob, Job, RepoJob
from hive_tui.core.settings import FLEET_NAME
from hive_tui.core.worker_template import Toleration, WorkerTemplate
from hive_tui.system import docstrings

Schema = dict[str, Any]

MAX_TEXT = 4_096
"""Characters of a text that has no bound of its own."""
MAX_BODY = 262_144
"""Characters of an issue's text."""
MAX_MESSAGE = 16_384
"""Characters that somebody tells an agent at once."""
MAX_ORDERS = 500
"""Orders to one run."""
MAX_SLOTS = 1_000
"""Agents of one fleet at work at once."""
MAX_ENTRIES = 64
"""Entries of a list or a map that has no bound of its own."""
MAX_NUMBER = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""
MAX_SECONDS = 2**31 - 1

_NAMES: dict[Any, Schema] = {
    RunId: {"pattern": rules.RUN_ID, "maxLength": 52},
    WorkerName: {"pattern": rules.WORKER_NAME, "maxLength": 40},
    AgentName: {"pattern": rules.AGENT_NAME, "maxLength": 20},
    RepoName: {
        # As `RepoPath` of the configuration, which looks ahead, as the API server's expressions cannot.
        "pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/"
        r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}|\.[A-Za-z0-9_-][A-Za-z0-9._-]{0,98}|\.\.[A-Za-z0-9._-]{1,98})$",
        "maxLength": 201,
    },
}

_BOUNDS: dict[tuple[type[msgspec.Struct], str], Schema] = {
    (Actor, "name"): {"maxLength": 256},
    (AgentJob, "allowed_tools"): {"maxItems": 256},
    (AgentRunSpec, "control"): {
        "maxItems": MAX_ORDERS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["seq"],
    },
    (Condition, "type"): {
        "maxLength": 316,
        "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
        r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    },
    (Condition, "status"): {"enum": ["True", "False", "Unknown"]},
    (Condition, "reason"): {
        "minLength": 1,
        "maxLength": 1024,
        "pattern": r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    },
    (Control, "seq"): {"minimum": 1},
    (Control, "text"): {"maxLength": MAX_MESSAGE},
    (FleetSpec, "slots"): {"maximum": MAX_SLOTS},
    (FleetStatus, "slots"): {
        "maxProperties": MAX_SLOTS,
        "additionalProperties": {"type": "string", **_NAMES[RunId]},
    },
    (Job, "body"): {"maxLength": MAX_BODY},
    (Job, "fleet"): {"pattern": f"^{FLEET_NAME}$", "maxLength": 40},
    (Job, "max_rounds"): {"minimum": 1},
    (PodClaim, "name"): {"maxLength": 253},
    (PodClaim, "uid"): {"maxLength": 64},
    (RunSpec, "attempt"): {"minimum": 1},
    (RunSpec, "issue"): {"minimum": 1},
    (RunStatus, "round"): {"minimum": 1},
    (RunStatus, "used"): {"maxItems": USES_KEPT},
    (StepUse, "model"): {"maxLength": 256},
    (StepUse, "round"): {"minimum": 1},
    (StepUse, "session"): {"maxLength": 256},
    (Toleration, "operator"): {"enum": ["Equal", "Exists"]},
    (Toleration, "effect"): {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
    (WorkerTemplate, "grace_seconds"): {"maximum": MAX_SECONDS},
    (WorkerTemplate, "image_pull_policy"): {"enum": ["Always", "IfNotPresent", "Never"]},
    (WorkerTemplate, "keep_seconds"): {"maximum": MAX_SECONDS},
}

_CONDITIONS: Schema = {
    "maxItems": 8,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}

_REQUIRED = {(RunStatus, "phase"), (Quota, "state")}
"""Fields with a default in the code that nobody may leave out: rules ask for them."""


_NOT_CUT = (RepoJob, AgentJob, FleetSpec)
"""What is called or obeyed as it stands: a part of it would be something else, so that the API server refuses
it instead."""


def of(kind: type[msgspec.Struct], *, described: bool = True) -> Schema:
    """The schema of a struct as it is stored: camelCase, and what is not known is left out. One that is not
    `described` is for `clipped`, and costs no look at the source."""
    hints = typing.get_type_hints(kind, include_extras=True)
    stored = msgspec.structs.fields(camel.mirrored(kind))
    says = _docstrings(kind) if described else {}
    words = _words if described else _silence
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field, written in zip(msgspec.structs.fields(kind), stored, strict=True):
        owner = _owner(kind, field.name)
        schema = _type(hints[field.name], described)
        schema.update(_CONDITIONS if field.name == "conditions" else _BOUNDS.get((owner, field.name), {}))
        if "enum" in schema:
            schema.pop("maxLength", None)
        if camel.says_none(field) and type(None) in typing.get_args(hints[field.name]):
            schema["nullable"] = True
        schema = _said(schema, says.get(field.name) or words(owner, field.name))
        _add_rules(schema, rules.FIELDS.get((owner, field.name), ()))
        properties[written.encode_name] = schema
        if field.required or (owner, field.name) in _REQUIRED:
            required.append(written.encode_name)
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if described:
        schema = _said(schema, inspect.getdoc(kind) if _has_docstring(kind) else None)
    elif kind in _NOT_CUT:
        schema[_WHOLE] = True
    return _add_rules(schema, rules.STRUCTS.get(kind, ()))


def _type(hint: Any, described: bool) -> Schema:
    """The schema of a value, as bare as its type."""
    bounds: Schema = {}
    while True:
        if hint in _NAMES:
            return {"type": "string", **_NAMES[hint], **bounds}
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            for extra in hint.__metadata__:
                bounds.update(_meta(extra, described))
            hint = hint.__origin__
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif origin in (typing.Union, types.UnionType):
            (hint,) = (each for each in typing.get_args(hint) if each is not type(None))
        else:
            break
    return {**_plain(hint, described), **bounds}


def _plain(hint: Any, described: bool) -> Schema:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return of(hint, described=described)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        schema: Schema = {"type": "string", "enum": [each.value for each in hint]}
        return _said(schema, inspect.getdoc(hint) if described and _has_docstring(hint) else None)
    if hint is datetime:
        return _add_rules({"type": "string", "format": "date-time"}, (rules.MOMENT,))
    if hint is str:
        return {"type": "string", "maxLength": MAX_TEXT}
    if hint is bool:
        return {"type": "boolean"}
    if hint is int:
        return {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_NUMBER}
    if hint is float:
        return {"type": "number", "minimum": 0, "maximum": MAX_NUMBER}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return {"type": "array", "maxItems": MAX_ENTRIES, "items": _type(arguments[0], described)}
    if origin is dict:
        inner = _type(arguments[1], described)
        return {"type": "object", "maxProperties": MAX_ENTRIES, "additionalProperties": inner}
    raise TypeError(f"{hint} has no place in a custom resource")


def _meta(extra: Any, described: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(extra, msgspec.Meta):
        if extra.pattern is not None:
            yield "pattern", extra.pattern
        if extra.ge is not None:
            yield "minimum", extra.ge
        if extra.le is not None:
            yield "maximum", extra.le
        if described and extra.description is not None:
            yield "description", extra.description[0].upper() + extra.description[1:] + "."


def _owner(kind: type, field: str) -> type[msgspec.Struct]:
    """The struct that declares a field, which may be one that `kind` inherits from."""
    return next(each for each in kind.__mro__ if field in inspect.get_annotations(each))


def _docstrings(kind: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each is not msgspec.Struct and issubclass(each, msgspec.Struct):
            found.update(docstrings.of_fields(each))
    return found


def _words(owner: type[msgspec.Struct], field: str) -> str | None:
    from backends.clusters.kubernetes.words import WORDS  # runs write statuses without them

    return WORDS.get((owner, field))


def _silence(owner: type[msgspec.Struct], field: str) -> str | None:
    return None


def _has_docstring(kind: type) -> bool:
    return "__doc__" in kind.__dict__ and kind.__doc__ is not None


def _said(schema: Schema, words: str | None) -> Schema:
    """The schema with its description, which stands in front, where people read it."""
    if not words:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("type", "description")}
    return {"type": schema["type"], "description": " ".join(words.split()), **rest}


def _add_rules(schema: Schema, found: tuple[rules.Rule, ...]) -> Schema:
    if found:
        schema["x-kubernetes-validations"] = [rule.as_schema() for rule in found]
    return schema


# The definitions


def definitions() -> dict[str, Schema]:
    """The CustomResourceDefinitions, by their names."""
    runs = _definition(
        "AgentRun",
        "agentruns",
        ["ar"],
        "One attempt of one agent at one issue.",
        (AgentRunSpec, AgentRunStatus),
        [
            ("Repo", "string", ".spec.work.spec.repo", 0, "The repository"),
            ("Issue", "integer", ".spec.work.spec.issue", 0, "The issue's number"),
            ("Attempt", "integer", ".spec.work.spec.attempt", 0, "Which attempt at the issue it is"),
            ("Worker", "string", ".spec.work.spec.worker", 0, "The slot that it has or had"),
            ("Phase", "string", ".status.phase", 0, "Where it is; empty before anybody looked at it"),
            ("Step", "string", ".status.step", 0, "What it does"),
            ("Why", "string", ".status.why", 1, "Why it is in its phase"),
            ("Pod", "string", ".status.pod.name", 1, "The pod that is the run"),
            ("Age", "date", ".metadata.creationTimestamp", 0, "Since it was recorded"),
        ],
    )
    fleets = _definition(
        "Fleet",
        "fleets",
        [],
        "A fleet's switches and slots: the one place where they are true.",
        (FleetSpec, FleetStatus),
        [
            ("Slots", "integer", ".spec.slots", 0, "Agents at work at once, at most"),
            ("Paused by", "string", ".spec.paused.by.name", 0, "Who paused it; empty while it is not"),
            ("Image", "string", ".spec.worker.image", 1, "What the pods of its runs are made from"),
            ("Taken", "string", ".status.slots", 1, "The run in each slot"),
            ("Age", "date", ".metadata.creationTimestamp", 0, "Since it was made"),
        ],
    )
    return {each["metadata"]["name"]: each for each in (runs, fleets)}


def _definition(
    kind: str,
    plural: str,
    short: list[str],
    words: str,
    parts: tuple[type[msgspec.Struct], type[msgspec.Struct]],
    columns: list[tuple[str, str, str, int, str]],
) -> Schema:
    spec, status = (of(part) for part in parts)
    names: Schema = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "categories": ["hive"],
    }
    if short:
        names["shortNames"] = short
    schema: Schema = {
        "type": "object",
        "description": words,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "required": ["spec"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in columns],
                    "schema": {"openAPIV3Schema": _add_rules(schema, rules.ROOTS[kind])},
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str, priority: int, words: str) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path, "description": words}
    return {**column, "priority": priority} if priority else column


# What hive writes

_WHOLE = "not cut"


def clipped(value: msgspec.Struct) -> Any:
    """`value` as it is stored, every text, number and list in it cut to what the schema takes: what an agent
    said is never a reason for the API server to refuse how a run is. What people configure is not cut."""
    return _clip(camel.to_camel(value), _bare(type(value)))


@functools.cache
def _bare(kind: type[msgspec.Struct]) -> Schema:
    return of(kind, described=False)


def _clip(value: Any, schema: Schema) -> Any:
    if value is None or _WHOLE in schema:
        return value
    if isinstance(value, str):
        return _clip_text(value, schema.get("maxLength", MAX_TEXT))
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _clip_number(value, schema)
    if isinstance(value, list):
        return [_clip(each, schema["items"]) for each in value[: schema["maxItems"]]]
    fields: dict[str, Schema] | None = schema.get("properties")
    if fields is not None:
        return {key: _clip(each, fields[key]) for key, each in value.items()}
    inner, most = schema["additionalProperties"], schema["maxProperties"]
    return {key: _clip(value[key], inner) for key in list(value)[:most]}


def _clip_text(text: str, most: int) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # a lone surrogate is no character to anybody else
    return text if len(text) <= most else text[: most - 1] + "…"


def _clip_number(number: float, schema: Schema) -> float:
    if math.isnan(number):
        return 0
    least, most = float(schema["minimum"]), float(schema["maximum"])
    return number if least <= number <= most else type(number)(least if number < least else most)
