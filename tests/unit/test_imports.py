"""What a command may load. Every one of these costs tens of milliseconds that nobody asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "asyncio",
    "backends.agents",
    "github",
    "hashlib",
    "importlib.metadata",
    "kubernetes",
    "logging",
    "platformdirs",
    "psutil",
    "random",
    "requests",
    "rich",
    "ruamel",
    "secrets",
    "subprocess",
    "textual",
    "tiktoken",
    "yaml",
)

PROGRAM = """
import json, sys
from hive_tui.cli import run
code = run(sys.argv[1:])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def loaded(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def configured(hive_home: Path) -> None:
    path = hive_home / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text("fleets: {local: {slots: 3}}\n", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.mark.usefixtures("configured")
def test_reading_a_fleet_loads_nothing_heavy() -> None:
    assert "yaml" in loaded("top", "--once")  # the first call fills the cache of parsed configuration
    assert not loaded("top", "--once").intersection(HEAVY)
    assert not loaded("top", "--once", "-o", "json").intersection(HEAVY)


def test_help_loads_click_and_nothing_of_a_command() -> None:
    modules = loaded("--help")
    assert not modules.intersection(HEAVY)
    assert "msgspec" not in modules
    commands = {name for name in modules if name.startswith("hive_tui")}
    assert commands == {"hive_tui", "hive_tui.cli", "hive_tui.cli.commands", "hive_tui.cli.options"}
