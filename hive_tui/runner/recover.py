"""Makes good for a runner that died: ends its processes, saves its work, writes its record.

Whatever the dead runner had begun may be half there; nothing of that is an error here.
"""

from __future__ import annotations

from hive_tui import plugins
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Phase
from hive_tui.core.ports import RunHost
from hive_tui.runner import ladder, project, run, steps, takeover, workspace
from hive_tui.runner.context import Context
from hive_tui.runner.flow import Over
from hive_tui.runner.journal import Clock
from hive_tui.runner.orders import Signals, stopped_by
from hive_tui.runner.replay import catch_up
from hive_tui.runner.run import LoadAgent


def recover(
    host: RunHost, signals: Signals, *, load_agent: LoadAgent = plugins.agent, clock: Clock = run.utc_now
) -> Over:
    """Write the record of a run whose runner is dead; returns it. Raises RunEnded when there is one."""
    job = host.register(recover=True)
    host.sandbox.end_everything(grace=ladder.GRACE)
    ctx = run.context(host, job, signals, load_agent, clock)
    ctx.journal.note("the runner died; recovering")
    try:
        catch_up(ctx)
    except (HiveError, OSError) as error:
        ctx.journal.note(f"what the agent said last is lost: {error}")
    over = _verdict(ctx)
    run.finish(ctx, over)
    return over


def _verdict(ctx: Context) -> Over:
    died = Over(Phase.LOST, "the runner died", f"in step {_step(ctx)}")
    try:
        prepared = workspace.reopen(ctx)
        ctx.orders.read()
        if (order := ctx.orders.stop_order()) is not None:
            return stopped_by(order)
        if not prepared:
            return died
        ctx.project = project.read(ctx.bare, ctx.base)
        passed = takeover.marked(ctx.bare, steps.PUBLISH)
        return steps.push(ctx, passed) if passed else died
    except (HiveError, OSError) as error:
        ctx.journal.note(f"recovery: {error}")
        return died


def _step(ctx: Context) -> str:
    step = ctx.journal.status.step
    return step.value if step else "none"
