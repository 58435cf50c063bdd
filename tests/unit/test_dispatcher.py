"""What the dispatching process says of its own troubles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hive_tui import config
from hive_tui.core.errors import HiveError, Refused, SourceError
from hive_tui.core.model import Event
from hive_tui.dispatcher import Dispatcher
from hive_tui.fleet import OpenFleet, open_fleet


class Lease:
    """Fails as it is told to."""

    def __init__(self) -> None:
        self.error: HiveError | None = None

    def beat(self, *, decided_at: datetime | None = None, held: str | None = None) -> None:
        if self.error is not None:
            raise self.error

    def release(self) -> None:
        pass


@pytest.fixture
def fleet(hive_home: Path) -> Iterator[OpenFleet]:
    opened = open_fleet(config.load(), "local")
    yield opened
    opened.close()


def test_a_trouble_that_lasts_is_said_once(fleet: OpenFleet, capsys: pytest.CaptureFixture[str]) -> None:
    dispatcher, lease = Dispatcher(fleet), Lease()
    for error in (SourceError("It is away."), SourceError("It is away."), None, SourceError("It is away.")):
        lease.error = error
        dispatcher._beat(lease)
    assert capsys.readouterr().err.count("It is away.") == 2


def test_a_lease_that_is_another_s_ends_it(fleet: OpenFleet) -> None:
    lease = Lease()
    lease.error = Refused("This dispatcher is not the fleet's any more.")
    with pytest.raises(Refused):
        Dispatcher(fleet)._beat(lease)


def test_what_may_not_be_recorded_can_still_be_done(
    fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def record(event: Event) -> None:
        raise Refused("The cluster forbids to create events.")

    monkeypatch.setattr(fleet.cluster, "record", record)
    Dispatcher(fleet)._record(datetime.now(UTC), "hold", "words", None)
    assert "forbids to create events" in capsys.readouterr().err
