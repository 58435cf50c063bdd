"""The GitHub for tests as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.e2e


def test_it_says_where_it_is_serves_and_cleans_up(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fakes.github", "--repos", "1", "--issues", "4", "--pulls", "1"]
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert program.stdout is not None
        said: dict[str, str] = {}
        while "Control:" not in said:
            key, _, value = program.stdout.readline().strip().partition(" ")
            said[key] = value.split()[0]
        headers = {"Authorization": f"Bearer {said['token']}"}
        asked = f"{said['api']}/repos/{said['repos']}/issues"
        issues = requests.get(asked, params={"labels": "status:ready"}, headers=headers, timeout=10).json()
        assert [issue["number"] for issue in issues] == [4, 1]
        page = requests.get(issues[0]["html_url"], timeout=10)
        assert f"#{issues[0]['number']}" in page.text
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        program.terminate()
        rest, _ = program.communicate(timeout=30)
    assert (program.returncode, rest.strip(), list(tmp_path.iterdir())) == (0, "Ended.", [])
