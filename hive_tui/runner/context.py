"""What all steps of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from hive_tui.core.ports import Agent, AgentJob, Job, RunHost, Sandbox
from hive_tui.core.settings import ProjectSettings
from hive_tui.runner.journal import Journal
from hive_tui.runner.orders import Orders
from hive_tui.runner.takeover import Identity, Limits, Taken, take_over

HIVE = Identity("hive", "hive@localhost")


@dataclass
class Context:
    """One run's parts, and what its steps found out so far."""

    host: RunHost
    job: Job
    agent: Agent
    journal: Journal
    orders: Orders
    secrets: tuple[str, ...] = ()
    """Values of the agent's credentials and of the tracker's, which may appear nowhere."""
    limits: Limits = field(default_factory=Limits)
    base: str = ""
    """SHA that the work is compared with; empty until the repository was fetched."""
    lost: bool = False
    """The run goes on, but nothing of its earlier work could be had."""
    project: ProjectSettings = field(default_factory=ProjectSettings)
    identity: Identity = HIVE
    tip: str = ""
    """SHA of the work that the last round ended with, as the agent's side names it."""
    unheard: list[str] = field(default_factory=list)
    """Messages of people that no agent process has been told."""

    @property
    def home(self) -> Path:
        return self.host.home

    @property
    def sandbox(self) -> Sandbox:
        return self.host.sandbox

    @property
    def bare(self) -> Path:
        """The runner's own git directory."""
        return self.home / "own.git"

    def take_over(self, tip: str) -> Taken:
        """Bring the agent's work up to `tip` into `bare`; see `takeover.take_over`."""
        return take_over(self.sandbox, self.bare, self.base, tip, self.limits, secrets=self.secrets)

    @property
    def stalled_after(self) -> timedelta:
        return timedelta(seconds=self.job.stalled_after_seconds)

    @property
    def agent_job(self) -> AgentJob:
        """How to call the agent: as the fleet says, and the repository's test command allowed too."""
        test = self.project.test
        if not test or "\n" in test:
            return self.job.agent
        tools = (*self.job.agent.allowed_tools, f"Bash({test})")
        return msgspec.structs.replace(self.job.agent, allowed_tools=tools)
