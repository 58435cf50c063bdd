"""Decoding what an agent prints: fast by type when it is as expected, field by field when it is not.

A wrong type in one field must not lose the others: a `result` whose `num_turns` became a string still
says what was used. Nothing here raises on any input.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""A number of tokens, milliseconds or attempts; more than this is nonsense and would not fit a database."""


def decode(line: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """`line` as the decoder's type; fields that cannot be read keep their defaults. None if it is no
    JSON object, or nested beyond reason."""
    try:
        return decoder.decode(line)
    except RecursionError:
        return None
    except ValueError:
        loose = _loads(line)
    return convert(loose, decoder.type) if isinstance(loose, dict) else None


def elements(line: bytes) -> list[Any]:
    """The elements of a JSON array, none if it is something else."""
    loose = _loads(line)
    return loose if isinstance(loose, list) else []


def _loads(line: bytes) -> Any:
    """JSON with what the strict decoder refuses: lone surrogates (JavaScript cuts strings between the
    two halves of a character), bytes that are no UTF-8, raw control characters, huge numbers."""
    import json  # of all that is read next to nothing comes here

    try:
        return json.loads(line.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def convert(value: Any, kind: type[T]) -> T:
    """A struct from a loose dictionary, with defaults for whatever does not fit."""
    if not isinstance(value, dict):
        return kind()
    found = {}
    for name, key, field in _fields(kind):
        if key in value:
            fitted = _fit(value[key], field)
            if fitted is not _UNFIT:
                found[name] = fitted
    return kind(**found)


_UNFIT = object()


def _fit(value: Any, kind: Any) -> Any:
    """`value` as `kind`, salvaging structs inside lists, dictionaries and unions."""
    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError):
        pass
    if isinstance(value, float) and value.is_integer():
        return _fit(int(value), kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        candidates = (_fit(value, argument) for argument in arguments if argument is not types.NoneType)
        return next((fitted for fitted in candidates if fitted is not _UNFIT), _UNFIT)
    if origin is list and isinstance(value, list):
        return [fitted for item in value if (fitted := _fit(item, arguments[0])) is not _UNFIT]
    if origin is dict and isinstance(value, dict):
        fits = ((key, _fit(item, arguments[1])) for key, item in value.items())
        return {str(key): fitted for key, fitted in fits if fitted is not _UNFIT}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        return convert(value, kind)
    return _UNFIT


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    return tuple((field.name, field.encode_name, field.type) for field in msgspec.structs.fields(kind))
