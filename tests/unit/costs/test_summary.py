"""Transcripts, ledger and runs at work are one sum, in which everything counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hive_tui.core.ids import AgentName, RunId
from hive_tui.core.ledger import Certainty, Entry, Source, entries
from hive_tui.core.model import Phase, Run, Step, StepUse, Tokens, Usage
from hive_tui.costs import files, summary
from hive_tui.costs.index import Index
from hive_tui.costs.periods import Use
from hive_tui.costs.prices import Prices, micros
from hive_tui.costs.summary import By, totals
from hive_tui.costs.sums import Dimension
from tests.builders import CLAUDE, CODEX, REPO, run
from tests.corpus import HERE

SESSION = "780fd9ba"
"""How the session begins that the corpus has of a run."""

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    made = Index(tmp_path_factory.mktemp("index"))
    made.refresh([files.Root("claude", HERE / "claude" / "success" / "claude-home" / "projects")])
    return made


@pytest.fixture(scope="module")
def session(index: Index) -> str:
    (one,) = index.sums((Dimension.SESSION,))
    assert one.session.startswith(SESSION)
    return one.session


def entry(name: str = "one", cost: int | None = 1_000, **changes: object) -> Entry:
    row = Entry(
        run=RunId(name),
        attempt=1,
        repo=REPO,
        issue=7,
        agent=CODEX,
        step=Step.IMPLEMENT,
        round=1,
        at=AT,
        model="gpt",
        session=f"s-{name}",
        tokens=Tokens(10, 20, 30, 40),
        cost_micros=cost,
        started_at=AT - timedelta(hours=1),
        source=Source.REPORTED,
        certainty=Certainty.EXACT if cost is not None else Certainty.UNACCOUNTED,
    )
    return msgspec.structs.replace(row, **changes)


def costs(found: list[Use]) -> dict[str, int]:
    return {use.key: micros(use.cost) for use in found}


TRUTH = 83_302
"""Micro-dollars of the session in the corpus, as the CLI's own result says."""


@pytest.mark.parametrize(
    ("by", "mine", "key"),
    [
        (By.DAY, "2026-11-21", "2026-11-21"),
        (By.MONTH, "2026-11", "2026-11"),
        (By.MODEL, "claude-opus-5-5", "gpt"),
        (By.AGENT, "claude", "codex"),
        (By.ISSUE, "", f"{REPO}#7"),
        (By.REPO, "", REPO),
        (By.RUN, "", "one"),
        (By.PROJECT, "/workspaces/success", REPO),
    ],
)
def test_a_run_that_worked_elsewhere_is_added_to_the_transcripts(
    index: Index, by: By, mine: str, key: str
) -> None:
    found = costs(totals(by, index=index, ledger=[entry()], zone=UTC))
    assert found == ({mine: TRUTH + 1_000} if mine == key else {mine: TRUTH, key: 1_000})


@pytest.mark.parametrize("by", list(By))
def test_a_run_with_a_transcript_counts_once_as_that_has_it(index: Index, session: str, by: By) -> None:
    row = entry(cost=999, session=session, agent=CLAUDE)
    (use,) = totals(by, index=index, ledger=[row], zone=UTC)
    assert (micros(use.cost), use.calls, use.unaccounted) == (TRUTH, 5, 0)
    assert use.key == {
        By.ISSUE: f"{REPO}#7",
        By.REPO: REPO,
        By.RUN: "one",
    }.get(by, use.key)


@pytest.mark.parametrize("by", [By.DAY, By.SESSION, By.AGENT, By.ISSUE, By.RUN])
def test_what_an_agent_counts_beyond_its_transcript_is_added(index: Index, session: str, by: By) -> None:
    (known,) = index.sums((Dimension.SESSION,))
    written = known.cache_write_5m + known.cache_write_1h
    tokens = Tokens(known.input + 5, known.output + 7, known.cache_read, written)
    more = entry(cost=TRUTH + 2_000, session=session, agent=AgentName("claude"), tokens=tokens)
    uses = totals(by, index=index, ledger=[more], zone=UTC)
    assert sum(micros(use.cost) for use in uses) == TRUTH + 2_000
    assert sum(use.tokens for use in uses) == known.tokens + 12
    unsure = msgspec.structs.replace(more, certainty=Certainty.ESTIMATED)
    assert sum(micros(use.cost) for use in totals(by, index=index, ledger=[unsure])) == TRUTH
    before = [totals(by, index=index, ledger=rows, until=AT) for rows in ([more], [unsure])]
    assert before[0] == before[1]


