"""init, labels and doctor on GitHub, called as a user calls them, against a server that stands in for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hive_tui import config
from hive_tui.cli import run
from hive_tui.core import label_set
from hive_tui.core.settings import Preset
from tests.fakes import app_key
from tests.fakes.github.server import GitHub
from tests.unit.test_discover import make

Hive = Callable[..., Any]

REPO = "acme/app"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as github:
        github.world.add_repository(REPO, collaborators={"kay": "write", "zoe": "read"})
        yield github
    assert github.crashes == []


@pytest.fixture
def token(github: GitHub, tmp_path: Path) -> Path:
    return token_file(tmp_path, github.world.add_token("kay").secret)


@pytest.fixture
def hive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, github: GitHub
) -> Hive:
    """Run a command that must end with that code; JSON is decoded."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run(list(arguments))
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return json.loads(shown.out) if "json" in arguments else shown.out + shown.err

    return call


def token_file(tmp_path: Path, secret: str) -> Path:
    path = tmp_path / "token"
    path.write_text(secret)
    path.chmod(0o600)
    return path


def init(hive: Hive, github: GitHub, token: Path, *more: str, code: int = 0) -> Any:
    where = ("--url", github.site, "--token-file", str(token))
    return hive("init", "--forge", "github", *where, *(more or ("--repo", REPO)), code=code)


