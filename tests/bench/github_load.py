"""The first full load: fifty repositories with a hundred open issues each, from a server that takes 100 ms.

The server is a process of its own; on few cores, most of the time is its own work.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from backends.forges.github import GitHubForge
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Issue
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings, GitHubSettings, RepoSettings
from hive_tui.core.sources import Listed

REPOS, ISSUES, PULLS, LATENCY, TIMES = 50, 100, 2, 0.1, 3


def run() -> dict[str, Any]:
    """Seconds until everything is read, in a new fleet each time."""
    command = [sys.executable, "-m", "tests.fakes.github", "--repos", str(REPOS), "--issues", str(ISSUES)]
    command += ["--pulls", str(PULLS), "--latency", str(LATENCY)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert server.stdout is not None
        said = {}
        while "Control" not in said:
            line = server.stdout.readline()
            assert line, "the server ended"
            word, _, rest = line.strip().partition(" ")
            said[word.rstrip(":")] = rest.strip()
        loads = [_load(said) for _ in range(TIMES)]
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    return {
        "bench": "github_load",
        "repos": REPOS,
        "issues_of_each": ISSUES,
        "latency_ms": round(LATENCY * 1000),
        "issues_listed": loads[0][1],
        "points": loads[0][2],
        "seconds": round(median(seconds for seconds, *_ in loads), 2),
        "slowest": round(max(seconds for seconds, *_ in loads), 2),
        "target_seconds": 10.0,
    }


def _load(said: dict[str, str]) -> tuple[float, int, int]:
    """Seconds, issues and points of one first load."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.touch(mode=0o600)
        token.write_text(re.split(r"\s", said["token"])[0])
        settings = FleetSettings(
            forge="github",
            repos=tuple(RepoSettings(RepoName(name)) for name in said["repos"].split()),
            github=GitHubSettings(url=said["site"], token_file=str(token)),
        )
        forge = GitHubForge(BackendContext("bench", Path(folder) / "fleet", settings, "me"))
        began = time.perf_counter()
        forge.poll(active=False, wanted=True)
        seconds = time.perf_counter() - began
        (listed,) = (event for event in forge.read() if isinstance(event, Listed))
        points = sum(getattr(item, "used_hour", 0) for item in listed.items)
        forge.close()
    return seconds, sum(isinstance(item, Issue) for item in listed.items), points
