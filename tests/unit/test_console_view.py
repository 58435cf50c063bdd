"""Views made from what changed are those that are made from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.app import lists
from hive_tui.app.ordered import Ordered
from hive_tui.app.view import REVIEW_AFTER, Deriver, View
from hive_tui.core.attention import attention
from hive_tui.core.booked import Booked
from hive_tui.core.dispatch import decide
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.model import (
    Actor,
    ActorKind,
    AgentState,
    Budget,
    Hold,
    Phase,
    Process,
    PullState,
    Quota,
    QuotaState,
    Usage,
    Verdict,
    VerdictValue,
)
from hive_tui.core.settings import FleetSettings, RepoSettings
from hive_tui.core.sources import (
    CLUSTER,
    FORGE,
    Alive,
    Changed,
    Item,
    Kind,
    Listed,
    SourceEvent,
    SourceFailed,
)
from hive_tui.core.spend import costs, hourly
from hive_tui.core.store import Diff, Snapshot, Store
from tests import builders as b

OTHER = RepoName("me/other")
SETTINGS = b.settings(
    repos=(RepoSettings(b.REPO, path="/somewhere", base="main"), RepoSettings(OTHER, path="/elsewhere"))
)

LABELS = (
    *(("status:ready",),) * 6,
    *(("status:ready", "priority:high"),) * 3,
    *(("status:ready", "agent:codex"),) * 3,
    ("status:in-progress",),
    ("status:in-review",),
    ("status:needs-human",),
    ("status:changes-requested",),
    ("status:done",),
    ("status:done", "status:ready"),
    (),
)


class World:
    """A fleet to which anything may happen."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.store = Store((CLUSTER, FORGE))
        self.now = b.NOW
        self.fleet = b.fleet(slots=4)

    def number(self) -> int:
        return self.random.randrange(1, 40)

    def repo(self) -> RepoName:
        return self.random.choice((b.REPO, OTHER))

    def moment(self) -> datetime:
        return self.now + timedelta(seconds=self.random.randrange(-90_000, 60))

    def issue(self) -> Item:
        pick = self.random
        return b.issue(
            self.number(),
            repo=self.repo(),
            open=pick.random() < 0.8,
            labels=pick.choice(LABELS),
            author=pick.choice((*("me",) * 9, "mallory")),
            edited_by=pick.choice((*(None,) * 9, "mallory")),
            body=pick.choice((*(b.BODY,) * 9, "nothing")),
            created_at=self.moment(),
            updated_at=self.moment(),
        )

    def run(self) -> Item:
        pick = self.random
        phase = pick.choice(list(Phase))
        cost = pick.choice((None, 0, pick.randrange(9_000_000)))
        begun = self.moment()
        found = b.run(
            self.number(),
            pick.randrange(1, 4),
            repo=self.repo(),
            phase=phase,
            why=pick.choice((None, "asks: may I?", "quota")),
            since=begun,
            started_at=pick.choice((None, begun)),
            ended_at=min(self.now, begun + timedelta(minutes=5)) if phase.final else None,
            usage=Usage(cost_micros=cost),
            process=pick.choice((Process.ALIVE, Process.ALIVE, Process.GONE)),
            budget_micros=pick.choice((None, 2_000_000)),
            settled=pick.random() < 0.5,
        )
        return found

    def claim(self) -> Item:
        pick = self.random
        attempt = pick.randrange(4)
        return b.claim(
            self.number(),
            repo=self.repo(),
            version=pick.randrange(1_000_000),
            attempt=attempt,
            forgiven=pick.randrange(attempt + 1),
            not_before=pick.choice((None, self.now + timedelta(seconds=pick.randrange(-10, 60)))),
            failed_at=pick.choice((None, self.now + timedelta(seconds=pick.randrange(-60, 20)))),
            hold=pick.choice(
                (None, None, Hold(Actor(ActorKind.PERSON, "ann"), self.moment(), "killed by ann"))
            ),
        )

    def pull(self) -> Item:
        pick = self.random
        return b.pull(
            pick.randrange(50, 65),
            repo=self.repo(),
            issue=pick.choice((None, self.number())),
            branch=pick.choice(("feature", f"hive/issue-{self.number()}-a1")),
            state=pick.choice(list(PullState)),
            mergeable=pick.choice((None, True, False)),
            verdict=pick.choice((None, Verdict(VerdictValue.PASS, "a" * 40, "ann", self.moment()))),
            created_at=self.moment(),
            updated_at=self.moment(),
        )

    def whole(self) -> Item:
        pick = self.random
        budget = Budget(
            issue_micros=pick.choice((None, None, 3_000_000)),
            repo_micros=pick.choice((None, None, 20_000_000)),
            day_micros=pick.choice((None, None, 20_000_000)),
            fleet_micros=pick.choice((None, 10**12)),
        )
        agents = tuple(
            AgentState(
                name,
                enabled=pick.random() < 0.7,
                quota=pick.choice(
                    (
                        Quota(QuotaState.OK),
                        Quota(QuotaState.LIMITED, self.now + timedelta(seconds=20)),
                        Quota(QuotaState.LIMITED),
                    )
                ),
            )
            for name in (b.CLAUDE, b.CODEX)
        )
        return b.fleet(slots=pick.randrange(5), budget=budget, agents=agents)

    def events(self) -> list[SourceEvent]:
        """What is said in one batch."""
        pick = self.random
        made: list[Callable[[], Item]] = [*[self.issue] * 5, self.run, *[self.claim] * 3, self.pull]
        said: list[SourceEvent] = [Alive(CLUSTER), Alive(FORGE)]
        for _ in range(pick.choice((0, 0, 1, 1, 2, 5, 150))):
            item = pick.choice(made)()
            said.append(Changed(CLUSTER if hasattr(item, "spec") else FORGE, (item,)))
        if pick.random() < 0.1:
            said.append(Changed(CLUSTER, (self.whole(),)))
        if pick.random() < 0.1:
            said.append(SourceFailed(FORGE, "no answer"))
        if pick.random() < 0.2:
            said.append(Changed(FORGE, gone=tuple(self.some_keys())))
        return said

    def some_keys(self) -> list[tuple[Kind, Any]]:
        repo = self.repo()
        snapshot = self.store.snapshot
        return [
            (Kind.ISSUE, IssueKey(repo, self.number())),
            (Kind.PULL, PullKey(repo, self.random.randrange(50, 65))),
            (Kind.CLAIM, IssueKey(repo, self.number())),
            *((Kind.RUN, name) for name in list(snapshot.runs)[: self.random.randrange(3)]),
        ]

    def pass_time(self) -> None:
        self.now += timedelta(seconds=self.random.choice((0, 0.1, 3, 3, 30, 30, 4_000, -5)))


