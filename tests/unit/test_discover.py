from __future__ import annotations

import json
from pathlib import Path

import pytest

from hive_tui.config.discover import guess_test, name_of, remote_of, repository
from hive_tui.core.errors import HiveError, Refused, UsageError
from hive_tui.system import git

IDENTITY = ("-c", "user.name=Kay", "-c", "user.email=kay@example.invalid")


def make(path: Path, *, remote: str | None = None) -> Path:
    path.mkdir(parents=True)
    git.run("init", "-q", "-b", "main", cwd=path)
    (path / "README.md").write_text("hello\n", encoding="utf-8")
    git.run("add", ".", cwd=path)
    git.run(*IDENTITY, "commit", "-qm", "Begin", cwd=path)
    if remote:
        git.run("remote", "add", "origin", remote, cwd=path)
    return path


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("https://github.com/acme/site.git", "acme/site"),
        ("https://user:secret@github.com/acme/site", "acme/site"),
        ("git@github.com:acme/site.git", "acme/site"),
        ("ssh://git@example.org:2222/group/sub/site.git/", "sub/site"),
        ("/srv/git/site.git", "kay/my-app"),
        ("../elsewhere", "kay/my-app"),
        ("https://example.org/alone", "kay/my-app"),
        (None, "kay/my-app"),
    ],
)
def test_the_name_comes_from_origin_or_from_user_and_folder(
    tmp_path: Path, remote: str | None, name: str
) -> None:
    assert name_of(make(tmp_path / "my app", remote=remote), "kay") == name


def test_a_folder_without_a_letter_that_a_name_may_have(tmp_path: Path) -> None:
    assert name_of(make(tmp_path / "日本"), "Zoë Kay") == "Zoe-Kay/repo"


def test_a_repository_is_found_from_inside_of_it(tmp_path: Path) -> None:
    top = make(tmp_path / "ein Ordner mit ü")
    (top / "src").mkdir()
    (top / "README.md").write_text("changed\n", encoding="utf-8")
    before = git.text("status", "--porcelain", cwd=top)
    found = repository(top / "src", name=None, base=None, user="kay")
    assert (found.path, found.base) == (top, "main")
    assert git.text("status", "--porcelain", cwd=top) == before


def test_what_hive_cannot_work_on_is_refused_with_the_next_step(tmp_path: Path) -> None:
    def refused(path: Path, kind: type[HiveError], words: str, base: str | None = None) -> None:
        with pytest.raises(kind, match=words) as caught:
            repository(path, name=None, base=base, user="kay")
        assert caught.value.hint

    (tmp_path / "plain").mkdir()
    refused(tmp_path / "plain", UsageError, "not in a git repository")
    refused(tmp_path / "gone", UsageError, "no folder")
    git.run("init", "-q", "--bare", str(tmp_path / "bare.git"), cwd=tmp_path)
    refused(tmp_path / "bare.git", Refused, "bare")
    git.run("init", "-q", str(tmp_path / "empty"), cwd=tmp_path)
    refused(tmp_path / "empty", Refused, "no commit")
    top = make(tmp_path / "app")
    refused(top / ".git", Refused, "inside of a git directory")
    refused(top, UsageError, "no branch 'mian'", base="mian")
    git.run("checkout", "-q", "-b", "hive/issue-1-a1", cwd=top)
    refused(top, UsageError, "hive's own")
    git.run("checkout", "-q", "--detach", cwd=top)
    refused(top, UsageError, "No branch is checked out")
    assert repository(top, name=None, base="main", user="kay").base == "main"


def test_a_machine_without_git_or_with_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(HiveError, match="git is not installed"):
        repository(tmp_path, name=None, base=None, user="kay")
    (tools / "git").write_text("#!/bin/sh\necho git version 2.30.2\n", encoding="utf-8")
    (tools / "git").chmod(0o755)
    with pytest.raises(HiveError, match="too old"):
        repository(tmp_path, name=None, base=None, user="kay")


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Makefile": "all:\n\ntest: all\n\tpytest\n"}, "make test"),
        ({"Makefile": "all:\n\ttests\n"}, None),
        ({"package.json": json.dumps({"scripts": {"test": "jest"}})}, "npm test"),
        (
            {"package.json": json.dumps({"scripts": {"test": "echo no test specified; exit 1"}})},
            None,
        ),
        ({"package.json": "not json"}, None),
        ({"package.json": "[1]"}, None),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python3 -m pytest -q"),
        ({"pyproject.toml": "[tool"}, None),
        ({"Cargo.toml": ""}, "cargo test"),
        ({"go.mod": ""}, "go test ./..."),
        ({}, None),
    ],
)
def test_the_test_command_is_guessed_from_what_build_tools_leave(
    tmp_path: Path, files: dict[str, str], command: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert guess_test(tmp_path) == command


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://tok:secret@github.com/acme/app.git", "github.com/acme/app"),
        ("git@github.com:acme/app.git", "github.com:acme/app"),
        ("ssh://git@host:22/acme/app?token=1#x", "host:22/acme/app"),
        ("/srv/app.git", "/srv/app"),
    ],
)
def test_a_remote_is_named_without_its_credentials(tmp_path: Path, remote: str, shown: str) -> None:
    assert remote_of(make(tmp_path / "app", remote=remote)) == shown
