"""ccusage from npm: how long it takes, and whether its totals are hive's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hive_tui.costs import periods, summary
from hive_tui.costs.files import Root
from hive_tui.costs.index import Index
from hive_tui.costs.periods import Use
from hive_tui.costs.summary import By
from hive_tui.costs.sums import Dimension

PACKAGE = "ccusage@20.0.24"

Tokens = tuple[int, int, int, int]
"""Input, output, read from the cache, written to it."""


def installed(folder: Path) -> Path:
    """The native program, without the node that usually starts it; from npm's registry at first."""
    found = list(folder.glob("node_modules/@ccusage/*/bin/ccusage"))
    if not found:
        if shutil.which("npm") is None:
            sys.exit("The comparison needs npm: install node, or leave --peer out.")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--prefix", folder, "--no-fund", "--no-audit", PACKAGE],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"npm could not install {PACKAGE}:\n{done.stderr[-800:]}")
        found = list(folder.glob("node_modules/@ccusage/*/bin/ccusage"))
        if not found:
            sys.exit(f"{PACKAGE} has no program for this machine.")
        found[0].chmod(0o755)  # as the node script does that usually starts it
    return found[0]


def environment(home: Path) -> dict[str, str]:
    """For ccusage, so that it sees nothing but these transcripts."""
    return os.environ | {"CLAUDE_CONFIG_DIR": str(home), "HOME": str(home), "CODEX_HOME": str(home / "none")}


def seconds(command: Sequence[str | Path], environment: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def compared(ccusage: Path, home: Path) -> dict[str, Any]:
    """By day, month, block and session: how many there are here, there, and with the same tokens in both."""
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder))
        index.refresh([Root("claude", home / "projects")])
        blocks = periods.blocks(index.sums([Dimension.QUARTER]), datetime.now(UTC))
        ours = {
            "daily": _ours(summary.totals(By.DAY, index=index, zone=UTC)),
            "monthly": _ours(summary.totals(By.MONTH, index=index, zone=UTC)),
            "blocks": {f"{block.start:%Y-%m-%dT%H}": _tokens(block.use) for block in blocks if not block.gap},
            "session": _ours(summary.totals(By.SESSION, index=index)),
        }
    return {name: _difference(mine, _theirs(ccusage, home, name)) for name, mine in ours.items()}


def _theirs(ccusage: Path, home: Path, report: str) -> dict[str, Tokens]:
    command = [os.fspath(ccusage), report, "--json", "--offline", "--timezone", "UTC"]
    done = subprocess.run(command, env=environment(home), check=True, capture_output=True)
    rows = json.loads(done.stdout)[report]
    if report == "blocks":
        return {
            row["startTime"][:13]: _counts(row["tokenCounts"], "InputTokens")
            for row in rows
            if not row["isGap"]
        }
    return {row["period"]: _counts(row, "Tokens") for row in rows}


def _counts(row: Mapping[str, int], cache: str) -> Tokens:
    return (row["inputTokens"], row["outputTokens"], row[f"cacheRead{cache}"], row[f"cacheCreation{cache}"])


def _ours(uses: Iterable[Use]) -> dict[str, Tokens]:
    return {use.key: _tokens(use) for use in uses}


def _tokens(use: Use) -> Tokens:
    return use.input, use.output, use.cache_read, use.cache_write


def _difference(ours: Mapping[str, Tokens], theirs: Mapping[str, Tokens]) -> dict[str, Any]:
    other = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    found: dict[str, Any] = {
        "hive": len(ours),
        "ccusage": len(theirs),
        "equal": len({*ours, *theirs}) - len(other),
    }
    found["same_total"] = _total(ours) == _total(theirs)
    return found | (
        {"first_that_differs": {other[0]: [ours.get(other[0]), theirs.get(other[0])]}} if other else {}
    )


def _total(rows: Mapping[str, Tokens]) -> list[int]:
    return [sum(column) for column in zip(*rows.values(), strict=True)]
