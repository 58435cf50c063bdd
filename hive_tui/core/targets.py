"""What a person points at: `42`, `#42`, `owner/name#42`, `!7`, a run, the start of its id, a worker.

Names are exact; `name#42`, as lists print it, will do where one repository has that name. What is not
found is an error that lists the nearest; what fits several things is the one in the repository that
the person is in (`here`), else an error that lists those: never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from hive_tui.core.errors import UsageError, unknown
from hive_tui.core.ids import AgentName, IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.model import PullRequest, PullState, Run
from hive_tui.core.store import Snapshot


class Target(msgspec.Struct, frozen=True):
    """What an attention item, an action or an event is about; None where it does not apply."""

    repo: RepoName | None = None
    issue: int | None = None
    pull_request: int | None = None
    run: RunId | None = None
    agent: AgentName | None = None

    @property
    def issue_key(self) -> IssueKey | None:
        return None if self.repo is None or self.issue is None else IssueKey(self.repo, self.issue)

    @property
    def pull_key(self) -> PullKey | None:
        if self.repo is None or self.pull_request is None:
            return None
        return PullKey(self.repo, self.pull_request)


_NUMBERED = r"(?:(?P<repo>[^\s#!]+)(?=[#!]))?(?P<mark>[#!]?)(?:issue-)?(?P<number>\d{1,9})"


def known_repos(snapshot: Snapshot, configured: Iterable[str]) -> list[RepoName]:
    """Every repository that the fleet serves or has something of."""
    repos = {RepoName(name) for name in configured}
    repos.update(key.repo for key in snapshot.issues)
    repos.update(key.repo for key in snapshot.pulls)
    repos.update(run.spec.repo for run in snapshot.runs.values())
    return sorted(repos)


def find_repo(name: str, known: Iterable[str]) -> RepoName:
    """The repository of exactly that name. Raises UsageError listing the nearest."""
    names = list(known)
    if name not in names:
        raise unknown("repository", name, names)
    return RepoName(name)


def find_issue(
    snapshot: Snapshot,
    text: str,
    *,
    repos: Iterable[str] = (),
    repo: str | None = None,
    here: str | None = None,
) -> IssueKey:
    """The issue that `text` names. Raises UsageError when there is none, or one in several repositories."""
    match = re.fullmatch(_NUMBERED, text.strip())
    if match is None or match["mark"] == "!":
        raise UsageError(f"{text!r} is no issue.", "Give its number, such as 42, #42 or owner/name#42.")
    keys = {*snapshot.issues, *snapshot.claims, *(run.key for run in snapshot.runs.values())}
    known = known_repos(snapshot, repos)
    wanted = _wanted_repo(match["repo"], repo, known)
    found = sorted(key for key in keys if key.number == int(match["number"]) and wanted in (None, key.repo))
    if not found:
        mine = [key for key in keys if wanted in (None, key.repo)]
        raise _no_such("issue", text, mine, int(match["number"]), mark="#", several=len(known) > 1)
    if len(found) > 1:
        found = [key for key in found if key.repo == here] or found
    if len(found) > 1:
        raise _ambiguous(f"Issue #{match['number']}", map(str, found))
    return found[0]


def unlisted_issue(
    snapshot: Snapshot,
    text: str,
    *,
    repos: Iterable[str] = (),
    repo: str | None = None,
    here: str | None = None,
) -> IssueKey | None:
    """What `text` names if it is an issue that the tracker has and the snapshot has not; None where it names
    none, or nothing says of which repository. Raises UsageError for an unknown repository."""
    match = re.fullmatch(_NUMBERED, text.strip())
    if match is None or match["mark"] == "!":
        return None
    known = known_repos(snapshot, repos)
    only = known[0] if len(known) == 1 else None
    wanted = _wanted_repo(match["repo"], repo, known) or here or only
    return IssueKey(RepoName(wanted), int(match["number"])) if wanted is not None else None


def find_pull(
    snapshot: Snapshot,
    text: str,
    *,
    repos: Iterable[str] = (),
    repo: str | None = None,
    here: str | None = None,
) -> PullRequest:
    """The pull request that `text` names: `7`, `!7`, `owner/name!7`."""
    match = re.fullmatch(_NUMBERED, text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no pull request.", "Give its number, such as 7, !7 or owner/name!7.")
    known = known_repos(snapshot, repos)
    wanted = _wanted_repo(match["repo"], repo, known)
    number = int(match["number"])
    found = sorted(key for key in snapshot.pulls if key.number == number and wanted in (None, key.repo))
    if not found:
        mine = [key for key in snapshot.pulls if wanted in (None, key.repo)]
        raise _no_such("pull request", text, mine, number, mark="!", several=len(known) > 1)
    if len(found) > 1:
        found = [key for key in found if key.repo == here] or found
    if len(found) > 1:
        raise _ambiguous(f"Pull request !{number}", map(str, found))
    return snapshot.pulls[found[0]]


def pull_of_issue(snapshot: Snapshot, key: IssueKey) -> PullRequest | None:
    """The issue's open pull request, else its newest one; a run's own before one that only names it."""
    mine = [pull for pull in snapshot.pulls.values() if pull.issue_key == key]
    return max(mine, key=precedence, default=None)


def precedence(pull: PullRequest) -> tuple[bool, bool, int]:
    """Of several pull requests for one issue the last in this order is meant."""
    return pull.state is PullState.OPEN, pull.run is not None, pull.number


def find_pull_to_merge(
    snapshot: Snapshot,
    text: str,
    *,
    repos: Iterable[str] = (),
    repo: str | None = None,
    here: str | None = None,
) -> PullRequest:
    """The pull request of the issue that `text` names, or the one that `!7` names."""
    if "!" in text:
        return find_pull(snapshot, text, repos=repos, repo=repo, here=here)
    try:
        key = find_issue(snapshot, text, repos=repos, repo=repo, here=here)
    except UsageError as no_issue:
        # Issues and pull requests share their numbers, so a pull request's own number is as clear.
        try:
            return find_pull(snapshot, text, repos=repos, repo=repo, here=here)
        except UsageError:
            raise no_issue from None
    pull = pull_of_issue(snapshot, key)
    if pull is None:
        raise UsageError(f"There is no pull request for {key}.", "`hive ls` shows who works on it.")
    return pull


def runs_of_issue(snapshot: Snapshot, key: IssueKey) -> list[Run]:
    """All attempts at an issue, the oldest first."""
    mine = (run for run in snapshot.runs.values() if run.key == key)
    return sorted(mine, key=lambda run: run.spec.attempt)


def find_run(
    snapshot: Snapshot,
    text: str,
    *,
    repos: Iterable[str] = (),
    repo: str | None = None,
    here: str | None = None,
) -> Run:
    """The run that `text` names: its id or an unambiguous start of it, a worker at work, or an issue,
    which means its newest attempt. Raises UsageError."""
    text = text.strip()
    exact = snapshot.runs.get(RunId(text))
    if exact is not None:
        return exact
    if re.fullmatch(_NUMBERED, text):
        key = find_issue(snapshot, text, repos=repos, repo=repo, here=here)
        attempts = runs_of_issue(snapshot, key)
        if not attempts:
            raise UsageError(f"Nobody has worked on {key} yet.", "`hive next` says what is to be done.")
        return attempts[-1]
    mine = [run for run in snapshot.runs.values() if repo in (None, run.spec.repo)]
    workers = [run for run in mine if run.spec.worker == text]
    if workers:
        return max(workers, key=lambda run: (run.live, run.spec.created_at))
    started = [run for run in mine if text and run.id.startswith(text)]
    if len(started) == 1:
        return started[0]
    if started:
        raise _ambiguous(f"Run {text!r}", sorted(run.id for run in started))
    names: set[str] = {run.id for run in mine} | {run.spec.worker for run in mine if run.live}
    raise unknown("run", text, names, listing="hive ls")


def find_worker(name: str) -> WorkerName:
    """A reviewer's name for a lease, as given."""
    if not re.fullmatch(r"[\w][\w.-]{0,62}", name):
        raise UsageError(f"{name!r} is no worker name.", "Letters, digits, `-`, `_` and `.`.")
    return WorkerName(name)


def _wanted_repo(named: str | None, option: str | None, known: list[RepoName]) -> RepoName | None:
    if named is not None and "/" not in named:
        called = [repo for repo in known if repo.rpartition("/")[2] == named]
        named = called[0] if len(called) == 1 else named
    if named is not None and option is not None and named != option:
        raise UsageError(f"{named} is not --repo {option}.", "Give one of the two.")
    name = named if named is not None else option
    return None if name is None else find_repo(name, known)


def _no_such(
    kind: str,
    text: str,
    keys: Iterable[IssueKey | PullKey],
    number: int,
    *,
    mark: str,
    several: bool,
) -> UsageError:
    """Numbers are near each other by distance, not by spelling."""
    near = sorted(keys, key=lambda key: (abs(key.number - number), key))[:3]
    if not near:
        return unknown(kind, text, ())
    names = [str(key) if several else f"{mark}{key.number}" for key in near]
    listing = "hive issue list" if mark == "#" else "hive pr list"
    return UsageError(f"Unknown {kind} {text!r}.", f"The nearest: {', '.join(names)}. `{listing}` has all.")


def _ambiguous(what: str, found: Iterable[str]) -> UsageError:
    return UsageError(f"{what} could be several.", f"Say which: {', '.join(found)}.")
