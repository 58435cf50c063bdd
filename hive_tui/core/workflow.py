"""An issue's state, mirrored by labels: two presets of one state machine."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable

from hive_tui.core.ids import AgentName
from hive_tui.core.model import IssueType, Mode
from hive_tui.core.settings import Preset


class IssueState(enum.Enum):
    READY = "ready"
    IN_PROGRESS = "in-progress"
    IN_REVIEW = "in-review"
    CHANGES_REQUESTED = "changes-requested"
    NEEDS_HUMAN = "needs-human"
    DONE = "done"


_PLAIN = {
    IssueState.READY: "ready",
    IssueState.IN_PROGRESS: "in-progress",
    IssueState.IN_REVIEW: "needs-review",
    IssueState.CHANGES_REQUESTED: "changes-requested",
    IssueState.NEEDS_HUMAN: "needs-human",
    IssueState.DONE: "done",
}


def label(state: IssueState, preset: Preset) -> str:
    """The label that mirrors a state."""
    return _PLAIN[state] if preset is Preset.PLAIN else f"status:{state.value}"


_STATES = {preset: {label(state, preset): state for state in IssueState} for preset in Preset}


@functools.lru_cache(maxsize=4_096)  # a tracker has few different sets of labels, on many issues
def states(labels: tuple[str, ...], preset: Preset) -> tuple[IssueState, ...]:
    """All states that the labels name; more than one is a person's contradiction."""
    known = _STATES[preset]
    return tuple(known[name] for name in labels if name in known)


def state(labels: tuple[str, ...], preset: Preset) -> IssueState | None:
    """The one state that the labels name, or None for none or several."""
    found = states(labels, preset)
    return found[0] if len(found) == 1 else None


def wanted_agent(labels: Iterable[str]) -> AgentName | None:
    """The agent that an `agent:` label asks for."""
    return next((AgentName(name[6:]) for name in labels if name.startswith("agent:")), None)


def transition(
    labels: Iterable[str], to: IssueState, preset: Preset
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels to add and to remove so that `to` is the only state; nothing else is touched."""
    have = tuple(labels)
    wanted = label(to, preset)
    add = () if wanted in have else (wanted,)
    known = _STATES[preset]
    return add, tuple(name for name in have if name in known and name != wanted)


@functools.lru_cache(maxsize=4_096)
def issue_type(labels: tuple[str, ...]) -> IssueType | None:
    """The type that a `type:` label names."""
    for name in labels:
        if name.startswith("type:"):
            try:
                return IssueType(name[5:])
            except ValueError:
                continue
    return None


_MODES = {
    IssueType.FEATURE: Mode.FEATURE,
    IssueType.BUG: Mode.BUG_FIX,
    IssueType.QA_FEEDBACK: Mode.BUG_FIX,
    IssueType.IMPROVEMENT: Mode.IMPROVEMENT,
    IssueType.RESEARCH: Mode.RESEARCH,
}


def mode(labels: tuple[str, ...]) -> Mode:
    """How an agent is asked to work; an issue without a type is an improvement."""
    kind = issue_type(labels)
    return Mode.IMPROVEMENT if kind is None else _MODES[kind]


_PRIORITIES = {"priority:critical": 0, "priority:high": 1, "priority:medium": 2, "priority:low": 4}


@functools.lru_cache(maxsize=4_096)
def priority(labels: tuple[str, ...]) -> int:
    """Rank for ordering, lower is sooner; no label stands between medium and low."""
    return min((_PRIORITIES[name] for name in labels if name in _PRIORITIES), default=3)
