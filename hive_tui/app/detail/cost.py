"""The tab Cost: what this attempt used, by kind, step and round, and what it may still use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from hive_tui.app.detail.subject import Subject
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.estimate import rough_tokens
from hive_tui.core.events import LogLine, Note, Said, Thinking, UsageReport
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Budget, Run, Tokens, Usage
from widgets.cells import Cell
from widgets.prose import Block, Passage

_LABEL = 20
_NUMBER = 12
_BAR = 24

_PROCESS = re.compile(r"agent process (\d{1,6}): \S+( continues)?")
"""How the runner says that it starts the agent: once a round, and again after each wait."""


class Spent(NamedTuple):
    """What one process of the agent used."""

    name: str
    at: datetime
    tokens: int | None = None
    micros: int | None = None


class Tally:
    """Adds up a run's usage reports by the agent's processes; each reports what it used by itself."""

    def __init__(self) -> None:
        self.steps: list[Spent] = []
        self.unmeasured = 0
        """Tokens, roughly, of what the agent said since it told a figure of its output."""
        self._before = Usage()

    def feed(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            event = line.event
            if isinstance(event, Note):
                match = _PROCESS.match(event.text)
                if match is not None:
                    goes_on = ", goes on" if match[2] else ""
                    self._begin(f"process {match[1]}{goes_on}", line.at)
            elif isinstance(event, UsageReport) and event.agent is None:
                self._add(event.usage, line.at)
            elif isinstance(event, Said | Thinking) and event.agent is None:
                self.unmeasured += rough_tokens(event.text)

    def _begin(self, name: str, at: datetime) -> None:
        self.steps.append(Spent(name, at))
        self._before = Usage()
        self.unmeasured = 0

    def _add(self, usage: Usage, at: datetime) -> None:
        if not self.steps:
            self._begin("process 1", at)
        before, self._before = self._before, usage
        if usage.tokens.output not in (None, before.tokens.output):
            self.unmeasured = 0
        last = self.steps[-1]
        self.steps[-1] = last._replace(
            tokens=_more(last.tokens, usage.tokens.total, before.tokens.total),
            micros=_more(last.micros, usage.cost_micros, before.cost_micros),
        )


def _more(known: int | None, now: int | None, before: int | None) -> int | None:
    """A sum that grew by what a cumulative figure grew."""
    if now is None:
        return known
    return (known or 0) + max(0, now - (before or 0))


def cost_blocks(view: View, subject: Subject, tally: Tally | None) -> list[Block]:
    """What it costs; `tally` is None while the log is read."""
    run = subject.run
    if run is None:
        return []
    unmeasured = tally.unmeasured if tally is not None and not run.phase.final else 0
    blocks = [Block((*_usage(run, view.now, unmeasured), Passage(())), key="usage", part=True)]
    if tally is not None and len([step for step in tally.steps if step.tokens is not None]) > 1:
        blocks.append(Block((*_steps(tally), Passage(())), key="steps", part=True))
    if len(subject.attempts) > 1:
        blocks.append(Block((*_attempts(subject), Passage(())), key="attempts", part=True))
    fleet = view.snapshot.fleet
    limits = tuple(_limits(view, subject, run, fleet.budget if fleet is not None else Budget()))
    blocks.append(Block((_title("BUDGET LEFT"), *limits), key="budget", part=True))
    return blocks


def _title(words: str) -> Passage:
    return Passage((Cell(words, Tone.TITLE),))


def _pair(name: str, value: str, note: str = "", tone: Tone = Tone.PLAIN) -> Passage:
    return Passage(
        (
            Cell(f"  {name:<{_LABEL}}", Tone.QUIET),
            Cell(f"{value:>{_NUMBER}}", tone),
            Cell(f"   {note}", Tone.QUIET),
        )
    )


def _usage(run: Run, now: datetime, unmeasured: int) -> Iterator[Passage]:
    usage, status = run.status.usage, run.status
    tokens = usage.tokens
    yield _title("USED BY THIS ATTEMPT")
    yield _pair(
        "money", text.money(usage.cost_micros, estimated=usage.estimated), _burn(run, now), Tone.TITLE
    )
    if usage.cost_micros is None:
        yield Passage((Cell(f"  {'':<{_LABEL}}its agent has not said what it costs", Tone.QUIET),))
    for name, count in _kinds(tokens):
        share = count / tokens.total if count and tokens.total else 0.0
        yield _pair(name, "–" if count is None else f"{count:,}", _bar(share))
    if unmeasured:
        yield _pair(
            "output since then", f"~{unmeasured:,}", "by the length of what it said; its figure follows"
        )
    yield _pair("tokens", "–" if tokens.total is None else f"{tokens.total:,}", "in all")
    model = status.model or run.spec.model
    words = model or f"{run.spec.agent}'s own choice"
    yield Passage((Cell(f"  {'model':<{_LABEL}}", Tone.QUIET), Cell(f"{'':<{_NUMBER}}   {words}")))


def _kinds(tokens: Tokens) -> tuple[tuple[str, int | None], ...]:
    return (
        ("input", tokens.input),
        ("output", tokens.output),
        ("cache read", tokens.cache_read),
        ("cache write", tokens.cache_write),
    )


def _burn(run: Run, now: datetime) -> str:
    """How fast it spends, over all of its time."""
    started, micros = run.status.started_at, run.status.usage.cost_micros
    took = (run.status.ended_at or now) - started if started is not None else timedelta()
    if micros is None or took < timedelta(seconds=10):
        return ""
    per_hour = round(micros / (took / timedelta(hours=1)))
    return f"{text.money(per_hour)} an hour over {text.age(took)}"


def _steps(tally: Tally) -> Iterator[Passage]:
    yield _title("BY ROUND, AS THE AGENT WAS STARTED")
    whole = sum(step.micros or 0 for step in tally.steps)
    for step in tally.steps:
        if step.tokens is None and step.micros is None:
            continue
        share = (step.micros or 0) / whole if whole else 0.0
        note = f"{text.count(step.tokens):>6} tokens   {_bar(share)}"
        yield _pair(step.name, text.money(step.micros), note)


def _attempts(subject: Subject) -> Iterator[Passage]:
    yield _title("ALL ATTEMPTS AT THIS ISSUE")
    costs = [run.status.usage.cost_micros for run in subject.attempts]
    whole = sum(cost or 0 for cost in costs)
    for run, cost in zip(subject.attempts, costs, strict=True):
        share = (cost or 0) / whole if whole else 0.0
        here = "this one" if run is subject.run else run.phase.value
        money = text.money(cost, estimated=run.status.usage.estimated)
        yield _pair(f"attempt {run.spec.attempt}", money, f"{_bar(share)}  {here}")
    unknown = costs.count(None)
    note = f"and what {text.plural(unknown, 'attempt')} did not report" if unknown else ""
    yield _pair("together", text.money(whole if unknown < len(costs) else None), note)


def _limits(view: View, subject: Subject, run: Run, budget: Budget) -> Iterator[Passage]:
    spent = run.status.usage.cost_micros
    issue_spent = sum(other.status.usage.cost_micros or 0 for other in subject.attempts)
    own = run.spec.budget_micros if run.spec.budget_micros is not None else budget.run_micros
    day, fleet = view.plan.spending("day"), view.plan.spending("fleet")
    known = (
        ("this attempt", own, spent, 0),
        ("this issue", budget.issue_micros, issue_spent, 0),
        ("today", budget.day_micros, day.micros, day.reserved),
        ("the fleet", budget.fleet_micros, fleet.micros, fleet.reserved),
    )
    found = False
    for name, limit, paid, kept in known:
        if limit is None:
            continue
        found = True
        # What runs at work may still spend is spoken for: the gates count it, as the fleet's pane does.
        used = (paid or 0) + kept
        left = limit - used
        tone = Tone.BROKEN if left <= 0 else Tone.SOON if limit and left / limit < 0.2 else Tone.PLAIN
        share = min(1.0, used / limit) if limit else 1.0
        note = f"of {text.money(limit)}   {_bar(share)} used" + (
            f", {text.money(kept)} reserved" if kept else ""
        )
        yield _pair(name, text.money(max(0, left)), note, tone)
    if not found:
        words = "  no limit is set; `hive config set fleets.NAME.budget.issue DOLLARS` sets one"
        yield Passage((Cell(words, Tone.QUIET),), 2)


def _bar(share: float) -> str:
    """A share as a bar and in per cent; nothing where there is nothing to share."""
    if share <= 0:
        return ""
    full = max(1, round(share * _BAR))
    return f"{'▰' * full}{'▱' * (_BAR - full)} {share:>4.0%}"
