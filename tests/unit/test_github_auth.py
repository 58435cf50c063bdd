"""Tokens: from where they come, what is refused, and that nothing shows them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from backends.forges.github.auth import Credentials, Secret, TokenKind, kind
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import AppSettings, GitHubSettings

CANARY = "ghp_canary0123456789canary0123456789ab"


def private(path: Path, text: str = f"{CANARY}\n") -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


class TestSources:
    def test_the_first_that_is_configured_counts(self, tmp_path: Path) -> None:
        environ = {"GITHUB_TOKEN": "ghp_first000", "GH_TOKEN": "ghp_second00", "MINE": "ghp_mine0000"}
        file = private(tmp_path / "token")
        for settings, token, source in (
            (GitHubSettings(), "ghp_first000", "$GITHUB_TOKEN"),
            (GitHubSettings(token_env="MINE"), "ghp_mine0000", "$MINE"),
            (GitHubSettings(token_env="MINE", token_file=file), CANARY, file),
        ):
            credentials = Credentials(settings, environ=environ)
            assert credentials.token(write=True) == token
            assert credentials.git_token(RepoName("o/n")) == token
            assert credentials.source == source
            assert credentials.scope(RepoName("o/n")) == credentials.scope(RepoName("p/n"))

    def test_an_empty_variable_is_none(self) -> None:
        environ = {"GITHUB_TOKEN": " ", "GH_TOKEN": "ghp_second00"}
        assert Credentials(GitHubSettings(), environ=environ).token(write=False) == "ghp_second00"

    def test_another_server_never_gets_the_token_of_github_com(self) -> None:
        environ = {"GITHUB_TOKEN": CANARY, "PATH": "", "GH_ENTERPRISE_TOKEN": "ghp_ours0000"}
        ours = Credentials(GitHubSettings(url="https://git.acme.org"), environ=environ)
        assert ours.token(write=False) == "ghp_ours0000"
        del environ["GH_ENTERPRISE_TOKEN"]
        with pytest.raises(SourceError, match=r"no token for git\.acme\.org"):
            ours.token(write=False)

    def test_a_file_that_changed_is_read_again(self, tmp_path: Path) -> None:
        credentials = Credentials(GitHubSettings(token_file=private(tmp_path / "token")))
        assert credentials.token(write=False) == CANARY
        private(tmp_path / "token", "ghp_other000")
        assert credentials.token(write=False) == "ghp_other000"

    def test_what_another_process_needs_is_named(self, tmp_path: Path) -> None:
        assert Credentials(GitHubSettings(token_env="MINE")).variables == ("MINE",)
        assert Credentials(GitHubSettings(token_file="x")).variables == ()
        assert Credentials(GitHubSettings(app=AppSettings("1", "k"))).variables == ()
        assert "GITHUB_TOKEN" in Credentials(GitHubSettings()).variables
        assert "GITHUB_TOKEN" not in Credentials(GitHubSettings(url="https://git.acme.org")).variables


class TestGh:
    def test_gh_is_asked_once_and_for_this_host(self, tmp_path: Path) -> None:
        asked = gh(tmp_path, f'echo "$@ ${{GITHUB_TOKEN-none}}" >>"{tmp_path}/asked"; echo {CANARY}')
        assert asked.source == "gh auth token"
        assert asked.token(write=False) == asked.token(write=True) == CANARY
        assert (tmp_path / "asked").read_text() == "auth token --hostname github.com none\n"
        asked.forget()
        asked.token(write=False)
        assert len((tmp_path / "asked").read_text().splitlines()) == 2

    @pytest.mark.parametrize("script", ["exit 1", f"echo {CANARY}; exit 1", "echo"])
    def test_without_a_login_the_next_step_is_named(self, tmp_path: Path, script: str) -> None:
        with pytest.raises(SourceError) as caught:
            gh(tmp_path, script).token(write=False)
        assert "gh auth login --hostname github.com" in caught.value.words
        assert "GITHUB_TOKEN" in caught.value.words

    def test_one_that_does_not_answer_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backends.forges.github.auth.GH_SECONDS", 0.2)
        with pytest.raises(SourceError, match="did not answer") as caught:
            gh(tmp_path, f"echo {CANARY}; exec sleep 60").token(write=False)
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_no_gh_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"no token for github\.com"):
            Credentials(GitHubSettings(), environ={"PATH": str(tmp_path)}).token(write=False)


class TestRefused:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
    def test_a_file_that_others_may_read(self, tmp_path: Path, mode: int) -> None:
        name = private(tmp_path / "token")
        os.chmod(name, mode)
        with pytest.raises(SourceError, match="Others may read") as caught:
            Credentials(GitHubSettings(token_file=name)).token(write=False)
        assert f"chmod 600 {name}" in caught.value.words

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        for name in ("pipe", "absent", "."):
            with pytest.raises(SourceError, match=r"no file|cannot be read"):
                Credentials(GitHubSettings(token_file=str(tmp_path / name))).token(write=False)

    @pytest.mark.parametrize(
        "value", ["", "short", f"{CANARY}\nprotocol=https", f"{CANARY} x", "é" * 20, "x" * 600, "a\0" * 9]
    )
    def test_what_is_no_token_is_not_shown_either(self, tmp_path: Path, value: str) -> None:
        credentials = Credentials(GitHubSettings(token_file=private(tmp_path / "token", value)))
        with pytest.raises(SourceError, match="is no token") as caught:
            credentials.token(write=False)
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_a_variable_that_is_not_there(self) -> None:
        with pytest.raises(SourceError, match="no MINE"):
            Credentials(GitHubSettings(token_env="MINE"), environ={"GITHUB_TOKEN": CANARY}).token(write=False)


def test_a_repr_shows_no_token() -> None:
    credentials = Credentials(GitHubSettings(), environ={"GITHUB_TOKEN": CANARY})
    token = credentials.token(write=False)
    assert isinstance(token, Secret)
    for shown in (repr(token), repr([token]), repr(credentials), f"{credentials!r}", f"{token!r}"):
        assert CANARY not in shown


def test_kinds() -> None:
    assert kind(CANARY) is TokenKind.CLASSIC
    assert kind("github_pat_11AAAA") is TokenKind.FINE_GRAINED
    assert kind("ghs_x") is TokenKind.INSTALLATION
    assert kind("whatever") is TokenKind.UNKNOWN


def gh(folder: Path, script: str) -> Credentials:
    """Credentials whose `gh` is that script."""
    program = folder / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return Credentials(GitHubSettings(), environ={"PATH": path})
