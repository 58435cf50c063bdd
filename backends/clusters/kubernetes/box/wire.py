"""What goes over the socket between a runner and the agent's side of its pod.

A connection is one request, but for one that stays for as long as the runner does. Everything is a frame: a
byte that says what it is, four bytes of length, then that many bytes. Standard library only, since the server
loads nothing else.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

HEADER = struct.Struct(">BI")

MAX_REQUEST = 4 << 20
"""Bytes of a request; more arguments and variables than that, no system starts a program with."""
MAX_FRAME = 1 << 16
"""Bytes of any other frame."""
WINDOW = 1 << 20
"""Bytes of standard input on their way, which nobody has said yet that the process took."""
BEAT_SECONDS = 5.0
"""Between two signs of life of the server, while a process is silent."""


class Kind(enum.IntEnum):
    # From the runner
    REQUEST = 1
    """JSON: `do` is `run`, `end` (everything there), or `attend`, which only stays."""
    STDIN = 2
    STDIN_END = 3
    SIGNAL = 4
    """One byte, the signal's number: to the whole group."""
    # From the server
    STARTED = 16
    REFUSED = 17
    """JSON: why the process could not be started."""
    OUT = 18
    ERR = 19
    TAKEN = 20
    """Four bytes: so much more of standard input has gone into the process."""
    EXIT = 21
    """JSON: how the process ended. What it had said until then came before; its children may say more."""
    BEAT = 22
    ANSWER = 23
    """JSON: to `end`."""


_KINDS = {int(kind): kind for kind in Kind}


class Broken(Exception):
    """What came is not the protocol."""


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def frames(kind: Kind, data: bytes) -> Iterator[bytes]:
    """Any amount of data in frames of the allowed size."""
    for start in range(0, len(data), MAX_FRAME):
        yield frame(kind, data[start : start + MAX_FRAME])


class Splitter:
    """Finds the frames in what comes; holds at most one that is not complete yet."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Raises Broken for a frame that is too large or of no known kind, before it has come."""
        self._data += data
        start = 0
        try:
            while len(self._data) - start >= HEADER.size:
                number, length = HEADER.unpack_from(self._data, start)
                kind = _KINDS.get(number)
                if kind is None:
                    raise Broken(f"a frame of kind {number}")
                if length > (MAX_REQUEST if kind is Kind.REQUEST else MAX_FRAME):
                    raise Broken(f"a frame of {length:,} bytes")
                begin = start + HEADER.size
                if len(self._data) < begin + length:
                    return
                start = begin + length
                yield kind, bytes(memoryview(self._data)[begin:start])
        finally:
            del self._data[:start]
