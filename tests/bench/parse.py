"""Reading an agent's stream into events; the floor decodes every line as plain JSON and does no more."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from backends.agents.claude_stream import ClaudeStream
from tests import corpus

CHUNK = 64 * 1024
SIZE = 8 * 1024 * 1024
ROUNDS = 7


def run() -> dict[str, Any]:
    """Megabytes per second, medians of alternating rounds."""
    lines = b"".join(variant.stdout for variant in corpus.variants("claude") if variant.name != "textmode")
    stream = lines * (SIZE // len(lines) + 1)

    def parse() -> None:
        parser = ClaudeStream()
        for start in range(0, len(stream), CHUNK):
            parser.feed(stream[start : start + CHUNK])

    def floor() -> None:
        for line in stream.split(b"\n"):
            if line:
                msgspec.json.decode(line)

    seconds: dict[str, list[float]] = {"parse": [], "floor": []}
    for _ in range(ROUNDS):
        seconds["parse"].append(_time(parse))
        seconds["floor"].append(_time(floor))
    ours, theirs = (statistics.median(seconds[name]) for name in ("parse", "floor"))
    megabytes = len(stream) / 1e6
    return {
        "parse_mb_per_s": round(megabytes / ours, 1),
        "plain_decode_mb_per_s": round(megabytes / theirs, 1),
        "ratio": round(ours / theirs, 2),
    }


def _time(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
