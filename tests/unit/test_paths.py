from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from hive_tui.system.paths import paths


@pytest.mark.parametrize("value", [None, "", "  ", "relative/folder", "~/folder", "/an/absolute folder"])
def test_the_folders_are_those_of_platformdirs(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("HIVE_HOME")
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    assert paths() == (
        platformdirs.user_config_path("hive"),
        platformdirs.user_data_path("hive"),
        platformdirs.user_cache_path("hive"),
    )


def test_one_folder_holds_everything_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIVE_HOME", str(tmp_path))
    assert paths() == (tmp_path / "config", tmp_path / "data", tmp_path / "cache")
