"""What makes a call the same one wherever it is recorded."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

_number = Struct(">Q").unpack


def key_of(name: str) -> int:
    """63 bits for the call that has this name."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number: int = _number(digest)[0]
    return number >> 1
