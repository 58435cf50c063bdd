"""JSON as a type, from any thread.

msgspec works out what a struct consists of at its first use, and two threads that do that at the same time
for the same struct crash the interpreter. So decoders are made one at a time, and kept.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_making = threading.Lock()
_made: dict[object, msgspec.json.Decoder[Any]] = {}


def decode(data: bytes | str | msgspec.Raw, shape: type[T]) -> T:
    """Raises msgspec.DecodeError (or its ValidationError), and UnicodeDecodeError."""
    found: T = (_made.get(shape) or prepare(shape)).decode(data)
    return found


def prepare(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Work out what a type consists of, for `msgspec.convert` too."""
    with _making:
        return _made.setdefault(shape, msgspec.json.Decoder(shape))
