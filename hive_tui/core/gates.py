"""Why an issue is not started: the first gate that fails, in an order that never changes.

All pure. `text_gate` looks at the issue alone and may be cached for as long as the issue is the same
object; `world_gate` looks at what else is going on; `fleet_gate` holds every issue alike.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from hive_tui.core import text, trouble, workflow
from hive_tui.core.ids import AgentName, IssueKey, RepoName
from hive_tui.core.model import AgentState, Approval, Issue, IssueType, Quota, QuotaState, body_sha
from hive_tui.core.settings import FleetSettings, PlanRule
from hive_tui.core.workflow import IssueState

if TYPE_CHECKING:
    from hive_tui.core.world import World


class Gate(msgspec.Struct, frozen=True):
    """What holds an issue: a stable name, and a sentence that says what to do about it."""

    name: str
    detail: str


DISPATCHABLE = (IssueState.READY,)
"""States from which work is started."""


def text_gate(issue: Issue, settings: FleetSettings) -> Gate | None:
    """The gates that the issue itself decides: closed, state, author, edits, the two headings."""
    if not issue.open:
        return Gate("closed", "the issue is closed")
    if (gate := _state_gate(issue, settings)) is not None:
        return gate
    if (gate := _author_gate(issue, settings)) is not None:
        return gate
    kind = workflow.issue_type(issue.labels)
    body = _outside_fences(issue.body)
    needs_done = kind is not IssueType.RESEARCH or settings.definition_of_done_for_research
    if needs_done and not _is_defined(body):
        return Gate("definition-of-done", "add `## Definition of Done` with at least one `- [ ]` line")
    planned = settings.plan is PlanRule.ISSUE and kind is not IssueType.QA_FEEDBACK
    if planned and _below("## Plan", body) is None:
        return Gate("plan", "add a `## Plan`")
    return None


def _author_gate(issue: Issue, settings: FleetSettings) -> Gate | None:
    """Whose word counts: authors by login, or by role, which never lets a bot in; and editors by login,
    since nobody says what role an editor has."""
    if not settings.allowed_authors and not settings.allowed_roles:
        return Gate("author", "nobody's issues are started: list yourself in allowed_authors")
    if not (_named(issue.author, settings) or _named_bot(issue, settings)):
        by_role = not issue.author_is_bot and issue.author_role in settings.allowed_roles
        if not by_role and not _approved(issue, settings):
            return Gate("author", f"{_stranger(issue, settings)}: {_consent(issue, settings)}")
    editor = issue.edited_by
    if editor is not None and not _named(editor, settings) and not _approved(issue, settings):
        return Gate("edited", f"{editor} changed the text since it was approved: {_consent(issue, settings)}")
    return None


def _consent(issue: Issue, settings: FleetSettings) -> str:
    return f"read it, then `hive issue approve {called(issue.key, settings)}`"


def _stranger(issue: Issue, settings: FleetSettings) -> str:
    """Why an author's word does not count."""
    if issue.author_is_bot:
        return f"{_as_bot(issue.author)} is a bot that allowed_authors does not name"
    if settings.allowed_roles:
        role = issue.author_role or "no known role"
        return f"{issue.author} ({role}) is neither in allowed_authors nor of allowed_roles"
    return f"{issue.author} is not in allowed_authors"


def _named_bot(issue: Issue, settings: FleetSettings) -> bool:
    return issue.author_is_bot and _named(_as_bot(issue.author), settings)


def _as_bot(login: str) -> str:
    """What GitHub's pages call a bot; one of its two ways to ask leaves out the ending."""
    return f"{login.removesuffix('[bot]')}[bot]"


def _named(login: str, settings: FleetSettings) -> bool:
    """Whether allowed_authors names a login; trackers do not tell `Ann` from `ann`."""
    if login in settings.allowed_authors:
        return True
    return login.isascii() and login.lower() in map(str.lower, settings.allowed_authors)


def called(key: IssueKey, settings: FleetSettings) -> str:
    """As a command has to name it: the number alone may be that of several repositories' issues."""
    return str(key) if len(settings.repos) > 1 else str(key.number)


def _state_gate(issue: Issue, settings: FleetSettings) -> Gate | None:
    found = workflow.states(issue.labels, settings.labels)
    if len(found) == 1 and found[0] in DISPATCHABLE:
        return None
    if len(found) > 1:
        names = " and ".join(workflow.label(state, settings.labels) for state in found)
        return Gate("state", f"it has {names} at once: keep one")
    if not found:
        ready = workflow.label(IssueState.READY, settings.labels)
        return Gate(
            "state", f"it has no status: `hive status {called(issue.key, settings)} ready` adds {ready}"
        )
    return Gate("state", _STATE_WORDS[found[0]].format(issue=called(issue.key, settings)))


