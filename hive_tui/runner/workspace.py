"""Prepares a run: the runner's own git directory, the repository's settings, the agent's clone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hive_tui.core.errors import ConfigError, GitError
from hive_tui.core.ids import wip_branch_name
from hive_tui.core.model import Phase
from hive_tui.core.text import clean_line
from hive_tui.runner import project, saving, takeover
from hive_tui.runner.context import HIVE, Context
from hive_tui.runner.flow import Over, Passed, StepResult
from hive_tui.runner.takeover import Identity
from hive_tui.system import bounded, git

_COPIED = ("PATH", "HOME", "XDG_CONFIG_HOME")

_BASE = "base"
"""Under `refs/hive/` of the runner's directory: where the agent's clone started."""


def prepare(ctx: Context) -> StepResult:
    """Fetch, read the settings, clone. Again for a run that goes on: what is there is kept."""
    ctx.base = takeover.marked(ctx.bare, _BASE) or ""
    if not ctx.base:
        base = _begin(ctx)
        takeover.mark(ctx.bare, _BASE, base)
        ctx.base = base
    ctx.journal.update(base_sha=ctx.base)
    # What was saved when the run came to wait; a work tree that is still there has it, and keeps it.
    start = (takeover.marked(ctx.bare, saving.SAVED) if ctx.job.resume else None) or ctx.base
    try:
        ctx.project = project.read(ctx.bare, ctx.base)
    except ConfigError as error:
        return Over(Phase.NEEDS_HUMAN, error.message, error.hint)
    if ctx.project.test is None:
        ctx.project = msgspec.structs.replace(ctx.project, test=ctx.job.repo.test)
    ctx.identity = identity(ctx.job.repo.source)
    ctx.orders.look()
    with _told(ctx):
        ctx.sandbox.clone(ctx.bare, start, ctx.job.spec.branch, stop=ctx.orders.ending)
    for missing in ctx.sandbox.populate(ctx.bare, start, ctx.job.repo.source):
        ctx.journal.note(clean_line(missing))
    for key, value in (("user.name", ctx.identity.name), ("user.email", ctx.identity.email)):
        ctx.sandbox.stream(("git", "config", key, value), stdin=b"", limit=1_000, timeout=30.0)
    ctx.journal.note(f"{ctx.job.spec.branch} from {ctx.job.repo.base} at {ctx.base[:10]}")
    return Passed()


def _begin(ctx: Context) -> str:
    """Fetch the repository; returns the commit to compare with.

    A run that goes on where nothing of it is left (another pod, a folder that was deleted) gets back what it
    had pushed, on the commit that it started from.
    """
    before = ctx.job.resume
    if before is None or before.base_sha is None:
        return _fetch(ctx)
    spec = ctx.job.spec
    tip = _fetch(ctx, wip_branch_name(spec.issue, spec.attempt) if before.wip else None)
    base, wip = before.base_sha, before.wip
    if wip is not None and _has(ctx.bare, wip) and _has(ctx.bare, base):
        takeover.mark(ctx.bare, saving.SAVED, wip)
        ctx.journal.note(f"goes on from the work that was saved at {wip[:10]}")
        return base
    ctx.lost = True
    if wip is not None:
        ctx.journal.note(f"the work that was saved at {wip[:10]} is not there any more: begins anew")
    return base if _has(ctx.bare, base) else tip


def _has(bare: Path, sha: str) -> bool:
    return git.SHA.fullmatch(sha) is not None and git.ok("cat-file", "-e", f"{sha}^{{commit}}", cwd=bare)


def _fetch(ctx: Context, saved: str | None = None) -> str:
    with _told(ctx):
        return ctx.host.fetch(ctx.bare, ctx.job.repo, saved=saved, stop=ctx.orders.ending)


@contextlib.contextmanager
def _told(ctx: Context) -> Iterator[None]:
    """What fails in here may have failed because the run was told to stop."""
    try:
        yield
    except GitError:
        ctx.orders.look()
        raise


def reopen(ctx: Context) -> bool:
    """Find what an earlier process prepared, without changing it; False when that was not enough to
    hold any work."""
    if not (ctx.bare / "HEAD").is_file():
        return False
    ctx.base = takeover.marked(ctx.bare, _BASE) or ""
    ctx.identity = identity(ctx.job.repo.source)
    return bool(ctx.base) and ctx.sandbox.exists()


def identity(source: str) -> Identity:
    """Who commits: as the user's git would say in their checkout, else hive."""
    where = Path(source) if "://" not in source and Path(source).is_dir() else Path("/")
    env = {name: os.environ[name] for name in _COPIED if name in os.environ}
    said = []
    for key in ("user.name", "user.email"):
        try:
            done = bounded.run(
                ("git", "config", "--get", key), cwd=where, env=env, limit=10_000, timeout=10.0
            )
        except GitError:
            return HIVE
        said.append(clean_line(done.stdout.decode("utf-8", "replace"), limit=200))
    return Identity(*said) if all(said) else HIVE
