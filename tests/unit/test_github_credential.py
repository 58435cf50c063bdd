"""What hive's credential helper tells git, and what not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.forges.github.auth import Credentials
from backends.forges.github.credential import answer
from backends.forges.github.remotes import remote
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import TRACKER_TOKEN
from hive_tui.core.settings import AppSettings, GitHubSettings

CANARY = "ghp_canary0123456789canary0123456789ab"
REPO = RepoName("o/n")


def asked(text: str, settings: GitHubSettings | None = None) -> str:
    out = io.StringIO()
    answer(
        Credentials(settings or GitHubSettings(), environ={"GITHUB_TOKEN": CANARY}),
        REPO,
        io.StringIO(text),
        out,
    )
    return out.getvalue()


def test_the_repository_gets_the_token() -> None:
    said = asked("protocol=https\nhost=github.com\npath=o/n.git\nwwwauth[]=Basic\n\n")
    assert said == f"username=x-access-token\npassword={CANARY}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "protocol=https\nhost=github.com\n",
        "protocol=http\nhost=github.com\npath=o/n.git\n",
        "protocol=https\nhost=github.com:8443\npath=o/n.git\n",
        "protocol=https\nhost=evil.org\npath=o/n.git\n",
        "protocol=https\nhost=github.com\npath=o/n2.git\n",
        "protocol=https\nhost=github.com\npath=o/n.git/../m.git\n",
        "protocol=https\nhost=github.com\npath=x/o/n.git\n",
        "protocol=https\nhost=github.com\nhost=evil.org\npath=o/n.git\n",
    ],
)
def test_nothing_else_does(text: str) -> None:
    assert asked(text) == ""


def test_a_remote_holds_no_secret_and_says_what_its_helper_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", CANARY)
    way = remote(GitHubSettings(token_env="MINE", ca_file="ca.pem"), REPO, base="main", size_kb=10)
    assert way.source == "https://github.com/o/n.git"
    assert way.variables == ("MINE",)
    assert way.certificates == str(Path("ca.pem").absolute())
    assert not way.large
    assert remote(GitHubSettings(), REPO, base="main", size_kb=1 << 21).large
    assert CANARY not in repr(way)


@pytest.mark.parametrize(
    "settings",
    [
        GitHubSettings(),
        GitHubSettings(token_file="/home/kay/token", ca_file="/home/kay/ca.pem"),
        GitHubSettings(app=AppSettings("1", "/home/kay/key.pem")),
    ],
)
def test_on_another_machine_the_helper_finds_the_token_in_the_environment(settings: GitHubSettings) -> None:
    program, *rest = remote(settings, REPO, base="main").portable
    assert program == "python3"
    assert "/home/kay" not in " ".join(rest)
    done = subprocess.run(
        [sys.executable, *rest, "get"],
        input="protocol=https\nhost=github.com\npath=o/n.git\n\n",
        env={"PATH": os.environ["PATH"], TRACKER_TOKEN: CANARY},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"username=x-access-token\npassword={CANARY}\n", "")


@pytest.mark.parametrize("operation", ["get", "store", "erase"])
def test_as_git_calls_it(tmp_path: Path, operation: str) -> None:
    file = tmp_path / "my token"
    file.write_text(CANARY)
    file.chmod(0o600)
    done = call(GitHubSettings(token_file=str(file)), operation)
    wanted = f"username=x-access-token\npassword={CANARY}\n" if operation == "get" else ""
    assert (done.stdout, done.stderr, done.returncode) == (wanted, "", 0)


def test_without_a_token_the_reason_reaches_git(tmp_path: Path) -> None:
    settings = GitHubSettings(app=AppSettings("1", str(tmp_path / "absent.pem"), installation=5))
    done = call(settings, "get")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"hive: {tmp_path / 'absent.pem'} cannot be read")


def call(settings: GitHubSettings, operation: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*remote(settings, REPO, base="main").credential, operation],
        input="protocol=https\nhost=github.com\npath=o/n.git\n\n",
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
