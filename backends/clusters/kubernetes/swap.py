"""Compare-and-swap by resourceVersion: whoever lost reads anew and decides anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from backends.clusters.kubernetes.errors import Conflict
from hive_tui.core.errors import SourceError

T = TypeVar("T")

ATTEMPTS = 20
SECONDS = 20.0


def until_won(attempt: Callable[[], T]) -> T:
    """Call `attempt`, which reads, decides and writes, until no Conflict is in its way. Raises SourceError
    when others are quicker for too long."""
    import tenacity  # 40 ms, which reading need not pay

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Conflict),
        wait=tenacity.wait_random_exponential(multiplier=0.01, max=1.0),
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(SECONDS),
        reraise=True,
    )
    try:
        return retrying(attempt)
    except Conflict as error:
        raise SourceError("Others keep changing the same object of the cluster.", "Try again.") from error
