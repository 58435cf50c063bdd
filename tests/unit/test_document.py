"""`hive/v1`: its keys, what is null, and that it only ever grows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hive_tui.core import document, spend
from hive_tui.core.dispatch import decide
from hive_tui.core.document import Document
from hive_tui.core.ids import WorkerName
from hive_tui.core.ledger import entries
from hive_tui.core.model import (
    Check,
    CheckState,
    Lease,
    Phase,
    Process,
    Tokens,
    Usage,
    Verdict,
    VerdictValue,
)
from hive_tui.core.sources import CLUSTER, FORGE, Item, SourceFailed
from hive_tui.core.store import Snapshot, Store
from hive_tui.costs import summary
from hive_tui.costs.prices import micros
from tests import builders as b


def of(snapshot: Snapshot) -> dict[str, Any]:
    """The document as a script reads it."""
    settings = b.settings()
    plan = decide(snapshot, settings, b.NOW)
    built = document.build(snapshot, plan, settings, b.NOW, fleet="local")
    data = msgspec.json.encode(built)
    assert msgspec.json.decode(data, type=Document) == built
    found: dict[str, Any] = json.loads(data)
    return found


def make(*items: Item) -> dict[str, Any]:
    return of(b.snapshot(*items))


def test_keys_stand_in_their_order() -> None:
    found = make(b.issue(1), b.run(1), b.pull(50))
    assert list(found) == [
        *("schema", "at", "fleet", "sources", "attention", "issues", "runs", "pull_requests", "costs"),
        *("events", "errors", "repos", "api"),
    ]
    assert found["schema"] == "hive/v1"
    assert found["at"] == "2026-03-01T12:00:00Z"
    fleet_keys = ["name", "cluster", "forge", "slots", "paused", "dispatcher", "agents", "budget"]
    assert list(found["fleet"])[: len(fleet_keys)] == fleet_keys
    assert list(found["issues"][0])[:9] == [
        *("repo", "number", "title", "state", "type", "worker", "run", "pull_request", "gate"),
    ]
    assert list(found["runs"][0])[:15] == [
        *("id", "worker", "agent", "model", "repo", "issue", "attempt", "phase", "why", "since", "step"),
        *("branch", "tokens", "cost_micros", "last_event"),
    ]
    assert list(found["pull_requests"][0])[:13] == [
        *("repo", "number", "title", "branch", "head", "base", "state", "checks", "verdict", "mergeable"),
        *("issue", "run", "lease"),
    ]
    assert list(found["costs"])[:6] == [
        *("today_micros", "week_micros", "all_micros", "burn_per_hour_micros", "by_model", "by_issue"),
    ]


def test_what_is_not_known_is_null() -> None:
    store = Store((CLUSTER, FORGE))
    store.apply([SourceFailed(CLUSTER, "locked"), SourceFailed(FORGE, "locked too")], b.NOW)
    found = of(store.snapshot)
    assert found["fleet"]["slots"] == {"max": None, "used": None}
    assert found["fleet"]["dispatcher"]["state"] == "unknown"
    assert found["fleet"]["budget"] is None
    assert [source["age_seconds"] for source in found["sources"]] == [None, None]
    assert found["errors"] == ["cluster: locked", "forge: locked too"]

    run = make(b.run(1))["runs"][0]
    assert run["cost_micros"] is None
    assert run["tokens"] == {"input": None, "output": None, "cache_read": None, "cache_write": None}


def test_an_issue_tells_who_works_on_it_or_what_holds_it() -> None:
    found = make(
        b.issue(1, labels=("status:in-progress", "type:bug")),
        b.run(1, attempt=1, phase=Phase.FAILED, settled=True),
        b.run(1, attempt=2, worker=WorkerName("claude-b")),
        b.issue(2, body="nothing"),
        b.issue(3, labels=()),
        b.issue(4, open=False),
        b.issue(5, open=False),
        b.pull(50, issue=5),
    )["issues"]
    assert [issue["number"] for issue in found] == [1, 2, 3, 5]
    one, two, three, five = found
    assert (one["worker"], one["run"], one["type"], one["gate"]) == (
        "claude-b",
        b.run(1, attempt=2).id,
        "bug",
        None,
    )
    assert two["state"] == "ready"
    assert two["gate"]["name"] == "definition-of-done"
    assert (three["state"], three["gate"]["name"]) == (None, "state")
    assert (five["open"], five["pull_request"], five["gate"]) == (False, 50, None)


def test_a_run_whose_process_is_gone_is_lost() -> None:
    assert make(b.run(1, process=Process.GONE))["runs"][0]["phase"] == "lost"


def test_only_what_was_said_of_the_head_counts() -> None:
    pull = b.pull(
        50,
        checks=(Check("new", CheckState.PASSED, "a" * 40), Check("old", CheckState.PASSED, "b" * 40)),
        verdict=Verdict(VerdictValue.PASS, "b" * 40, "ann", b.NOW),
        lease=Lease(WorkerName("ann"), b.ago(seconds=1)),
    )
    found = make(pull)["pull_requests"][0]
    assert found["checks"] == [{"name": "new", "state": "passed"}]
    assert found["verdict"] is None
    assert found["verdict_sha"] == "b" * 40
    assert found["lease"] is None


def cost(number: int, micros: int | None, **status: Any) -> Any:
    return b.run(number, usage=Usage(Tokens(1), micros), **status)


def test_costs_are_summed_by_day_model_and_issue() -> None:
    ended = b.ago(days=3)
    runs = [
        cost(1, 100, model="opus"),
        cost(2, 50, model="haiku"),
        cost(1, 1_000, attempt=2, model="opus", phase=Phase.FAILED, ended_at=ended, started_at=ended),
        cost(3, 7, phase=Phase.FAILED, ended_at=b.ago(days=30), started_at=b.ago(days=31)),
        cost(4, None),
        cost(5, None, started_at=None),
    ]
    found = spend.costs(runs, b.NOW)
    assert (found.today_micros, found.week_micros, found.all_micros) == (150, 1_150, 1_157)
    assert found.by_model == {"opus": 1_100, "haiku": 50, "claude": 7}
    assert list(found.by_issue) == ["me/proj#1", "me/proj#2", "me/proj#3"]
    assert found.unaccounted_runs == 1
    assert found.burn_per_hour_micros == 150


def test_the_burn_is_the_last_hours_share() -> None:
    run = cost(1, 1_000, started_at=b.ago(hours=4))
    assert spend.costs([run], b.NOW).burn_per_hour_micros == 250
    old = cost(1, 1_000, phase=Phase.FAILED, started_at=b.ago(hours=4), ended_at=b.ago(hours=2))
    assert spend.costs([old], b.NOW).burn_per_hour_micros == 0
    ahead = cost(1, 1_000, started_at=b.NOW + timedelta(hours=1))
    assert spend.costs([ahead], b.NOW).burn_per_hour_micros == 0


def test_what_the_ledger_has_of_runs_counts_also_when_they_are_gone() -> None:
    gone = cost(8, 40, model="opus", phase=Phase.SUCCEEDED, started_at=b.ago(days=4), ended_at=b.ago(days=3))
    mended = cost(1, 100, model="opus", phase=Phase.SUCCEEDED, ended_at=b.ago(hours=1))
    rows = [msgspec.structs.replace(row, cost_micros=130) for row in entries(mended)]
    runs = [mended, cost(2, 5, model="haiku")]
    found = spend.costs(runs, b.NOW, spend.bill([*entries(gone), *rows]))
    assert (found.today_micros, found.week_micros, found.all_micros) == (135, 175, 175)
    assert found.by_model == {"opus": 170, "haiku": 5}
    assert found.by_issue == {"me/proj#1": 130, "me/proj#8": 40, "me/proj#2": 5}
    snapshot, settings = b.snapshot(*runs), b.settings()
    plan = decide(snapshot, settings, b.NOW)
    made = document.build(snapshot, plan, settings, b.NOW, fleet="trial", bill=spend.bill(entries(gone)))
    assert made.costs.all_micros == 145


def test_the_sums_are_those_of_hive_costs() -> None:
    """The same rows in another order of work, since these are wanted within a frame."""
    runs = [
        cost(1, 100, model="opus"),
        cost(2, None, progress_at=b.ago(days=2)),
        cost(3, 7, phase=Phase.FAILED, ended_at=b.ago(days=1), started_at=b.ago(days=1)),
        b.run(4, usage=Usage(Tokens(1), 9, estimated=True)),
    ]
    gone = cost(8, 40, phase=Phase.SUCCEEDED, started_at=b.ago(days=9), ended_at=b.ago(days=9))
    rows = entries(gone)
    found = spend.costs(runs, b.NOW, spend.bill(rows))

    def of(by: summary.By, since: datetime | None = None) -> dict[str, int]:
        uses = summary.totals(by, ledger=rows, runs=runs, since=since)
        return {use.key: micros(use.cost) for use in uses if use.known}

    assert of(summary.By.MODEL) == found.by_model
    assert of(summary.By.ISSUE) == found.by_issue
    whole = summary.whole(summary.totals(summary.By.DAY, ledger=rows, runs=runs))
    assert (micros(whole.cost), whole.unaccounted, whole.estimated) == (found.all_micros, 1, True)
    assert of(summary.By.DAY)[str(b.NOW.astimezone().date())] == found.today_micros


def test_no_run_costs_nothing_and_an_unknown_cost_is_no_zero() -> None:
    assert spend.costs([], b.NOW).today_micros == 0
    assert spend.costs([cost(1, None)], b.NOW).today_micros is None
    assert spend.costs([cost(1, 0)], b.NOW).today_micros == 0
