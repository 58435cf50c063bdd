"""A watch or a log as complete lines, which another thread can end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.clusters.kubernetes.errors import Unreachable

if TYPE_CHECKING:
    from backends.clusters.kubernetes.session import Answer

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line; no object is as large (etcd takes 1.5 MB), so whatever is longer is no watch."""

_CHUNK = 64 * 1024


class Stream:
    """The lines of an answer without their ends; a line that was cut off is not said.

    Raises Unreachable when the connection breaks or nothing comes for too long. It ends without an error when
    the server ends it, or `close` was called.
    """

    def __init__(self, answer: Answer, server: str) -> None:
        self._answer = answer
        self._server = server
        self._closed = False
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        self._begun = True
        try:
            yield from self._lines()
        except Unreachable:
            if not self._closed:
                raise
        finally:
            self._answer.close()

    def _lines(self) -> Iterator[bytes]:
        held = bytearray()
        while not self._closed:
            chunk = self._answer.read_some(_CHUNK)
            if not chunk:
                return
            if b"\n" not in chunk:
                held += chunk
                if len(held) > MAX_LINE:
                    raise Unreachable(f"{self._server} sends a line without an end.")
                continue
            first, *lines = chunk.split(b"\n")
            held += first
            rest = lines.pop()
            yield bytes(held)
            yield from lines
            held = bytearray(rest)

    def close(self) -> None:
        """End it, from any thread, also while another one waits for a line."""
        self._closed = True
        # It may have ended by itself just now.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._answer.shutdown()
        if not self._begun:
            self._answer.close()  # else whoever reads lets go of it
