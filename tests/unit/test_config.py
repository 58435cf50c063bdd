from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hive_tui import config
from hive_tui.config.parse import MAX_PROJECT, parse, parse_project
from hive_tui.core.errors import ConfigError, UsageError
from hive_tui.core.settings import FleetSettings, Preset, Settings

LONG_AGO = 1_700_000_000


def write(home: Path, text: str, name: str = "config/config.yaml") -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def test_without_any_configuration_there_is_one_fleet() -> None:
    configuration = config.load()
    assert configuration.names() == ["local"]
    assert configuration.fleet("local") == FleetSettings()
    assert configuration.user == "kay"


def test_a_file_is_read_and_found_again_in_the_cache(
    hive_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(hive_home, "current: work\nfleets: {work: {slots: 7, labels: plain}}\n")
    first = config.load().settings
    assert first.fleets["work"].slots == 7
    assert first.fleets["work"].labels is Preset.PLAIN
    monkeypatch.setattr(config, "_parse", lambda *_: pytest.fail("parsed again"))
    assert config.load().settings == first


def test_a_changed_file_of_the_same_size_is_not_mistaken_for_the_cached_one(hive_home: Path) -> None:
    path = write(hive_home, "fleets: {work: {slots: 7}}\n")
    config.load()
    path.write_text("fleets: {work: {slots: 8}}\n", encoding="utf-8")
    assert config.load().settings.fleets["work"].slots == 8


def test_a_file_that_was_written_just_now_is_not_cached(hive_home: Path) -> None:
    path = write(hive_home, "user: me\n")
    now = time.time()
    os.utime(path, (now + 60, now + 60))
    config.load()
    assert not list((hive_home / "cache").glob("**/*.msgpack"))


@pytest.mark.parametrize("damage", [b"", b"\x00", b"\xff" * 500, None])
def test_an_unreadable_cache_is_ignored(hive_home: Path, damage: bytes | None) -> None:
    write(hive_home, "fleets: {work: {slots: 7}}\n")
    config.load()
    (entry,) = (hive_home / "cache" / "config").iterdir()
    content = entry.read_bytes()
    entry.write_bytes(content[:-3] if damage is None else damage)
    assert config.load().settings.fleets["work"].slots == 7


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(hive_home: Path) -> None:
    write(hive_home, "fleets: {work: {slots: 7}}\n")
    (hive_home / "cache").write_text("a file where the folder should be", encoding="utf-8")
    assert config.load().settings.fleets["work"].slots == 7


def test_a_fleet_described_in_its_own_folder_exists_but_the_users_wins(hive_home: Path) -> None:
    write(hive_home, "slots: 9\n", "data/fleets/demo/fleet.yaml")
    configuration = config.load()
    assert configuration.names() == ["demo", "local"]
    assert configuration.fleet("demo").slots == 9
    write(hive_home, "fleets: {demo: {slots: 1}}\n")
    assert config.load().fleet("demo").slots == 1


@pytest.mark.parametrize("name", ["lcoal", "../local", "", "a\x1b[31m", "x" * 300])
def test_an_unknown_fleet_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load().fleet(name)
    assert "local" in (caught.value.hint or "")


def test_a_file_asked_for_by_name_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        config.load(tmp_path / "nowhere.yaml")


def test_a_folder_in_the_files_place_is_an_error_not_a_crash(hive_home: Path) -> None:
    (hive_home / "config" / "config.yaml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("fleets:\n  work:\n    slots: three\n", ":3: fleets.work.slots is 'three'; expected a whole", ""),
        ("fleets:\n  work:\n    slots: -1\n", ":3: fleets.work.slots is -1; expected", ""),
        ("fleets:\n  work:\n    slot: 1\n", ":3: unknown key fleets.work.slot, with the value 1.", "slots"),
        (
            "fleets:\n  w:\n    repos:\n      - name: a/b\n        pth: x\n",
            ":5: unknown key fleets.w.repos[0].pth",
            "path",
        ),
        (
            "fleets:\n  w:\n    repos:\n      - name: a\n",
            ":4: fleets.w.repos[0].name is 'a'; expected owner/name",
            "",
        ),
        ("fleets:\n  w:\n    repos:\n      - name: a/..\n", "expected owner/name", ""),
        ("fleets:\n  w:\n    repos:\n      - path: x\n", "fleets.w.repos[0] lacks the key 'name'", ""),
        ("fleets:\n  w:\n    repos: [{name: a/b}, {name: a/b}]\n", "the repository a/b is there twice", ""),
        ("fleets:\n  w:\n    agents: [{name: c}, {name: c}]\n", "the agent c is there twice", ""),
        ("fleets:\n  w:\n    agents: [claude]\n", "fleets.w.agents[0] is 'claude'; expected keys", ""),
        ("fleets:\n  ../up: {}\n", ":2: '../up' is no good key: expected a name", ""),
        ("fleets:\n  w:\n    labels: plian\n", "is 'plian'; expected one of status, plain", "plain"),
        ("fleets:\n  w:\n    budget: {run: -2}\n", "fleets.w.budget.run is -2; expected dollars", ""),
        ("user: 12\n", "user is 12; expected text", '"12"'),
        ("user: me\nuser: you\n", ":2: the key 'user' is there twice", "one of the two"),
        ("fleets:\n\tw: {}\n", ":2:", "blanks"),
        ("fleets: {w: [\n", ":2:", ""),
        ("- one\n", "the file is ['one']; expected keys and values", ""),
        ("user: !!python/object/apply:os.system [x]\n", ":1: could not determine a constructor", ""),
        ("[a, b]: 1\n", ":1:", ""),
        ("user: *nobody\n", ":1:", ""),
        ("user: 2026-01-01\n", "expected text", ""),
        ("fleets:\n  w:\n    read_onyl: \x1b]52;c;x\x07\n", "", ""),
    ],
)
def test_a_mistake_is_named_with_place_value_and_next_step(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), Settings, "config.yaml")
    assert message in caught.value.message
    assert caught.value.message.startswith("config.yaml")
    assert caught.value.hint
    assert hint in caught.value.hint
    assert "\x1b" not in caught.value.message


def test_bytes_that_are_no_text_are_named_by_line() -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:2: not UTF-8"):
        parse(b"user: me\nfleets: \xff\n", Settings, "config.yaml")


def test_empty_and_comment_only_files_are_no_mistake() -> None:
    assert parse(b"", Settings, "x") == Settings()
    assert parse(b"# later\n", Settings, "x") == Settings()


def test_a_projects_own_settings() -> None:
    project = parse_project(b"test: make test\nprotected: [deploy/]\n")
    assert (project.test, project.protected) == ("make test", ("deploy/",))


def test_a_hostile_project_file_cannot_grow() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{n}: &n{n} [*a, *a]\n" for n in range(20))
    with pytest.raises(ConfigError, match="aliases"):
        parse_project(bomb.encode())
    with pytest.raises(ConfigError, match="bytes"):
        parse_project(b"#" * (MAX_PROJECT + 1))
    with pytest.raises(ConfigError):
        parse_project(b"[" * 5_000)
