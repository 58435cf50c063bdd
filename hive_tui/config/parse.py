"""YAML text into settings, with errors that say where, what, what instead, and what to do.

msgspec decides what is valid; only after it has refused does this module look for the place.
"""

from __future__ import annotations

import difflib
import enum
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
import yaml

from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import ProjectSettings, Settings
from hive_tui.core.text import clean_line

T = TypeVar("T")

Key = tuple[str | int, ...]

MAX_PROJECT = 65_536
"""Bytes of a repository's `.hive/config.yaml`; it comes with the repository, so it may be hostile."""

REFERENCE = "`hive config schema` lists every key."


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a mapping with the same key twice, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _PlainLoader(_Loader):
    """Without aliases, whose expansion can grow without bounds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = cast(Any, self).get_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", mark)
        return super().compose_node(parent, index)


def parse(content: bytes, kind: type[T], source: str) -> T:
    """Settings of type `kind` from YAML. Raises ConfigError; `source` names the file in it."""
    return _convert(*_load(content, source, _Loader), kind, source)


def parse_project(content: bytes, source: str = ".hive/config.yaml") -> ProjectSettings:
    """A repository's own settings. Raises ConfigError, also for what only an attacker would write."""
    if len(content) > MAX_PROJECT:
        raise ConfigError(f"{source} has {len(content)} bytes.", f"At most {MAX_PROJECT} are read.")
    return _convert(*_load(content, source, _PlainLoader), ProjectSettings, source)


def _load(content: bytes, source: str, loader_type: type[_Loader]) -> tuple[object, yaml.Node | None]:
    try:
        loader = loader_type(content.decode("utf-8"))
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{source}:{line}: not UTF-8.", "Save the file as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        problem = error.problem or error.context or "cannot be read"
        raise ConfigError(f"{source}{where}: {clean_line(problem)}.", _syntax_hint(problem)) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(
            f"{source}: no usable YAML: {clean_line(str(error), limit=200)}.", REFERENCE
        ) from error


def _syntax_hint(problem: str) -> str:
    if "twice" in problem:
        return "Keep one of the two."
    if "tab" in problem or "'\\t'" in problem:
        return "YAML is indented with blanks, not with tabs."
    return "Check the line and the one before it: indentation, a missing colon, or a quote."


def _convert(data: object, node: yaml.Node | None, kind: type[T], source: str) -> T:
    try:
        settings = msgspec.convert({} if data is None else data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        flaw = _find({} if data is None else data, kind, ()) or _Flaw((), str(error), REFERENCE)
        raise _error(flaw, node, source) from error
    if isinstance(settings, Settings) and (wrong := _wrong_key(settings.keys)):
        raise _error(wrong, node, source)
    return settings


def _error(flaw: _Flaw, node: yaml.Node | None, source: str) -> ConfigError:
    line = f":{_line(node, flaw.key)}" if node is not None else ""
    return ConfigError(f"{source}{line}: {flaw.problem}", flaw.hint)


def _wrong_key(keys: Mapping[str, str]) -> _Flaw | None:
    """The first entry of `keys` that names no action or no key."""
    if not keys:
        return None
    from hive_tui.core import keymap  # the registry of actions, which no other setting needs

    for name, text in keys.items():
        if found := keymap.flaw(name, text):
            key = ("keys", name)
            return _Flaw(key, f"{_named(key)} is {_shown(text)}: {clean_line(found[0])}", found[1])
    return None


class _Flaw(typing.NamedTuple):
    key: Key
    problem: str
    hint: str


def dotted(key: Key) -> str:
    """A key as people write it: `fleets.local.repos[0].name`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _valid(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _find(value: object, kind: Any, key: Key) -> _Flaw | None:
    """The first place where `value` is not a `kind`; None when it is."""
    if _valid(value, kind):
        return None
    plain, constraint = unwrap(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return _find_in_struct(value, plain, key)
    if get_origin(plain) is dict and isinstance(value, Mapping):
        key_kind, item_kind = get_args(plain)
        for name, item in value.items():
            if not _valid(name, key_kind):
                _, named = unwrap(key_kind)
                expected = named.description if named and named.description else "text"
                return _Flaw((*key, str(name)), f"{name!r} is no good key: expected {expected}.", REFERENCE)
            if flaw := _find(item, item_kind, (*key, name)):
                return flaw
    if get_origin(plain) is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            if flaw := _find(item, get_args(plain)[0], (*key, index)):
                return flaw
    return _leaf(value, plain, constraint, key)


def _find_in_struct(value: object, kind: type[msgspec.Struct], key: Key) -> _Flaw | None:
    if not isinstance(value, Mapping):
        return _Flaw(key, f"{_named(key)} is {_shown(value)}; expected keys and values.", REFERENCE)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in value:
        if name not in fields:
            return _unknown_key((*key, str(name)), value[name], sorted(fields))
    for name, field in fields.items():
        if name not in value:
            if field.required:
                return _Flaw(key, f"{_named(key)} lacks the key {name!r}.", "Add it. " + REFERENCE)
        elif flaw := _find(value[name], hints[field.name], (*key, name)):
            return flaw
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:  # what the struct itself checks across its keys
        return _Flaw(key, f"{_named(key)}: {str(error).partition(' - at')[0]}", REFERENCE)
    return None


def _unknown_key(key: Key, value: object, known: list[str]) -> _Flaw:
    near = difflib.get_close_matches(str(key[-1]), known, n=2, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known here: {', '.join(known)}."
    return _Flaw(key, f"unknown key {clean_line(dotted(key))}, with the value {_shown(value)}.", hint)


def _leaf(value: object, kind: Any, constraint: msgspec.Meta | None, key: Key) -> _Flaw:
    options = [str(member.value) for member in kind] if _is_enum(kind) else []
    if options:
        near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]}?" if near else REFERENCE
        expected = f"one of {', '.join(options)}"
    else:
        expected = constraint.description if constraint and constraint.description else type_words(kind)
        hint = REFERENCE
        if kind is str and isinstance(value, (bool, int, float)):
            hint = f'Quote it: "{value}".'
    return _Flaw(key, f"{_named(key)} is {_shown(value)}; expected {expected}.", hint)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def type_words(kind: Any) -> str:
    """A field's type as people say it."""
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    origin = get_origin(kind)
    return words.get(kind) or {dict: "keys and values", tuple: "a list"}.get(origin or kind, str(kind))


def unwrap(kind: Any) -> tuple[Any, msgspec.Meta | None]:
    """The type without `| None`, NewType and Annotated, and its constraint."""
    constraint = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            constraint = next((note for note in notes if isinstance(note, msgspec.Meta)), constraint)
        elif get_origin(kind) in (Union, types.UnionType):
            kind = next(part for part in get_args(kind) if part is not type(None))
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        else:
            return kind, constraint


def _named(key: Key) -> str:
    return clean_line(dotted(key)) or "the file"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    return clean_line(repr(value), limit=80)


def _line(node: yaml.Node, key: Key) -> int:
    """The line (from 1) of a key, or of the nearest place above it that the file has."""
    line = node.start_mark.line + 1
    for part in key:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((name, item) for name, item in node.value if name.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            return line
        line = int(found[0].start_mark.line) + 1
        node = found[1]
    return line
