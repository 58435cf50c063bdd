"""The peer of `console_keys`: Textual's own table of the same issues, in a terminal, with nothing else."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
from rich.console import RenderableType
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import DataTable

from hive_tui.core.model import Issue
from tests.bench._busy import Load, Watch, fleet


def main(path: str, load: Load) -> None:
    """Show the table until `q`; `path` is for the report."""
    issues = [item for item in fleet(load).tracker.known.values() if isinstance(item, Issue)]
    watch = Watch()

    class Peer(App[None]):
        BINDINGS = [  # noqa: RUF012
            Binding("q", "quit"),
            Binding("j", "move('down')"),
            Binding("k", "move('up')"),
        ]

        def compose(self) -> ComposeResult:
            yield DataTable(cursor_type="row")

        def on_mount(self) -> None:
            table = self.query_one(DataTable)
            for name, width in (("number", 8), ("state", 12), ("repo", 8), ("title", 100)):
                table.add_column(name, width=width)
            for issue in issues:
                table.add_row(str(issue.number), issue.labels[0], issue.repo, issue.title)

        def action_move(self, way: str) -> None:
            table = self.query_one(DataTable)
            table.action_cursor_down() if way == "down" else table.action_cursor_up()

        async def on_event(self, event: events.Event) -> None:
            fresh = isinstance(event, events.Key) and not event.is_forwarded
            await super().on_event(event)
            if fresh:
                watch.pressed(self)

        def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
            super()._display(screen, renderable)
            watch.wrote()

    asyncio.run(watch.run(Peer(), load.beat))
    watch.report(path)


if __name__ == "__main__":
    main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Load))
