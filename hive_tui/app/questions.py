"""What a confirmation says: the targets by name, what happens to them, what is lost; pure."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from hive_tui.core import text
from hive_tui.core.actions import ActionPlan, Danger, Planned, Scope
from hive_tui.core.targets import Target

MAX_LINES = 400
"""Lines of a dialog; what is longer is cut, and says so."""


class Weight(enum.Enum):
    """How a line of a question stands out."""

    TARGET = "target"
    DETAIL = "detail"
    OUT = "out"
    """It is not acted on."""
    NEWS = "news"
    """It changed while the dialog was open."""


class QuestionLine(NamedTuple):
    text: str
    weight: Weight = Weight.DETAIL


class Question(NamedTuple):
    """Something to be confirmed."""

    title: str
    accept: str
    """The word on the button that does it."""
    lines: tuple[QuestionLine, ...]
    number: int | None = None
    """What has to be typed before it is done; None is nothing."""
    danger: bool = True
    refusal: str | None = None
    """Why it cannot be done any more."""


def question(plan: ActionPlan, *, hidden: int = 0, shown: ActionPlan | None = None) -> Question:
    """The question that a plan asks. `hidden` of its targets are marked but hidden by a filter;
    `shown` is the plan that was on the screen before."""
    news = _news(plan, shown)
    lines = list(news.values())
    for planned in plan.targets:
        lines.append(QuestionLine(planned.label, Weight.TARGET))
        lines += [QuestionLine(f"  {line}") for line in planned.consequences]
    lines += [
        QuestionLine(f"left out: {planned.label}: {planned.refusal}", Weight.OUT)
        for planned in plan.skipped
        if planned.target not in news
    ]
    if hidden:
        rows = "row that the filter hides" if hidden == 1 else "rows that the filter hides"
        lines.append(QuestionLine(f"This includes {hidden} marked {rows}.", Weight.NEWS))
    refusal = plan.refusal
    if refusal is None:
        lines += [QuestionLine(line) for line in plan.consequences]
    elif news:
        refusal = "Nothing is left to do."
    if len(lines) > MAX_LINES:
        rest = len(lines) - MAX_LINES
        lines = [*lines[:MAX_LINES], QuestionLine(f"… and {rest:,} lines more", Weight.OUT)]
    return Question(
        title=title(plan),
        accept=plan.action.title,
        lines=tuple(lines),
        number=_number(plan, shown),
        danger=plan.danger is not Danger.NONE,
        refusal=refusal,
    )


_NOUNS = {Scope.ISSUE: "issue", Scope.RUN: "run", Scope.PULL: "pull request", Scope.FLEET: "run"}


def title(plan: ActionPlan) -> str:
    """`Kill 1 run`, `Stop everything: 4 runs`."""
    name, number = plan.action.title, len(plan.targets)
    if not number or (number == 1 and plan.danger is Danger.NONE):
        return name
    colon = ":" if plan.action.scope is Scope.FLEET or plan.danger is Danger.NONE else ""
    return f"{name}{colon} {text.plural(number, _NOUNS[plan.action.scope])}"


def _whole(plan: ActionPlan) -> bool:
    """It is about everything that there is, whatever that is by now: whoever wants a whole fleet to stop
    must not be kept from it by what starts and ends meanwhile."""
    return plan.action.scope is Scope.FLEET


def _number(plan: ActionPlan, shown: ActionPlan | None) -> int | None:
    counted = shown if shown is not None and _whole(plan) else plan
    return len(counted.targets) if counted.type_number else None


def _news(plan: ActionPlan, shown: ActionPlan | None) -> dict[Target, QuestionLine]:
    """What changed since the dialog was opened, by what it is about."""
    if shown is None:
        return {}
    found: dict[Target, str] = {}
    still = {planned.target for planned in plan.targets}
    reasons = {planned.target: planned.refusal for planned in plan.skipped}
    for planned in shown.targets:
        if planned.target not in still:
            why = reasons.get(planned.target) or plan.refusal or "it has ended"
            found[planned.target] = f"meanwhile: {planned.label}: {why}"
    before = {planned.target: planned for planned in shown.targets}
    for planned in plan.targets:
        known = before.get(planned.target)
        if known is None:
            found[planned.target] = f"meanwhile: {planned.label} came to it"
        elif known.evidence != planned.evidence:
            found[planned.target] = f"meanwhile: {planned.label} was changed, look again"
    return {target: QuestionLine(words, Weight.NEWS) for target, words in found.items()}


def widened(now: ActionPlan, shown: ActionPlan) -> bool:
    """Whether a plan made anew is about more, or about something else, than the one on the screen."""
    known = {(planned.target, planned.evidence) for planned in shown.targets}
    return not _whole(now) and any((planned.target, planned.evidence) not in known for planned in now.targets)


def agreed(now: ActionPlan, shown: ActionPlan) -> ActionPlan:
    """A plan made anew, cut down to what the person agreed to: the same targets for the same reasons."""
    if _whole(now):
        return now
    known = {planned.target: planned for planned in shown.targets}
    kept, changed = [], []
    for planned in now.targets:
        before = known.get(planned.target)
        if before is not None and before.evidence == planned.evidence:
            kept.append(planned)
        else:
            changed.append(_left_out(planned, before))
    # What was left out before is known; what ended since is news.
    known_out = {planned.target for planned in shown.skipped}
    skipped = [planned for planned in now.skipped if planned.target not in known_out]
    out = (*skipped, *changed)
    refusal = now.refusal
    if refusal is None and shown.targets and not kept:
        refusal = "; ".join(f"{planned.label}: {planned.refusal}" for planned in out) or "nothing is left"
    return msgspec.structs.replace(now, targets=tuple(kept), skipped=out, refusal=refusal)


def _left_out(planned: Planned, before: Planned | None) -> Planned:
    why = "it was changed meanwhile: look again" if before is not None else "it came to it only now"
    return msgspec.structs.replace(planned, refusal=why)


def subjects(plan: ActionPlan) -> tuple[Target, ...]:
    """What a plan acts on, as `View.pending` names it."""
    found = [found for planned in plan.targets if (found := plan.action.subject(planned.target)) is not None]
    return tuple(dict.fromkeys(found))
