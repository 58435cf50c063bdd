"""Who has reserved a pull request: `refs/hive/leases/pull-N`, and a label that shows it to people.

The ref decides; the label, the worker's name, is its mirror. A person who takes the label off ends the lease.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from backends import typed
from backends.forges.github.desk import RepoApi
from backends.forges.github.refs import Register
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.ids import PullKey, WorkerName
from hive_tui.core.model import Lease
from hive_tui.core.text import clean_line

RACES = 8

LABELLING = timedelta(minutes=1)
"""A lease without its label is this young, or a person has ended it."""


class Record(msgspec.Struct, frozen=True):
    """What the ref says; `worker` None is a lease that was given back. Times are GitHub's."""

    worker: WorkerName | None
    until: datetime
    at: datetime
    """When it was written."""
    before: WorkerName | None = None
    """Who had it before: whose label may still be there."""


def find(api: RepoApi, number: int) -> Lease | None:
    """The lease of a pull request, None when there is none or it is over. Raises GitHubError."""
    entry = _register(api, number).read()
    record = _record(entry.text) if entry is not None else None
    if record is None or record.worker is None or record.until <= api.client.now():
        return None
    return Lease(_worker(record.worker), record.until - api.client.limits.skew)


def swap(
    api: RepoApi,
    key: PullKey,
    worker: WorkerName | None,
    until: datetime | None,
    labels: Collection[str],
) -> set[str]:
    """Take, renew or give back; `labels` are those of the pull request now. Raises Refused while another
    worker's lease is valid.

    Returns whose labels must not stay.
    """
    register = _register(api, key.number)
    for _ in range(RACES):
        entry = register.read()
        last = _record(entry.text) if entry is not None else None
        now, skew = api.client.now(), api.client.limits.skew
        if worker is None or until is None:
            if last is None or last.worker is None:
                return _others(last, None)
            wanted = Record(None, now, now, last.worker)
        else:
            if last is not None and (last.worker in labels or now - last.at < LABELLING):
                _refuse(key, last, worker, now, skew)
            same = last is not None and last.worker in (None, worker)
            before = None if last is None else last.before if same else last.worker
            wanted = Record(worker, until + skew, now, before)
        if _same(last, wanted) or register.move(entry, _text(key, wanted)):
            return _others(wanted, worker)
    raise SourceError(f"Others reserve {key} at the same time.", "Try again in a moment.")


def _others(record: Record | None, worker: WorkerName | None) -> set[str]:
    named = set() if record is None else {record.worker, record.before}
    return {_worker(name) for name in named if name is not None and name != worker}


def _same(last: Record | None, wanted: Record) -> bool:
    """Whether there is nothing to write: when it was written does not count."""
    return last is not None and (last.worker, last.until) == (wanted.worker, wanted.until)


def _refuse(key: PullKey, last: Record, worker: WorkerName, now: datetime, skew: timedelta) -> None:
    if last.worker not in (None, worker) and last.until > now:
        who = _worker(last.worker or WorkerName(""))
        raise Refused(
            f"{key} is reserved for {who} until {last.until - skew:%Y-%m-%d %H:%M} UTC.",
            "Take another one, or wait.",
        )


def _register(api: RepoApi, number: int) -> Register:
    return Register(api, f"hive/leases/pull-{number}")


def _worker(name: str) -> WorkerName:
    return WorkerName(clean_line(name, limit=60))


def _text(key: PullKey, record: Record) -> str:
    what = f"reserve !{key.number} for {record.worker}" if record.worker else f"release !{key.number}"
    return f"hive: {what}\n\n{msgspec.json.encode(record).decode()}\n"


def _record(message: str) -> Record | None:
    lines = message.strip().splitlines()
    try:
        record = typed.decode(lines[-1] if lines else "", Record)
    except msgspec.DecodeError:
        return None
    return record if record.until.tzinfo is not None and record.at.tzinfo is not None else None
