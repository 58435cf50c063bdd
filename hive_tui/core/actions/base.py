"""What an action is: known by an id, planned without side effects, then carried out or refused."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from hive_tui.core import cluster_facts
from hive_tui.core.cluster_facts import Right
from hive_tui.core.errors import ClaimLost, HiveError, Refused
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.key_names import key_label as key_label
from hive_tui.core.model import Actor, Claim, Event, Issue
from hive_tui.core.ports import Capability, Cluster, Forge
from hive_tui.core.settings import FleetSettings
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

BULK = 5
"""From so many targets on, a dangerous action asks to type their number."""

_SWAPS = 25
"""Tries of a compare-and-swap; whoever else writes the claim does so once in a while."""


class Scope(enum.Enum):
    """What an action is about; a key means something only where such a thing is selected."""

    FLEET = "fleet"
    ISSUE = "issue"
    RUN = "run"
    PULL = "pull"
    VIEW = "view"
    """The console itself, everywhere but in the log."""
    LOG = "log"
    """The console's full-screen log, where the other keys are off."""
    DETAIL = "detail"
    """The console's screen of one thing, besides everything that can be done to that."""
    SESSIONS = "sessions"
    """The sessions of this machine and their transcripts, where the fleet's keys are off."""
    COSTS = "costs"
    """What was used, full screen."""
    LIST = "list"
    """Moving in lists and texts, wherever one is."""


class Danger(enum.Enum):
    NONE = "none"
    CONFIRM = "confirm"
    """Something ends or is thrown away: a person confirms first, and Cancel is what Enter does."""


class Request(msgspec.Struct, frozen=True):
    """What somebody wants, with everything that the action has to know; one type for each action."""


class ActionContext(msgspec.Struct, frozen=True):
    """With what, on whose behalf and when."""

    cluster: Cluster
    forge: Forge
    settings: FleetSettings
    actor: Actor
    now: Callable[[], datetime]
    read_only: bool = False


class Planned(msgspec.Struct, frozen=True):
    """One thing that an action is about to act on."""

    target: Target
    label: str
    """Who and what, on one line."""
    consequences: tuple[str, ...] = ()
    """What happens to it, what is lost and what is kept; a line each."""
    refusal: str | None = None
    """Why it is left out."""
    evidence: str | None = None
    """What the consent rests on, such as the head commit that is merged; another one needs another
    consent."""


class Draft(msgspec.Struct, frozen=True):
    """What an action's own planning says."""

    targets: tuple[Planned, ...] = ()
    consequences: tuple[str, ...] = ()
    refusal: str | None = None
    hint: str | None = None
    asks: str | None = None
    """What has to be agreed to this time, where the action does not always ask: `999 slots`."""


