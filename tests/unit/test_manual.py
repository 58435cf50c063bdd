from __future__ import annotations

import msgspec
import pytest

from hive_tui.cli import manual
from hive_tui.config.reference import tables
from hive_tui.core.settings import ProjectSettings, Settings


@pytest.mark.parametrize("name", sorted(manual.documents()))
def test_the_generated_documents_are_up_to_date(name: str) -> None:
    written = (manual.DOCS / name).read_text(encoding="utf-8")
    assert written == manual.documents()[name], "`make docs` writes it anew"


def test_a_document_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = manual.documents()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("HIVE_FLEET", "other")
    assert manual.documents() == before


@pytest.mark.parametrize("kind", [Settings, ProjectSettings])
def test_every_key_has_its_place_type_and_default(kind: type[msgspec.Struct]) -> None:
    for table in tables(kind):
        assert table.meaning
        for key in table.keys:
            assert key.type
            assert key.meaning, f"{table.prefix}.{key.key} needs a docstring"
            assert key.default
    by_place = {table.prefix: {key.key: key for key in table.keys} for table in tables(Settings)}
    assert by_place["fleets.NAME"]["slots"].default == "`2`"
    assert by_place["fleets.NAME.repos[]"]["name"].default == "must be given"
    assert "when the fleet is first made" in by_place["fleets.NAME"]["slots"].meaning
