"""How sessions read, on the command line and in the console; pure, and harmless whatever they are called."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from hive_tui.core import text
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.costs.clock import moment
from hive_tui.costs.periods import Block
from hive_tui.costs.prices import micros
from hive_tui.costs.sessions import Session
from hive_tui.costs.tails import Share

ENDED = Mark("·", "ended", Tone.QUIET)

_LIVE = {
    "busy": Mark("◐", "busy", Tone.GOOD),
    "shell": Mark("◐", "shell", Tone.GOOD),
    "idle": Mark("○", "idle"),
    "loaded": Mark("○", "loaded"),
    "waiting": Mark("?", "waiting", Tone.SOON),
}
"""What Claude Code says of itself, as of 2.1, and what is known of a thread of Codex's server."""

NEARLY_FULL = 0.8
"""The share of its context from which an agent soon compacts it."""

SPEED_MINUTES = 2.0
"""Calls of a shorter time tell no speed that would last."""

_SHORT = 8


def mark(session: Session) -> Mark:
    """Whether a process works on it, and what that says of itself."""
    if session.process is None:
        return ENDED
    status = session.process.status
    return _LIVE.get(status or "", Mark("◐", status or "live"))


def short_id(session: Session) -> str:
    """The beginning of its id: enough to tell it from the others of a day, but for Codex, whose ids begin
    with the time."""
    clean = text.clean_line(session.id, limit=64)
    return clean[-_SHORT:] if session.agent == "codex" else clean[:_SHORT]


def project(session: Session, home: str) -> str:
    """Its folder, with `~` for `home`; of one of hive's own runs that run."""
    if session.project is None:
        return text.UNKNOWN
    if (run := session.run) is not None:
        return f"run {run}"
    shown = text.clean_line(session.project, limit=512)
    return f"~{shown[len(home) :]}" if home and (shown == home or shown.startswith(f"{home}/")) else shown


def project_name(session: Session) -> str:
    """The last part of its folder; of one of hive's own runs the repository and the issue: `app#41`."""
    if (run := session.run) is not None:
        repo, _, issue, _ = run.rsplit("-", 3)
        return f"{repo}#{issue[1:]}"
    whole = project(session, "")
    return whole.rstrip("/").rpartition("/")[2] or whole


def model(session: Session) -> str:
    """Its model without the maker and the date: `opus-4-5` for `claude-opus-4-5-20251101`."""
    if not session.model:
        return text.UNKNOWN
    return re.sub(r"^claude-(?=.)|-\d{8}$", "", text.clean_line(session.model, limit=60))


def age(session: Session, now: datetime) -> str:
    """How long ago it said something."""
    return text.since(session.last, now)


def tokens(session: Session) -> str:
    return text.count(session.use.tokens if session.use.calls else None)


def cost(session: Session) -> str:
    """At list prices; with `*` where some of its calls have none."""
    if session.cost is None:
        return text.UNKNOWN
    return f"{text.money(micros(session.cost))}{'*' if session.use.unpriced else ''}"


def context(session: Session) -> tuple[str, Tone]:
    """How full its context is, or how much is in it where nobody knows what it holds."""
    share = session.fill
    if share is not None:
        tone = Tone.SOON if share >= NEARLY_FULL else Tone.PLAIN
        return f"{share:.0%}", tone
    return (text.UNKNOWN if session.context is None else text.count(session.context)), Tone.QUIET


def block(running: Block, now: datetime) -> tuple[str, ...]:
    """The five hours that run now: until when, what was used, how fast, and what it comes to."""
    until = f"block until {text.clock(running.end)}, {text.age(max(timedelta(0), running.end - now))} left"
    used = text.money(micros(running.use.cost)) if running.use.unpriced < running.use.calls else text.UNKNOWN
    words = [until, f"{used}{'*' if running.use.unpriced else ''} {text.count(running.use.tokens)} tokens"]
    if running.burn_cost is None or running.burn is None or running.minutes < SPEED_MINUTES:
        return tuple(words)
    burn = text.money(micros(round(running.burn_cost * 60)))
    words.append(f"burn {burn}/h {text.count(round(running.burn))} tokens/min")
    projected = running.projected(now)
    if projected is not None:
        words.append(f"~{text.money(micros(projected[1]))} ~{text.count(projected[0])} at its end")
    return tuple(words)


def share(one: Share) -> str:
    """`5h limit 12% used, new at 04:40`."""
    again = "" if one.resets is None else f", new at {text.clock(moment(one.resets), moment(one.at))}"
    return f"{_span(one.minutes)} limit {one.percent:.0f}% used{again}"


def _span(minutes: int) -> str:
    if minutes == 7 * 1_440:
        return "week"
    for size, unit in ((1_440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def share_tone(one: Share) -> Tone:
    return Tone.BROKEN if one.percent >= 100 else Tone.SOON if one.percent >= 80 else Tone.PLAIN


def nothing(folders: str) -> tuple[str, str]:
    """What an empty list says, and what to do about it."""
    return (
        f"No session of Claude Code or Codex was found in {folders}.",
        "Start `claude` or `codex` somewhere, or name their folders in CLAUDE_CONFIG_DIR and CODEX_HOME.",
    )
