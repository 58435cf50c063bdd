from __future__ import annotations

from pathlib import Path

import pytest

from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import ProjectSettings
from hive_tui.runner import project
from hive_tui.system import git
from tests.fakes.run_host import repository


def test_reads_the_commit_not_the_tree(tmp_path: Path) -> None:
    source = repository(tmp_path / "r", {".hive/config.yaml": "test: make check\nprotected: [ci/]\n"})
    (source / ".hive" / "config.yaml").write_text("test: 'true'\n", encoding="utf-8")
    head = git.text("rev-parse", "HEAD", cwd=source)
    assert project.read(source, head) == ProjectSettings(test="make check", protected=("ci/",))


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    source = repository(tmp_path / "r", {"a": ""})
    assert project.read(source, git.text("rev-parse", "HEAD", cwd=source)) == ProjectSettings()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    source = repository(tmp_path / "r", {"a": "test: evil\n"})
    (source / ".hive").mkdir()
    (source / ".hive" / "config.yaml").symlink_to("../a")
    git.run("add", "-A", cwd=source)
    git.run("commit", "-qm", "Link", cwd=source)
    with pytest.raises(ConfigError, match="not an ordinary file"):
        project.read(source, git.text("rev-parse", "HEAD", cwd=source))


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        (b"tset: make\n", "unknown key tset, with the value 'make'", "test"),
        (b"test_timeout_minutes: soon\n", "test_timeout_minutes is 'soon'", "base branch"),
        (b"protected: [1]\n", "protected[0] is 1", "base branch"),
        (b"test: [\n", ":2: ", "base branch"),
        (b"- test\n", "expected keys and values", "base branch"),
        (b"\xff\xfe\x00", "not UTF-8", "base branch"),
        (b"test: !!python/object/apply:os.system [id]\n", "the tag", "base branch"),
    ],
)
def test_malformed_settings_say_where_and_what(text: bytes, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project.parse(text)
    assert says in caught.value.message
    assert ".hive/config.yaml" in caught.value.message
    assert hint in (caught.value.hint or "")


def test_an_empty_file_means_the_defaults() -> None:
    assert project.parse(b"# nothing\n") == ProjectSettings()
