"""What stands between a pull request and its merge: one list for the action, the attention and the panes."""

from __future__ import annotations

from hive_tui.core import workflow
from hive_tui.core.model import CheckState, Issue, PullRequest, PullState, VerdictValue
from hive_tui.core.settings import FleetSettings, ReviewRule
from hive_tui.core.workflow import IssueState


def obstacles(
    pull: PullRequest, issue: Issue | None, settings: FleetSettings, *, base: str | None
) -> tuple[str, ...]:
    """Every reason why it may not be merged, as half a sentence each; none means it may.

    `base` is the repository's base branch as its tracker names it, for where the configuration names none.
    Checks and the verdict count for exactly the head commit: what was said of an older one is void.
    """
    if pull.state is not PullState.OPEN:
        return (f"it is {pull.state.value}",)
    if pull.from_fork:
        return ("it comes from a fork: look at its page",)
    return (
        *_base_obstacles(pull, settings, base),
        *_issue_obstacles(pull, issue, settings),
        *(("it is a draft",) if pull.draft else ()),
        *_people_obstacles(pull),
        *_verdict_obstacles(pull, settings),
        *_check_obstacles(pull),
        *(("it conflicts with its base branch",) if pull.mergeable is False else ()),
    )


def ready(pull: PullRequest, issue: Issue | None, settings: FleetSettings, *, base: str | None) -> bool:
    """Nothing stands in the way, and the tracker has worked out that it can be merged. Until it has, a merge
    may be tried, but nobody is told that it would succeed."""
    return pull.mergeable is True and not obstacles(pull, issue, settings, base=base)


def _base_obstacles(pull: PullRequest, settings: FleetSettings, base: str | None) -> list[str]:
    repo = settings.repo(pull.repo)
    if repo is None:
        return [f"{pull.repo} is not a repository of this fleet"]
    wanted = repo.base if repo.base is not None else base
    return [f"its base is {pull.base}, not {wanted}"] if wanted not in (None, pull.base) else []


def _issue_obstacles(pull: PullRequest, issue: Issue | None, settings: FleetSettings) -> list[str]:
    if issue is None:
        return [f"issue #{pull.issue} is not known" if pull.issue is not None else "no issue belongs to it"]
    if workflow.state(issue.labels, settings.labels) is IssueState.IN_REVIEW:
        return []
    wanted = workflow.label(IssueState.IN_REVIEW, settings.labels)
    found = workflow.states(issue.labels, settings.labels)
    has = " and ".join(workflow.label(state, settings.labels) for state in found) or "no status"
    return [f"issue #{issue.number} has {has}, not {wanted}"]


def _people_obstacles(pull: PullRequest) -> list[str]:
    """What the people who review it say, where the tracker knows."""
    if pull.review == "CHANGES_REQUESTED":
        return ["a reviewer asked for changes"]
    return ["its base branch wants an approving review"] if pull.review == "REVIEW_REQUIRED" else []


def _verdict_obstacles(pull: PullRequest, settings: FleetSettings) -> list[str]:
    verdict = pull.verdict
    current = verdict is not None and verdict.sha == pull.head
    if verdict is not None and current:
        passed = verdict.value is VerdictValue.PASS
        return [] if passed else [f"its review says {verdict.value.value}"]
    if settings.review is ReviewRule.PERSON:
        return []
    return ["its review is of an older commit" if verdict is not None else "it has no review yet"]


def _check_obstacles(pull: PullRequest) -> list[str]:
    current = {check.name: check for check in pull.checks if check.sha == pull.head}
    found = []
    for name in dict.fromkeys(check.name for check in pull.checks):
        check = current.get(name)
        if check is None:
            found.append(f"check {name} has not run on the head commit")
        elif check.state is not CheckState.PASSED:
            found.append(f"check {name} {'failed' if check.state is CheckState.FAILED else 'is pending'}")
    return found
