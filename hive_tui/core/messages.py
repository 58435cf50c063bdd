"""What hive writes into a tracker: pull request texts and the one comment of an attempt's end. Pure."""

from __future__ import annotations

from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Issue, Phase, Run


def pull_title(issue: Issue) -> str:
    return issue.title or f"Issue {issue.number}"


def pull_body(run: Run, issue: Issue) -> str:
    """What a reviewer wants to know before the diff: the issue, the tests, who did it, what it cost."""
    spec, status = run.spec, run.status
    lines = [f"Closes #{issue.number}", ""]
    if status.tests is None:
        lines.append("Tests: the repository names no test command in `.hive/config.yaml`.")
    else:
        word = "passed" if status.tests.passed else "failed"
        rounds = f" in round {status.tests.round}" if status.tests.round > 1 else ""
        lines.append(f"Tests: {word}{rounds} (`{status.tests.command}`, {status.tests.seconds:.1f} s).")
    lines.append(
        f"Worker: {spec.worker}, attempt {spec.attempt}, {status.model or spec.model or 'model unknown'}."
    )
    lines.append(f"Cost: {_cost(run)}.")
    return "\n".join(lines) + "\n"


def end_comment(run: Run, *, gives_up: bool) -> str:
    """How an attempt ended without a pull request, with its evidence and where its work is."""
    spec, status = run.spec, run.status
    verb = {
        Phase.KILLED: "was killed",
        Phase.LOST: "was lost",
        Phase.NEEDS_HUMAN: "needs a human",
    }.get(status.phase, "failed")
    why = (status.why or "no reason was recorded").rstrip(".")
    lines = [f"Attempt {spec.attempt} by {spec.worker} {verb}: {why}."]
    if status.evidence and status.evidence != status.why:
        lines.append(f"Evidence: {status.evidence}")
    if status.tests is not None and not status.tests.passed:
        lines += ["", f"`{status.tests.command}` failed:", "", _quoted(status.tests.summary)]
    if status.wip is not None:
        lines += ["", f"Its work is kept on `hive/wip/issue-{spec.issue}-a{spec.attempt}`."]
    lines += ["", f"Cost: {_cost(run)}."]
    if gives_up or status.phase in (Phase.KILLED, Phase.NEEDS_HUMAN):
        lines.append(f"It is not started again until somebody says `hive retry {spec.issue}`.")
    return "\n".join(lines) + "\n"


def no_pull_comment(run: Run, error: HiveError) -> str:
    """Why finished work got no pull request, and where it is."""
    spec = run.spec
    why = error.words
    return (
        f"Attempt {spec.attempt} by {spec.worker} finished, but no pull request can be opened: {why}\n\n"
        f"Its work is on `{spec.branch}`. Cost: {_cost(run)}.\n"
        f"It is not started again until somebody says `hive retry {spec.issue}`.\n"
    )


def _cost(run: Run) -> str:
    usage = run.status.usage
    tokens = text.count(usage.tokens.total)
    return f"{text.money(usage.cost_micros, estimated=usage.estimated)}, {tokens} tokens"


def _quoted(lines: str) -> str:
    return "\n".join(f"    {line}" for line in text.clean(lines, limit=2_000).splitlines())
