"""A canary for a token: a whole fleet works with it, and it is found nowhere afterwards."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.fakes import app_key
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.github_shop import GitHubShop, ready
from tests.fakes.terminal import Terminal, hive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.unpublished]

CANARY = "canary0of0no0known0shape0" + "7" * 12
"""Nothing that masks what looks like a token helps here."""

PEEK = "env | grep -E 'TOKEN|HIVE_RUN='"
"""A test command that looks for it where it would be easiest: what it prints is kept and shown."""


class Watch(threading.Thread):
    """Looks at the processes that have to do with a home, again and again."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = str(home)
        self._done = threading.Event()
        self.agents: set[str] = set()
        """Command lines of processes of the agent's side."""
        self.helpers: set[str] = set()
        self.caught: set[str] = set()

    def run(self) -> None:
        while not self._done.wait(0.01):
            for process in psutil.process_iter():
                try:
                    argv, environ = process.cmdline(), process.environ()
                except (psutil.Error, OSError):
                    continue
                self._look(" ".join(argv), environ)

    def _look(self, command: str, environ: dict[str, str]) -> None:
        if self._home not in command and not any(self._home in value for value in environ.values()):
            return
        if CANARY in command:
            self.caught.add(command)
        if "github.credential" in command:
            self.helpers.add(command)
        if "HIVE_RUN" in environ:
            self.agents.add(command)
            if any(CANARY in value for value in environ.values()):
                self.caught.add(f"environment of {command}")

    def stop(self) -> None:
        self._done.set()
        self.join()


@pytest.fixture
def github(tmp_path: Path, published_schema: None) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as github:
        token = github.world.add_token("kay")
        del github.world.tokens[token.secret]
        token.secret = CANARY
        github.world.tokens[CANARY] = token
        yield github
    assert github.crashes == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github.world.add_repository("kay/shop", files={"README.md": "A shop.\n"})


@pytest.fixture
def shop(tmp_path: Path, github: GitHub, repository: Repository) -> Iterator[GitHubShop]:
    shop = GitHubShop(tmp_path / "shop", github, CANARY, test=PEEK)
    watch = Watch(shop.home)
    watch.start()
    yield shop
    shop.close()
    watch.stop()
    assert watch.agents, "agents were seen"
    assert watch.helpers, "the helper was seen"
    assert watch.caught == set()


def _hit(fault: Fault) -> bool:
    return fault.hits > 0


def found_in(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and CANARY.encode() in path.read_bytes()
    ]  # fmt: skip


def test_the_token_is_used_and_seen_nowhere(
    shop: GitHubShop, github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    shop.scenario("default", [{"write": {"path": "a.txt", "text": "1\n"}}, {"commit": "Add a"}])
    repository.private = True
    ready(github, repository, "Sell bread")
    shop.hive("dispatcher", "start")
    shown: list[str] = []
    with Terminal(hive("top"), cwd=shop.repository, env=shop.env) as terminal:
        shop.wait("a pull request", lambda: repository.pulls, 120)
        terminal.shows("Sell bread")
        for kind in ("unauthorized", "error", "html", "reset"):
            fault = github.faults.add(Fault(kind))
            terminal.type("n")
            shop.wait(f"the fault {kind}", partial(_hit, fault), 60)
            shown.append(shop.call("top", "--once").stdout)
        github.faults.clear()
        for key in ("8", "l", "escape"):
            terminal.type("\x1b" if key == "escape" else key)
            time.sleep(0.2)
        terminal.type("q")
        terminal.wait()
        shown.append(terminal.sent.decode("utf-8", "replace"))
    (run,) = {run["id"] for run in shop.runs()}
    for command in (
        ("logs", run, "--raw"), ("events",), ("describe", run), ("doctor",), ("ls",), ("config", "show"),
        ("labels", "sync"), ("top", "--once", "-o", "json"),
    ):  # fmt: skip
        done = shop.call(*command)
        shown.append(done.stdout + done.stderr)
    assert not [text for text in shown if CANARY in text]
    assert found_in(shop.home) == []
    assert found_in(shop.repository) == []
    objects = repository.git.text("log", "--all", "-p") + repository.git.text("for-each-ref")
    assert CANARY not in objects
    with github.world.lock:
        written = [pull.body or "" for pull in repository.pulls.values()]
        written += [comment.body for issue in repository.issues.values() for comment in issue.comments]
        printed = [status.description or "" for listed in repository.statuses.values() for status in listed]
    assert any("HIVE_RUN=shop-" in text for text in printed), "what the test command printed is shown"
    assert not [text for text in (*written, *printed) if CANARY in text]
    assert not re.search(r"[?&](access_)?token=", "".join(entry.query for entry in github.audit.entries))


def test_a_fleet_works_as_an_app(github: GitHub, repository: Repository, tmp_path: Path) -> None:
    repository.private = True
    key = tmp_path / "key.pem"
    app = app_key.install(github, "kay", key)
    shop = GitHubShop(
        *(tmp_path / "shop", github, CANARY, "--app", str(app.id), "--app-key", str(key)),
        *("--author", "kay"),
        test=PEEK,
    )
    try:
        shop.scenario("default", [{"write": {"path": "a.txt", "text": "1\n"}}, {"commit": "Add a"}])
        ready(github, repository, "Sell bread")
        shop.hive("dispatcher", "start")
        shop.wait("a pull request", lambda: repository.pulls, 120)
        shop.wait(
            "its review", lambda: [i for i in shop.snapshot()["issues"] if i["state"] == "in-review"], 60
        )
    finally:
        shop.close()
    (pull,) = repository.pulls.values()
    assert pull.author == app.bot
    tokens = [token.secret for token in github.world.tokens.values() if token.installation is not None]
    assert tokens
    secrets = [*tokens, key.read_text().splitlines()[5]]
    files = [path.read_bytes() for path in shop.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [secret for secret in secrets for data in files if secret.encode() in data]
