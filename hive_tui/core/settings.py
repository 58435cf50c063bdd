"""The configuration's shape: every key, its unit, its default. Reading the files is `hive_tui.config`.

`config.yaml` is the user's: fleets and who they are. `.hive/config.yaml` belongs to a repository and
is read from its base branch.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from hive_tui.core.ids import AgentName, RepoName
from hive_tui.core.worker_template import KubernetesSettings

FLEET_NAME = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
"""A fleet's name is the name of its data folder, and of its objects in a Kubernetes cluster."""

FleetName = Annotated[
    str,
    Meta(
        pattern=f"^{FLEET_NAME}$",
        description="a name of at most 40 lower-case letters, digits and dashes",
    ),
]
RepoPath = Annotated[
    RepoName,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$",
        description="owner/name",
    ),
]
AgentLabel = Annotated[
    AgentName,
    Meta(
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$",
        description="a name of at most 20 lower-case letters, digits and dashes",
    ),
]
Count = Annotated[int, Meta(ge=1, description="a whole number, at least 1")]
CountOrNone = Annotated[int, Meta(ge=0, description="a whole number, at least 0")]
Seconds = Annotated[float, Meta(ge=0, description="seconds, at least 0")]
Duration = Annotated[float, Meta(gt=0, description="a number above 0")]
Dollars = Annotated[float, Meta(ge=0, description="dollars, at least 0")]

PerMillion = Annotated[float, Meta(ge=0, le=1e6, description="dollars for a million tokens, at least 0")]


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

    name: RepoPath
    """As commands and issues call it."""
    path: str | None = None
    """Of the checkout, for a local forge."""
    base: str | None = None
    """The branch that work starts from and is merged into; default: the one checked out at `init`."""
    test: str | None = None
    """Shell command of the tests, where the repository's own `.hive/config.yaml` names none."""


class AgentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent of a fleet."""

    name: AgentLabel
    """As the fleet calls it; its worker names begin with it."""
    backend: str | None = None
    """Entry point in `hive.agents`; default: the name."""
    command: str | None = None
    """Path of its CLI; default: found on PATH."""
    model: str | None = None
    """Default: the CLI's own."""
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
    max_turns: Count | None = None
    """Turns of one run after which the agent is ended."""
    options: dict[str, str] = {}
    """For this backend alone."""

    @property
    def entry_point(self) -> str:
        return self.backend or self.name


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GitHub App that hive acts as."""

    id: str
    """Its id or client id."""
    key_file: str
    """Path of its private key (PEM), readable by you alone."""
    installation: int | None = None
    """Of the account whose repositories are served; default: found by the repository."""


class GitHubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a GitHub tracker is reached, and as whom; tokens by reference, never by value.

    Without `token_env`, `token_file` or `app`: GITHUB_TOKEN, GH_TOKEN, then `gh auth token`.
    """

    url: str = "https://github.com"
    """Of the site; an Enterprise server has its own."""
    api: str | None = None
    """Base URL of the REST API; default: by the site."""
    token_env: str | None = None
    """Environment variable that holds the token."""
    token_file: str | None = None
    """File that holds the token, readable by you alone."""
    app: AppSettings | None = None
    """Act as a GitHub App instead of a person."""
    ca_file: str | None = None
    """Certificate authority of an Enterprise server."""
    reserve: Count = 500
    """Points an hour that reads leave for writes."""
    active_seconds: Duration = 20.0
    """Between looks while something moves."""
    idle_seconds: Duration = 120.0
    """Between looks when nothing has moved for long; at most an hour."""


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits in dollars; absent is no limit."""

    run: Dollars | None = None
    """One attempt."""
    issue: Dollars | None = None
    """All attempts at one issue."""
    repo: Dollars | None = None
    """Everything done for one repository."""
    day: Dollars | None = None
    """Since midnight, local time."""
    fleet: Dollars | None = None
    """Everything the fleet ever did."""


class BackoffSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds between failed attempts: `first`, doubled each time, at most `most`."""

    first: Seconds = 10.0
    """After the first failure."""
    most: Seconds = 300.0
    """After any number of them."""


class FleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fleet: where agents run, where issues live, what it may do."""

    cluster: str = "local"
    """Where agents run: an entry point in `hive.clusters`."""
    forge: str = "local"
    """Where issues and pull requests live: an entry point in `hive.forges`."""
    repos: tuple[RepoSettings, ...] = ()
    """The repositories that it serves; `hive init` adds one."""
    slots: CountOrNone = 2
    """Agents at work at once, when the fleet is first made; `hive slots` or `hive config set` changes it."""
    agents: tuple[AgentSettings, ...] = (AgentSettings(AgentName("claude")),)
    """Those that are enabled and have quota alternate."""
    allowed_authors: tuple[str, ...] = ()
    """Whose issues are started; empty means nobody's."""
    allowed_roles: tuple[str, ...] = ()
    """Issues of authors with one of these roles in the repository are started too: OWNER, MEMBER,
    COLLABORATOR, in GitHub's words; never a bot's."""
    labels: Preset = Preset.STATUS
    """How an issue's state is written: `status:ready` and so on, or plain `ready`."""
    plan: PlanRule = PlanRule.ISSUE
    """Whether an issue must have a `## Plan` before it is started."""
    definition_of_done_for_research: bool = False
    """Whether research, too, must have a `## Definition of Done`."""
    review: ReviewRule = ReviewRule.PERSON
    """Whether a merge needs a reviewer's PASS for the head commit, or the merging person's word."""
    max_attempts: Count = 3
    """Failed attempts after which an issue needs a human."""
    max_rounds: Count = 3
    """Times that implement is repeated in one run with the findings of a failed test."""
    deadline_minutes: Duration = 60.0
    """Wall clock of one run."""
    review_limit: Count | None = None
    """Open pull requests of hive at which nothing new is started."""
    budget: BudgetSettings = BudgetSettings()
    """When the fleet is first made; later only `hive config set` changes it."""
    keep_costs_days: Count = 1_100
    """Days for which the ledger keeps what a run used, by step and model; budgets count its cost for good."""
    backoff: BackoffSettings = BackoffSettings()
    """How long a failed issue rests before the next attempt."""
    stalled_after_minutes: Duration = 10.0
    """No progress for this long is `stalled`."""
    github: GitHubSettings = GitHubSettings()
    """For a forge `github`."""
    kubernetes: KubernetesSettings = KubernetesSettings()
    """For a cluster `kubernetes`."""

    def __post_init__(self) -> None:
        _unique("repository", [str(repo.name) for repo in self.repos])
        _unique("agent", [str(agent.name) for agent in self.agents])

    def repo(self, name: str) -> RepoSettings | None:
        return next((repo for repo in self.repos if repo.name == name), None)

    def agent(self, name: str) -> AgentSettings | None:
        return next((agent for agent in self.agents if agent.name == name), None)


def _unique(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the {kind} {name} is there twice.")


class LongPriceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars for a million tokens of a call with a long prompt."""

    input: PerMillion
    """Of what no cache had."""
    output: PerMillion
    """Of the answer, its thinking included."""
    cache_read: PerMillion | None = None
    """Default: a tenth of `input`."""
    cache_write_5m: PerMillion | None = None
    """Kept for five minutes; default: 1.25 times `input`."""
    cache_write_1h: PerMillion | None = None
    """Kept for an hour; default: twice `input`."""


class PriceSettings(LongPriceSettings, frozen=True, forbid_unknown_fields=True):
    """Dollars for a million tokens of a model."""

    above: Count | None = None
    """Calls whose prompt has more tokens than this, cached ones included, cost what `long` says."""
    long: LongPriceSettings | None = None
    """For calls with long prompts."""
    fast: Annotated[float, Meta(ge=0, le=1_000, description="a number, at least 0")] | None = None
    """How many times as much fast mode costs; without it calls in fast mode have no price."""

    def __post_init__(self) -> None:
        if (self.above is None) != (self.long is None):
            raise ValueError("`above` and `long` belong together.")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's `config.yaml`."""

    current: FleetName = "local"
    """The fleet that commands mean without `--fleet`."""
    user: str | None = None
    """Your login in events and as an author; default: the operating system's."""
    fleets: dict[FleetName, FleetSettings] = {}
    """By name; without any there is one, `local`."""
    theme: str | None = None
    """Of the console: hive, hive-light, or one of Textual's such as nord or ansi-dark; default: hive."""
    read_only: bool = False
    """Refuse everything that changes something, like `--read-only`."""
    prices: dict[str, PriceSettings] = {}
    """What models cost, by name or pattern (`my-model-*`), instead of the published list prices. A whole name
    comes before patterns, of which the first that fits counts."""
    keys: dict[str, str] = {}
    """The console's keys by the action's id (docs/keys.md), several with commas: `kill: K,ctrl+k`."""


class ProjectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository's own `.hive/config.yaml`."""

    test: str | None = None
    """Shell command that must succeed before a pull request is opened, run in the work tree."""
    test_timeout_minutes: Duration = 15.0
    """After this the test has failed."""
    instructions: str | None = None
    """Added to what every agent is told."""
    protected: tuple[str, ...] = (".github/workflows/",)
    """Path prefixes that an agent may not change; a run that does needs a human."""
