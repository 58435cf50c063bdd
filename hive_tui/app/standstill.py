"""Why nothing is started, whichever issue: in a sentence that says what helps; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hive_tui.core import gates, text
from hive_tui.core.model import DispatcherState

if TYPE_CHECKING:
    from hive_tui.app.view import View


def why(view: View) -> str | None:
    """What holds the fleet as a whole; None where nothing does, or nothing is known of it."""
    fleet, settings = view.snapshot.fleet, view.settings
    if fleet is None:
        return None
    state = fleet.dispatcher.state
    if state in (DispatcherState.STOPPED, DispatcherState.DEAD):
        word = "is stopped" if state is DispatcherState.STOPPED else "died"
        return f"The dispatcher {word}: `hive dispatcher start`"
    if fleet.dispatcher.held is not None:
        held = fleet.dispatcher.held
        return held[:1].upper() + held[1:]
    if fleet.paused is not None:
        reason = f" ({text.clean_line(fleet.paused.why)})" if fleet.paused.why else ""
        return f"{fleet.paused.by} paused the fleet{reason}: `hive resume`"
    if not settings.allowed_authors and not settings.allowed_roles:
        return "Nobody's issues are started: list yourself in allowed_authors"
    if not fleet.slots:
        return "The fleet has no slots: `hive slots +1` adds one"
    if not any(gates.available(agent, view.now) for agent in fleet.agents):
        return "No agent can work now: `1` shows why" if fleet.agents else "The fleet has no agent"
    return None


def idle(view: View) -> str | None:
    """Why no agent is at work: what holds the fleet, else what has become of its issues; None where one
    is, or where there is nothing to work on."""
    tally = view.tally
    if tally.phases:
        return None
    held = why(view)
    if held is not None:
        return held
    if tally.ready:
        return f"{text.plural(tally.ready, 'issue')} ready: `n` starts what can be started now"
    parts = [f"`2` shows {tally.held:,} held"] if tally.held else []
    if tally.pulls:
        parts.append(f"`5` shows {text.plural(tally.pulls, 'open pull request')}")
    return f"No issue is ready: {', '.join(parts)}" if parts else None
