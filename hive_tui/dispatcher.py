"""The dispatcher: watch -> store -> decide -> execute, headless, one per fleet.

    python -P -m hive_tui.dispatcher --fleet NAME [--config PATH]

It holds no state of its own that matters: whatever it knows is in the backends, so it may be killed
at any line and started again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hive_tui import __version__, config, plugins
from hive_tui.bookkeeping import Bookkeeper, Listen, priced, transcripts
from hive_tui.core.decisions import Decision, Launch, Recover, Start, about, undone
from hive_tui.core.dispatch import Plan, Planner
from hive_tui.core.errors import HiveError, SourceError, StoreError
from hive_tui.core.execution import Executor
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import DISPATCHER, Event
from hive_tui.core.ports import DispatchLease, Remote
from hive_tui.core.settings import PriceSettings
from hive_tui.core.sources import CLUSTER, FORGE, Kind
from hive_tui.core.store import Diff, Snapshot, Store
from hive_tui.core.targets import runs_of_issue
from hive_tui.feed import Feed
from hive_tui.fleet import LOCAL, OpenFleet, open_fleet
from hive_tui.system import processes, streams

TICK = 1.0
"""Seconds after which time alone may change a decision (back-off, quotas)."""

LOOK = 5.0
"""Seconds between looks at the configuration."""

AFTER_BUG = 30.0
"""Seconds until the tracker is polled again after an unforeseen error."""

BEAT = timedelta(seconds=5)

LOGGED_GATES = frozenset({"author", "edited", "definition-of-done", "plan", "attempts", "budget"})
"""Gates that a person has to open; the others come and go by themselves and would flood the log."""

MAX_HOLDS = 20
"""Lines about held issues per decision."""


_NO_REPOSITORY = Remote("", "")

LoadConfiguration = Callable[[], config.Configuration]


class Dispatcher:
    """One fleet's dispatcher. `run` blocks until `stop` is called."""

    def __init__(
        self,
        fleet: OpenFleet,
        load: LoadConfiguration | None = None,
        listen: Listen | None = None,
        prices: Mapping[str, PriceSettings] | None = None,
    ) -> None:
        """`load` reads the configuration anew; with None it is never looked at again. `listen` is for the
        ledger where agents leave transcripts on this machine, `prices` are the configured ones."""
        self._fleet = fleet
        self._prices = prices or {}
        self._books = Bookkeeper(fleet.ledger, listen, priced(self._prices))
        self._load = load
        self._complaint: str | None = None
        self._beatless: str | None = None
        """Why it could not be said that this one dispatches, the last time."""
        self.outdated = False
        """It stopped because the fleet's configuration has changed."""
        self._feed = Feed(fleet.cluster, fleet.forge)
        self._store = Store((CLUSTER, FORGE))
        self._planner = Planner(fleet.settings)
        me = processes.identify()
        self._executor = Executor(
            fleet=fleet.name,
            cluster=fleet.cluster,
            forge=fleet.forge,
            settings=fleet.settings,
            holder=f"{me.pid}@{me.boot[:8]}" if me is not None else "unknown",
            credentials=lambda backend: plugins.agent(backend).credentials,
            attempts=lambda key: runs_of_issue(self._store.snapshot, key),
            pull=lambda key: self._store.snapshot.pulls.get(key),
            account=self._books.enter,
        )
        self._caught_up = False
        """The runs that were settled before have their rows, too."""
        self._unkept: str | None = None
        """Why the ledger cannot be kept."""
        self._stop = threading.Event()
        self._poll_now = threading.Event()
        self._active = False
        self._failed: dict[str, tuple[int, datetime]] = {}
        self._gates: dict[IssueKey, str] = {}
        self._gates_known = False
        self._woken: int | None = None
        self._troubles: set[str] = set()
        self._held: str | None = None
        """Of `_troubles`, what everybody who looks at the fleet was told last."""

    def stop(self) -> None:
        """End after the current decision."""
        self._stop.set()
        self._poll_now.set()
        self._feed.stop.set()

    def run(self) -> None:
        """Dispatch until stopped. Raises Refused when the fleet has a dispatcher already."""
        lease = self._fleet.cluster.hold_dispatch(__version__)
        try:
            self._feed.start()
            threading.Thread(target=self._keep_polling, name="poll", daemon=True).start()
            self._loop(lease)
        finally:
            self.stop()
            self._feed.close()
            lease.release()

    def _loop(self, lease: DispatchLease) -> None:
        beaten_at = decided_at = datetime.now(UTC)
        self._beat(lease)
        while not self._stop.is_set():
            events = self._feed.take(TICK)
            now = datetime.now(UTC)
            diff = self._store.apply(events, now)
            if self._store.complete and self._decide(diff, now):
                decided_at = now
                self._beat(lease, decided_at)
                beaten_at = now
            elif self._held != self._trouble_now() or not timedelta(0) <= now - beaten_at < BEAT:
                self._beat(lease)
                beaten_at = now

    def _beat(self, lease: DispatchLease, decided_at: datetime | None = None) -> None:
        """Say that this one dispatches. Raises Refused when it does not any more."""
        try:
            self._held = self._trouble_now()
            lease.beat(decided_at=decided_at, held=self._held)
            self._beatless = None
        except SourceError as error:
            # The lock is held all the same: a full disk or a busy file delays the word, not the work.
            if error.message != self._beatless:
                print(f"cannot write the last decision's time: {error.message}", file=sys.stderr, flush=True)
            self._beatless = error.message

    def _trouble_now(self) -> str | None:
        return "; ".join(sorted(self._troubles))[:500] or None

    def _decide(self, diff: Diff, now: datetime) -> bool:
        """One round; True if something was done."""
        if not self._keep_books(now):
            return False
        snapshot = self._store.snapshot
        self._active = any(run.live for run in snapshot.runs.values())
        self._wake(snapshot)
        plan = self._planner.decide(snapshot, now)
        renewals = self._executor.renewals(snapshot.runs.values(), now) if snapshot.readable else ()
        decisions = self._possible((*renewals, *plan.decisions), now)
        done = [decision for decision in decisions if self._try(decision, now)]
        if diff:
            self._log_gates(snapshot, plan, diff, now)
        return bool(done)

    def _keep_books(self, now: datetime) -> bool:
        """Have budgets know what the ledger has; False while nobody can tell."""
        try:
            if not self._caught_up and self._store.snapshot.readable:
                self._books.catch_up(self._store.snapshot.runs.values())
                self._caught_up = True
            self._books.prune(self._fleet.settings.keep_costs_days, now)
            self._store.book(self._books.booked(self._store.snapshot.runs, now))
        except StoreError as error:
            why = f"the ledger cannot be kept, and nothing is decided: {error.words}"
            if why != self._unkept:
                print(f"{now.isoformat(timespec='seconds')} {why}", file=sys.stderr, flush=True)
                self._record(now, "error", why, None)
            self._unkept = why
            return False
        self._unkept = None
        return True

    def _possible(self, decisions: Sequence[Decision], now: datetime) -> list[Decision]:
        """Leave out what this machine cannot carry out now; each reason is said once."""
        troubles: dict[str, str | None] = {}
        possible = []
        for decision in decisions:
            remote = self._remote(decision)
            if remote is not None:
                if remote.source not in troubles:
                    troubles[remote.source] = self._trouble(remote)
                if troubles[remote.source] is not None:
                    continue
            possible.append(decision)
        reasons = {why for why in troubles.values() if why is not None}
        for why in sorted(reasons - self._troubles):
            print(f"{now.isoformat(timespec='seconds')} {why}", file=sys.stderr, flush=True)
            self._record(now, "error", why, None)
        self._troubles = reasons
        return possible

    def _remote(self, decision: Decision) -> Remote | None:
        """The repository that a process started by this decision needs; one without a source for the
        machine alone."""
        match decision:
            case Start():
                name = decision.key.repo
            case Launch():
                name = decision.run.spec.repo
            case Recover():
                # A run whose repository is gone has to end all the same.
                return _NO_REPOSITORY
            case _:
                return None
        try:
            return self._fleet.forge.remote(name)
        except HiveError:
            return _NO_REPOSITORY  # said when the decision is carried out

    def _trouble(self, remote: Remote) -> str | None:
        try:
            self._fleet.cluster.check_ready(remote.source, remote)
        except HiveError as error:
            return f"nothing is started: {error.message} {error.hint or ''}".strip()
        return None

    def _try(self, decision: Decision, now: datetime) -> bool:
        """Execute, unless the same failed a moment ago; each failure in a row doubles the wait."""
        name = _name(decision)
        failures, again = self._failed.get(name, (0, now))
        if now < again or self._stop.is_set():
            return False
        try:
            done = self._executor.execute(decision, now)
        except HiveError as error:
            self._fail(decision, failures, now, error.message)
            return False
        # The process's edge: one decision that fails in a new way must not stop all others.
        except Exception as error:
            traceback.print_exc()
            self._fail(decision, failures, now, f"{type(error).__name__}: {error}")
            return False
        self._failed.pop(name, None)
        return done

    def _fail(self, decision: Decision, failures: int, now: datetime, why: str) -> None:
        wait = timedelta(seconds=min(60.0, 2.0**failures))
        self._failed[_name(decision)] = (failures + 1, now + wait)
        words = f"{undone(decision)}: {why} (next try in {wait.seconds} s)"
        print(f"{now.isoformat(timespec='seconds')} {words}", file=sys.stderr, flush=True)
        self._record(now, "error", words, about(decision))

    def _record(self, now: datetime, kind: str, words: str, key: IssueKey | None) -> None:
        event = Event(0, now, DISPATCHER, kind, words, key.repo if key else None, key.number if key else None)
        try:
            self._fleet.cluster.record(event)
        except HiveError as error:  # a right that was withdrawn, too: what cannot be said can still be done
            print(f"cannot write the event log: {error.message}", file=sys.stderr, flush=True)

    def _wake(self, snapshot: Snapshot) -> None:
        """A `wake` in the fleet's log (a person's `hive dispatch`) has the forge read at once."""
        latest = max((event.seq for event in snapshot.events if event.kind == "wake"), default=0)
        if self._woken is not None and latest > self._woken:
            self._feed.wake.set()
            self._poll_now.set()
            self._failed.clear()
        self._woken = latest

    def _log_gates(self, snapshot: Snapshot, plan: Plan, diff: Diff, now: datetime) -> None:
        """Write down what newly holds an issue."""
        if not self._gates_known:
            # After a restart the log itself tells what was said before.
            for event in snapshot.events:
                if event.kind == "hold" and event.repo is not None and event.number is not None:
                    self._gates[IssueKey(event.repo, event.number)] = event.text
            self._gates_known = True
        touched = {key for kind in (Kind.ISSUE, Kind.CLAIM) for key in diff.keys(kind)}
        logged = 0
        for key in touched:
            if not isinstance(key, IssueKey):
                continue
            gate = plan.gate(key)
            if gate is None or gate.name not in LOGGED_GATES:
                self._gates.pop(key, None)
            elif self._gates.get(key) != gate.detail and logged < MAX_HOLDS:
                self._gates[key] = gate.detail
                self._record(now, "hold", gate.detail, key)
                logged += 1

    def _keep_polling(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            wanted = self._poll_now.is_set()
            self._poll_now.clear()
            if wanted or time.monotonic() >= due:
                try:
                    pause = self._fleet.forge.poll(active=self._active, wanted=wanted)
                # The thread's edge: said in the log, and tried again at the next turn.
                except Exception as error:
                    self._record(datetime.now(UTC), "error", f"reading the tracker failed: {error}", None)
                    pause = AFTER_BUG
                due = time.monotonic() + pause
            self._look_at_configuration()
            self._poll_now.wait(min(LOOK, max(0.0, due - time.monotonic())))

    def _look_at_configuration(self) -> None:
        """Stop when the fleet's settings have changed. With a mistake in them, what held before holds on."""
        if self._load is None:
            return
        complaint = None
        try:
            loaded = self._load()
            changed = (
                loaded.fleet(self._fleet.name) != self._fleet.settings
                or loaded.settings.prices != self._prices
            )
        except HiveError as error:
            changed, complaint = False, error.words
        if complaint is not None and complaint != self._complaint:
            self._record(datetime.now(UTC), "error", f"the configuration is not taken in: {complaint}", None)
        self._complaint = complaint
        if changed:
            self._record(datetime.now(UTC), "config", "the configuration has changed and is taken in", None)
            self.outdated = True
            self.stop()


def _name(decision: Decision) -> str:
    """What a decision is about, the same when it is decided again."""
    match decision:
        case Start():
            subject = str(decision.key)
        case _:
            found = (getattr(decision, name, None) for name in ("run", "claim", "agent", "key"))
            thing = next(item for item in found if item is not None)
            subject = str(getattr(thing, "id", None) or getattr(thing, "key", None) or thing)
    return f"{type(decision).__name__} {subject}"


def main(argv: list[str] | None = None) -> int:
    """The detached process. Exit codes: 0 stopped, 1 failed, 2 wrong call, 3 another one dispatches."""
    parser = argparse.ArgumentParser(prog="python -m hive_tui.dispatcher", description=__doc__)
    parser.add_argument("--fleet", required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args(argv)
    streams.let_errors_be_lost()
    try:
        return dispatch(lambda: config.load(options.config), options.fleet)
    except HiveError as error:
        print(f"hive: {error.message}", error.hint or "", file=sys.stderr, flush=True)
        return error.exit_code


def dispatch(load: LoadConfiguration, name: str) -> int:
    """Dispatch the fleet in this process until SIGTERM or SIGINT. Raises HiveError."""
    current: Dispatcher | None = None
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        if current is not None:
            current.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    # A closed terminal is no reason to stop: that is what detaching is for.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    outdated = True
    while outdated and not ended:
        configuration = load()
        fleet = open_fleet(configuration, name)
        here = fleet.settings.cluster == LOCAL
        prices = configuration.settings.prices
        listen = transcripts(configuration.folders.cache, prices) if here else None
        current = Dispatcher(fleet, load, listen, prices)
        if ended:  # by a signal that came before there was this one to stop
            current.stop()
        try:
            current.run()
        finally:
            fleet.close()
        outdated = current.outdated
    return 0


if __name__ == "__main__":
    sys.exit(main())
