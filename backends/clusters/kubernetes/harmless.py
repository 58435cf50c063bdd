"""Text from the cluster made harmless: whoever may write an object may have put anything into it."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec

from hive_tui.core.text import clean

T = TypeVar("T", bound=msgspec.Struct)


def harmless(value: T) -> T:
    """The same struct with every text in it cleaned; the very same where nothing had to be."""
    changes: dict[str, Any] = {}
    for name in _fields(type(value)):
        before = getattr(value, name)
        after = _harmless(before)
        if after is not before:
            changes[name] = after
    return msgspec.structs.replace(value, **changes) if changes else value


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _harmless(value: Any) -> Any:
    if type(value) is str:
        return value if value.isprintable() and len(value) < 4_096 else _cleaned(value)
    if isinstance(value, msgspec.Struct):
        return harmless(value)
    if isinstance(value, tuple):
        found = tuple(map(_harmless, value))
        return value if all(a is b for a, b in zip(found, value, strict=True)) else found
    if isinstance(value, dict):
        found_items = {_harmless(key): _harmless(each) for key, each in value.items()}
        return value if found_items == value else found_items
    return value


def _cleaned(text: str) -> str:
    cleaned = clean(text)
    return text if cleaned == text else cleaned
