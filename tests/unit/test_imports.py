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


AFTER_THE_FIRST_PICTURE = (
    "backends",
    "hive_tui.app.commander",
    "hive_tui.app.detail",
    "hive_tui.app.live",
    "hive_tui.app.orders",
    "hive_tui.app.run_log",
    "hive_tui.app.screens.confirm",
    "hive_tui.app.tail",
    "hive_tui.app.view",
    "hive_tui.core.dispatch",
    "hive_tui.core.document",
    "hive_tui.detached",
    "hive_tui.costs",
    "sqlite3",
    "widgets.find_line",
)
"""What knows a fleet, or is looked at only when somebody asks for it."""


def test_the_first_picture_of_the_console_needs_nothing_that_knows_a_fleet() -> None:
    program = "import json, sys, hive_tui.cli.top, hive_tui.app, hive_tui.app.app, hive_tui.app.terminal"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{program}; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = set(json.loads(done.stdout))
    assert "hive_tui.app.panes.agents" in modules
    assert not modules.intersection(AFTER_THE_FIRST_PICTURE)


def test_help_loads_click_and_nothing_of_a_command() -> None:
    modules = loaded("--help")
    assert not modules.intersection(HEAVY)
    assert "msgspec" not in modules
    commands = {name for name in modules if name.startswith("hive_tui")}
    assert commands == {"hive_tui", "hive_tui.cli", "hive_tui.cli.commands", "hive_tui.cli.options"}