_STATE_WORDS = {
    IssueState.IN_PROGRESS: "it is in progress",
    IssueState.IN_REVIEW: "its pull request waits for review: `hive merge {issue}`",
    IssueState.CHANGES_REQUESTED: "changes were asked for: `hive retry {issue}` starts another attempt",
    IssueState.NEEDS_HUMAN: "it needs a human: `hive retry {issue}` hands it back",
    IssueState.DONE: "it is done",
}


def _approved(issue: Issue, settings: FleetSettings) -> bool:
    """Somebody who may has consented to exactly this text."""
    approval = issue.approval
    if approval is None or not may_approve(approval, settings):
        return False
    return approval.body_sha == body_sha(issue.body)


def may_approve(approval: Approval, settings: FleetSettings) -> bool:
    """Whether the word of whoever approved counts: that of those whose own issues are started."""
    return _named(approval.by, settings) or approval.role in settings.allowed_roles


_FENCE = r" {0,3}(`{3,}|~{3,})"


@functools.cache  # compiled at its first use: most commands read issues and never ask this
def _item() -> re.Pattern[str]:
    return re.compile(r"(?:(?!#{1,2} ).*\n)*?[ \t]*- \[ \](?: |$)", re.MULTILINE)


def has_plan(body: str) -> bool:
    """Whether there is a `## Plan` heading, exactly so, outside of code fences."""
    return _below("## Plan", _outside_fences(body)) is not None


def has_definition_of_done(body: str) -> bool:
    """Whether `## Definition of Done` has an open `- [ ]` item, outside of code fences."""
    return _is_defined(_outside_fences(body))


def _is_defined(body: str) -> bool:
    section = _below("## Definition of Done", body)
    return section is not None and _item().match(body, section) is not None


def _below(heading: str, body: str) -> int | None:
    """Where the line after a heading line begins; None if there is no such line.

    By `find`, not by a pattern: a dispatcher that starts reads ten thousand bodies.
    """
    at = -1
    while (at := body.find(heading, at + 1)) >= 0:
        end = body.find("\n", at)
        if end < 0:
            end = len(body)
        if (at == 0 or body[at - 1] == "\n") and body[at:end].rstrip(" \t") == heading:
            return min(end + 1, len(body))
    return None


