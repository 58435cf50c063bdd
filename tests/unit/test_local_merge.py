"""Merging into repositories that people use at the same time, and being killed in the middle of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.database import Database
from backends.forges.local import LocalForge
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.ids import RepoName, RunId
from hive_tui.core.model import PullRequest, PullState
from hive_tui.core.ports import BackendContext, NewPull
from hive_tui.core.settings import FleetSettings, RepoSettings
from hive_tui.system import git
from tests.fakes.repository import Repository

REPO = RepoName("me/proj")
BRANCH = "hive/issue-1-a1"


class Place:
    """A repository and a tracker for it."""

    def __init__(self, tmp_path: Path, name: str = "proj") -> None:
        self.repository = Repository(tmp_path / name)
        self._home = tmp_path / "fleet"

    def forge(self, path: Path | None = None) -> LocalForge:
        repos = (RepoSettings(REPO, path=str(path or self.repository.path)),)
        return LocalForge(BackendContext("test", self._home, FleetSettings(repos=repos), "me"))

    def pull(self, files: dict[str, str] | None = None, branch: str = BRANCH) -> PullRequest:
        self.repository.branch(branch, files or {"b.txt": "new\n"})
        return self.forge().open_pull(NewPull(REPO, "Mend it", "", "claude-a", branch, "main", 1, RunId("r")))

    def merge(self, pull: PullRequest) -> PullRequest:
        return self.forge().merge(pull.key, head=pull.head, by="anna", message="Mend it (#1)")

    def subjects(self) -> list[str]:
        return self.repository.git("log", "--format=%s", "main").splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestCheckout:
    def test_a_clean_one_follows(self, place: Place) -> None:
        place.repository.write({"untracked.txt": "mine\n"})
        place.merge(place.pull())
        assert (place.repository.path / "b.txt").read_text() == "new\n"
        assert (place.repository.path / "untracked.txt").read_text() == "mine\n"
        assert place.repository.status() == "?? untracked.txt"

    @pytest.mark.parametrize("staged", [False, True])
    def test_a_dirty_one_refuses_and_stays(self, place: Place, staged: bool) -> None:
        pull = place.pull()
        place.repository.write({"a.txt": "mine\n"})
        if staged:
            place.repository.git("add", "a.txt")
        before = (place.repository.status(), place.repository.head())
        with pytest.raises(Refused, match=r"uncommitted changes in a\.txt"):
            place.merge(pull)
        assert (place.repository.status(), place.repository.head()) == before
        assert place.repository.has(BRANCH)
        assert place.forge().get_pull(pull.key).state is PullState.OPEN

    @pytest.mark.parametrize("ignored", [False, True])
    def test_a_file_that_would_be_overwritten_refuses(self, place: Place, ignored: bool) -> None:
        pull = place.pull()
        place.repository.write({"b.txt": "mine, not in git\n"})
        if ignored:
            (place.repository.path / ".git" / "info" / "exclude").write_text("b.txt\n")
        before = place.repository.head()
        with pytest.raises(Refused, match=r"b\.txt"):
            place.merge(pull)
        assert place.repository.head() == before
        assert (place.repository.path / "b.txt").read_text() == "mine, not in git\n"
        (place.repository.path / "b.txt").unlink()
        assert place.merge(pull).state is PullState.MERGED

    def test_a_checkout_of_another_branch_is_left_alone(self, place: Place) -> None:
        place.repository.git("checkout", "--quiet", "-b", "mine")
        place.repository.write({"a.txt": "mine\n"})
        before = place.repository.status()
        place.merge(place.pull())
        assert place.repository.status() == before
        assert not (place.repository.path / "b.txt").exists()
        assert place.subjects()[0] == "Mend it (#1)"

    def test_a_linked_worktree_follows(self, place: Place, tmp_path: Path) -> None:
        place.repository.git("checkout", "--quiet", "-b", "mine")
        place.repository.git("worktree", "add", "--quiet", tmp_path / "linked ü", "main")
        pull = place.pull()
        (tmp_path / "linked ü" / "a.txt").write_text("dirty\n")
        with pytest.raises(Refused, match="linked"):
            place.merge(pull)
        place.repository.git("checkout", "--", "a.txt", cwd=tmp_path / "linked ü")
        place.merge(pull)
        assert (tmp_path / "linked ü" / "b.txt").exists()
        assert not (place.repository.path / "b.txt").exists()

    def test_through_the_path_of_a_linked_worktree(self, place: Place, tmp_path: Path) -> None:
        place.repository.git("worktree", "add", "--quiet", "-b", "mine", tmp_path / "linked")
        pull = place.pull()
        place.forge(tmp_path / "linked").merge(pull.key, head=pull.head, by="anna", message="m")
        assert (place.repository.path / "b.txt").exists()

    def test_a_merge_of_the_users_own_in_progress_refuses(self, place: Place) -> None:
        pull = place.pull()
        place.repository.branch("side", {"c.txt": "c\n"})
        place.repository.commit({"d.txt": "d\n"}, "Mine")
        place.repository.git("merge", "--no-commit", "--no-ff", "side")
        before = place.repository.head()
        with pytest.raises(Refused):
            place.merge(pull)
        assert place.repository.head() == before

    def test_hooks_do_not_run(self, place: Place, tmp_path: Path) -> None:
        pull = place.pull()
        for hook in (
            "pre-merge-commit",
            "post-merge",
            "post-checkout",
            "reference-transaction",
            "commit-msg",
        ):
            path = place.repository.path / ".git" / "hooks" / hook
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\necho {hook} >> '{tmp_path}/ran'\n")
            path.chmod(0o755)
        place.merge(pull)
        assert not (tmp_path / "ran").exists()

    def test_settings_of_the_user_for_merges_do_not_matter(self, place: Place) -> None:
        pull = place.pull()
        for name in ("merge.verifySignatures", "commit.gpgSign", "merge.autoStash", "submodule.recurse"):
            place.repository.git("config", name, "true")
        place.repository.git("config", "merge.ff", "false")
        assert place.merge(pull).state is PullState.MERGED

    def test_the_users_line_endings_count(self, place: Place) -> None:
        place.repository.git("config", "core.autocrlf", "true")
        place.merge(place.pull())
        assert (place.repository.path / "b.txt").read_bytes() == b"new\r\n"
        assert place.repository.status() == ""

    def test_submodules_stay_as_they_are(self, place: Place, tmp_path: Path) -> None:
        inner = Repository(tmp_path / "inner")
        place.repository.git("submodule", "--quiet", "add", inner.path, "vendor")
        place.repository.git("commit", "--quiet", "-m", "Add a submodule")
        (place.repository.path / "vendor" / "scratch.txt").write_text("mine\n")
        place.merge(place.pull())
        assert (place.repository.path / "vendor" / "scratch.txt").exists()
        assert (place.repository.path / "b.txt").exists()

    @pytest.mark.parametrize("name", ["with blanks and ü", "quo'te\"s", "$HOME `id` %s"])
    def test_odd_paths(self, tmp_path: Path, name: str) -> None:
        place = Place(tmp_path, name)
        place.merge(place.pull())
        assert (place.repository.path / "b.txt").exists()


class TestCommit:
    def test_it_is_by_the_user_and_says_what_it_is(self, place: Place) -> None:
        pull = place.pull()
        merged = place.merge(pull)
        shown = place.repository.git(
            "show", "--no-patch", "--format=%an <%ae>|%cn|%P|%B", merged.merged_as or ""
        )
        assert shown.startswith("Ada Łovelace <ada@example.org>|Ada Łovelace|")
        assert shown.endswith(f"Mend it (#1)\n\nHive-Pull: {pull.key}\nHive-Head: {pull.head}\nHive-By: anna")

    def test_without_an_identity_it_is_by_hive(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        pull = place.pull()
        for name in ("user.name", "user.email"):
            place.repository.git("config", "--unset", name)
        place.merge(pull)
        assert place.repository.git("log", "-1", "--format=%an <%ae>", "main") == "hive <hive@localhost>"

    def test_a_message_that_lies_about_another_one_is_not_believed(self, place: Place) -> None:
        first = place.pull()
        second = place.pull({"c.txt": "c\n"}, "hive/issue-2-a1")
        forge = place.forge()
        lie = f"Fine\n\nHive-Pull: {second.key}\nHive-Head: {second.head}\nHive-By: anna\n"
        forge.merge(first.key, head=first.head, by="anna", message=lie)
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(second.key).state is PullState.OPEN

    def test_only_hives_branches_are_deleted(self, place: Place) -> None:
        pull = place.pull(branch="feature")
        place.merge(pull)
        assert place.repository.has("feature")

    def test_a_branch_that_somebody_looks_at_stays(self, place: Place, tmp_path: Path) -> None:
        pull = place.pull()
        place.repository.git("worktree", "add", "--quiet", tmp_path / "look", BRANCH)
        place.merge(pull)
        assert place.repository.has(BRANCH)


class TestByHand:
    @pytest.mark.parametrize("option", ["--ff", "--no-ff"])
    def test_a_branch_that_was_merged_with_git(self, place: Place, option: str) -> None:
        pull = place.pull()
        place.repository.git("merge", "--quiet", option, "-m", "By hand", BRANCH)
        tip = place.repository.head()
        place.repository.commit({"later.txt": "x"}, "Later")
        forge = place.forge()
        forge.poll(active=False, wanted=True)
        merged = forge.get_pull(pull.key)
        assert (merged.state, merged.merged_as) == (PullState.MERGED, tip)
        assert forge.merge(pull.key, head=pull.head, by="anna", message="m") == merged

    def test_and_its_branch_deleted(self, place: Place) -> None:
        pull = place.pull()
        place.repository.git("merge", "--quiet", "--no-ff", "-m", "By hand", BRANCH)
        place.repository.git("branch", "-D", BRANCH)
        forge = place.forge()
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).state is PullState.MERGED

    def test_a_branch_set_back_to_its_base_is_closed_not_merged(self, place: Place) -> None:
        pull = place.pull()
        place.repository.git("branch", "--force", BRANCH, "main")
        forge = place.forge()
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).state is PullState.CLOSED

    def test_a_branch_with_newer_commits_stays_open(self, place: Place) -> None:
        pull = place.pull()
        place.repository.git("merge", "--quiet", "--no-ff", "-m", "By hand", BRANCH)
        place.repository.branch(BRANCH, {"c.txt": "more\n"})
        forge = place.forge()
        forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).state is PullState.OPEN

    def test_an_unreadable_repository_is_reported_and_the_others_are_read(
        self, place: Place, tmp_path: Path
    ) -> None:
        other = Repository(tmp_path / "other")
        gone = RepoName("me/a-gone")
        repos = (
            RepoSettings(gone, path=str(other.path)),
            RepoSettings(REPO, path=str(place.repository.path)),
        )
        forge = LocalForge(BackendContext("test", tmp_path / "fleet", FleetSettings(repos=repos), "me"))
        other.branch(BRANCH, {"b.txt": "x\n"})
        forge.open_pull(NewPull(gone, "t", "", "a", BRANCH, "main", 1, RunId("x")))
        pull = place.pull()
        other.path.rename(tmp_path / "moved")
        with pytest.raises(SourceError, match="a-gone"):
            forge.poll(active=False, wanted=True)
        assert forge.get_pull(pull.key).mergeable is True

    def test_nothing_moved_costs_one_call(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(5):
            place.pull({f"{number}.txt": "x\n"}, f"hive/issue-{number}-a1")
        forge = place.forge()
        forge.poll(active=False, wanted=True)
        calls = count_git(monkeypatch)
        forge.poll(active=False, wanted=True)
        assert len(calls) == 1


class Killed(BaseException):
    """Stands for SIGKILL: no code of ours runs after it."""


class TestKilled:
    """Merging is ended before every git command and every database write in turn, then done again."""

    @pytest.mark.parametrize(("checked_out", "then"), [(True, "merge"), (False, "refresh")])
    def test_at_any_point_it_is_merged_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked_out: bool, then: str
    ) -> None:
        template = Place(tmp_path / "template")
        if not checked_out:
            template.repository.git("checkout", "--quiet", "-b", "mine")
        pull = template.pull()
        point, reached = 0, True
        while reached:
            shutil.copytree(tmp_path / "template", tmp_path / f"at-{point}")
            place = Place(tmp_path / f"at-{point}")
            with monkeypatch.context() as patch:
                reached = kill_at(patch, point, lambda place=place: place.merge(pull))  # type: ignore[misc]
            if then == "merge":
                place.merge(pull)
            else:
                place.forge().poll(active=False, wanted=True)
            merged = place.forge().get_pull(pull.key)
            landed = place.subjects().count("Mend it (#1)")
            assert landed == (merged.state is PullState.MERGED), f"killed at {point}"
            assert landed == 1 or then == "refresh"
            assert place.repository.status() == ""
            assert place.repository.has(BRANCH) == (merged.state is PullState.OPEN)
            point += 1
        assert point > 8, "there were points to be killed at"


def kill_at(patch: pytest.MonkeyPatch, point: int, action: Callable[[], object]) -> bool:
    """Do `action` up to its step number `point`; False if it has no such step."""
    steps = 0

    def step() -> None:
        nonlocal steps
        if steps == point:
            raise Killed
        steps += 1

    run, writing = git.run, Database.writing

    def counted_run(*args: Any, **options: Any) -> Any:
        step()
        return run(*args, **options)

    def counted_writing(self: Database) -> Any:
        step()
        return writing(self)

    patch.setattr(git, "run", counted_run)
    patch.setattr(Database, "writing", counted_writing)
    try:
        action()
    except Killed:
        return True
    return False


def count_git(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    run = git.run

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return run(*args, **options)

    monkeypatch.setattr(git, "run", counted)
    return calls


def test_a_conflict_names_the_files(place: Place) -> None:
    pull = place.pull({"a.txt": "one\nTWO\nthree\n"})
    place.repository.commit({"a.txt": "one\nzwei\nthree\n"}, "Else")
    with pytest.raises(Refused, match=r"a\.txt"):
        place.merge(pull)
