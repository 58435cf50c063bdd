"""Reading 600 MB and 4 GB of transcripts for the first and the second time; with --peer beside ccusage.

The floor is a process that only reads, finds the lines that count, and decodes them. On a busy machine every
second of CPU does less, so the ratio to it says more than gigabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import _ccusage, _transcripts
from tests.bench._transcripts import Scale

SMALL = Scale(300, 600_000_000)
LARGE = Scale(750, 4_000_000_000)

FIRST_ROUNDS = 3
SECOND_ROUNDS = 5


def run(*options: str) -> dict[str, Any]:
    """Best of a few rounds, each in a process of its own."""
    asked = _options(options)
    small, large = (_made(asked.dir, scale) for scale in (SMALL, LARGE))
    figures = {"bench": "costs", "600_mb": _figures(small), "4_gb": _figures(large)}
    if asked.peer:
        ccusage = _ccusage.installed(asked.dir / "npm")
        figures["peer"] = {
            "600_mb": _side_by_side(ccusage, small),
            "4_gb": _side_by_side(ccusage, large),
            "totals": _ccusage.compared(ccusage, small),
        }
    return figures | {
        "targets": {
            "first_gb_per_cpu_s": 1.0, "second_4_gb_ms": 100, "peak_mb": 150,
            "first_of_ccusage": 1.0, "second_of_ccusage": 0.1,
        }
    }  # fmt: skip


def _options(options: tuple[str, ...]) -> argparse.Namespace:
    import platformdirs

    parser = argparse.ArgumentParser("python -m tests.bench costs", description=__doc__)
    parser.add_argument("--peer", action="store_true", help=f"compare with {_ccusage.PACKAGE} (needs npm)")
    parser.add_argument(
        "--dir",
        type=Path,
        default=platformdirs.user_cache_path("hive") / "bench",
        help="where the transcripts are made, once; default: %(default)s",
    )
    return parser.parse_args(options)


def _made(folder: Path, scale: Scale) -> Path:
    """The folder with transcripts of this scale."""
    home = folder / f"transcripts-{_transcripts.VERSION}-{scale.files}"
    if home.is_dir():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 1.2 * scale.size + (1 << 30):
        sys.exit(f"{folder} has no room for {scale.size / 1e9:.1f} GB: free some, or name another --dir.")
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        _transcripts.make(Path(unfinished) / "home", scale)
        (Path(unfinished) / "home").rename(home)
    return home


def _figures(home: Path) -> dict[str, Any]:
    firsts, floors = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FIRST_ROUNDS):
            floors.append(_read(home))
            firsts.append(_read(home, f"{folder}/{number}"))
        seconds = [_read(home, f"{folder}/0") for _ in range(SECOND_ROUNDS)]
    size = firsts[0]["bytes"]
    cpu, floor = (min(each["cpu"] for each in rounds) for rounds in (firsts, floors))
    wall = min(each["wall"] for each in firsts)
    return {
        "files": sum(1 for _ in home.rglob("*.jsonl")),
        "gb": round(size / 1e9, 2),
        "calls": firsts[0]["calls"],
        "first_gb_per_cpu_s": round(size / 1e9 / cpu, 2),
        "floor_gb_per_cpu_s": round(size / 1e9 / floor, 2),
        "ratio": round(cpu / floor, 2),
        "first_gb_per_s": round(size / 1e9 / wall, 2),
        "second_ms": round(1_000 * min(each["wall"] for each in seconds), 1),
        "peak_mb": round(max(each["peak_mb"] for each in (*firsts, *seconds))),
    }


def _read(home: Path, *index: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench._costs_read", str(home), *index]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def _side_by_side(ccusage: Path, home: Path) -> dict[str, Any]:
    """Seconds of both commands as a person waits for them, one after the other: best of a few rounds."""
    ours: dict[str, list[float]] = {"first": [], "second": []}
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FIRST_ROUNDS):
            environment = os.environ | {
                "HIVE_HOME": f"{folder}/{number}", "CLAUDE_CONFIG_DIR": str(home), "CODEX_HOME": folder
            }  # fmt: skip
            hive = [sys.executable, "-m", "hive_tui", "costs", "-o", "json"]
            ours["first"].append(_ccusage.seconds(hive, environment))
            ours["second"].append(_ccusage.seconds(hive, environment))
            theirs.append(
                _ccusage.seconds([ccusage, "daily", "--json", "--offline"], _ccusage.environment(home))
            )
    first, second, peer = (round(min(each), 3) for each in (ours["first"], ours["second"], theirs))
    return {
        "hive_first_s": first, "hive_second_s": second, "ccusage_s": peer,
        "first_ratio": round(first / peer, 2), "second_ratio": round(second / peer, 3),
    }  # fmt: skip
