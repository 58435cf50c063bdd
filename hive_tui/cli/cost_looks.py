"""What the console sums up costs from."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hive_tui.cli.common import Session

if TYPE_CHECKING:
    from hive_tui.app.costs_feed import CostLooks, OpenCosts
    from hive_tui.config import Configuration
    from hive_tui.costs.overview import FleetRows


def cost_looks(session: Session) -> OpenCosts:
    """Opens the transcripts of this machine's user."""
    return partial(_open, session.configuration)


def _open(configuration: Configuration, booked: Callable[[], FleetRows]) -> CostLooks:
    from hive_tui.costs import files
    from hive_tui.costs.cost_sources import CostSources
    from hive_tui.costs.index import Index
    from hive_tui.costs.prices import Prices

    prices = Prices(configuration.settings.prices)
    return CostSources(
        Index(configuration.folders.cache, prices), files.roots(os.environ, Path.home()), booked
    )
