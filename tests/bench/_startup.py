"""Start-up times: a command and its floor, in turns, so that a noisy machine hurts both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 41


def hive() -> list[str]:
    """The installed console script, as a user starts it."""
    script = Path(sys.executable).with_name("hive")
    return [str(script)] if script.exists() else [sys.executable, "-P", "-m", "hive_tui"]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def compare(
    command: Sequence[str], floor: Sequence[str], home: Path, *, rounds: int = ROUNDS
) -> dict[str, float]:
    """Median wall-clock milliseconds of both, and the median of their ratios round by round."""
    # Python's own cache of compiled modules is part of an installed program.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["HIVE_HOME"] = str(home)

    def once(argv: Sequence[str]) -> float:
        begin = time.perf_counter()
        subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
        return (time.perf_counter() - begin) * 1000

    for argv in (command, floor, command, floor):
        once(argv)
    pairs = []
    for round_ in range(rounds):
        # In turns, so that neither always comes after the longer of the two.
        if round_ % 2:
            pairs.append((once(command), once(floor)))
        else:
            theirs, mine = once(floor), once(command)
            pairs.append((mine, theirs))
    return {
        "ms": round(statistics.median(mine for mine, _ in pairs), 1),
        "floor_ms": round(statistics.median(theirs for _, theirs in pairs), 1),
        "ratio": round(statistics.median(mine / theirs for mine, theirs in pairs), 3),
    }