@pytest.mark.parametrize(
    ("checkouts", "repo"),
    [
        ({}, ""),
        ({"/workspaces/success": "me/one"}, "me/one"),
        ({"/workspaces/": "me/all"}, "me/all"),
        ({"/workspaces": "me/all", "/workspaces/success/": "me/one"}, "me/one"),
        ({"/workspaces/succ": "me/other"}, ""),
    ],
)
def test_a_session_that_is_no_run_is_of_the_checkout_that_it_was_in(
    index: Index, checkouts: dict[str, str], repo: str
) -> None:
    assert costs(totals(By.REPO, index=index, checkouts=checkouts)) == {repo: TRUTH}


def test_the_folders_of_runs_are_one_project(index: Index, session: str) -> None:
    row = entry(session=session, agent=CLAUDE)
    assert costs(totals(By.PROJECT, index=index, ledger=[row])) == {REPO: TRUTH}


def test_a_transcript_accounts_for_a_run_that_could_not_tell(index: Index, session: str) -> None:
    (use,) = totals(By.ISSUE, index=index, ledger=[entry(cost=None, session=session)])
    assert (use.key, micros(use.cost), use.unaccounted) == (f"{REPO}#7", TRUTH, 0)


def test_runs_that_are_in_the_ledger_count_as_there_and_the_others_as_they_say() -> None:
    ended = run(
        1, phase=Phase.KILLED, ended_at=AT, used=(StepUse(Step.IMPLEMENT, 1, Usage(Tokens(1), 5), "m", "s"),)
    )
    live = run(2, started_at=AT, progress_at=AT, usage=Usage(Tokens(output=3), 70, estimated=True))
    booked = [msgspec.structs.replace(row, cost_micros=8) for row in entries(ended)]
    found = totals(By.ISSUE, ledger=booked, runs=[ended, live])
    assert costs(found) == {f"{REPO}#1": 8, f"{REPO}#2": 70}
    assert [use.estimated for use in found] == [True, False]


def test_what_nobody_knows_is_said_and_never_nothing() -> None:
    rows = [entry("a", None), entry("a", 5, round=2), entry("b", None), entry("c", None, issue=8)]
    known, unknown = totals(By.ISSUE, ledger=rows)
    assert (known.key, micros(known.cost), known.unaccounted, known.known) == (f"{REPO}#7", 5, 2, True)
    assert (unknown.key, unknown.unaccounted, unknown.known) == (f"{REPO}#8", 1, False)
    whole = summary.whole([known, unknown])
    assert (micros(whole.cost), whole.unaccounted, whole.output) == (5, 3, 80)


def test_a_time_is_from_its_beginning_to_before_its_end() -> None:
    rows = [entry(name, at=AT + timedelta(days=day)) for day, name in enumerate("abc")]
    found = totals(By.RUN, ledger=rows, since=AT + timedelta(days=1), until=AT + timedelta(days=2))
    assert costs(found) == {"b": 1_000}


def test_a_session_that_began_before_counts_only_what_it_used_since(index: Index, session: str) -> None:
    row = entry(session=session, cost=TRUTH, at=AT)
    since = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)  # the transcript is of the night before
    assert totals(By.ISSUE, index=index, ledger=[row], since=since) == []


def test_a_run_that_never_began_is_nowhere() -> None:
    queued: Run = run(1, phase=Phase.QUEUED, started_at=None)
    assert totals(By.RUN, runs=[queued]) == []


def test_what_the_transcripts_have_of_a_session_is_told_by_model(index: Index, session: str) -> None:
    (one,) = summary.heard(index, {session})[session]
    assert (one.model, one.cost_micros) == ("claude-opus-5-5", TRUTH)
    assert summary.heard(index, {"other"}) == {}


def test_tokens_have_the_price_of_their_day() -> None:
    price = summary.price(Prices())
    assert price("claude-opus-5-5", Tokens(1_000_000, 500_000, None, 0), AT) == 14_000_000
    assert price("nobody-knows-this", Tokens(1), AT) is None
