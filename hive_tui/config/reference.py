"""Every key of the configuration with its type, default and meaning.

The meaning is the docstring under a field.
"""

from __future__ import annotations

import enum
import inspect
import typing
from typing import Any, get_args, get_origin

import msgspec

from hive_tui.config.parse import type_words, unwrap
from hive_tui.core import settings
from hive_tui.system import docstrings


class KeyDoc(msgspec.Struct, frozen=True):
    """One key of one of the two files."""

    key: str
    type: str
    default: str
    meaning: str


class Table(msgspec.Struct, frozen=True):
    """The keys at one level: `fleets.NAME.budget`."""

    prefix: str
    meaning: str
    keys: tuple[KeyDoc, ...]


def tables(kind: type[msgspec.Struct], prefix: str = "") -> list[Table]:
    """The keys of a settings struct and of those inside it, outermost first."""
    hints = typing.get_type_hints(kind, include_extras=True)
    bases = [each for each in kind.__mro__ if issubclass(each, msgspec.Struct) and each is not msgspec.Struct]
    meanings = {name: words for each in reversed(bases) for name, words in docstrings.of_fields(each).items()}
    keys: list[KeyDoc] = []
    inner: list[Table] = []
    for field in msgspec.structs.fields(kind):
        plain, constraint = unwrap(hints[field.name])
        key = f"{prefix}.{field.encode_name}" if prefix else field.encode_name
        words = constraint.description if constraint and constraint.description else _words(plain)
        keys.append(KeyDoc(field.encode_name, words, _default(field), meanings.get(field.name, "")))
        item, place = _inner(plain, key)
        if item is not None:
            inner += tables(item, place)
    return [Table(prefix, inspect.getdoc(kind) or "", tuple(keys)), *inner]


def as_text() -> str:
    """Both files' keys, for a terminal."""
    lines: list[str] = []
    for title, kind in (("config.yaml", settings.Settings), (".hive/config.yaml", settings.ProjectSettings)):
        for table in tables(kind):
            lines += ["", f"{title} {table.prefix}".rstrip()]
            for key in table.keys:
                lines.append(f"  {key.key}: {key.type}; default {key.default}")
                lines += [f"      {line}" for line in key.meaning.splitlines()]
    return "\n".join(lines[1:])


def as_markdown() -> str:
    """Both files' keys, for docs/configuration.md."""
    lines: list[str] = []
    for title, kind in (("config.yaml", settings.Settings), (".hive/config.yaml", settings.ProjectSettings)):
        lines += [f"## `{title}`", ""]
        for table in tables(kind):
            if table.prefix:
                lines += [f"### `{table.prefix}`", ""]
            lines += [table.meaning, "", "| key | type | default | meaning |", "|---|---|---|---|"]
            lines += [
                f"| `{key.key}` | {_cell(key.type)} | {_cell(key.default)} | {_cell(key.meaning)} |"
                for key in table.keys
            ]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _inner(kind: Any, key: str) -> tuple[type[msgspec.Struct] | None, str]:
    """The struct inside a field's type, and how its place is written."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, key
    place = {dict: f"{key}.NAME", tuple: f"{key}[]"}.get(get_origin(kind) or kind)
    if place is None:
        return None, key
    arguments = get_args(kind)
    item, _ = unwrap(arguments[1] if get_origin(kind) is dict else arguments[0])
    return (item, place) if isinstance(item, type) and issubclass(item, msgspec.Struct) else (None, key)


def _words(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "keys and values"
    return type_words(kind)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    if field.default is msgspec.NODEFAULT:
        factory: Any = field.default_factory
        value = factory()
    else:
        value = field.default
    plain = msgspec.to_builtins(value)
    if plain is None or plain == {} or plain == [] or plain == ():
        return "none"
    if isinstance(value, msgspec.Struct):
        return "as below"
    if isinstance(plain, (list, tuple)) and isinstance(plain[0], dict):
        return ", ".join(f"`{item['name']}`" for item in plain)
    if isinstance(plain, (list, tuple)):
        return ", ".join(f"`{item}`" for item in plain)
    return f"`{msgspec.json.encode(plain).decode().strip(chr(34))}`"
