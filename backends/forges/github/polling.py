"""Keeps the mirror up to date: a free probe of every repository, then one query about all that moved.

One poll at a time for a fleet, whoever does it (`poll.lock`): the dispatcher, or a console that finds none.
One repository's failure is its own; what concerns GitHub as a whole (no answer, no right, no points) ends the
poll, and what came before is published all the same.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import msgspec

from backends.forges.github import cadence, decode
from backends.forges.github.client import Client, Found, QueryError
from backends.forges.github.errors import (
    BadToken,
    Garbled,
    GitHubError,
    NoToken,
    QueryFailed,
    RateLimited,
    ServerDown,
)
from backends.forges.github.limits import GRAPHQL
from backends.forges.github.lookups import Lookups
from backends.forges.github.mirror import Known, Mirror, TakingIn, Tracker
from backends.forges.github.probing import Moved, probe
from backends.forges.github.query import Ask, Query, batch
from backends.forges.github.reading import Reading, checks_open
from hive_tui.core.errors import HiveError, SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.model import PullRequest
from hive_tui.core.settings import FleetSettings
from hive_tui.core.text import clean_line
from hive_tui.system import flock

LOOK = 2.0
"""Seconds after which a caller asks again whether somebody wants a poll."""

AT_ONCE = 6
"""Requests under way at the same time; GitHub allows a hundred, and likes few."""

FIRST_LOAD = timedelta(minutes=2)
"""What was read of a first load is not asked about again within this."""

MAX_TURNS = 100
"""Of questions in one poll: lists of ten thousand entries."""


def _now() -> datetime:
    return datetime.now(UTC)


class Poller:
    """Polls one site for one fleet. Thread-safe: a second poll at the same time does nothing."""

    def __init__(
        self,
        *,
        home: Path,
        mirror: Mirror,
        client: Client,
        settings: FleetSettings,
        identity: str,
        scope: Callable[[RepoName], str],
        clock: Callable[[], datetime] = _now,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """`scope`: repositories of one scope can be asked for in one query."""
        self._lock = home / "poll.lock"
        self._mirror = mirror
        self._client = client
        self._lookups = Lookups(client, mirror, settings)
        self._settings = settings
        self._identity = identity
        self._scope = scope
        self._clock = clock
        self._luck = luck
        self._queried_at: datetime | None = None

    def poll(self, *, active: bool, wanted: bool, patience: float = cadence.PATIENCE) -> float:
        """Poll if it is due or wanted; returns the seconds until this is to be asked again.

        `patience`: seconds for one call to GitHub with its repetitions.
        """
        if not self._mirror.repos:
            return LOOK
        if self._due(self._mirror.tracker(), active=active, wanted=wanted):
            with flock.waited_for(self._lock, 0.0) as alone:
                # Somebody else may have polled between the look and the lock.
                tracker = self._mirror.tracker()
                if alone and self._due(tracker, active=active, wanted=wanted):
                    self._poll(tracker, active=active, wanted=wanted, patience=patience)
        tracker = self._mirror.tracker()
        if tracker.next_at is None:
            return LOOK
        return max(0.05, min(LOOK, (tracker.next_at - self._clock()).total_seconds()))

    def _due(self, tracker: Tracker, *, active: bool, wanted: bool) -> bool:
        now = self._clock()
        if wanted or tracker.next_at is None or tracker.tried_at is None or now >= tracker.next_at:
            return True
        if tracker.tried_at > now:
            return True  # the clock was set back
        since = (now - tracker.tried_at).total_seconds()
        if tracker.why is not None:
            return False
        if active and since >= self._settings.github.active_seconds:
            return True  # the last look was made when nothing was at work
        return since >= cadence.WRITE_GAP and self._mirror.wanted()

    def _poll(self, tracker: Tracker, *, active: bool, wanted: bool, patience: float) -> None:
        started = self._clock()
        self._mirror.take_wish()
        known = self._mirror.known()
        pulls = self._mirror.pulls()
        due = [repo for repo in sorted(self._mirror.repos) if wanted or _may_be_tried(known[repo], started)]
        if tracker.polled_at is None and not wanted:
            # A first load that was cut off goes on where it was.
            due = [repo for repo in due if not _was_just_read(known[repo], started)]
        readings = {repo: Reading(repo, known[repo], self._mirror, self._settings.labels) for repo in due}
        failed: HiveError | None = None
        cost = 0
        try:
            self._probe(readings, pulls, started, patience, asked=wanted)
            self._decide_what_waits(list(readings.values()), started, asked=wanted)
            cost, failed = self._read(readings, patience)
        except SourceError as error:
            failed = error
        self._publish(tracker, readings.values(), failed, active=active, cost=cost)

    # First tier

    def _probe(
        self,
        readings: dict[RepoName, Reading],
        pulls: dict[RepoName, list[PullRequest]],
        now: datetime,
        patience: float,
        *,
        asked: bool,
    ) -> None:
        """Raises SourceError for what concerns all of GitHub."""
        stop = threading.Event()

        def work(reading: Reading) -> SourceError | None:
            if stop.is_set():
                return None
            found: Moved | None = None
            try:
                if reading.known.sync.full_at is not None:
                    base = reading.known.state.base if pulls[reading.repo] else None
                    found = probe(self._client, reading.repo, reading.known.sync, base=base, seconds=patience)
            except GitHubError as error:
                reading.fail(error)
                return self._of_all(error, reading.repo, stop)
            except SourceError as error:  # no token
                stop.set()
                return error
            reading.begin(found, pulls[reading.repo], now, asked=asked)
            return None

        failures = [error for error in _together(work, list(readings.values())) if error is not None]
        answered = any(reading.error is None for reading in readings.values())
        for error in failures:
            if not (isinstance(error, ServerDown) and answered):
                raise error

    def _of_all(self, error: GitHubError, repo: RepoName, stop: threading.Event) -> SourceError | None:
        """The error if it may concern more than one repository."""
        if isinstance(error, BadToken) and self._scope(repo):
            return None  # an App's token for this owner
        if isinstance(error, RateLimited | BadToken):
            stop.set()
            return error
        return error if isinstance(error, ServerDown) else None

    # Second tier

    def _decide_what_waits(self, readings: Sequence[Reading], now: datetime, *, asked: bool) -> None:
        """What can wait costs nothing beside what cannot: a query is a point, however little it asks for."""
        last = self._queried_at
        waited = last is None or not 0 <= (now - last).total_seconds() < cadence.LATER_SECONDS
        if asked or waited or any(reading.ask is not None for reading in readings):
            for reading in readings:
                if reading.can_wait:
                    reading.wait_no_longer()
        if any(reading.ask is not None for reading in readings):
            self._queried_at = now

    def _groups(self, readings: dict[RepoName, Reading]) -> list[list[Reading]]:
        """Repositories that one query asks about."""
        groups: list[list[Reading]] = []
        for query in self._queries([reading for reading in readings.values() if reading.ask is not None]):
            asked = [readings[repo] for repo in dict.fromkeys(ask.repo for ask in query.asks)]
            if groups and groups[-1][-1] is asked[0]:  # too much for one query
                asked = [*groups.pop(), *asked[1:]]
            groups.append(asked)
        return groups

    def _read(self, readings: dict[RepoName, Reading], patience: float) -> tuple[int, SourceError | None]:
        """Ask until nothing is open; returns the points, and what concerns all of GitHub.

        What one query asks about is read to its end, whatever becomes of the others.
        """
        groups = self._groups(readings)
        stop = threading.Event()
        costs: list[int] = []

        def work(group: list[Reading]) -> SourceError | None:
            if stop.is_set():
                return None
            try:
                error = self._read_group(group, readings, patience, costs)
            except SourceError as found:
                error = found
            if error is not None and not isinstance(error, ServerDown):
                stop.set()
            return error

        errors = _together(work, groups)
        answered = any(error is None for error in errors)
        for group, error in zip(groups, errors, strict=True):
            failed_before = len(group) == 1 and group[0].known.sync.failures > 0
            its_own = isinstance(error, ServerDown) and (answered or failed_before)
            if error is not None and not its_own:
                return sum(costs), error
        return sum(costs), None

    def _read_group(
        self, group: list[Reading], readings: dict[RepoName, Reading], patience: float, costs: list[int]
    ) -> SourceError | None:
        """Ask until nothing is open; returns what concerns more than the group. May raise SourceError."""
        for _ in range(MAX_TURNS):
            open_ones = [reading for reading in group if reading.ask is not None]
            if not open_ones:
                break
            for query in self._queries(open_ones):
                costs.append(query.cost)
                error = self._ask(query, readings, patience)
                if error is not None:
                    return error
            for reading in open_ones:
                reading.turn()
        self._look_up(group)
        self._keep_first(group)
        return None

    def _look_up(self, group: list[Reading]) -> None:
        """Raises SourceError for all of GitHub."""
        for reading in group:
            try:
                if reading.error is None:
                    self._lookups.complete(reading)
            except GitHubError as error:
                reading.fail(error)
                if isinstance(error, RateLimited | ServerDown):
                    raise

    def _keep_first(self, group: list[Reading]) -> None:
        """Publish at once what was read for the first time: whoever cannot wait for all of it, and asks
        again, gets further each time."""
        first = [r for r in group if r.known.sync.full_at is None and r.error is None and r.done]
        if first:
            with self._mirror.taking_in() as into:
                self._take_in(into, first, self._clock())

    def _take_in(self, into: TakingIn, readings: Iterable[Reading], now: datetime) -> None:
        for reading in readings:
            reading.take_in(into, now, self._luck())
            reading.published = True

    def _queries(self, readings: Sequence[Reading]) -> list[Query]:
        """Few queries for all of them, but none across owners whose tokens differ."""
        asks: list[Ask] = [reading.ask for reading in readings if reading.ask is not None]
        by_scope = groupby(
            sorted(asks, key=lambda ask: self._scope(ask.repo)), lambda ask: self._scope(ask.repo)
        )
        return [query for _, group in by_scope for query in batch(group)]

    def _ask(self, query: Query, readings: dict[RepoName, Reading], patience: float) -> SourceError | None:
        """Send one query and hand out what it brought; returns what concerns all of GitHub."""
        repos = list(dict.fromkeys(ask.repo for ask in query.asks))
        what = f"the query about {repos[0]}" + (f" and {len(repos) - 1} more" if len(repos) > 1 else "")
        try:
            found = self._send(query, repos, what, patience)
            answers = _answers(found, what)
        except (ServerDown, QueryFailed, Garbled) as error:
            if len(repos) > 1:
                return self._one_by_one(query, readings, patience)
            return self._fail(readings, repos, error)
        except GitHubError as error:
            return self._fail(readings, repos, error)
        except SourceError as error:
            return error
        general = [error for error in found.errors if not error.path]
        for number, ask in enumerate(query.asks):
            alias = f"r{number}"
            errors = [_below(error) for error in found.errors if error.path and error.path[0] == alias]
            self._take(readings[ask.repo], answers.get(alias), [*errors, *general], found)
        return None

    def _one_by_one(
        self, query: Query, readings: dict[RepoName, Reading], patience: float
    ) -> SourceError | None:
        """What cannot be answered for several may be for each: one that is too much hides no other."""
        answered, last = False, None
        for _, asks in groupby(query.asks, lambda ask: ask.repo):
            for part in batch(asks):
                error = self._ask(part, readings, min(patience, cadence.HASTE))
                if error is not None and last is not None and not answered:
                    return error  # the second in a row: it is GitHub's trouble
                answered, last = answered or error is None, error or last
        return None if answered else last

    def _send(self, query: Query, repos: Sequence[RepoName], what: str, patience: float) -> Found:
        """Ask as whoever may: an App that was not given one of an owner's repositories may have others."""
        refused: NoToken | None = None
        for repo in repos:
            try:
                return self._client.graphql(
                    query.text, repo=repo, cost=query.cost, what=what, seconds=patience
                )
            except NoToken as error:
                refused = refused or error
        assert refused is not None, "a query is about something"
        raise refused

    def _take(
        self, reading: Reading, raw: msgspec.Raw | None, errors: list[QueryError], found: Found
    ) -> None:
        try:
            seen = decode.repository(raw or msgspec.Raw(b"null"), reading.repo, self._identity)
        except msgspec.DecodeError as error:
            words = clean_line(str(error), limit=200)
            reading.fail(Garbled(f"GitHub's answer about {reading.repo} is of another shape: {words}."))
            return
        reading.take(seen, errors, found.date or self._client.now())

    def _fail(
        self, readings: dict[RepoName, Reading], repos: list[RepoName], error: GitHubError
    ) -> SourceError | None:
        for repo in repos:
            readings[repo].fail(error)
        mine = isinstance(error, QueryFailed | Garbled | NoToken)
        if mine or (isinstance(error, BadToken) and self._scope(repos[0])):
            return None
        return error if isinstance(error, SourceError) else None

    # The end

    def _publish(
        self,
        before: Tracker,
        readings: Collection[Reading],
        failed: HiveError | None,
        *,
        active: bool,
        cost: int,
    ) -> None:
        now = self._clock()
        uses = self._client.uses()
        first = [reading for reading in readings if reading.published]
        # What concerns all of GitHub says nothing against one repository.
        rest = [r for r in readings if not r.published and (failed is None or (r.error is None and r.done))]
        with self._mirror.taking_in() as into:
            self._take_in(into, rest, now)
            into.tidy(self._mirror.repos, now)
            into.budgets(uses)
            changed_at = now if into.changed or first else before.changed_at
        for reading in (*first, *rest):
            reading.taken_in()
        pulls = self._mirror.pulls()
        pending = any(
            pull.run is not None and checks_open(pull, now) for found in pulls.values() for pull in found
        )
        pause = cadence.interval(
            self._settings.github,
            active=active,
            pending=pending,
            quiet=now - (changed_at or now),
        )
        graphql = next((use for use in uses if use.name == GRAPHQL), None)
        pause = cadence.thrifty(pause, cost=cost, use=graphql, now=now)
        next_at = now + timedelta(seconds=cadence.scattered(pause, self._luck()))
        tracker = Tracker(now, now, next_at, pause, changed_at)
        if failed is not None:
            tracker = self._failure(before, failed, now, pause)
        self._mirror.end_poll(tracker)

    def _failure(self, before: Tracker, error: HiveError, now: datetime, pause: float) -> Tracker:
        until = error.retry_at if isinstance(error, GitHubError) else None
        return Tracker(
            polled_at=before.polled_at,
            tried_at=now,
            next_at=until or now + cadence.retry(before.failures, self._luck()),
            interval=pause,
            changed_at=before.changed_at,
            why=error.words,
            since=before.since or now,
            failures=before.failures + 1,
        )


