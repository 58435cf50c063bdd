"""Every state as a glyph, a word and a tone: the same three for the console, the report and the help.

Glyphs take one cell in every terminal; the word stands beside them, so that neither colour nor font
is needed to tell states apart.
"""

from __future__ import annotations

import enum

import msgspec

from hive_tui.core.model import CheckState, DispatcherState, Phase, PullState, QuotaState, VerdictValue
from hive_tui.core.sources import Health
from hive_tui.core.workflow import IssueState


class Tone(enum.Enum):
    """Urgency, the only thing that colour says."""

    PLAIN = "plain"
    QUIET = "quiet"
    """Over, or nothing to do."""
    GOOD = "good"
    SOON = "soon"
    """Needs somebody soon."""
    BROKEN = "broken"
    TITLE = "title"


class Mark(msgspec.Struct, frozen=True):
    """How a state looks."""

    glyph: str
    word: str
    tone: Tone = Tone.PLAIN

    def __str__(self) -> str:
        return f"{self.glyph} {self.word}"


PHASES: dict[Phase, Mark] = {
    Phase.QUEUED: Mark("◌", "queued", Tone.QUIET),
    Phase.STARTING: Mark("◌", "starting"),
    Phase.WORKING: Mark("◐", "working"),
    Phase.WAITING: Mark("?", "waiting", Tone.SOON),
    Phase.STALLED: Mark("!", "stalled", Tone.SOON),
    Phase.FINISHING: Mark("◕", "finishing"),
    Phase.SUCCEEDED: Mark("✓", "succeeded", Tone.GOOD),
    Phase.NEEDS_HUMAN: Mark("!", "needs-human", Tone.SOON),
    Phase.CHANGES_REQUESTED: Mark("✗", "changes asked", Tone.SOON),
    Phase.FAILED: Mark("✗", "failed", Tone.BROKEN),
    Phase.KILLED: Mark("■", "killed", Tone.QUIET),
    Phase.LOST: Mark("✗", "lost", Tone.BROKEN),
}

WAITING_FOR_QUOTA = Mark("◷", "waiting", Tone.SOON)

ISSUES: dict[IssueState, Mark] = {
    IssueState.READY: Mark("○", "ready"),
    IssueState.IN_PROGRESS: Mark("◐", "in-progress"),
    IssueState.IN_REVIEW: Mark("◕", "in-review", Tone.SOON),
    IssueState.CHANGES_REQUESTED: Mark("✗", "changes asked", Tone.SOON),
    IssueState.NEEDS_HUMAN: Mark("!", "needs-human", Tone.SOON),
    IssueState.DONE: Mark("✓", "done", Tone.GOOD),
}

HELD = Mark("─", "held", Tone.QUIET)
DISABLED = Mark("─", "disabled", Tone.QUIET)
NO_STATE = Mark("–", "no status", Tone.QUIET)
CLOSED = Mark("✓", "closed", Tone.QUIET)

PULLS: dict[PullState, Mark] = {
    PullState.OPEN: Mark("◐", "open"),
    PullState.MERGED: Mark("✓", "merged", Tone.GOOD),
    PullState.CLOSED: Mark("─", "closed", Tone.QUIET),
}

VERDICTS: dict[VerdictValue, Mark] = {
    VerdictValue.PASS: Mark("✓", "PASS", Tone.GOOD),
    VerdictValue.CHANGES_REQUESTED: Mark("✗", "changes asked", Tone.SOON),
    VerdictValue.UNKNOWN: Mark("?", "unclear", Tone.SOON),
}

CHECKS: dict[CheckState, Mark] = {
    CheckState.PASSED: Mark("✓", "passed", Tone.GOOD),
    CheckState.FAILED: Mark("✗", "failed", Tone.BROKEN),
    CheckState.PENDING: Mark("◐", "pending"),
}

QUOTAS: dict[QuotaState, Mark] = {
    QuotaState.OK: Mark("●", "ok", Tone.GOOD),
    QuotaState.LIMITED: Mark("◷", "limited", Tone.SOON),
    QuotaState.UNKNOWN: Mark("–", "unknown", Tone.QUIET),
}

DISPATCHERS: dict[DispatcherState, Mark] = {
    DispatcherState.RUNNING: Mark("●", "running", Tone.GOOD),
    DispatcherState.STOPPED: Mark("○", "stopped", Tone.SOON),
    DispatcherState.DEAD: Mark("✗", "dead", Tone.BROKEN),
    DispatcherState.UNKNOWN: Mark("–", "unknown", Tone.QUIET),
}

HEALTHS: dict[Health, Mark] = {
    Health.FRESH: Mark("●", "fresh", Tone.GOOD),
    Health.STALE: Mark("!", "stale", Tone.SOON),
    Health.FAILED: Mark("✗", "failed", Tone.BROKEN),
}

RUNNING = Mark("▶", "running", Tone.GOOD)
NOT_PAUSED = Mark("▷", "not paused", Tone.QUIET)
"""Nobody paused the fleet, but nothing is started: no dispatcher is known to run."""
PAUSED = Mark("⏸", "paused", Tone.SOON)


def switch(dispatcher: DispatcherState) -> Mark:
    """What a fleet does that is not paused."""
    return RUNNING if dispatcher is DispatcherState.RUNNING else NOT_PAUSED
