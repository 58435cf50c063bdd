"""One call of a model, as an agent's transcript records it: what all sums are made of."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

import msgspec


class Call(msgspec.Struct, frozen=True, gc=False):
    """One answer of a model's API. Tokens by how they are billed: `input` has nothing of the caches in it."""

    key: int
    """What makes it the same call wherever it is recorded: 63 bits."""
    at: int
    """Milliseconds since 1970, UTC."""
    agent: str
    """`claude` or `codex`."""
    model: str
    session: str
    project: str
    """The folder in which the agent worked."""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    """Web searches of the server, billed each."""
    sidechain: bool = False
    """Of a sub-agent."""
    regional: bool = False
    """Answered within the United States on demand, which is dearer."""
    fast: bool = False
    """Fast mode, which has prices of its own."""
    batch: bool = False
    """Answered when the server had time, for half the price."""

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def rank(self) -> tuple[int, bool, int, tuple[object, ...]]:
        """Of two records of a call the one of the higher rank counts, whichever was read first: the fuller
        one, then that of the main thread, then the older; the rest only makes it certain which."""
        return (self.total, not self.sidechain, -self.at, msgspec.structs.astuple(self))


_NUMBER = Struct(">Q")


def key_of(*parts: str) -> int:
    """The key of what these parts name."""
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number: int = _NUMBER.unpack(digest)[0]
    return number >> 1


MOST = 1 << 24
"""Tokens of one call that are believed, many times what any model takes; an absurd count is a broken record,
not a bill, and its price would not fit an integer of SQLite's."""


def count(number: int | None) -> int:
    """A count as a record has it; what is negative or absurd counts as none."""
    return number if number and 0 < number <= MOST else 0
