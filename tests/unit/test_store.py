"""Snapshots, diffs, and sources that fail without taking anything away."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hive_tui.core.model import DISPATCHER, Event
from hive_tui.core.sources import CLUSTER, FORGE, Alive, Changed, Health, Kind, Listed, SourceFailed
from hive_tui.core.store import MAX_EVENTS, STALE_AFTER, Store
from tests import builders as b
from tests.builders import NOW


def test_a_new_store_knows_nothing_and_says_so() -> None:
    store = Store((CLUSTER, FORGE))
    assert not store.complete
    assert not store.snapshot.readable
    assert store.snapshot.fleet is None


def test_full_state_then_changes() -> None:
    store = b.store(b.issue(1), b.issue(2))
    assert store.complete
    assert store.snapshot.readable
    other = msgspec.structs.replace(b.issue(1), title="changed")
    diff = store.apply([Changed(FORGE, (other,), ((Kind.ISSUE, b.issue(2).key),))], NOW)
    assert diff.keys(Kind.ISSUE) == {b.issue(1).key, b.issue(2).key}
    assert list(store.snapshot.issues.values()) == [other]


def test_a_snapshot_that_was_given_out_never_changes() -> None:
    store = b.store(b.issue(1))
    before = store.snapshot
    store.apply([Changed(FORGE, (b.issue(2),))], NOW)
    assert len(before.issues) == 1
    assert store.snapshot.version == before.version + 1
    assert store.snapshot.runs is before.runs


def test_what_is_listed_again_unchanged_is_no_change_and_the_same_object() -> None:
    store = b.store(b.issue(1), b.issue(2))
    kept = store.snapshot.issues[b.issue(1).key]
    new = msgspec.structs.replace(b.issue(2), title="new")
    diff = store.apply([Listed(FORGE, (Kind.ISSUE, Kind.PULL), (b.issue(1), new))], NOW)
    assert diff.keys(Kind.ISSUE) == {new.key}
    assert store.snapshot.issues[b.issue(1).key] is kept
    assert not store.apply([Listed(FORGE, (Kind.ISSUE, Kind.PULL), (b.issue(1), new))], NOW)


def test_what_is_not_listed_any_more_is_gone() -> None:
    store = b.store(b.issue(1), b.run(1))
    diff = store.apply([Listed(FORGE, (Kind.ISSUE, Kind.PULL), ())], NOW)
    assert diff.keys(Kind.ISSUE) == {b.issue(1).key}
    assert len(store.snapshot.runs) == 1


def test_a_failed_source_keeps_what_it_said() -> None:
    store = b.store(b.issue(1))
    diff = store.apply([SourceFailed(FORGE, "no route", NOW + timedelta(seconds=9))], NOW)
    assert diff.sources
    snapshot = store.snapshot
    assert len(snapshot.issues) == 1
    assert not snapshot.readable
    source = snapshot.sources[FORGE]
    assert (source.state, source.why, source.heard_at) == (Health.FAILED, "no route", NOW)
    assert store.apply([Changed(FORGE)], NOW).sources
    assert store.snapshot.readable


def test_silence_makes_stale_and_a_word_makes_fresh() -> None:
    store = b.store()
    later = NOW + STALE_AFTER + timedelta(seconds=1)
    assert store.refresh(later).sources
    assert store.snapshot.sources[CLUSTER].state is Health.STALE
    store.apply([Alive(CLUSTER), Alive(FORGE)], later)
    assert store.snapshot.readable


def test_a_mirror_lives_though_what_it_has_is_older() -> None:
    store = b.store()
    later = NOW + timedelta(minutes=5)
    store.apply([Alive(CLUSTER), Alive(FORGE, NOW)], later)
    assert (store.snapshot.readable, store.snapshot.sources[FORGE].heard_at) == (True, NOW)
    silent = later + STALE_AFTER + timedelta(seconds=1)
    store.refresh(silent)
    assert (store.snapshot.sources[FORGE].state, store.snapshot.sources[FORGE].heard_at) == (
        Health.STALE,
        NOW,
    )
    store.apply([Alive(FORGE, silent)], NOW)
    assert store.snapshot.sources[FORGE].heard_at == NOW, "the clock was set back"


def test_being_alive_is_not_having_said_everything() -> None:
    store = Store((CLUSTER, FORGE))
    store.apply([Alive(CLUSTER), Alive(FORGE)], NOW)
    assert not store.complete
    assert not store.snapshot.readable


def test_a_source_that_failed_and_lives_again_says_its_state_first() -> None:
    store = Store((CLUSTER,))
    store.apply([SourceFailed(CLUSTER, "gone")], NOW)
    assert store.complete
    assert not store.snapshot.readable
    store.apply([Alive(CLUSTER)], NOW)
    assert not store.snapshot.readable


def test_a_clock_that_was_set_back_makes_nothing_stale() -> None:
    store = b.store()
    store.refresh(NOW - timedelta(days=1))
    assert store.snapshot.readable


def test_a_source_that_fell_silent_when_the_clock_was_set_back_becomes_stale() -> None:
    store = b.store()
    back = NOW - timedelta(days=1)
    store.refresh(back)
    store.refresh(back + STALE_AFTER + timedelta(seconds=1))
    assert store.snapshot.sources[CLUSTER].state is Health.STALE


def test_events_are_in_order_and_bounded() -> None:
    store = b.store()
    events = tuple(Event(n, NOW, DISPATCHER, "start", str(n)) for n in range(MAX_EVENTS + 10, 0, -1))
    store.apply([Changed(CLUSTER, events)], NOW)
    kept = store.snapshot.events
    assert len(kept) == MAX_EVENTS
    assert [event.seq for event in kept] == list(range(11, MAX_EVENTS + 11))
