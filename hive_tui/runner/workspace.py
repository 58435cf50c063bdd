"""Prepares a run: the runner's own git directory, the repository's settings, the agent's clone."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hive_tui.core.errors import ConfigError, GitError
from hive_tui.core.model import Phase
from hive_tui.core.text import clean_line
from hive_tui.runner import project, takeover
from hive_tui.runner.context import HIVE, Context
from hive_tui.runner.flow import Over, Passed, StepResult
from hive_tui.runner.takeover import Identity
from hive_tui.system import bounded

_COPIED = ("PATH", "HOME", "XDG_CONFIG_HOME")

_BASE = "base"
"""Under `refs/hive/` of the runner's directory: where the agent's clone started."""


def prepare(ctx: Context) -> StepResult:
    """Fetch, read the settings, clone. Again for a run that goes on: what is there is kept."""
    ctx.base = takeover.marked(ctx.bare, _BASE) or ""
    if not ctx.base:
        base = _fetch(ctx)
        takeover.mark(ctx.bare, _BASE, base)
        ctx.base = base
    ctx.journal.update(base_sha=ctx.base)
    try:
        ctx.project = project.read(ctx.bare, ctx.base)
    except ConfigError as error:
        return Over(Phase.NEEDS_HUMAN, error.message, error.hint)
    if ctx.project.test is None:
        ctx.project = msgspec.structs.replace(ctx.project, test=ctx.job.repo.test)
    ctx.identity = identity(ctx.job.repo.source)
    ctx.orders.look()
    ctx.sandbox.clone(ctx.bare, ctx.base, ctx.job.spec.branch)
    for missing in ctx.sandbox.populate(ctx.bare, ctx.base, ctx.job.repo.source):
        ctx.journal.note(clean_line(missing))
    for key, value in (("user.name", ctx.identity.name), ("user.email", ctx.identity.email)):
        ctx.sandbox.stream(("git", "config", key, value), stdin=b"", limit=1_000, timeout=30.0)
    ctx.journal.note(f"{ctx.job.spec.branch} from {ctx.job.repo.base} at {ctx.base[:10]}")
    return Passed()


def _fetch(ctx: Context) -> str:
    try:
        return ctx.host.fetch(ctx.bare, ctx.job.repo)
    except GitError:
        ctx.orders.look()  # it may have failed because the run was told to stop
        raise


def reopen(ctx: Context) -> bool:
    """Find what an earlier process prepared, without changing it; False when that was not enough to
    hold any work."""
    if not (ctx.bare / "HEAD").is_file():
        return False
    ctx.base = takeover.marked(ctx.bare, _BASE) or ""
    ctx.identity = identity(ctx.job.repo.source)
    return bool(ctx.base) and ctx.sandbox.workdir.is_dir()


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