class ActionResult(msgspec.Struct, frozen=True):
    """What was done."""

    messages: tuple[str, ...] = ()
    errors: tuple[HiveError, ...] = ()
    """Of single targets; what was done to the others stays done."""
    failed: tuple[Target, ...] = ()
    """Those that the errors are about."""
    issue: Issue | None = None
    """The issue that was made or changed."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the registry. Without a `perform` the console does it by itself."""

    id: str
    title: str
    help: str
    scope: Scope
    short: str = ""
    """A word or two for the key bar, where the title would be too long."""
    keys: tuple[str, ...] = ()
    """In Textual's names: `plus`, `ctrl+p`, `X`; two keys in a row are `g i`."""
    command: str | None = None
    """How the command line calls it, without `hive`."""
    danger: Danger = Danger.NONE
    needs: frozenset[Capability] = frozenset()
    rights: frozenset[Right] = frozenset()
    """What the account of whoever asks must be allowed in the cluster."""
    writes: bool = False
    request: type[Request] | None = None
    draft: Callable[..., Draft] | None = None
    """(context, snapshot, request): without side effects."""
    perform: Callable[..., ActionResult] | None = None
    """(context, plan, request): looks again at what may have changed since the snapshot."""
    of: Callable[[Sequence[Target], str], Request | None] | None = None
    """(targets, user): the request for what is selected, where nothing more has to be asked; None where
    nothing of the kind is selected."""
    against: Callable[[Snapshot, Target], str | None] | None = None
    """(snapshot, target): why it makes no sense there, in half a sentence. Cheap: keys are dimmed by it."""
    doing: str = ""
    """What stands at its target until the fleet's own state says that it is done: `killing`."""
    confirmed: Callable[..., bool] | None = None
    """(before, after, request, target): whether the state `after` shows that it is done; `before` is the
    state when it was ordered. None: it is done when it has been carried out."""
    when: Callable[[Snapshot, Sequence[Target]], bool] | None = None
    """Which of two actions on the same key is meant; None is always."""

    @property
    def hint(self) -> str:
        """What stands beside its key in the key bar."""
        return self.short or self.title.lower()

    def applies(self, snapshot: Snapshot, targets: Sequence[Target] = ()) -> bool:
        return self.when is None or self.when(snapshot, targets)

    def subjects(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """What of the targets it acts on, each once: an issue without the run that works on it."""
        return tuple(
            dict.fromkeys(found for target in targets if (found := self.subject(target)) is not None)
        )

    def subject(self, target: Target) -> Target | None:
        """The part of a target that it acts on; None if it has nothing of the kind."""
        match self.scope:
            case Scope.ISSUE:
                return None if target.issue_key is None else Target(repo=target.repo, issue=target.issue)
            case Scope.RUN:
                return None if target.run is None else Target(run=target.run)
            case Scope.PULL:
                pull = target.pull_request
                return None if target.pull_key is None else Target(repo=target.repo, pull_request=pull)
            case _:
                return Target(run=target.run) if target.run is not None else Target(agent=target.agent)


class ActionPlan(msgspec.Struct, frozen=True):
    """What carrying out a request would do, to be shown before it is done."""

    action: Action
    request: Request
    targets: tuple[Planned, ...] = ()
    """Those that are acted on."""
    skipped: tuple[Planned, ...] = ()
    """Those that refuse, while others do not."""
    consequences: tuple[str, ...] = ()
    refusal: str | None = None
    hint: str | None = None
    asks: str | None = None

    @property
    def danger(self) -> Danger:
        return self.action.danger if self.asks is None else Danger.CONFIRM

    @property
    def title(self) -> str:
        """What is asked for, without the question mark."""
        return self.asks or self.action.title

    @property
    def type_number(self) -> bool:
        """Whether so much is at stake that the number of targets has to be typed."""
        return self.danger is not Danger.NONE and len(self.targets) >= BULK

    def lines(self) -> list[str]:
        """The plan in words, for a dialog or a prompt."""
        found: list[str] = []
        for planned in self.targets:
            found += [planned.label, *(f"  {line}" for line in planned.consequences)]
        found += [f"left out: {planned.label}: {planned.refusal}" for planned in self.skipped]
        return [*found, *self.consequences]


def refusal_of(
    action: Action, context: ActionContext, snapshot: Snapshot | None = None
) -> tuple[str, str | None] | None:
    """Why this action may not be carried out at all here, and the next step. What a `snapshot` says of the
    person's rights counts; without one the cluster itself refuses."""
    if action.writes and context.read_only:
        return f"{READ_ONLY}.", "Leave out --read-only, or set read_only: false."
    missing = action.needs - context.cluster.capabilities - context.forge.capabilities
    if missing:
        return sentence(_incapable(missing).capitalize()), None
    denied = None if snapshot is None else forbidden(action, snapshot)
    if denied is not None:
        return sentence(denied[:1].upper() + denied[1:]), ASK_FOR_RIGHTS
    return None


ASK_FOR_RIGHTS = "Ask whoever runs the cluster for that right; docs/kubernetes.md lists who needs which."


def forbidden(action: Action, snapshot: Snapshot) -> str | None:
    """Why the cluster would not let the person do it, in half a sentence. Whoever may change nothing there
    changes nothing from here at all: an issue or a pull request belongs to the fleet's work too."""
    if snapshot.fleet is None:
        return None
    denied = snapshot.fleet.denied
    lack = cluster_facts.missing(denied, action.rights)
    if lack is not None:
        return lack.why
    return cluster_facts.only_looks(denied) if action.writes else None


_NOTHING = {
    Scope.ISSUE: "no issue is selected",
    Scope.RUN: "no run is selected",
    Scope.PULL: "no pull request is selected",
}


def unavailable(
    action: Action,
    *,
    capabilities: frozenset[Capability] | None,
    read_only: bool,
    snapshot: Snapshot,
    targets: Sequence[Target] = (),
) -> str | None:
    """Why it cannot be done now, in half a sentence, as far as that can be told without asking anybody.

    `capabilities` are those of both backends; None is not known yet, and stands against nothing.
    """
    if capabilities is not None and action.needs - capabilities:
        return _incapable(action.needs - capabilities)
    if action.writes and read_only:
        return READ_ONLY
    if (denied := forbidden(action, snapshot)) is not None:
        return denied
    subjects: Iterable[Target] = (Target(agent=target.agent) for target in targets or (Target(),))
    if action.scope in _NOTHING:
        found = (action.subject(target) for target in targets)
        subjects = (subject for subject in found if subject is not None)
    reason = _NOTHING.get(action.scope)
    # Ten thousand rows may be marked: the first one that it makes sense for is enough.
    for subject in subjects:
        reason = action.against(snapshot, subject) if action.against is not None else None
        if reason is None:
            return None
    return reason


READ_ONLY = "hive is in read-only mode"


def _incapable(missing: frozenset[Capability]) -> str:
    names = ", ".join(sorted(capability.value for capability in missing))
    return f"this fleet's backends cannot do that ({names})"


def make_plan(action: Action, context: ActionContext, snapshot: Snapshot, request: Request) -> ActionPlan:
    """Plan a request; what stands against it is in the plan, never raised."""
    refused = refusal_of(action, context, snapshot)
    if refused is not None:
        return ActionPlan(action, request, refusal=refused[0], hint=refused[1])
    assert action.draft is not None, f"{action.id} is carried out by the console"
    draft = action.draft(context, snapshot, request)
    accepted = tuple(planned for planned in draft.targets if planned.refusal is None)
    skipped = tuple(planned for planned in draft.targets if planned.refusal is not None)
    refusal = draft.refusal
    if refusal is None and skipped and not accepted:
        refusal = "; ".join(f"{planned.label}: {planned.refusal}" for planned in skipped)
    return ActionPlan(action, request, accepted, skipped, draft.consequences, refusal, draft.hint, draft.asks)


def execute_plan(context: ActionContext, plan: ActionPlan) -> ActionResult:
    """Carry out a plan. Raises Refused when the plan or the mode refuses it."""
    refused = refusal_of(plan.action, context)
    if refused is not None:
        raise Refused(*refused)
    if plan.refusal is not None:
        raise Refused(sentence(plan.refusal), plan.hint)
    assert plan.action.perform is not None, f"{plan.action.id} is carried out by the console"
    return plan.action.perform(context, plan, plan.request)


def sentence(words: str) -> str:
    """Words with their full stop; names at their beginning stay as they are."""
    return words if words.endswith((".", "!", "?", "`")) else f"{words}."


def for_each(plan: ActionPlan, act: Callable[[Planned], str]) -> ActionResult:
    """Act on each target; one that fails does not keep the others from being done."""
    messages: list[str] = []
    errors: list[HiveError] = []
    failed: list[Target] = []
    for planned in plan.targets:
        try:
            messages.append(act(planned))
        except HiveError as error:
            errors.append(error)
            failed.append(planned.target)
    errors += [Refused(sentence(f"{planned.label}: {planned.refusal}")) for planned in plan.skipped]
    return ActionResult(tuple(messages), tuple(errors), tuple(failed))


def swap_claim(context: ActionContext, key: IssueKey, change: Callable[[Claim], Claim]) -> Claim:
    """Replace an issue's claim with what `change` makes of it. Raises ClaimLost when others never rest."""
    lost: ClaimLost | None = None
    for _ in range(_SWAPS):
        known = context.cluster.get_claim(key)
        before = known or Claim(repo=key.repo, number=key.number, version=0)
        wanted = change(before)
        if known is not None and wanted == known:
            return known
        try:
            return context.cluster.put_claim(wanted, expected=known.version if known else None)
        except ClaimLost as error:
            lost = error
    raise ClaimLost(f"The claim of {key} changes all the time.", "Try again.") from lost


def record(context: ActionContext, kind: str, text: str, target: Target | None = None) -> None:
    """Write what was done into the fleet's log, with the name of who did it."""
    number: int | None = None
    run: RunId | None = None
    if target is not None:
        number = target.issue if target.issue is not None else target.pull_request
        run = target.run
    context.cluster.record(
        Event(
            seq=0,
            at=context.now(),
            actor=context.actor,
            kind=kind,
            text=text,
            repo=None if target is None else target.repo,
            number=number,
            run=run,
        )
    )


def recorded(kind: str) -> Callable[[Snapshot, Snapshot, Request, Target], bool]:
    """Confirmed by the fleet's log: it has a new line of that kind about the target."""

    def confirmed(before: Snapshot, after: Snapshot, request: Request, target: Target) -> bool:
        last = before.events[-1].seq if before.events else 0
        for event in reversed(after.events):
            if event.seq <= last:
                return False
            if event.kind == kind and _about(event, target):
                return True
        return False

    return confirmed


def _about(event: Event, target: Target) -> bool:
    if target.run is not None:
        return event.run == target.run
    number = target.issue if target.issue is not None else target.pull_request
    return number is None or (event.repo, event.number) == (target.repo, number)


def issue_target(key: IssueKey) -> Target:
    return Target(repo=key.repo, issue=key.number)


def issue_label(snapshot: Snapshot, key: IssueKey) -> str:
    """`owner/name#42 Title`."""
    issue = snapshot.issues.get(key)
    return f"{key} {issue.title}" if issue is not None else str(key)


def keys_of(targets: Sequence[Target]) -> tuple[IssueKey, ...]:
    """The issues of what is selected, each once."""
    return tuple(dict.fromkeys(key for target in targets if (key := target.issue_key) is not None))