def _was_just_read(known: Known, now: datetime) -> bool:
    return known.sync.full_at is not None and timedelta(0) <= now - known.sync.full_at < FIRST_LOAD


def _may_be_tried(known: Known, now: datetime) -> bool:
    """A repository that failed rests until its own next try."""
    return known.state.why is None or known.state.retry_at is None or now >= known.state.retry_at


def _answers(found: Found, what: str) -> dict[str, msgspec.Raw]:
    """What a query brought, by alias. Raises Garbled."""
    try:
        return decode.repositories(bytes(found.data))
    except msgspec.DecodeError as error:
        raise Garbled(f"GitHub's answer to {what} is of another shape: {error}.") from None


def _below(error: QueryError) -> QueryError:
    return msgspec.structs.replace(error, path=error.path[1:])


def _together(work: Callable[..., SourceError | None], items: Sequence[object]) -> list[SourceError | None]:
    """Do it for each, a few at the same time.

    Not by an executor: Python waits for its threads when a process ends, so that a command that gave up
    would still go on until GitHub has answered all of it.
    """
    if len(items) <= 1:
        return [work(item) for item in items]
    found: list[SourceError | None] = [None] * len(items)
    broken: list[BaseException] = []
    left = deque(enumerate(items))

    def help_out() -> None:
        while not broken:
            try:
                number, item = left.popleft()
            except IndexError:
                return
            try:
                found[number] = work(item)
            except BaseException as error:  # the thread's edge: raised again where it was asked for
                broken.append(error)

    helpers = [
        threading.Thread(target=help_out, name=f"github {number}", daemon=True)
        for number in range(min(AT_ONCE, len(items)))
    ]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    if broken:
        raise broken[0]
    return found
