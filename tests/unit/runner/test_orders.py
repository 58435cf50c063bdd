from __future__ import annotations

import signal
from pathlib import Path

import pytest

from hive_tui.core.errors import StoreError
from hive_tui.core.model import Control, ControlKind, Phase
from hive_tui.runner.orders import Orders, Signals, Stopped
from tests.fakes.run_host import FakeHost, job


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "home", job(tmp_path))


def test_a_message_is_handed_out_once_also_after_a_restart(host: FakeHost) -> None:
    host.order(ControlKind.MESSAGE, "one")
    first = Orders(host, Signals(), 60)
    first.look()
    assert [order.text for order in first.messages()] == ["one"]
    assert first.messages() == []
    host.order(ControlKind.MESSAGE, "two")
    again = Orders(host, Signals(), 60)
    again.look()
    assert [order.text for order in again.messages()] == ["two"]


def test_a_message_that_was_read_but_not_handed_out_is_not_lost(host: FakeHost) -> None:
    host.order(ControlKind.MESSAGE, "one")
    Orders(host, Signals(), 60).look()
    again = Orders(host, Signals(), 60)
    again.look()
    assert [order.text for order in again.messages()] == ["one"]


def test_an_order_to_stop_names_who_gave_it(host: FakeHost) -> None:
    orders = Orders(host, Signals(), 60)
    orders.look()
    host.order(ControlKind.STOP, "wrong issue")
    signals = Signals()
    signals._end(signal.SIGTERM, None)
    with pytest.raises(Stopped) as caught:
        Orders(host, signals, 60).look()
    over = caught.value.over
    assert (over.phase, over.why, over.evidence) == (Phase.KILLED, "by anna", "wrong issue")


def test_a_wake_up_reads_at_once(host: FakeHost) -> None:
    signals = Signals()
    orders = Orders(host, signals, 60)
    orders.look()
    host.order(ControlKind.MESSAGE, "now")
    signals._wake(signal.SIGHUP, None)
    orders.look()
    assert len(orders.messages()) == 1


def test_the_deadline_stops(host: FakeHost) -> None:
    with pytest.raises(Stopped, match="deadline"):
        Orders(host, Signals(), 0).look()


def test_a_busy_store_is_asked_again(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(after: int) -> list[Control]:
        raise StoreError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(host, "controls", busy)
        orders = Orders(host, Signals(), 60)
        orders.look()
    host.order(ControlKind.STOP)
    orders.read()
    with pytest.raises(Stopped):
        orders.look()
