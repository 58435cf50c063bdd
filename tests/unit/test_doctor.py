"""What `hive doctor` advises when a check fails for another reason than the one that is usual."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hive_tui.cli import doctor
from hive_tui.core.findings import State


def test_a_full_disk_is_no_reason_to_move_the_database_away(
    hive_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        raise error

    monkeypatch.setattr(sqlite3, "connect", full)
    found = doctor._database(hive_home / "fleet.db")
    assert found.state is State.BROKEN
    assert "Free some disk space" in (found.fix or "")
    assert "out of the way" not in (found.fix or "")
