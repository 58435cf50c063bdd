"""Splitting an agent's output into lines, in time linear in its size whatever the chunks are."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is dropped as it arrives: agents print lines of some megabytes (images, files), more
than this is a fault that must not fill the runner's memory."""


class LineBuffer:
    """Holds back the unterminated tail; only `\\n` ends a line (U+2028 inside of JSON does not)."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._tail = bytearray()
        self._dropping = False
        self.dropped = 0
        """Lines that were longer than the limit."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their end, empty ones left out."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            piece = data[start:end]
            start = end + 1
            if self._dropping:
                self._dropping = False
                continue
            if self._tail:
                self._tail += piece
                piece = bytes(self._tail)
                self._tail.clear()
            if len(piece) > self._limit:
                self.dropped += 1
            elif piece and not piece.isspace():
                yield piece
        if start < len(data) and not self._dropping:
            self._tail += data[start:] if start else data
            if len(self._tail) > self._limit:
                self._tail.clear()
                self._dropping = True
                self.dropped += 1

    def rest(self) -> bytes:
        """The unterminated tail, which is taken out."""
        tail = bytes(self._tail)
        self._tail.clear()
        return tail
