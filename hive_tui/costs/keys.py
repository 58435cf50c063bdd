"""What makes a call the same one wherever it is recorded."""

from __future__ import annotations

import stringzilla  # type: ignore[import-not-found]  # it has no stubs


def key_of(name: str) -> int:
    """63 bits for the call that has this name."""
    # Bytes, since it does not survive half a character, as JavaScript cuts them, in a text.
    number: int = stringzilla.hash(name.encode("utf-8", "surrogatepass"))
    return number >> 1


KIND = str(key_of("the same name, as long as that of a call, has another key in another release"))
"""Differs where keys do."""
