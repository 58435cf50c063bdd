"""Where hive keeps things: platformdirs' folders, or all below `HIVE_HOME`.

<config>/config.yaml
<cache>/
<data>/fleets/<fleet>/fleet.db  dispatcher.lock  dispatcher.log  runs/<run>/
"""

from __future__ import annotations

import os
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
    import platformdirs  # 10 ms that trials and tests with HIVE_HOME need not pay

    return Paths(
        platformdirs.user_config_path("hive"),
        platformdirs.user_data_path("hive"),
        platformdirs.user_cache_path("hive"),
    )