class TestInit:
    def test_a_fleet_is_made_and_you_are_in(self, hive: Hive, github: GitHub, token: Path) -> None:
        done = init(hive, github, token, "--repo", REPO, "--agent", "scripted", "-o", "json")
        assert (done["fleet"], done["account"], done["changed"]) == ("github", "kay", True)
        assert done["repos"] == [
            {"name": REPO, "base": "main", "url": f"{github.site}/{REPO}", "trouble": None}
        ]
        fleet = config.load().fleet("github")
        assert fleet.forge == "github"
        assert [repo.name for repo in fleet.repos] == [REPO]
        assert fleet.allowed_authors == ("kay",)
        assert fleet.github.token_file == str(token)
        assert config.load().settings.current == "github"
        assert token.read_text() not in config.load().path.read_text()
        assert "local" in config.load().configured, "the fleet that was there stays"

    def test_again_is_no_change_and_adds_what_is_named(self, hive: Hive, github: GitHub, token: Path) -> None:
        github.world.add_repository("kay/other")
        init(hive, github, token)
        before = config.load().path.read_text()
        assert "was already in fleet github" in init(hive, github, token)
        assert config.load().path.read_text() == before
        hive("init", "--repo", "kay/other", "--author", "zoe", "--test", "make check")
        fleet = config.load().fleet("github")
        assert [(repo.name, repo.test) for repo in fleet.repos] == [(REPO, None), ("kay/other", "make check")]
        assert fleet.allowed_authors == ("kay", "zoe")

    def test_the_repository_is_that_of_the_checkout(
        self, hive: Hive, github: GitHub, token: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(make(tmp_path / "app", remote=f"{github.site}/{REPO}.git"))
        init(hive, github, token, "--no-labels")
        assert [repo.name for repo in config.load().fleet("github").repos] == [REPO]

    def test_a_checkout_of_another_site_is_none(
        self, hive: Hive, github: GitHub, token: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(make(tmp_path / "app", remote="git@github.com:acme/app.git"))
        assert "is on github.com, not on 127.0.0.1" in init(hive, github, token, "--no-labels", code=2)

    def test_without_a_checkout_the_name_is_asked_for(self, hive: Hive, github: GitHub, token: Path) -> None:
        assert "--repo OWNER/NAME" in init(hive, github, token, "--no-labels", code=2)

    def test_labels_are_made_where_that_is_wanted(self, hive: Hive, github: GitHub, token: Path) -> None:
        assert "15 made" in init(hive, github, token, "--repo", REPO, "--labels")
        repository = github.world.repository(REPO)
        assert repository is not None
        assert {label.name for label in repository.labels.values()} >= {"status:ready", "type:bug"}

    @pytest.mark.parametrize(
        ("repo", "login", "words", "code"),
        [
            ("acme/nope", "kay", "not there, or the token has no access", 1),
            (REPO, "zoe", "You may not push to it", 3),
            ("acme/archived", "acme", "It is archived", 3),
            ("acme", "kay", "'acme' is no OWNER/NAME", 2),
            ("../user", "kay", "'../user' is no OWNER/NAME", 2),
        ],
    )
    def test_what_cannot_work_is_said_and_nothing_is_written(
        self, hive: Hive, github: GitHub, tmp_path: Path, hive_home: Path, repo: str, login: str, words: str,
        code: int,
    ) -> None:  # fmt: skip
        github.world.add_repository("acme/archived").archived = True
        token = token_file(tmp_path, github.world.add_token(login).secret)
        assert words in init(hive, github, token, "--repo", repo, code=code)
        assert not (hive_home / "config" / "config.yaml").exists()

    def test_a_wrong_token(self, hive: Hive, github: GitHub, tmp_path: Path, hive_home: Path) -> None:
        said = init(hive, github, token_file(tmp_path, "ghp_wrong0000000000"), "--repo", REPO, code=1)
        assert "does not accept the token" in said
        assert "ghp_wrong" not in said

    def test_what_is_no_token_at_all(self, hive: Hive, github: GitHub, tmp_path: Path) -> None:
        for secret, why in (("ghp_bad", "too short"), ("two words", "not one word"), ("", "is empty")):
            said = init(hive, github, token_file(tmp_path, secret), "--repo", REPO, code=1)
            assert why in said
            assert "ghp_bad" not in said

    def test_a_local_fleet_is_not_turned_over(self, hive: Hive, github: GitHub, token: Path) -> None:
        config.load().folders.config.mkdir(parents=True)
        config.load().path.write_text("fleets:\n  mine:\n    repos: [{name: a/b, path: /x}]\n")
        said = init(hive, github, token, "--repo", REPO, "--fleet", "mine", code=3)
        assert "takes its issues from local" in said


class TestLabels:
    def test_a_dry_run_says_what_the_real_one_does(self, hive: Hive, github: GitHub, token: Path) -> None:
        init(hive, github, token)
        dry = hive("labels", "sync", "--dry-run", "-o", "json")
        assert len(github.world.repository(REPO).labels) < 15  # type: ignore[union-attr]
        done = hive("labels", "sync", "-o", "json")
        assert dry["repos"] == done["repos"]
        assert dry["repos"][0]["made"] == [label.name for label in label_set.labels(Preset.STATUS)]
        assert "all labels are there" in hive("labels", "sync")

    def test_one_in_other_letters_is_renamed(self, hive: Hive, github: GitHub, token: Path) -> None:
        init(hive, github, token, "--repo", REPO, "--labels")
        repository = github.world.repository(REPO)
        assert repository is not None
        label = next(label for label in repository.labels.values() if label.name == "status:ready")
        label.name = "Status:Ready"
        assert "~ Status:Ready → status:ready" in hive("labels", "sync")
        assert label.name == "status:ready"
        assert hive("labels", "sync", "--read-only", code=3)

    def test_one_repository_that_fails_does_not_stop_the_others(
        self, hive: Hive, github: GitHub, token: Path
    ) -> None:
        github.world.add_repository("kay/other")
        init(hive, github, token, "--repo", REPO, "--repo", "kay/other")
        github.world.add_repository("acme/app2")
        repository = github.world.repository(REPO)
        assert repository is not None
        repository.collaborators.clear()
        repository.private = True
        said = hive("labels", "sync", code=1)
        assert f"{REPO}: " in said
        assert "kay/other: 15 labels made" in said


class TestDoctor:
    def checks(self, hive: Hive, code: int = 0) -> dict[str, dict[str, Any]]:
        return {check["name"]: check for check in hive("doctor", "-o", "json", code=code)["checks"]}

    def setup(self, hive: Hive, github: GitHub, token: Path, *more: str) -> None:
        init(hive, github, token, "--repo", REPO, "--agent", "scripted", *more)

    @pytest.mark.unpublished  # GitHub's description does not know all ways in which it refuses
    def test_a_repository_in_order(self, hive: Hive, github: GitHub, token: Path) -> None:
        self.setup(hive, github, token, "--labels")
        repository = github.world.repository(REPO)
        assert repository is not None
        before = dict(repository.git.refs())
        checks = self.checks(hive)
        assert checks["token"]["detail"].startswith("classic personal access token of kay, from ")
        assert checks["limits"]["state"] == "ok"
        assert checks[f"repo {REPO}"]["state"] == "ok"
        assert checks["branch main"]["state"] == "warning"
        assert f"labels {REPO}" not in checks
        assert token.read_text() not in json.dumps(checks)
        assert repository.git.refs() == before, "asking changed nothing"
        assert not repository.pulls

    @pytest.mark.unpublished
    @pytest.mark.parametrize(
        ("permissions", "words"),
        [
            ({"contents": "read"}, "Contents: Read and write"),
            ({"issues": "read"}, "Issues: Read and write"),
            ({"pull_requests": "read"}, "Pull requests: Read and write"),
            ({"statuses": "read"}, "Commit statuses: Read and write"),
        ],
    )
    def test_each_missing_permission_is_named(
        self, hive: Hive, github: GitHub, tmp_path: Path, permissions: dict[str, str], words: str
    ) -> None:
        whole = dict.fromkeys(("contents", "issues", "pull_requests", "statuses"), "write")
        whole |= {"metadata": "read", "checks": "read"}
        token = github.world.add_token("kay", permissions=whole)
        self.setup(hive, github, token_file(tmp_path, token.secret), "--labels")
        assert self.checks(hive)[f"repo {REPO}"]["state"] == "ok"
        token.permissions = whole | permissions
        found = self.checks(hive, code=1)[f"repo {REPO}"]
        assert (found["state"], found["detail"]) == ("broken", f"the token lacks {words}")

    def test_a_token_without_its_scope(self, hive: Hive, github: GitHub, token: Path, tmp_path: Path) -> None:
        self.setup(hive, github, token)
        token_file(tmp_path, github.world.add_token("kay", scopes=("read:org", "admin:org")).secret)
        checks = self.checks(hive, code=1)
        assert "without the scope repo" in checks["token"]["detail"]
        assert "admin:org" in checks["token scopes"]["detail"]

    def test_without_a_token(self, hive: Hive, github: GitHub, token: Path) -> None:
        self.setup(hive, github, token)
        token.unlink()
        assert "cannot be read" in self.checks(hive, code=1)["token"]["detail"]

    def test_a_server_that_is_down(self, hive: Hive, github: GitHub, token: Path) -> None:
        self.setup(hive, github, token)
        token.write_text("ghp_revoked00000000")
        checks = self.checks(hive, code=1)
        assert checks["github"]["state"] == "broken"
        assert "does not accept" in checks["github"]["detail"]

    @pytest.mark.unpublished
    def test_an_app(self, hive: Hive, github: GitHub, tmp_path: Path) -> None:
        app = app_key.install(github, "acme", tmp_path / "key.pem")
        hive(
            *("init", "--forge", "github", "--url", github.site, "--repo", REPO, "--agent", "scripted"),
            *("--app", str(app.id), "--app-key", str(tmp_path / "key.pem"), "--author", "kay", "--labels"),
        )
        checks = self.checks(hive)
        assert checks["token"]["detail"] == f"installation token of an App, by GitHub App {app.id}"
        assert checks[f"repo {REPO}"]["state"] == "ok"
        github.world.installations.clear()
        assert "is not installed on" in self.checks(hive, code=1)["token"]["detail"]
