"""The configuration's shape: every key, its unit, its default. Reading the files is `hive_tui.config`.

`config.yaml` is the user's: fleets and who they are. `.hive/config.yaml` belongs to a repository and
is read from its base branch.
"""

from __future__ import annotations

import enum

import msgspec

from hive_tui.core.ids import AgentName, RepoName


class Preset(enum.Enum):
    """Which labels mirror an issue's state."""

    STATUS = "status"
    PLAIN = "plain"


class PlanRule(enum.Enum):
    """Whether an issue needs a `## Plan` before it is started."""

    ISSUE = "issue"
    """The issue's text must have it."""
    OFF = "off"


class ReviewRule(enum.Enum):
    """Whether a merge needs a reviewer's PASS for the head commit, or the merging person's word."""

    REQUIRED = "required"
    PERSON = "person"


class RepoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository that a fleet serves."""

    name: RepoName
    path: str | None = None
    """Of the checkout, for a local forge."""
    base: str | None = None
    """The branch that work starts from and is merged into; default: the one checked out at `init`."""


class AgentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent of a fleet."""

    name: AgentName
    backend: str | None = None
    """Entry point in `hive.agents`; default: the name."""
    command: str | None = None
    """Path of its CLI; default: found on PATH."""
    model: str | None = None
    permission_mode: str = "acceptEdits"
    """Claude Code's; `bypassPermissions` is for pods, or your explicit choice."""
    allowed_tools: tuple[str, ...] = (
        "Bash(git add:*)",
        "Bash(git commit:*)",
        "Bash(git diff:*)",
        "Bash(git log:*)",
        "Bash(git status:*)",
        "Bash(ls:*)",
    )
    """Commands allowed without asking; the repository's test command is added."""
    max_turns: int | None = None
    options: dict[str, str] = {}

    @property
    def entry_point(self) -> str:
        return self.backend or self.name


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits in dollars; absent is no limit."""

    run: float | None = None
    issue: float | None = None
    repo: float | None = None
    day: float | None = None
    fleet: float | None = None


class BackoffSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds between failed attempts: `first`, doubled each time, at most `most`."""

    first: float = 10.0
    most: float = 300.0


class FleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fleet: where agents run, where issues live, what it may do."""

    cluster: str = "local"
    forge: str = "local"
    repos: tuple[RepoSettings, ...] = ()
    slots: int = 2
    """Agents at work at once, when the fleet is first made; `hive slots` changes it."""
    agents: tuple[AgentSettings, ...] = (AgentSettings(AgentName("claude")),)
    """The first enabled ones alternate."""
    allowed_authors: tuple[str, ...] = ()
    """Whose issues are started; empty means nobody's."""
    labels: Preset = Preset.STATUS
    plan: PlanRule = PlanRule.ISSUE
    definition_of_done_for_research: bool = False
    review: ReviewRule = ReviewRule.PERSON
    max_attempts: int = 3
    max_rounds: int = 3
    """Times that implement is repeated in one run with the findings of a failed test."""
    deadline_minutes: float = 60.0
    """Wall clock of one run."""
    review_limit: int | None = None
    """Open pull requests of hive at which nothing new is started."""
    budget: BudgetSettings = BudgetSettings()
    """When the fleet is first made; later `hive config` does not change it."""
    backoff: BackoffSettings = BackoffSettings()
    stalled_after_minutes: float = 10.0
    """No progress for this long is `stalled`."""

    def repo(self, name: str) -> RepoSettings | None:
        return next((repo for repo in self.repos if repo.name == name), None)

    def agent(self, name: str) -> AgentSettings | None:
        return next((agent for agent in self.agents if agent.name == name), None)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's `config.yaml`."""

    current: str = "local"
    """The fleet that commands mean without `--fleet`."""
    user: str | None = None
    """Your login in events and as an author; default: the operating system's."""
    fleets: dict[str, FleetSettings] = {}
    read_only: bool = False


class ProjectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository's own `.hive/config.yaml`."""

    test: str | None = None
    """Shell command that must succeed before a pull request is opened, run in the work tree."""
    test_timeout_minutes: float = 15.0
    instructions: str | None = None
    """Added to what every agent is told."""
    protected: tuple[str, ...] = (".github/workflows/",)
    """Path prefixes that an agent may not change; a run that does needs a human."""