def _outside_fences(body: str) -> str:
    # One character is found much faster than three, and most bodies have neither.
    if ("`" not in body or "```" not in body) and ("~" not in body or "~~~" not in body):
        return body
    kept, fence = [], ""
    for line in body.splitlines():
        match = re.match(_FENCE, line)
        if fence:
            closes = match and match[1].startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
        elif match:
            fence = match[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def unreadable_gate(world: World) -> Gate | None:
    """Fail closed: nothing is started on what a source said some time ago."""
    if not world.broken_sources:
        return None
    source = world.broken_sources[0]
    why = f": {source.why.rstrip('.')}" if source.why else ""
    return Gate("source", f"{source.name} is {source.state.value}{why}; see `hive doctor`")


def tracker_gate(world: World, now: datetime) -> Gate | None:
    """Nothing is begun that the tracker's API would not let end: a start and its end write to it."""
    for use in world.api.values():
        if use.remaining < trouble.API_OF_A_RUN and now < use.reset_at:
            until = text.clock(use.reset_at, now)
            return Gate("api", f"{use.remaining:,} of {use.limit:,} {use.name} points are left until {until}")
    return None


def repository_gate(repo: RepoName, world: World, now: datetime) -> Gate | None:
    """Fail closed for this repository alone: what holds one that cannot be read, or not be written."""
    state = world.repos.get(repo)
    words = trouble.repository(state, now) if state is not None else None
    return Gate("repository", f"{repo} {words}") if words is not None else None


def world_gate(issue: Issue, world: World, settings: FleetSettings, now: datetime) -> Gate | None:
    """The gates that depend on this issue's runs, claim, repository and agent."""
    key = issue.key
    return (
        _work_gate(key, world)
        or repository_gate(key.repo, world, now)
        or tracker_gate(world, now)
        or _claim_gate(key, world, settings, now)
        or budget_gate(key, world)
        or _agent_gate(issue, world, now)
    )


def _work_gate(key: IssueKey, world: World) -> Gate | None:
    run = world.live_runs.get(key)
    if run is not None:
        return Gate("in-work", f"{run.spec.worker} works on it (attempt {run.spec.attempt})")
    pull = world.open_pulls.get(key)
    if pull is not None:
        return Gate("in-work", f"pull request !{pull.number} is open for it: merge or close that")
    claim = world.claims.get(key)
    if claim is not None and claim.run is not None:
        return Gate("in-work", f"{claim.run} holds its claim")
    return None


def _claim_gate(key: IssueKey, world: World, settings: FleetSettings, now: datetime) -> Gate | None:
    claim = world.claims.get(key)
    if claim is None:
        return None
    if claim.hold is not None:
        return Gate("killed", f"{claim.hold.why}: `hive retry {called(key, settings)}` starts it again")
    if claim.attempts_used >= settings.max_attempts:
        detail = f"{claim.attempts_used} attempts failed: `hive retry {called(key, settings)}` allows more"
        return Gate("attempts", detail)
    other = claim.elsewhere
    if other is not None and now < other.until:
        until = text.clock(other.until, now)
        return Gate("claimed", f"claimed by fleet {other.fleet} until {until} (attempt {other.attempt})")
    # A clock that was set back must not stretch a wait: before `failed_at` there was nothing to wait for.
    waits = claim.not_before is not None and now < claim.not_before
    if waits and claim.fire is None and not (claim.failed_at is not None and now < claim.failed_at):
        assert claim.not_before is not None
        wait = text.age(claim.not_before - now)
        return Gate("back-off", f"tries again in {wait}, after attempt {claim.attempt}")
    return None


def budget_gate(key: IssueKey, world: World) -> Gate | None:
    """Money fails closed: what is spent, and what runs at work may still spend, counts."""
    for scope, name in ((key, "issue"), (key.repo, "repo"), ("day", "day"), ("fleet", "fleet")):
        limit = world.limit(name)
        if limit is None:
            continue
        spent = world.spending.of(scope)
        if spent.unknown:
            detail = f"the cost of {spent.unknown} is unknown, so the {name} budget cannot be kept"
            return Gate("budget", f"{detail}: set a run budget, or lift this one")
        if spent.micros + spent.reserved >= limit:
            rest = f" ({text.money(spent.reserved)} of it reserved by runs at work)" if spent.reserved else ""
            used = text.money(spent.micros + spent.reserved)
            used_up = f"{used} of the {name} budget {text.money(limit)} is used{rest}"
            where = f"fleets.{world.fleet.name if world.fleet else 'NAME'}.budget.{name}"
            return Gate("budget", f"{used_up}: `hive config set {where} DOLLARS` raises it")
    return None


def _agent_gate(issue: Issue, world: World, now: datetime) -> Gate | None:
    wanted = wanted_agent(issue, world)
    if wanted is not None:
        agent = world.agents.get(wanted)
        if agent is None:
            known = ", ".join(sorted(world.agents)) or "none"
            return Gate(
                "agent", f"its label asks for {wanted}, which this fleet does not have (it has {known})"
            )
        return _unavailable(agent, now)
    if any(_unavailable(agent, now) is None for agent in world.agents.values()):
        return None
    if not world.agents:
        return Gate("agent", "the fleet has no agent: list one in its `agents`")
    reasons = [_unavailable(agent, now) for agent in world.agents.values()]
    return Gate("agent", "; ".join(gate.detail for gate in reasons if gate is not None))


def wanted_agent(issue: Issue, world: World) -> AgentName | None:
    """The agent that a person asked for: by `fire`, else by an `agent:` label."""
    claim = world.claims.get(issue.key)
    if claim is not None and claim.fire is not None and claim.fire.agent is not None:
        return claim.fire.agent
    return workflow.wanted_agent(issue.labels)


def available(agent: AgentState, now: datetime) -> bool:
    """Whether an agent may be started now."""
    return _unavailable(agent, now) is None


def limited(quota: Quota, now: datetime) -> bool:
    """Whether a quota still stops starts; one without an end lasts until a person lifts it."""
    return quota.state is QuotaState.LIMITED and (quota.until is None or now < quota.until)


def _unavailable(agent: AgentState, now: datetime) -> Gate | None:
    if not agent.enabled:
        return Gate("agent", f"{agent.name} is disabled: `hive agents enable {agent.name}`")
    if limited(agent.quota, now):
        why = f" ({agent.quota.why})" if agent.quota.why else ""
        if agent.quota.until is None:
            return Gate("agent", f"{agent.name} cannot work{why}; then `hive agents enable {agent.name}`")
        return Gate("agent", f"{agent.name} is limited until {text.clock(agent.quota.until, now)}{why}")
    return None


def fleet_gate(world: World, settings: FleetSettings) -> Gate | None:
    """The gates that hold every issue alike: review limit, paused, slots."""
    limit = settings.review_limit
    if limit is not None and len(world.open_pulls) >= limit:
        detail = f"{len(world.open_pulls)} pull requests wait for review (limit {limit}): merge or close some"
        return Gate("review-limit", detail)
    fleet = world.fleet
    if fleet is None:
        return Gate("source", "the fleet's state is not known yet")
    if fleet.paused is not None:
        why = f" ({fleet.paused.why})" if fleet.paused.why else ""
        return Gate("paused", f"{fleet.paused.by} paused the fleet{why}: `hive resume`")
    if len(fleet.slots_used) >= fleet.slots:
        detail = f"all {fleet.slots} slots are at work" if fleet.slots else "the fleet has no slots"
        return Gate("slots", f"{detail}: `hive slots +1` adds one")
    return None
