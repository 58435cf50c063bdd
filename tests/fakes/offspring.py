"""Processes that tests start: forked from a clean one in which everything is imported already."""

from __future__ import annotations

import functools
import multiprocessing
from multiprocessing.context import ForkServerContext

_IMPORTED = ["tests.fakes.run_alone", "tests.unit.test_local_cluster", "tests.unit.test_database"]


@functools.cache
def offspring() -> ForkServerContext:
    """Makes processes that share nothing with the test but what they are given.

    Importing took each of them longer than what it was started for. Their environment is that of
    the first test which asked for one.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context
