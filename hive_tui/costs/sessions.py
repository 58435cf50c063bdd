"""The sessions of Claude Code and Codex on this machine: those at work first, each with what it used."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from hive_tui.costs import periods, windows
from hive_tui.costs.clock import LATEST, moment, stamp
from hive_tui.costs.files import Found
from hive_tui.costs.live import Process
from hive_tui.costs.periods import Block, Use
from hive_tui.costs.sums import QUARTER, Sum
from hive_tui.costs.tails import Share, Tail

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}")
"""What an agent may call a session so that a shell may be told of it."""

_THREAD = re.compile(r"-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")

_RUN = re.compile(r"/fleets/[^/]+/runs/([a-z0-9-]+-[0-9a-f]{8}-i\d+-a\d+)/work(?:/|$)")
"""The clone of one of hive's own runs on this machine, as `core.ids.run_id` names them."""

_RESUME = {"claude": "claude --resume", "codex": "codex resume"}

_NEVER = datetime.min.replace(tzinfo=UTC)


class Session(msgspec.Struct, frozen=True):
    """One conversation with an agent. Texts are as the agent's files have them: hostile."""

    agent: str
    """`claude` or `codex`."""
    id: str
    process: Process | None = None
    """That works on it now."""
    project: str | None = None
    """The folder that it belongs to."""
    model: str | None = None
    """Of its last call."""
    last: datetime | None = None
    """When its transcript grew last; never later than now, whatever a clock said."""
    use: Use = Use("")
    """With its sub-agents."""
    context: int | None = None
    """Tokens that its last call was given."""
    window: int | None = None
    """Tokens that its model takes."""
    transcript: Found | None = None
    words: str = ""
    """The last that was said or done in it, harmless."""

    @property
    def fill(self) -> float | None:
        """The share of the window that is in use, 0 to 1; None where that is not known."""
        return windows.fill(self.context, self.window)

    @property
    def run(self) -> str | None:
        """The run of a fleet that it belongs to, where it is one of hive's own."""
        found = _RUN.search(self.project or "")
        return None if found is None else found[1]

    @property
    def cost(self) -> int | None:
        """Picodollars; None where nothing of it has a price."""
        return None if self.use.calls == self.use.unpriced else self.use.cost

    @property
    def resume(self) -> str | None:
        """The command that goes on with it; None where its transcript is gone, or its name or folder is none
        for a shell."""
        command = _RESUME.get(self.agent)
        if command is None or not _ID.fullmatch(self.id) or not (self.transcript or self.process):
            return None
        if self.project is None:
            return f"{command} {self.id}"
        if not self.project.isprintable():
            return None
        return f"cd {shlex.quote(self.project)} && {command} {self.id}"


class Overview(msgspec.Struct, frozen=True):
    """All sessions, those at work first, each part in the order of its last activity."""

    sessions: tuple[Session, ...] = ()
    block: Block | None = None
    """The five hours of a subscription that run now."""
    shares: tuple[Share, ...] = ()
    """Of the limits of a subscription, as Codex recorded them last; none that has begun anew since."""
    whole: bool = True
    """Nothing is still to be read."""
    problems: tuple[str, ...] = ()
    """What could not be read, and the next step."""

    @property
    def live(self) -> int:
        return sum(session.process is not None for session in self.sessions)


def main_transcripts(found: Iterable[Found]) -> dict[tuple[str, str], Found]:
    """The transcript of each session, by agent and id; those of sub-agents are none. Of several with the
    same id the one that was written to last."""
    named: dict[tuple[str, str], Found] = {}
    for file in found:
        name = os.path.basename(file.path).removesuffix(".jsonl")
        if file.agent == "codex":
            thread = _THREAD.search(name)
            name = thread[1] if thread else name
        elif f"{os.sep}subagents{os.sep}" in file.path:
            continue
        known = named.get((file.agent, name))
        if known is None or file.modified > known.modified:
            named[file.agent, name] = file
    return named


def overview(
    sums: Iterable[Sum],
    processes: Iterable[Process],
    transcripts: Mapping[tuple[str, str], Found],
    tails: Mapping[str, Tail],
    block: Block | None,
    problems: Sequence[str],
    now: datetime,
    window: Callable[[str], int | None] = lambda model: None,
) -> Overview:
    """What sums by session, project, model and agent, processes and transcripts come to at `now`; pure.
    `transcripts` are by agent and session, `tails` by path, `window` tells what a model's context holds."""
    used: dict[tuple[str, str], list[Sum]] = {}
    for one in sums:
        used.setdefault((one.agent, one.session), []).append(one)
    at_work = {(process.agent, process.session): process for process in processes}
    sessions = []
    ends = {key: tails.get(file.path, Tail()) for key, file in transcripts.items()}
    # Also what was said to an agent that never could call its model.
    spoken = {key for key, tail in ends.items() if tail.words}
    for key in used.keys() | at_work.keys() | spoken:
        file, tail = transcripts.get(key), ends.get(key, Tail())
        sessions.append(_session(key, used.get(key, []), at_work.get(key), file, tail, now, window))
    sessions.sort(key=_order)
    shares = _shares(tails.values(), now)
    return Overview(tuple(sessions), block, shares, problems=tuple(problems))


def _order(session: Session) -> tuple[bool, float, str]:
    return session.process is None, -(session.last or _NEVER).timestamp(), session.id


def _session(
    key: tuple[str, str],
    sums: Sequence[Sum],
    process: Process | None,
    file: Found | None,
    tail: Tail,
    now: datetime,
    window: Callable[[str], int | None],
) -> Session:
    use = Use(key[1])
    for one in sums:
        use = periods.add(use, one)
    times = [
        *([] if use.last is None else [moment(use.last)]),
        *([] if file is None else [moment(min(max(0, file.modified // 1_000_000), LATEST))]),
        *([] if process is None or process.told_at is None else [process.told_at]),
    ]
    newest = max(sums, key=lambda one: one.last, default=None)
    model = tail.model or (None if newest is None else newest.model)
    return Session(
        *key,
        process,
        _project(sums, process, file, tail),
        model,
        min(max(times), now) if times else None,
        use,
        tail.context,
        tail.window or (None if model is None or tail.context is None else window(model)),
        file,
        tail.words,
    )


def _project(sums: Sequence[Sum], process: Process | None, file: Found | None, tail: Tail) -> str | None:
    """The folder in which it was begun, where it can be resumed: an agent may go elsewhere meanwhile."""
    by_age = [one.project for one in sorted(sums, key=lambda one: one.first) if one.project]
    if tail.project is not None:
        by_age.append(tail.project)
    # The last that is asked: Codex lets one process, begun anywhere, work on the sessions of all folders.
    if process is not None and process.project is not None:
        by_age.append(process.project)
    if len(set(by_age)) < 2:
        return by_age[0] if by_age else None
    folder = "" if file is None else os.path.basename(os.path.dirname(file.path))
    # Claude Code names the folder of transcripts after the one that they are about.
    named = (each for each in by_age if re.sub(r"[^0-9A-Za-z]", "-", each) == folder)
    return next(named, by_age[0])


def _shares(tails: Iterable[Tail], now: datetime) -> tuple[Share, ...]:
    """The newest of each span, as long as it has not begun anew."""
    at = stamp(now)
    newest: dict[int, Share] = {}
    for tail in tails:
        for share in tail.shares:
            known = newest.get(share.minutes)
            if share.at <= at + QUARTER and (known is None or share.at > known.at):
                newest[share.minutes] = share
    current = [share for share in newest.values() if share.resets is not None and share.resets > at]
    return tuple(sorted(current, key=lambda share: share.minutes))
