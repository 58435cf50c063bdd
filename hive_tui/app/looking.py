"""Looking at things closely and elsewhere: opened, gone to, in the browser, on the clipboard."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hive_tui.core.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime

    from hive_tui.app.app import HiveApp
    from hive_tui.app.costs_feed import OpenCosts
    from hive_tui.app.panes.base import ListPane
    from hive_tui.app.screens.detail import DetailScreen

LOCAL = "local"

SETTLE_SECONDS = 0.02
"""Between two looks whether a list that is no longer filtered has its rows."""

MOST_PAGES = 5
"""Pages that one key opens at most."""


class Looking:
    """What the console does with what is selected, without changing it."""

    def __init__(self, app: HiveApp) -> None:
        self._app = app

    def open(self, target: Target, tab: str | None = None) -> None:
        """Everything about one thing, on a screen of its own; `tab` as in `screens.detail.TABS`."""
        from hive_tui.app.screens.detail import DetailScreen

        app = self._app
        app.push_screen(DetailScreen(app.fleet, app.logs, app.view, target, tab))

    def costs(
        self,
        open_costs: OpenCosts | None,
        by: str | None,
        scope: str | None,
        *,
        now: Callable[[], datetime],
    ) -> None:
        """What was used, on a screen of its own, under a heading, of the fleet or the machine; None leaves
        what it shows."""
        from hive_tui.app.costs_feed import LedgerRows
        from hive_tui.app.screens.costs import CostsScreen
        from hive_tui.costs import summary
        from hive_tui.costs.overview import FleetRows

        app = self._app
        if open_costs is None:
            app.say("This console was given no transcripts to sum up.", "warning")
            return

        checkouts = summary.checkouts(app.fleet.settings.repos)

        rows = LedgerRows(app.fleet)

        def booked() -> FleetRows:
            snapshot = app.latest
            return FleetRows(rows(snapshot.booked), snapshot.runs, checkouts)

        if isinstance(app.screen, CostsScreen):
            app.screen.ask(by, scope)
            return
        spent = app.view.costs
        # Where all of it is of today, days would be a single row.
        young = spent.all_micros is not None and spent.all_micros == spent.today_micros
        first = summary.By.ISSUE if young else summary.By.DAY
        screen = CostsScreen(partial(open_costs, booked), now=now, first=first)
        screen.ask(by, scope)
        app.push_screen(screen)

    def open_selected(self, tab: str | None = None) -> None:
        """The same for what is selected; which tab comes first depends on where one comes from."""
        from hive_tui.app import things

        self._app.main.hold()
        target = self._target()
        if target is None:
            self._app.say("Nothing is selected.", "warning")
        elif target.issue_key is None and target.pull_key is None and target.run is None:
            self._app.say("This is about the fleet as a whole: there is nothing more to open.")
        else:
            self.open(target, tab or things.tab_of(self._app.view, target, self._pane))

    def go(self, kind: str) -> None:
        """Select what is related in the pane that lists it, wherever one is."""
        from hive_tui.app import things

        target, view = self._target(), self._app.view
        if target is None:
            self._app.say("Nothing is selected.", "warning")
            return
        key = things.related(view, target, kind)
        if key is None:
            self._app.say(things.no_such(target, kind), "warning")
            return
        self._app.show_pane(things.PANES[kind], None)
        self._app.main.go(things.PANES[kind], key)

    def why_no_page(self) -> str | None:
        """Why what is selected has no page, as far as that can be told at a glance."""
        if self._app.view.settings.forge == LOCAL:
            return "the local tracker has no pages; Enter shows everything here"
        return None

    def browse(self) -> None:
        """Open the pages of what is selected; where there is no browser their addresses are copied."""
        from hive_tui.app import clipboard, things

        app = self._app
        pages = [
            things.page_of(app.view, target, things.kind_of(target, self._pane)) for target in self._targets()
        ]
        found = list(dict.fromkeys(page for page in pages if page is not None))[:MOST_PAGES]
        if not found:
            reason = self.why_no_page() or "it has no page"
            app.say(f"Cannot open it in a browser: {reason}.", "warning")
            return

        def finish() -> None:
            from hive_tui.system import browser

            opened = [page for page in found if browser.open_page(page)]
            missed = [page for page in found if page not in opened]
            if opened:
                app.say(f"Opened {' and '.join(opened)}.")
            if missed:
                app.say("There is no browser here: the address is copied instead.", "warning")
                app.call_from_thread(clipboard.copy, app, "\n".join(missed))

        app.run_worker(finish, group="browse", thread=True, exclusive=True, exit_on_error=False)

    def copy(self) -> None:
        """Copy the names of what is selected."""
        from hive_tui.app import clipboard, things
        from hive_tui.app.detail import subject

        screen = self._detail
        if screen is not None:
            names = [subject.name(screen.subject, screen.current)]
        else:
            names = [things.name_of(target, things.kind_of(target, self._pane)) for target in self._targets()]
        known = [name for name in names if name is not None]
        what = f"{len(known)} names" if len(known) > 1 else None
        clipboard.copy(self._app, "\n".join(known), what)

    def copy_line(self) -> None:
        """Copy the selected line as it reads."""
        from hive_tui.app import clipboard

        screen = self._detail
        line = screen.line if screen is not None else self._app.main.line
        clipboard.copy(self._app, line)

    @property
    def _detail(self) -> DetailScreen | None:
        from hive_tui.app.screens.detail import DetailScreen

        screen = self._app.screen
        return screen if isinstance(screen, DetailScreen) else None

    @property
    def _pane(self) -> str | None:
        return self._app.main.current.id if self._app.screen is self._app.main else None

    def _targets(self) -> tuple[Target, ...]:
        return tuple(self._app.targets or ())

    def _target(self) -> Target | None:
        """What one thing is about: the selected row, also where others are marked."""
        from hive_tui.app.panes.base import ListPane

        pane = self._app.main.current
        if self._app.screen is self._app.main and isinstance(pane, ListPane):
            if pane.view is None or pane.table.selected is None:
                return None
            return pane.target(pane.view, pane.table.selected)
        return next(iter(self._targets()), None)


def select(pane: ListPane, key: Hashable, say: Callable[[str], object]) -> None:
    """Select a row; a filter that hides it is put away."""
    if key in pane.table.keys:
        pane.table.select(key)
    elif pane.filtering:
        pane.set_filter("")
        say("The filter hid it and was cleared.")
        _when_settled(pane, key)
    elif pane.settled:
        say("It is too old to be listed; Enter opens it where it is listed still.")
    else:
        _when_settled(pane, key)


def _when_settled(pane: ListPane, key: Hashable) -> None:
    if pane.settled:
        pane.table.select(key)
    else:
        pane.set_timer(SETTLE_SECONDS, lambda: _when_settled(pane, key))
