"""What hive writes into a tracker: the pull request's text, and the one comment that an issue gets. Pure.

What agents and tests said stands in code only: there no tracker sees a mention, a link or a word that
closes an issue.
"""

from __future__ import annotations

from collections.abc import Sequence

from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Issue, Phase, PullRequest, Run, RunSpec

STATUS = "status"
"""The marker of the one comment of an issue, which is edited and never repeated."""

TEMPLATES = (
    ".github/pull_request_template.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
    "pull_request_template.md",
    "PULL_REQUEST_TEMPLATE.md",
    "docs/pull_request_template.md",
    "docs/PULL_REQUEST_TEMPLATE.md",
)
"""Where a repository keeps its template for pull requests, by precedence."""

MAX_QUOTED = 400
"""Cells of what somebody else said in one line."""

_redact = text.Redactor()

_VERBS = {
    Phase.KILLED: "was killed",
    Phase.LOST: "was lost",
    Phase.NEEDS_HUMAN: "needs a human",
}


def pull_title(issue: Issue) -> str:
    return issue.title or f"Issue {issue.number}"


def pull_body(run: Run, issue: Issue, template: str | None = None) -> str:
    """What a reviewer wants to know before the diff: the issue, what was done, the tests, what it cost;
    then the repository's own template, for the reviewer to fill in."""
    spec, status = run.spec, run.status
    lines = [f"Closes #{issue.number}", "", f"{_attempt(spec)}: {_plan(spec)}."]
    done = []
    if status.changed_files is not None:
        done.append(text.plural(status.changed_files, "changed file"))
    if status.round > 1:
        done.append(f"{status.round} rounds")
    if done:
        lines.append(f"Done: {', '.join(done)}.")
    if status.last_words:
        lines.append(f"The agent's last words: {_code(status.last_words)}")
    lines += ["", _tests(run), f"Cost: {_cost(run)}.", f"Run: `{spec.id}`, {_model(run)}."]
    if template is not None and template.strip():
        lines += ["", "---", "", template.strip()]
    return "\n".join(lines) + "\n"


def work_comment(spec: RunSpec, fleet: str, earlier: Sequence[Run]) -> str:
    """An attempt has begun: what is planned, and by whom."""
    lines = [
        f"{_attempt(spec)} is at work since {spec.created_at:%Y-%m-%d %H:%M} UTC.",
        "",
        f"Plan: {_plan(spec)}.",
        f"Run: `{spec.id}` of fleet {fleet}.",
    ]
    return _comment(lines, earlier)


def end_comment(run: Run, earlier: Sequence[Run], *, gives_up: bool) -> str:
    """How an attempt ended without a pull request, with its evidence and where its work is."""
    spec, status = run.spec, run.status
    lines = [f"{_attempt(spec)} {_outcome(run)}.", ""]
    if status.evidence and status.evidence != status.why:
        lines.append(f"Evidence: {_code(status.evidence)}")
    if status.tests is not None and not status.tests.passed:
        lines += [f"{_code(status.tests.command)} failed:", "", _quoted(status.tests.summary), ""]
    if status.wip is not None:
        lines.append(f"Its work is kept on `hive/wip/issue-{spec.issue}-a{spec.attempt}`: {status.wip}")
    lines += [f"Cost: {_cost(run)}.", f"Run: `{spec.id}`, {_model(run)}."]
    if gives_up or status.phase in (Phase.KILLED, Phase.NEEDS_HUMAN):
        lines += ["", _not_again(spec)]
    return _comment(lines, earlier)


def no_pull_comment(run: Run, error: HiveError, earlier: Sequence[Run]) -> str:
    """Why finished work got no pull request, and where it is."""
    spec = run.spec
    lines = [
        f"{_attempt(spec)} finished, but no pull request can be opened: {_code(error.words)}",
        "",
        f"Its work is on `{spec.branch}`: {run.status.head or text.UNKNOWN}",
        _tests(run),
        f"Cost: {_cost(run)}.",
        f"Run: `{spec.id}`, {_model(run)}.",
        "",
        _not_again(spec),
    ]
    return _comment(lines, earlier)


def pull_comment(run: Run, pull: PullRequest, earlier: Sequence[Run]) -> str:
    """An attempt ended with a pull request, or that was merged."""
    spec, merged = run.spec, pull.merged_as is not None
    what = f"opened {_pull(pull)}" + (", which is merged" if merged else "")
    lines = [f"{_attempt(spec)} {what}.", "", f"Plan: {_plan(spec)}.", _tests(run)]
    if run.status.evidence:
        lines.append(f"Evidence: {_code(run.status.evidence)}, {run.status.head or text.UNKNOWN}")
    if merged:
        lines.append(
            f"Merged as {pull.merged_as}" + (f" by {_code(pull.merged_by)}." if pull.merged_by else ".")
        )
    lines += [f"Cost: {_cost(run)}.", f"Run: `{spec.id}`, {_model(run)}."]
    return _comment(lines, earlier)


def _comment(lines: Sequence[str], earlier: Sequence[Run]) -> str:
    """With what came of the attempts before, since the comment that said so is this one."""
    ended = [f"- {_attempt(run.spec)} {_outcome(run)} ({_cost(run)})." for run in earlier]
    return "\n".join([*lines, *(("", "Before:", *ended) if ended else ())]) + "\n"


def _attempt(spec: RunSpec) -> str:
    return f"Attempt {spec.attempt} by {spec.worker}"


def _outcome(run: Run) -> str:
    if run.phase is Phase.SUCCEEDED:
        return "finished"
    if not run.phase.final:
        return f"is {run.phase.value}"
    return f"{_VERBS.get(run.phase, 'failed')}: {_code(run.why or 'no reason was recorded')}"


def _plan(spec: RunSpec) -> str:
    model = f" with {_code(spec.model)}" if spec.model is not None else ""
    limit = f", for at most {text.money(spec.budget_micros)}" if spec.budget_micros is not None else ""
    return f"{spec.mode.value} by {spec.agent}{model} on `{spec.branch}` from `{spec.base}`{limit}"


def _tests(run: Run) -> str:
    tests = run.status.tests
    if tests is None:
        return "Tests: the repository names no test command in `.hive/config.yaml`."
    rounds = f" in round {tests.round}" if tests.round > 1 else ""
    word = "passed" if tests.passed else "failed"
    return f"Tests: {word}{rounds} ({_code(tests.command)}, {tests.seconds:.1f} s)."


def _model(run: Run) -> str:
    model = run.status.model or run.spec.model
    return _code(model) if model is not None else "model unknown"


def _pull(pull: PullRequest) -> str:
    return f"[!{pull.number}]({pull.url})" if pull.url is not None else f"!{pull.number}"


def _not_again(spec: RunSpec) -> str:
    return f"It is not started again until somebody says `hive retry {spec.issue}`."


def _cost(run: Run) -> str:
    usage = run.status.usage
    tokens = text.count(usage.tokens.total)
    if usage.cost_micros is None and usage.tokens.total is None:
        return "not reported"
    return f"{text.money(usage.cost_micros, estimated=usage.estimated)}, {tokens} tokens"


def _code(said: str) -> str:
    """Somebody else's words in one line of code."""
    words = _redact(text.clean_line(said)).replace("`", "'")
    return f"`{text.truncate(words, MAX_QUOTED) or ' '}`"


def _quoted(lines: str) -> str:
    return "\n".join(f"    {line}" for line in _redact(text.clean(lines, limit=2_000)).splitlines())
