from __future__ import annotations

import os
from pathlib import Path

import pytest

from hive_tui import config
from hive_tui.config import edit
from hive_tui.core.errors import ConfigError, HiveError, UsageError
from hive_tui.core.settings import Settings
from hive_tui.system import flock
from hive_tui.system.paths import paths

TEXT = """\
# mine
current: work   # the one I use

fleets:
  work:
    slots: 3  # laptop
    repos:
      - name: me/app
        path: /src/app
"""


@pytest.fixture
def file(hive_home: Path) -> Path:
    path = hive_home / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(TEXT, encoding="utf-8")
    return path


def assign(key: str, value: str) -> None:
    edit.edit(config.load(), lambda document: edit.assign(document, key, value))


def test_comments_and_order_survive(file: Path) -> None:
    assign("fleets.work.slots", "5")
    assert file.read_text() == TEXT.replace("slots: 3", "slots: 5")


@pytest.mark.parametrize("key", ["fleets.work.repos[me/app].base", "fleets.work.repos[0].base"])
def test_an_entry_of_a_list_by_name_or_position(file: Path, key: str) -> None:
    assign(key, "trunk")
    assert config.load().fleet("work").repos[0].base == "trunk"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fleets.work.slots", "many"),
        ("fleets.work.slot", "3"),
        ("fleets.work.repos[me/ap].base", "x"),
        ("fleets.work.repos[7].base", "x"),
        ("fleets.work.slots.most", "3"),
        ("fleets..work", "3"),
        ("", "3"),
        ("current", "[broken"),
    ],
)
def test_a_mistake_changes_nothing(file: Path, key: str, value: str) -> None:
    with pytest.raises(UsageError):
        assign(key, value)
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["config.yaml"]


def test_a_broken_file_is_not_written_over(file: Path) -> None:
    file.write_text("fleets: [\n", encoding="utf-8")
    configuration = config.Configuration(Settings(), file, paths())
    with pytest.raises(ConfigError):
        edit.edit(configuration, lambda document: edit.assign(document, "user", "me"))
    assert file.read_text() == "fleets: [\n"


def test_a_missing_file_is_made_and_a_link_stays_one(hive_home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.yaml"
    (hive_home / "config").mkdir()
    (hive_home / "config" / "config.yaml").symlink_to(target)
    assign("user", "me")
    assert (hive_home / "config" / "config.yaml").is_symlink()
    assert "user: me" in target.read_text()


def test_comments_of_a_file_without_keys_stay(file: Path) -> None:
    file.write_text("# only a remark\n", encoding="utf-8")
    assign("user", "me")
    assert file.read_text() == "# only a remark\nuser: me\n"


def test_a_change_that_fails_half_way_leaves_everything(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(HiveError, match="No space left"):
        assign("user", "me")
    monkeypatch.undo()
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["config.yaml"]


def test_two_writers_wait_for_each_other(
    file: Path, hive_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit, "_PATIENCE", 0.0)
    fd = flock.hold(hive_home / "data" / "config.lock")
    assert fd is not None
    with pytest.raises(HiveError, match="Another hive"):
        assign("user", "me")

    os.close(fd)
    assign("user", "me")
