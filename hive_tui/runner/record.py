"""What an agent used that its stream did not tell, from what it wrote down where it worked.

In a pod that goes with the pod, and only the runner can ask for it: at the end of the agent's process, also
when the run itself is ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import msgspec

from hive_tui.core.errors import HiveError
from hive_tui.core.events import AgentResult
from hive_tui.core.model import Usage
from hive_tui.core.ports import UsageRecord
from hive_tui.core.usage import add, beyond
from hive_tui.runner.context import Context
from hive_tui.runner.session import Session

SECONDS = 3.0
"""For what is printed: a pod that is ended has not much longer."""

MOST = 16 << 20
"""Bytes of it, some ten thousand calls."""


def completed(ctx: Context, state: Session, result: AgentResult) -> AgentResult:
    """The result, with what the agent wrote down where its stream told nothing; `state` is the session's
    before it. At least that was used: a call that was cut off is not written down."""
    name = result.session or state.id
    make: Callable[[], UsageRecord] | None = getattr(ctx.agent, "usage_record", None)
    if make is None or name is None or result.usage != Usage():
        return result
    written = make()
    try:
        data = ctx.sandbox.stream(
            written.command(name), stdin=b"", limit=MOST, timeout=SECONDS, inherit=written.variables
        )
    except HiveError:
        return result  # it stays unknown, as it was
    models = {model: Usage(tokens, estimated=True) for model, tokens in written.read(data).items()}
    if not models:
        return result
    whole, model = reduce(add, models.values()), result.model or next(reversed(models))
    if state.used != Usage():
        # Of which model the earlier processes' use was is not told.
        whole, models = Usage(beyond(whole.tokens, state.used.tokens), estimated=True), {}
    return msgspec.structs.replace(result, usage=whole, model=model, models=models)
