"""The GitHub for tests as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.fakes.github import honesty

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


def test_its_calls_are_seen_and_held_against_what_is_published(
    published_schema: None, fake_calls: honesty.Recorder
) -> None:
    command = [sys.executable, "-m", "tests.fakes.github", "--repos", "1", "--issues", "1", "--pulls", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout is not None
        said = dict(line.split()[:2] for line in (server.stdout.readline() for _ in range(4)))
        try:
            requests.post(
                f"{said['api'].removesuffix('/v3')}/graphql",
                json={"query": "{ viewer { login } }"},
                headers={"Authorization": f"Bearer {said['token']}"},
                timeout=10,
            ).raise_for_status()
        finally:
            server.terminate()
            server.communicate()
    (call,) = fake_calls.take()
    assert (call.path, call.request) == ("/graphql", {"query": "{ viewer { login } }"})
