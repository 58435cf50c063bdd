"""Every test has hive's folders to itself, and an environment that says nothing about hive."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.cluster import named
from tests.honesty import (
    fake_calls,
    honest,
    published_schema,
    pytest_configure,
    pytest_report_header,
    pytest_runtest_makereport,
)

__all__ = [
    "fake_calls",
    "honest",
    "published_schema",
    "pytest_configure",
    "pytest_report_header",
    "pytest_runtest_makereport",
]

named.settle(os.environ)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders. Pytest's own way to one looks at all there are, for each of thousands of tests."""
    folder = tmp_path_factory.mktemp("hive-homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def hive_home(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> Path:
    home = next(homes)
    home.mkdir()
    for name in ("HIVE_FLEET", "HIVE_RUN", "HIVE_COLOR", "HIVE_DEBUG", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIVE_HOME", str(home))
    monkeypatch.setenv("HIVE_USER", "kay")
    return home


def pytest_collection_finish() -> None:
    """Look for garbage as seldom as `hive` does, and not among the thousands of tests."""
    gc.set_threshold(100_000, 20, 20)
    gc.collect()
    gc.freeze()
