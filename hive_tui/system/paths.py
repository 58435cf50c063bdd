"""Where hive keeps things: platformdirs' folders, or all below `HIVE_HOME`.

<config>/config.yaml
<cache>/
<data>/fleets/<fleet>/fleet.db  dispatcher.lock  dispatcher.log  runs/<run>/
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple


class Paths(NamedTuple):
    """The three roots; none of them needs to exist."""

    config: Path
    data: Path
    cache: Path

    @property
    def config_file(self) -> Path:
        return self.config / "config.yaml"

    def fleet(self, name: str) -> Path:
        return self.data / "fleets" / name


def paths() -> Paths:
    """The folders for this process's environment."""
    home = os.environ.get("HIVE_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(root / "config", root / "data", root / "cache")
    if sys.platform == "linux":
        return Paths(
            _xdg("XDG_CONFIG_HOME", ".config"),
            _xdg("XDG_DATA_HOME", ".local/share"),
            _xdg("XDG_CACHE_HOME", ".cache"),
        )
    import platformdirs

    return Paths(
        platformdirs.user_config_path("hive"),
        platformdirs.user_data_path("hive"),
        platformdirs.user_cache_path("hive"),
    )


def _xdg(variable: str, default: str) -> Path:
    """What platformdirs says on Linux, without the 10 ms that it takes to import."""
    folder = os.environ.get(variable, "").strip()
    return (Path(folder) if os.path.isabs(folder) else Path.home() / default) / "hive"
