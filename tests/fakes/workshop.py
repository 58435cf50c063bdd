"""A whole hive for end-to-end tests: the real command line, dispatcher, runner and git; scripted agents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

PLAN_AND_DONE = "\n## Plan\n\nDo it.\n\n## Definition of Done\n\n- [ ] it is there\n"

T = TypeVar("T")


class Workshop:
    """One HIVE_HOME with one repository, `kay/shop`, and one agent, `robin`."""

    def __init__(self, root: Path, *, name: str = "shop") -> None:
        self.home = root / "hive home"
        self.repository = root / name
        self.scenarios = root / "scenarios"
        self.scenarios.mkdir(parents=True)
        self.repository.mkdir(parents=True)
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("HIVE_")},
            "HIVE_HOME": str(self.home),
            "HIVE_USER": "kay",
        }
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Kay")
        self.git("config", "user.email", "kay@example.invalid")
        (self.repository / "README.md").write_text("A shop.\n")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "Begin")

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.repository, check=True, capture_output=True, text=True, env=self.env
        )
        return done.stdout.strip()

    def call(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`hive ARGS` in the repository."""
        return subprocess.run(
            [sys.executable, "-m", "hive_tui", *args],
            cwd=self.repository,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def hive(self, *args: str, stdin: str = "") -> str:
        """The output of `hive ARGS`, which must succeed."""
        done = self.call(*args, stdin=stdin)
        assert done.returncode == 0, f"hive {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.hive(*args, "-o", "json"))

    def init(self, *, test: str | None = None, **settings: Any) -> None:
        """`hive init`, then the scripted agent in place of what was found; `settings` of the fleet."""
        self.hive("init", "--repo", "kay/shop", *(("--test", test) if test else ()))
        path = self.home / "config" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        agent = {"name": "robin", "backend": "scripted", "options": {"scenarios": str(self.scenarios)}}
        config["fleets"]["local"] |= {"agents": [agent], "backoff": {"first": 0.1, "most": 0.2}, **settings}
        path.write_text(yaml.safe_dump(config))

    def scenario(self, name: str, *rounds: Sequence[Mapping[str, Any]]) -> None:
        """What the agent plays: `issue-1`, `issue-1-a2`, `default`."""
        text = yaml.safe_dump({"about": name, "rounds": [list(steps) for steps in rounds]})
        (self.scenarios / f"{name}.yaml").write_text(text)

    def issue(self, title: str) -> int:
        """A new issue that may be started; its number."""
        found = self.hive("issue", "new", title, "--body", title + PLAN_AND_DONE, "-o", "json")
        number: int = json.loads(found)["number"]
        return number

    def snapshot(self) -> Any:
        return self.json("top", "--once")

    def runs(self) -> list[Any]:
        found: list[Any] = self.snapshot()["runs"]
        return sorted(found, key=lambda run: (run["issue"], run["attempt"]))

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float = 60.0) -> T:
        """The first true value of `condition`, looked at every 50 ms."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"{what} did not happen within {seconds:.0f} s\n{self.story()}")

    def story(self) -> str:
        """What an engineer wants to read when a test failed."""
        fleet = self.home / "data" / "fleets" / "local"
        logs = [*fleet.glob("*.log"), *fleet.glob("runs/*/runner.log")]
        texts = [f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in logs]
        return self.call("top", "--once").stdout + "\n".join(texts)

    def fleet_home(self) -> Path:
        return self.home / "data" / "fleets" / "local"

    def pid_of_dispatcher(self) -> int:
        pid: int = self.json("dispatcher", "status")["pid"]
        return pid

    def runner_pids(self) -> list[int]:
        """Processes of hive's runner for this home, whatever they call themselves."""
        return [
            pid for pid, command in _processes() if "hive_tui.runner" in command and str(self.home) in command
        ]

    def close(self) -> None:
        """End everything that belongs to this home."""
        self.call("stop", "--yes")
        self.call("dispatcher", "stop")
        for pid, command in _processes():
            if str(self.home) in command:
                _kill(pid)


def _processes() -> list[tuple[int, str]]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            found.append((process.pid, " ".join(process.cmdline())))
        except psutil.Error:
            continue
    return found


def _kill(pid: int) -> None:
    import signal

    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
