"""What the rows of each list are made of, as a filter and an order see it; pure.

A thing holds all that its row is made of but the time: where it is the same, so is what can be found in it.
"""

from __future__ import annotations

import enum

import msgspec

from hive_tui.app import rows
from hive_tui.app.filters import Facts, facts
from hive_tui.app.sorting import By
from hive_tui.core import glyphs, text, workflow
from hive_tui.core.attention import AttentionItem, AttentionKind
from hive_tui.core.gates import Gate
from hive_tui.core.glyphs import Mark
from hive_tui.core.model import (
    CheckState,
    Event,
    Issue,
    Phase,
    PullRequest,
    PullState,
    Run,
    Step,
    VerdictValue,
)
from hive_tui.core.settings import Preset

_PHASES = {phase: rank for rank, phase in enumerate(Phase)}
_STEPS = {step: rank for rank, step in enumerate(Step)}
_KINDS = {kind: rank for rank, kind in enumerate(AttentionKind)}


def _word(text: str) -> str | None:
    """Words sort without regard to case, and none at all is not known."""
    return text.casefold() or None


class IssueThing(msgspec.Struct, frozen=True):
    issue: Issue
    gate: Gate | None
    run: Run | None
    preset: Preset

    @property
    def mark(self) -> Mark:
        return rows.issue_mark(self.issue, self.preset, self.gate, self.run)

    @property
    def who(self) -> str:
        if self.run is not None:
            return self.run.spec.worker
        return "" if self.gate is None else rows.gate_word(self.gate)


def issue_facts(thing: IssueThing) -> Facts:
    """Number, title, labels, worker, state and what holds it."""
    issue, run, gate = thing.issue, thing.run, thing.gate
    state, mark = workflow.state(issue.labels, thing.preset), thing.mark
    # What a gate holds is not ready, whatever its label says.
    labelled = () if state is None or mark is glyphs.HELD else (state.value,)
    held = () if gate is None or run is not None else (gate.name, rows.gate_word(gate))
    return facts(
        f"{issue.repo}#{issue.number}",
        issue.title[: rows.TITLE],
        *held,
        *issue.labels,
        repo=issue.repo,
        state=(
            mark.word,
            "open" if issue.open else "closed",
            *labelled,
        ),
        agent=() if run is None else (run.spec.worker, run.spec.agent),
        labels=issue.labels,
    )


ISSUES: dict[str, By[IssueThing]] = {
    "number": By(lambda thing: thing.issue.key),
    "state": By(lambda thing: _word(thing.mark.word)),
    "who": By(lambda thing: _word(thing.who)),
    "age": By(lambda thing: -thing.issue.created_at.timestamp(), down=True),
    "updated": By(lambda thing: thing.issue.updated_at, down=True),
    "priority": By(lambda thing: workflow.priority(thing.issue.labels)),
    "title": By(lambda thing: _word(thing.issue.title)),
}


def run_facts(run: Run) -> Facts:
    """Worker, agent, model, number, title, phase, step, why, and what it does now."""
    spec, status = run.spec, run.status
    return facts(
        f"{spec.repo}#{spec.issue}",
        spec.title[: rows.TITLE],
        spec.id,
        spec.branch,
        status.model or spec.model or "",
        status.step.value if status.step is not None else "",
        run.why or "",
        status.last_event.text[: rows.TITLE] if status.last_event is not None else "",
        repo=spec.repo,
        state=(rows.run_mark(run).word, run.phase.value),
        agent=(spec.worker, spec.agent),
    )


RUNS: dict[str, By[Run]] = {
    "worker": By(lambda run: _word(run.spec.worker)),
    "issue": By(lambda run: run.key),
    "state": By(lambda run: _PHASES[run.phase]),
    "step": By(lambda run: None if run.status.step is None else (_STEPS[run.status.step], run.status.round)),
    "age": By(lambda run: -(run.status.since or run.spec.created_at).timestamp(), down=True),
    "tokens": By(lambda run: run.status.usage.tokens.total, down=True),
    "cost": By(lambda run: run.status.usage.cost_micros, down=True),
    "node": By(lambda run: None if run.place is None or run.place.node is None else _word(run.place.node)),
    "now": By(lambda run: _word(run.status.last_event.text if run.status.last_event is not None else "")),
}


