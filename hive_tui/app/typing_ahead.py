"""Keys one at a time: what is typed ahead waits for what the key before it does.

A key travels from the widget with the focus up to the app, by a queue at each of them, and what it does
may be told by messages that travel as well. Textual sends the next one on its way meanwhile, to what has
the focus at that moment: behind `:`, on a slow machine, that is a pane, where letters are orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import events
from textual.message_pump import MessagePump


async def settled(way: Sequence[MessagePump]) -> None:
    """Wait until everything is done that a key does at the widgets on its way, the app the last of them."""
    # Once for the key itself, and once for what the app had the widgets do.
    for _ in range(2):
        for pump in way:
            # Once for what is there already, and once for what came of it.
            await _caught_up(pump)
            await _caught_up(pump)


async def _caught_up(pump: MessagePump) -> None:
    """Wait until it has taken every message that it has now, or has ended."""
    ready: asyncio.Event = pump._message_queue.ready_event
    if ready._waiters and not ready.is_set():  # it has nothing to do, and waits for a message itself
        return
    task, done = pump._task, asyncio.Event()
    if not pump._running or not pump.post_message(events.Callback(done.set)):
        return

    def ended(_: object) -> None:
        done.set()

    if task is not None:  # the app has none
        task.add_done_callback(ended)
    await done.wait()
    if task is not None:
        task.remove_done_callback(ended)
