from __future__ import annotations

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hive_tui import plugins
from hive_tui.core.errors import UsageError

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_built_in_table_is_what_pyproject_registers() -> None:
    registered = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]
    assert registered == plugins.BUILT_IN


@pytest.mark.parametrize("group", list(plugins.BUILT_IN))
def test_every_built_in_backend_is_installed_and_loads(group: str) -> None:
    installed = {point.name: point.value for point in entry_points(group=group)}
    for name, target in plugins.BUILT_IN[group].items():
        assert installed[name] == target
        assert plugins._load(group, name) is installed_object(target)


def installed_object(target: str) -> object:
    import importlib

    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def test_an_unknown_backend_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        plugins.agent("cluade")
    assert "claude" in (caught.value.hint or "")
