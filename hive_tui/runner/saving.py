"""Saves unfinished work to the run's work-in-progress branch, whatever state it is in."""

from __future__ import annotations

import contextlib

from hive_tui.core.errors import HiveError
from hive_tui.core.ids import wip_branch_name
from hive_tui.core.text import clean_line
from hive_tui.runner import policy, takeover
from hive_tui.runner.context import Context
from hive_tui.system import disk


class NoRoom(HiveError):
    """The work cannot be saved before there is space on the disk again; the run must not end without."""


SAVED = "wip"
"""Under `refs/hive/` of the runner's directory: the unfinished work that was saved last."""

SUBJECT = "Work in progress"

_GONE = "cannot be saved and goes with its pod"

_SECONDS = 15.0
"""For committing what is uncommitted; then what the agent committed itself has to do."""


def save(ctx: Context, keep_local: str | None = None) -> str | None:
    """Push what there is to `hive/wip/…`; returns its SHA, None when there is nothing or it cannot be
    saved (the log says which). Does not touch the agent's index or branch, so the session can go on.

    Raises NoRoom when a full disk is the reason, and the work stays there: recovery saves it once there is
    space.
    """
    try:
        tip = _tip(ctx)
        if tip == ctx.base:
            return None
        taken = ctx.take_over(tip)
        takeover.mark(ctx.bare, SAVED, tip)
        found = policy.judge(taken.changes, taken.targets, ctx.project.protected)
        # A forge runs a changed workflow on any push, so a person has to look before it gets there.
        remote = (found or keep_local) and "://" in ctx.job.repo.source
        if taken.leaks or remote:
            why = "it holds a credential" if taken.leaks else keep_local or found[0]
            where = f"is kept in {ctx.bare}" if ctx.host.lasting else _GONE
            ctx.journal.note(f"the work {where}: {why}")
            return None
        branch = wip_branch_name(ctx.job.spec.issue, ctx.job.spec.attempt)
        ctx.host.push(ctx.bare, ctx.job.repo, tip, branch)
    except (HiveError, OSError) as error:
        where = f"stays in {ctx.sandbox.workdir}" if ctx.host.lasting else _GONE
        ctx.journal.note(f"the work {where}: {clean_line(str(error))}")
        with contextlib.suppress(OSError):
            if ctx.host.lasting and disk.full(ctx.home):
                raise NoRoom(
                    f"The disk is full: {clean_line(str(error))}", "Free some space; then the work is saved."
                ) from error
        return None
    ctx.journal.note(f"work saved as {branch} at {tip[:10]}")
    return tip


def _tip(ctx: Context) -> str:
    spec = ctx.job.spec
    message = f"{SUBJECT} on #{spec.issue}\n\nSaved by hive when {spec.id} ended."
    try:
        return takeover.commit_all(ctx.sandbox, message, ctx.identity, move=False, timeout=_SECONDS)
    except HiveError as error:
        ctx.journal.note(f"uncommitted work cannot be saved: {clean_line(error.message)}")
        return takeover.committed(ctx.sandbox)
