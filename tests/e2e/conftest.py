"""End-to-end tests run whole hives of real processes, and leave none of them behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stage import Stage
from tests.fakes.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose user has a home of their own, without any configuration."""
    home = tmp_path / "user home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.fixture
def stage(folder: Path) -> Callable[..., Stage]:
    def make(files: dict[str, str] | None = None, **changes: Any) -> Stage:
        return Stage(folder, files or {"a.txt": "1\n"}, **changes)

    return make