def from_nothing(snapshot: Snapshot, settings: FleetSettings, now: datetime) -> dict[str, Any]:
    plan = decide(snapshot, settings, now)
    at_work = lists.live_runs(snapshot)
    issues = lists.issues(snapshot, settings.labels, plan.gate)
    runs, pulls = lists.runs(snapshot), lists.pulls(snapshot)
    return {
        "issues": issues,
        "runs": runs,
        "pulls": pulls,
        "at_work": at_work,
        "attention": attention(snapshot, plan, settings, now),
        "tally": lists.tally(
            snapshot, settings.labels, plan.gate, at_work, issues=issues, runs=runs, pulls=pulls
        ),
    }


def as_shown(view: View) -> dict[str, Any]:
    return {
        "issues": list(view.issues),
        "runs": list(view.runs),
        "pulls": list(view.pulls),
        "at_work": dict(view.at_work),
        "attention": view.attention,
        "tally": view.tally,
    }


@pytest.mark.parametrize("seed", range(6))
def test_views_made_from_changes_are_those_made_from_nothing(seed: int) -> None:
    world = World(seed)
    deriver = Deriver("trial", SETTINGS, world.now)
    for _ in range(80):
        diff = world.store.apply(world.events(), world.now)
        snapshot = world.store.snapshot
        view = deriver.derive(snapshot, diff, world.now)
        assert as_shown(view) == from_nothing(snapshot, SETTINGS, world.now)
        if diff.keys(Kind.RUN):
            assert view.costs == costs(snapshot.runs.values(), world.now)
            assert view.hourly == hourly(snapshot.runs.values(), world.now)
        world.pass_time()


def test_before_the_cluster_said_anything_no_cost_is_known() -> None:
    deriver = Deriver("trial", SETTINGS, b.NOW)
    store = Store((CLUSTER, FORGE))
    diff = store.apply([Changed(FORGE, (b.issue(1),))], b.NOW)
    assert deriver.derive(store.snapshot, diff, b.NOW).costs.today_micros is None
    later = b.NOW + REVIEW_AFTER
    assert deriver.derive(store.snapshot, Diff({}), later).costs.today_micros is None
    diff = store.apply([Listed(CLUSTER, (Kind.FLEET, Kind.RUN), (b.fleet(),))], later)
    store.book(Booked())
    assert deriver.derive(store.snapshot, diff, later).costs.today_micros == 0


def test_lists_that_did_not_change_stay_the_same_objects() -> None:
    deriver = Deriver("trial", SETTINGS, b.NOW)
    store = Store((CLUSTER, FORGE))
    items = (b.fleet(), b.issue(1), b.issue(2), b.issue(3), b.run(2), b.pull(50), b.pull(51))
    diff = store.apply([Changed(CLUSTER, items), Alive(FORGE)], b.NOW)
    first = deriver.derive(store.snapshot, diff, b.NOW)
    diff = store.apply([Changed(FORGE, (msgspec.structs.replace(b.issue(3), title="another"),))], b.NOW)
    second = deriver.derive(store.snapshot, diff, b.NOW)
    assert second.snapshot.issues[IssueKey(b.REPO, 3)].title == "another"
    assert second.issues is first.issues
    assert second.runs is first.runs
    assert second.pulls is first.pulls
    assert second.attention is first.attention


@pytest.mark.parametrize("seed", range(5))
def test_an_order_of_keys_is_that_of_their_sorted_ranks(seed: int) -> None:
    pick = random.Random(seed)
    order: Ordered[int] = Ordered()
    ranks: dict[int, tuple[int, int]] = {}
    for _ in range(40):
        changes = {
            key: pick.choice((None, (pick.randrange(9), key)))
            for key in pick.sample(range(300), pick.choice((1, 3, 200)))
        }
        order.update(changes)
        ranks = {key: rank for key, rank in {**ranks, **changes}.items() if rank is not None}
        wanted = [key for _, key in sorted(ranks.values())]
        assert order.keys() == wanted
        assert order.last(5) == wanted[::-1][:5]
        assert len(order) == len(wanted)
