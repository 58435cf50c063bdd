"""`hive dispatch`, `fire`, `next`, `retry` and `send`: get agents to work."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
import msgspec

from hive_tui.cli.acting import act, configured_repos, read
from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.finding import find_issues, find_one_issue
from hive_tui.core import actions, attention, decisions, document, text, workflow
from hive_tui.core.actions import FireIssue, Retry, Send, Wake
from hive_tui.core.decisions import Decision
from hive_tui.core.dispatch import Plan, decide
from hive_tui.core.errors import HiveError, UsageError
from hive_tui.core.gates import Gate
from hive_tui.core.ids import AgentName, IssueKey, RunId
from hive_tui.core.model import DispatcherState, IssueType, Phase
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target, find_run

LOCAL = "local"


def ensure_dispatcher(session: Session) -> None:
    """On a local fleet nothing would be started without this machine's dispatcher."""
    if session.fleet_settings.cluster != LOCAL or session.read_only:
        return
    from hive_tui import detached

    config = Path(session.config_option) if session.config_option else None
    state, started = detached.ensure_dispatcher(session.fleet, config)
    if started:
        session.say(f"Started the dispatcher (pid {state.pid}); it goes on by itself.")


@click.command("dispatch", epilog="Example: `hive dispatch --dry-run`, or `hive dispatch --watch`.")
@click.option("--dry-run", is_flag=True, help="Only print what would be done, and what holds the rest.")
@click.option("--watch", is_flag=True, help="Print the dispatcher's decisions until Ctrl-C.")
@global_options
@repo_option
@output_option
@pass_session
def dispatch_command(session: Session, dry_run: bool, watch: bool) -> None:
    """Start what is ready, now. On a local fleet this starts the dispatcher if none runs."""
    if dry_run:
        _dry_run(session)
        return
    session.require_writable()
    ensure_dispatcher(session)
    # A tracker that failed is no reason against it: it is looked at again.
    snapshot = read(session, CLUSTER)
    act(session, snapshot, Wake())
    if watch:
        from hive_tui.cli.runs import follow_events

        follow_events(session, snapshot)


class PlannedDecision(msgspec.Struct, frozen=True):
    """What the dispatcher would do next."""

    kind: str
    repo: str | None
    number: int | None
    text: str
    """The end of `would …`."""


class HeldIssue(msgspec.Struct, frozen=True):
    repo: str
    number: int
    title: str
    gate: Gate


class DryRun(msgspec.Struct, frozen=True):
    decisions: list[PlannedDecision]
    gates: list[HeldIssue]


def _dry_run(session: Session) -> None:
    snapshot = read(session)
    repo = session.repo
    plan = decide(snapshot, session.fleet_settings, session.now())
    data = DryRun(
        [entry for entry in map(_planned, plan.decisions) if repo in (None, entry.repo)],
        _held(snapshot.of(repo), plan),
    )

    def shown() -> str:
        lines = [f"would {entry.text}" for entry in data.decisions] or ["would do nothing"]
        lines += [f"{held.repo}#{held.number}  {held.gate.name}: {held.gate.detail}" for held in data.gates]
        return "\n".join(map(text.clean_line, lines))

    session.emit(data, shown)


def _held(snapshot: Snapshot, plan: Plan) -> list[HeldIssue]:
    """The open issues that are not started, each with the first gate that it does not pass."""
    return [
        HeldIssue(key.repo, key.number, issue.title, gate)
        for key, issue in sorted(snapshot.issues.items())
        if issue.open and (gate := plan.gate(key)) is not None
    ]


def _planned(decision: Decision) -> PlannedDecision:
    key, words = _words(decision)
    kind = type(decision).__name__.lower()
    return PlannedDecision(kind, key.repo if key else None, key.number if key else None, words)


def _words(decision: Decision) -> tuple[IssueKey | None, str]:
    """What a decision is about, and what it says as the end of `would …`."""
    match decision:
        case decisions.Start():
            what = f"{decision.key} {decision.issue.title}"
            return decision.key, f"start {what} with {decision.worker}, attempt {decision.attempt}"
        case decisions.Launch():
            return decision.run.key, f"launch {decision.run.id}: {decision.why}"
        case decisions.Recover():
            return decision.run.key, f"save the work of {decision.run.id}, whose process is gone"
        case decisions.Renew():
            return decision.run.key, f"renew the claim of {decision.run.id}"
        case decisions.Show():
            return decision.run.key, f"show that {decision.run.spec.worker} works on {decision.run.key}"
        case decisions.Settle():
            return decision.run.key, f"settle {decision.run.id}, which {decision.run.phase.value}"
        case decisions.ReleaseSlot():
            return None, f"free the slot of {decision.run}"
        case decisions.ReleaseClaim():
            return decision.claim.key, f"free the claim of {decision.claim.key}"
        case decisions.LimitAgent():
            return None, f"stop starts of {decision.agent}: {decision.quota.why}"
        case decisions.RestoreAgent():
            return None, f"let {decision.agent} start again"
        case decisions.CloseIssue():
            return decision.key, f"close {decision.key}: !{decision.pull} is merged"


