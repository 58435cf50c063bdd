"""`hive fire --estimate`: what a run would probably cost, before anything is started."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hive_tui.cli.common import Session
from hive_tui.core import prompt, text, workflow
from hive_tui.core.actions import FireIssue
from hive_tui.core.errors import HiveError, UsageError, unknown
from hive_tui.core.estimate import Estimate, estimate
from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName, branch_name
from hive_tui.core.model import DISPATCHER, Issue, Mode, RunSpec, Tokens
from hive_tui.core.ports import AgentJob, Job, RepoJob
from hive_tui.core.settings import AgentSettings, ProjectSettings
from hive_tui.core.store import Snapshot


class EstimateDoc(msgspec.Struct, frozen=True):
    """All figures are estimates; None where nothing is known to estimate them from."""

    issue: str
    agent: str
    model: str | None
    prompt_tokens: int
    counted_by: str
    prompt_cost_micros: int | None
    run_cost_micros: int | None
    """The median of similar runs."""
    runs: int
    """How many those are."""
    of: str | None
    """Which those are."""


def show(session: Session, snapshot: Snapshot, key: IssueKey, wish: FireIssue) -> None:
    """Print the estimate of a start that is not made. Raises UsageError for an agent that there is not."""
    from hive_tui.costs import tokens

    issue = snapshot.issues[key]
    agent = _agent(session, issue, wish.agent)
    mode = wish.mode or workflow.mode(issue.labels)
    model = wish.model or agent.model or _model(snapshot, agent.name)
    said = prompt.first(_job(session, issue, agent, mode), _project(session, issue))
    counted = tokens.count(said)
    similar = estimate(snapshot.runs.values(), agent=agent.name, mode=mode)
    doc = EstimateDoc(
        issue=str(issue.key),
        agent=agent.name,
        model=model,
        prompt_tokens=counted.tokens,
        counted_by=counted.by,
        prompt_cost_micros=None if model is None else _price(session, model, counted.tokens),
        run_cost_micros=None if similar is None else similar.micros,
        runs=0 if similar is None else similar.runs,
        of=None if similar is None else similar.of,
    )
    session.emit({"estimate": doc}, lambda: _text(session, issue, doc, similar))


def _agent(session: Session, issue: Issue, wanted: AgentName | None) -> AgentSettings:
    """The one that is asked for, by the command or by the issue's label, else the fleet's first."""
    settings = session.fleet_settings
    name = wanted or workflow.wanted_agent(issue.labels)
    if name is None:
        if not settings.agents:
            raise UsageError(
                "The fleet has no agent.", "Name one in config.yaml: `agents: [{name: claude}]`."
            )
        return settings.agents[0]
    found = settings.agent(name)
    if found is None:
        names = [str(agent.name) for agent in settings.agents]
        raise unknown("agent", name, names, listing="hive agents")
    return found


def _model(snapshot: Snapshot, agent: AgentName) -> str | None:
    """What the agent's last run used: where none is configured its CLI chooses."""
    known = [
        run for run in snapshot.runs.values() if run.spec.agent == agent and run.status.model is not None
    ]
    return max(known, key=lambda run: run.spec.created_at).status.model if known else None


def _project(session: Session, issue: Issue) -> ProjectSettings:
    """As in the checkout, where this machine has one; what is wrong in it is said and left out."""
    from hive_tui.config.discover import Repository, project_settings

    repo = session.fleet_settings.repo(issue.repo)
    if repo is None or repo.path is None or repo.base is None:
        return ProjectSettings()
    try:
        checkout = Repository(Path(repo.path).expanduser(), str(repo.name), repo.base)
        return project_settings(checkout) or ProjectSettings()
    except HiveError as error:
        session.say(f"hive: {error.words}")
        return ProjectSettings()


def _job(session: Session, issue: Issue, agent: AgentSettings, mode: Mode) -> Job:
    """As much of it as the prompt tells."""
    repo = session.fleet_settings.repo(issue.repo)
    base = (repo and repo.base) or "main"
    spec = RunSpec(
        id=RunId("estimate"),
        repo=issue.repo,
        issue=issue.number,
        attempt=1,
        worker=WorkerName(f"{agent.name}-1"),
        agent=agent.name,
        mode=mode,
        branch=branch_name(issue.number, 1),
        base=base,
        title=issue.title,
        created_at=session.now(),
        created_by=DISPATCHER,
    )
    return Job(
        fleet=session.fleet_name,
        spec=spec,
        repo=RepoJob(issue.repo, "", base),
        agent=AgentJob(agent.name, agent.entry_point),
        title=issue.title,
        body=issue.body,
    )


def _price(session: Session, model: str, tokens: int) -> int | None:
    from hive_tui.bookkeeping import priced

    price = priced(session.configuration.settings.prices)
    return price(model, Tokens(input=tokens, output=0, cache_read=0, cache_write=0), session.now())


def _near(session: Session, model: str) -> str:
    from hive_tui.costs.prices import Prices

    near = Prices(session.configuration.settings.prices).near(model)
    return f". Did you mean {' or '.join(near)}?" if near else ""


def _text(session: Session, issue: Issue, doc: EstimateDoc, similar: Estimate | None) -> str:
    money = text.money(doc.prompt_cost_micros, estimated=True)
    model = "the model is the CLI's own: name one with --model"
    if doc.model is not None:
        model = f"as input of {text.clean_line(doc.model)}"
        if doc.prompt_cost_micros is None:
            model += f", which nobody has a price for (`prices:` in config.yaml){_near(session, doc.model)}"
    run = f"{text.UNKNOWN}, no run of this fleet has succeeded yet"
    if similar is not None:
        run = f"{text.money(similar.micros, estimated=True)}, the median of {similar.of}"
    return "\n".join(
        (
            f"{issue.key}  {text.clean_line(issue.title)}",
            f"  prompt  ~{text.count(doc.prompt_tokens)} tokens, {money}  {model}",
            f"          without what the agent's CLI adds; counted by {text.clean_line(doc.counted_by)}",
            f"  run     {run}",
            "Nothing was started.",
        )
    )
