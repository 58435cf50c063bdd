"""A whole run on a stage: real git and real processes, with a toy agent that plays a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hive_tui.runner import run
from hive_tui.runner.flow import Over
from hive_tui.runner.orders import Signals
from tests.fakes.run_host import FakeHost, ToyAgent, job, repository


class Stage:
    """A user's repository, a run on it, and the toy agent that plays a script."""

    def __init__(self, folder: Path, files: dict[str, str], **changes: Any) -> None:
        self.source = repository(folder / "my repö", files)
        self.host = FakeHost(folder / "the rün" / "home", job(self.source, **changes))
        self.signals = Signals()
        self.agent = ToyAgent("")

    def play(self, script: str, **options: Any) -> Over:
        self.agent = ToyAgent(script, **options)
        return run.execute(self.host, self.signals, load_agent=lambda name: self.agent)
