"""GitHub's published description of its REST interface: which operation a call is, and whether it fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

import jsonschema_rs
import msgspec

from tests.fakes.github import published

_ADDRESS = "urn:openapi"
_JSON = "application/json"
_UNDECLARED = {301, 302, 307, 401, 403, 404, 410, 422, 429, 451, 500, 502, 503, 504}
"""Statuses that any call may be answered with, though the description seldom lists them."""
_SAMPLES = {"example", "examples", "default", "enum"}
"""What is below these is a value, not a schema."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; bodies are parsed JSON, None without one."""

    method: str
    path: str
    """Without the query, as it was sent."""
    query: str = ""
    body: Any = None
    status: int = 200
    answer: Any = None
    judge_answer: bool = True
    """Not for an answer that was spoilt on purpose, or that is no JSON by wish of the caller."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    """With its parameters in braces."""
    described: dict[str, Any]
    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@cache
def description() -> Description:
    """Raises published.Unavailable. About half a second the first time."""
    return Description(msgspec.json.decode(published.read(published.REST)))


class Description:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = _as_json_schema(document)
        self._registry = jsonschema_rs.Registry([(_ADDRESS, self._document)], draft=jsonschema_rs.Draft4)
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def violations(self, exchange: Exchange) -> Iterator[str]:
        """How an exchange differs from what is published, a line each; nothing when it fits."""
        operation = self.find(exchange.method, exchange.path)
        if operation is None:
            yield f"{exchange.method} {exchange.path}: there is no such operation"
            return
        for problem in self._request(operation, exchange):
            yield f"{operation}: request: {problem}"
        if exchange.judge_answer:
            for problem in self._answer(operation, exchange):
                yield f"{operation}: answer {exchange.status}: {problem}"

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a call is; of several that fit, the one that names more of the path."""
        found = [x for x in self._operations if x.method == method and x.pattern.fullmatch(path)]
        return max(found, key=lambda x: sum("{" not in part for part in x.path.split("/")), default=None)

    @cached_property
    def _operations(self) -> list[Operation]:
        return [
            Operation(method.upper(), path, described, self._pattern(path, described))
            for path, methods in self._document["paths"].items()
            for method, described in methods.items()
        ]

    def _pattern(self, path: str, described: dict[str, Any]) -> re.Pattern[str]:
        long = {x["name"] for x in self._parameters(described, "path") if x.get("x-multi-segment")}
        parts = re.split(r"\{([\w-]+)\}", path)
        made = [
            f"(?P<{part.replace('-', '_')}>{'.+' if part in long else '[^/]+'})"
            if at % 2
            else re.escape(part)
            for at, part in enumerate(parts)
        ]
        return re.compile("".join(made))

    def _parameters(self, described: dict[str, Any], where: str) -> list[dict[str, Any]]:
        found = [self._resolved(x) for x in described.get("parameters", ())]
        return [x for x in found if x["in"] == where]

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            at: Any = self._document
            for key in part["$ref"].removeprefix("#/").split("/"):
                at = at[key]
            part = at
        return part

    # Requests

    def _request(self, operation: Operation, exchange: Exchange) -> Iterator[str]:
        match = operation.pattern.fullmatch(exchange.path)
        assert match is not None
        for parameter in self._parameters(operation.described, "path"):
            value = unquote(match[parameter["name"].replace("-", "_")])
            yield from self._valued(parameter, value)
        known = {x["name"]: x for x in self._parameters(operation.described, "query")}
        given = dict(parse_qsl(exchange.query, keep_blank_values=True))
        for name, value in given.items():
            if name not in known:
                yield f"there is no parameter {name!r}"
            else:
                yield from self._valued(known[name], value)
        yield from (
            f"parameter {n!r} is missing" for n, x in known.items() if x.get("required") and n not in given
        )
        yield from self._body(operation, exchange.body)

    def _valued(self, parameter: dict[str, Any], text: str) -> Iterator[str]:
        value: Any = text
        kinds = parameter["schema"].get("type", "string")
        if "integer" in kinds and re.fullmatch(r"-?\d+", text):
            value = int(text)
        elif "boolean" in kinds and text in ("true", "false"):
            value = text == "true"
        elif "array" in kinds:
            value = text.split(",")
        for problem in self._problems(parameter["schema"], value):
            yield f"parameter {parameter['name']!r}: {problem}"

    def _body(self, operation: Operation, body: Any) -> Iterator[str]:
        described = self._resolved(operation.described.get("requestBody", {}))
        content = described.get("content", {}).get(_JSON)
        if content is None:
            if body:
                yield "it has a body, which the operation has not"
        elif body is not None or described.get("required"):
            schema = content["schema"]
            yield from self._problems(schema, {} if body is None else body)
            yield from self._unknown(schema, body, "")

    # Answers

    def _answer(self, operation: Operation, exchange: Exchange) -> Iterator[str]:
        declared = operation.described["responses"].get(str(exchange.status))
        if exchange.status == 304 and exchange.method == "GET" and exchange.answer is None:
            return
        if declared is None and exchange.status not in _UNDECLARED:
            yield "the operation has no such answer"
            return
        # Trouble without a description of its own is answered as trouble is anywhere.
        content = self._resolved(declared or {}).get("content", {})
        if _JSON not in content:
            if exchange.status >= 300:
                yield from self._problems({"$ref": "#/components/schemas/basic-error"}, exchange.answer)
            elif exchange.answer not in (None, ""):
                yield "it has a body, which the description has not"
            return
        schema = content[_JSON]["schema"]
        yield from self._problems(schema, exchange.answer)
        yield from self._unknown(schema, exchange.answer, "")

    # Schemas

    def _problems(self, schema: dict[str, Any], value: Any) -> Iterator[str]:
        for error in self._validator(schema).iter_errors(value):
            place = "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in error.instance_path)
            yield f"{place or 'it'}: {error.message[:300]}"

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        # A validator reaches the rest of the document through references, which must be absolute for that.
        key = msgspec.json.encode(schema).decode()
        if key not in self._validators:
            absolute = msgspec.json.decode(key.replace('"$ref":"#/', f'"$ref":"{_ADDRESS}#/'))
            self._validators[key] = jsonschema_rs.validator_for(
                absolute, registry=self._registry, validate_formats=True
            )
        return self._validators[key]

    def _unknown(self, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        """Fields that GitHub does not have; JSON Schema lets them pass."""
        schemas = list(self._alternatives(schema))
        if isinstance(value, list):
            inner = [x["items"] for x in schemas if "items" in x]
            if len(inner) == 1:
                for at, item in enumerate(value):
                    yield from self._unknown(inner[0], item, f"{place}[{at}]")
        elif isinstance(value, dict):
            known: dict[str, list[dict[str, Any]]] = {}
            for one in schemas:
                for name, described in one.get("properties", {}).items():
                    known.setdefault(name, []).append(described)
            if not known or any(x.get("additionalProperties") for x in schemas):
                return
            for name, item in value.items():
                if name not in known:
                    yield f"{place or 'it'}: GitHub has no field {name!r} there"
                elif len(known[name]) == 1:
                    yield from self._unknown(known[name][0], item, f"{place}.{name}")

    def _alternatives(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schema and all that it is composed of."""
        schema = self._resolved(schema)
        yield schema
        for kind in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(kind, ()):
                yield from self._alternatives(part)


def _as_json_schema(node: Any, *, names: bool = False) -> Any:
    """OpenAPI 3.0 with its `nullable` said as JSON Schema says it. `names`: the keys are names of fields."""
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        key: value if key in _SAMPLES and not names else _as_json_schema(value, names=key == "properties")
        for key, value in node.items()
    }
    if names or made.get("nullable") is not True:
        return made
    del made["nullable"]
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
        return made
    return {"anyOf": [made, {"type": "null"}]}
