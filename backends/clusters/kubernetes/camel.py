"""The core's structs as Kubernetes writes them: the same fields, in camelCase.

A struct is mirrored once, field by field, so what is stored in the cluster cannot drift from what hive works
with; both ways cost microseconds.
"""

from __future__ import annotations

import functools
import threading
import types
import typing
from typing import Any, TypeVar

import msgspec

from backends import typed

T = TypeVar("T", bound=msgspec.Struct)

_making = threading.Lock()
"""Threads that make the mirror of a struct at the same time would make two."""


@functools.cache
def mirrored(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct type with the fields of `kind`, and of the structs in it, renamed. Unknown fields are left
    out: a newer hive may have written them."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        mirror = _mirror(hints[field.name])
        if isinstance(field.default, msgspec.Struct):
            default = functools.partial(msgspec.convert, field.default, mirror, from_attributes=True)
            fields.append((field.name, mirror, msgspec.field(default_factory=default)))
        elif field.default is not msgspec.NODEFAULT:
            fields.append((field.name, mirror, field.default))
        elif field.default_factory is not msgspec.NODEFAULT:
            fields.append((field.name, mirror, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, mirror))
    return msgspec.defstruct(kind.__name__, fields, rename="camel", frozen=True)


def to_camel(value: msgspec.Struct) -> Any:
    """`value` as plain JSON values under camelCase names. What is not known (None) is left out, but where
    leaving it out would say something else: there it is null."""
    return {
        name: _plain(found)
        for field, name, says_none in _names(type(value))
        if (found := getattr(value, field)) is not None or says_none
    }


def says_none(field: msgspec.structs.FieldInfo) -> bool:
    """Whether None is something else than the field's default."""
    return not (field.required or field.default is None)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return to_camel(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)


@functools.cache
def _names(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, bool], ...]:
    """Of each field: its name, what it is called in the cluster, whether None is said."""
    written = msgspec.structs.fields(mirrored(kind))
    return tuple(
        (field.name, each.encode_name, says_none(field))
        for field, each in zip(msgspec.structs.fields(kind), written, strict=True)
    )


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """A struct from JSON under camelCase names. Raises msgspec.ValidationError."""
    return msgspec.convert(_decoder(kind).decode(data), kind, from_attributes=True)


@functools.cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    with _making:
        decoder = typed.prepare(mirrored(kind))
        typed.prepare(kind)
    return decoder


def _mirror(hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return mirrored(hint)
    origin = typing.get_origin(hint)
    if origin is None or origin is typing.Annotated or origin is typing.Literal:
        return hint
    arguments = tuple(each if each is Ellipsis else _mirror(each) for each in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return typing.Union[arguments]  # noqa: UP007 - built at run time
    return origin[arguments]
