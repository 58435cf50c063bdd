"""A dispatcher whose ledger cannot be kept decides nothing, says so once, and goes on when it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from backends.ledger import FleetLedger
from hive_tui import config
from hive_tui.core.errors import StoreError
from hive_tui.dispatcher import Dispatcher
from hive_tui.fleet import OpenFleet, open_fleet
from tests.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def fleet(hive_home: Any) -> Iterator[OpenFleet]:
    opened = open_fleet(config.load(), "local")
    yield opened
    opened.close()


def test_it_waits_for_its_ledger(fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    full = True
    pruned = threading.Event()

    def prune(self: FleetLedger, before: object) -> int:
        if full:
            raise StoreError("No space left.", "Free some disk space.")
        pruned.set()
        return 0

    def complaints() -> list[str]:
        return [event.text for event in fleet.read_snapshot().events if "ledger" in event.text]

    monkeypatch.setattr(FleetLedger, "prune", prune)
    dispatcher = Dispatcher(fleet)
    thread = threading.Thread(target=dispatcher.run, daemon=True)
    thread.start()
    try:
        until(lambda: bool(complaints()), what="the complaint")
        full = False
        assert pruned.wait(20)
    finally:
        dispatcher.stop()
        thread.join(20)
    assert complaints() == [
        "the ledger cannot be kept, and nothing is decided: No space left. Free some disk space."
    ]