@click.command("fire", epilog="Example: `hive fire 42 --type bug --agent claude --budget 2.50 --wait`.")
@click.argument("issue", metavar="ISSUE")
@click.option(
    "--type",
    "kind",
    type=click.Choice([kind.value for kind in IssueType]),
    help="How to work on it; by default what its label says.",
)
@click.option("--agent", metavar="NAME", help="Which agent; by default the one whose turn it is.")
@click.option("--model", metavar="NAME", help="Which model.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="$", help="At most so much.")
@click.option("--wait", is_flag=True, help="Wait until the run has ended; exit code 1 unless it succeeded.")
@click.option(
    "--estimate", is_flag=True, help="Start nothing: print what the prompt and a run would probably cost."
)
@global_options
@repo_option
@output_option
@pass_session
def fire_command(
    session: Session,
    issue: str,
    kind: str | None,
    agent: str | None,
    model: str | None,
    budget: float | None,
    wait: bool,
    estimate: bool,
) -> None:
    """Start one issue now, ahead of order and back-off. Every other gate still holds (exit code 3)."""
    if not estimate:
        session.require_writable()
    snapshot = read(session)
    snapshot, key = find_one_issue(session, snapshot, issue)
    request = FireIssue(
        key,
        agent=AgentName(agent) if agent is not None else None,
        model=model,
        budget_micros=None if budget is None else round(budget * 1_000_000),
        mode=None if kind is None else workflow.mode((f"type:{kind}",)),
    )
    if estimate:
        from hive_tui.cli import estimates

        estimates.show(session, snapshot, key, request)
        return
    before = {run.id for run in snapshot.runs.values()}
    act(session, snapshot, request)
    ensure_dispatcher(session)
    if wait:
        _wait(session, key, before)
    else:
        now = read(session)
        plan = decide(now, session.fleet_settings, session.now())
        session.emit(document.issue_doc(now, now.issues[key], plan, session.fleet_settings), "")


def _wait(session: Session, key: IssueKey, before: set[RunId]) -> None:
    """Follow the run that the wish leads to; raises HiveError when the wish is dropped."""
    from hive_tui.cli.live import snapshots

    said: tuple[str, str | None] | None = None
    for snapshot in snapshots(session.fleet):
        run = next((run for run in snapshot.runs.values() if run.key == key and run.id not in before), None)
        if run is None:
            claim = snapshot.claims.get(key)
            if claim is not None and claim.fire is None and claim.run is None:
                raise HiveError(f"{key} was not started.", f"`hive describe {key.number}` says why.")
            continue
        now = (run.phase.value, run.why)
        if now != said:
            said = now
            session.say(f"{run.spec.worker}  {': '.join(filter(None, now))}")
        if run.phase.final and (run.settled or run.phase is not Phase.SUCCEEDED):
            doc = document.run_doc(run)
            session.emit(doc, f"{doc.id}  {doc.phase}")
            if run.phase is not Phase.SUCCEEDED:
                click.get_current_context().exit(1)
            return


class NextItem(msgspec.Struct, frozen=True):
    """Something that needs a person, with the command line that helps."""

    kind: str
    text: str
    since: datetime | None
    target: Target
    action: str | None
    command: str | None


class NextStart(msgspec.Struct, frozen=True):
    repo: str
    number: int
    title: str


class Next(msgspec.Struct, frozen=True):
    attention: list[NextItem]
    start: list[NextStart]
    gates: list[HeldIssue]


@click.command("next", epilog="Example: `hive next`, or `hive next --all`.")
@click.option(
    "-a", "--all", "everything", is_flag=True, help="Everything that needs you and every issue that is held."
)
@global_options
@repo_option
@output_option
@pass_session
def next_command(session: Session, everything: bool) -> None:
    """What needs you next, with the command that helps, what is started next, and what holds the rest."""
    snapshot = read(session)
    settings, now = session.fleet_settings, session.now()
    plan = decide(snapshot, settings, now)
    repo = session.repo
    mine = snapshot.of(repo)
    items = attention.attention(mine, plan, settings, now)
    starts = [
        decision
        for decision in plan.decisions
        if isinstance(decision, decisions.Start) and repo in (None, decision.key.repo)
    ]
    shown = items if everything else items[:1]
    data = Next(
        [
            NextItem(
                item.kind.value, item.text, item.since, item.target, item.action, _command(session, item)
            )
            for item in shown
        ],
        [NextStart(start.key.repo, start.key.number, start.issue.title) for start in starts],
        _held(mine, plan),
    )

    def words() -> str:
        if not settings.repos and not mine.issues:
            session.say_empty("Nothing needs you.")
            return ""
        lines = []
        for item in shown:
            command = _command(session, item)
            lines.append(f"[{item.kind.value}] {_about(item)}{item.text}")
            lines += [f"    {command}"] if command else []
        left = len(items) - len(shown)
        lines += [f"… {left} more: `hive next --all`"] if left else []
        lines += [] if items else ["Nothing needs you."]
        verb = "starts" if _starts(snapshot) else "would start"
        lines += [f"{verb} next: {start.key} {start.issue.title}" for start in starts]
        lines += _holding(data.gates, everything=everything)
        return "\n".join(text.clean_line(line) if line[:1] != " " else line for line in lines)

    session.emit(data, words)


def _starts(snapshot: Snapshot) -> bool:
    """Whether there is a dispatcher that starts what is planned."""
    fleet = snapshot.fleet
    if fleet is None or fleet.paused is not None:
        return False
    return fleet.dispatcher.state is DispatcherState.RUNNING and fleet.dispatcher.held is None


_UNDER_WAY = ("state", "in-work")
"""Gates of issues that somebody works on, or that attention is about."""


def _holding(held: list[HeldIssue], *, everything: bool) -> list[str]:
    """What holds the issues that wait: a line for each reason, or for each issue."""
    waiting = [issue for issue in held if issue.gate.name not in _UNDER_WAY]
    if everything:
        return [f"held: {issue.repo}#{issue.number} {issue.title}: {issue.gate.detail}" for issue in waiting]
    reasons: dict[str, list[HeldIssue]] = {}
    for issue in waiting:
        reasons.setdefault(issue.gate.detail, []).append(issue)
    return [
        f"held: {issues[0].repo}#{issues[0].number}: {detail}"
        if len(issues) == 1
        else f"held: {len(issues)} issues: {detail}"
        for detail, issues in reasons.items()
    ]


def _about(item: attention.AttentionItem) -> str:
    key = item.target.pull_key or item.target.issue_key
    return f"{key}: " if key is not None else ""


def _command(session: Session, item: attention.AttentionItem) -> str | None:
    """The command line that the item's action stands for, with its target."""
    if item.action is None:
        return None
    target = item.target
    usage = actions.get(item.action).command or ""
    issue = str(target.issue_key) if target.issue_key is not None else ""
    words = {
        "RUN|ISSUE": target.run or issue,
        "RUN": target.run or "",
        "ISSUE": issue,
        "NAME": target.agent or "",
    }
    other = session.fleet_option not in (None, session.settings.current)
    hive = f"hive --fleet {session.fleet_option}" if other else "hive"
    return " ".join((hive, *(words.get(word) or word for word in usage.split())))


@click.command("retry", epilog="Example: `hive retry 42`, or `hive retry 42 43`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@global_options
@repo_option
@pass_session
def retry_command(session: Session, issues: tuple[str, ...]) -> None:
    """Let failed or held issues start again. Their attempts so far no longer count."""
    session.require_writable()
    snapshot, keys = find_issues(session, read(session), issues)
    act(session, snapshot, Retry(keys))


@click.command("send", epilog='Example: `hive send claude-a "keep the old flag"`, or `… | hive send 42 -`.')
@click.argument("run", metavar="RUN|ISSUE")
@click.argument("words", metavar="TEXT...", nargs=-1, required=True)
@global_options
@repo_option
@pass_session
def send_command(session: Session, run: str, words: tuple[str, ...]) -> None:
    """Tell a working agent something, or answer what it asks. `-` reads the text from standard input."""
    session.require_writable()
    message = sys.stdin.read() if words == ("-",) else " ".join(words)
    if not message.strip():
        raise UsageError("The message is empty.", "Give it after the run, or on standard input with `-`.")
    snapshot = read(session)
    found = find_run(snapshot, run, repos=configured_repos(session), repo=session.repo, here=session.here)
    act(session, snapshot, Send(found.id, message))