def pull_facts(pull: PullRequest) -> Facts:
    """Number, title, branch, author, its issue, verdict, checks, who has taken it."""
    lease = () if pull.lease is None else (pull.lease.worker,)
    mergeable = {True: ("mergeable",), False: ("conflict",), None: ()}[pull.mergeable]
    return facts(
        f"{pull.repo}!{pull.number}",
        f"#{pull.issue}" if pull.issue is not None else "",
        pull.title[: rows.TITLE],
        pull.branch,
        pull.author,
        repo=pull.repo,
        state=(pull.state.value, _verdict(pull).value, *mergeable),
        agent=(pull.author, *lease),
    )


class _Verdict(enum.Enum):
    """How near a pull request is to being merged."""

    PASS = "pass"
    REVIEW = "review"
    CHANGES = "changes"
    UNKNOWN = "unknown"


_VERDICTS = {
    VerdictValue.PASS: _Verdict.PASS,
    VerdictValue.CHANGES_REQUESTED: _Verdict.CHANGES,
    VerdictValue.UNKNOWN: _Verdict.UNKNOWN,
}
_NEARNESS = {verdict: rank for rank, verdict in enumerate(_Verdict)}


def _verdict(pull: PullRequest) -> _Verdict:
    """The verdict on the head commit; what was said of an older one is void."""
    if pull.verdict is None or pull.verdict.sha != pull.head:
        return _Verdict.REVIEW
    return _VERDICTS[pull.verdict.value]


def _passed(pull: PullRequest) -> float | None:
    states = [check.state for check in pull.checks if check.sha == pull.head]
    return states.count(CheckState.PASSED) / len(states) if states else None


PULLS: dict[str, By[PullRequest]] = {
    "number": By(lambda pull: pull.key),
    "state": By(lambda pull: (pull.state is not PullState.OPEN, _NEARNESS[_verdict(pull)])),
    "checks": By(_passed, down=True),
    "mergeable": By(lambda pull: pull.mergeable, down=True),
    "age": By(lambda pull: -pull.created_at.timestamp(), down=True),
    "issue": By(lambda pull: pull.issue_key),
    "title": By(lambda pull: _word(pull.title)),
}


def attention_facts(item: AttentionItem) -> Facts:
    """What it is about, its text, its kind and the action that helps."""
    target = item.target
    return facts(
        f"{target.repo or ''}#{target.issue}" if target.issue is not None else "",
        f"!{target.pull_request}" if target.pull_request is not None else "",
        item.text[: rows.TITLE],
        item.action or "",
        repo=target.repo or "",
        state=(item.kind.value,),
        agent=(target.agent or "", target.run or ""),
    )


ATTENTION: dict[str, By[AttentionItem]] = {
    "kind": By(lambda item: _KINDS[item.kind]),
    "about": By(
        lambda item: None if item.target.issue is None else (item.target.repo or "", item.target.issue)
    ),
    "text": By(lambda item: _word(item.text)),
    "since": By(lambda item: None if item.since is None else -item.since.timestamp(), down=True),
    "action": By(lambda item: _word(item.action or "")),
}


def event_facts(event: Event) -> Facts:
    """When, what kind, about what, the text and who."""
    return facts(
        text.clock(event.at),
        f"{event.repo or ''}#{event.number}" if event.number is not None else "",
        event.text[: rows.TITLE],
        event.run or "",
        repo=event.repo or "",
        state=(event.kind,),
        agent=(str(event.actor),),
    )


EVENTS: dict[str, By[Event]] = {
    "time": By(lambda event: event.seq, down=True),
    "kind": By(lambda event: _word(event.kind)),
    "about": By(lambda event: None if event.number is None else (event.repo or "", event.number)),
    "text": By(lambda event: _word(event.text)),
    "by": By(lambda event: _word(str(event.actor))),
}
