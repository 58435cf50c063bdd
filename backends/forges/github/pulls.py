"""Writes to pull requests: opened once for a branch, merged once for a head, never on a guess."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from backends.forges import local_rows as rows
from backends.forges.github import leases, statuses, templates
from backends.forges.github.answers import Answer
from backends.forges.github.client import DIFF
from backends.forges.github.desk import Desk, RepoApi
from backends.forges.github.errors import AnswerLost, Conflict, GitHubError, Invalid, NotFound
from backends.forges.github.issues import relabel
from backends.forges.github.mirror import ANSWERED
from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.ids import PullKey, RepoName, WorkerName
from hive_tui.core.model import Check, Lease, PullRequest, PullState, Verdict
from hive_tui.core.ports import NewPull
from hive_tui.core.text import clean, clean_line

TRIES = 3
"""Of a write whose answer is lost each time, or that others overtake."""

TEMPLATE_KEPT = timedelta(hours=1)
"""A template is not asked for again so long: it changes once a year."""

MAX_DIFF = 4_000_000
"""Characters kept of a diff."""


class _Branch(msgspec.Struct, frozen=True):
    ref: str = ""
    sha: str = ""


class _Pull(msgspec.Struct, frozen=True):
    number: int
    state: str = ""
    head: _Branch = _Branch()


class _Merged(msgspec.Struct, frozen=True):
    sha: str = ""
    merged: bool = False


class _Target(msgspec.Struct, frozen=True):
    sha: str = ""


class _Ref(msgspec.Struct, frozen=True):
    object: _Target = _Target()


class Pulls:
    """See `core.ports.Forge`. Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates: dict[tuple[RepoName, str], tuple[datetime, str | None]] = {}

    # Opening

    def open(self, new: NewPull) -> PullRequest:
        """Raises Refused when the branch is missing or has nothing that its base has not."""
        api = self._desk.api(new.repo)
        number = None if new.untried else self._find(api, new)
        made = self._open(api, new) if number is None else number
        if isinstance(made, int):
            pull = self._publish(PullKey(new.repo, made))
        else:
            pull = self._desk.mirror.put_pull(self._desk.opened(new.repo, made))
        key = pull.key
        self._desk.mirror.own(key, self._desk.client.now())
        noted = self._desk.mirror.annotate_pull(
            key, run=new.run or pull.run, issue=pull.issue if new.issue is None else new.issue
        )
        self._desk.mirror.want_poll()
        return noted or pull

    def _open(self, api: RepoApi, new: NewPull) -> int | Answer:
        """What GitHub says of the one that it opened, or the number of one that there is."""
        body = {
            "title": rows.title(new.title),
            "body": rows.body(new.body),
            "head": new.branch,
            "base": new.base,
        }
        what = f"a pull request of {clean_line(new.branch)} in {new.repo}"
        for attempt in range(TRIES):
            try:
                return api.post("/pulls", body, what=what)
            except (Invalid, AnswerLost) as error:
                # Another one is open already, or this very request got there though its answer did not.
                found = self._find(api, new)
                if found is not None:
                    return found
                if isinstance(error, Invalid):
                    raise self._why_not(api, new, error) from error
                if attempt == TRIES - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _find(self, api: RepoApi, new: NewPull) -> int | None:
        """The one that is open for the branch, or that was opened for this run: an attempt's branch is its
        own, so one that ended was this run's."""
        owner = new.repo.partition("/")[0]
        params: dict[str, str | int] = {"head": f"{owner}:{new.branch}", "state": "all", "per_page": 100}
        answer = api.get("/pulls", what=f"the pull requests of {new.repo}", params=params)
        found = [pull for pull in answer.decode(list[_Pull]) if pull.head.ref == new.branch]
        mine = [pull for pull in found if pull.state == "open" or new.run is not None]
        best = max(mine, key=lambda pull: (pull.state == "open", pull.number), default=None)
        return best.number if best is not None else None

    def _why_not(self, api: RepoApi, new: NewPull, error: Invalid) -> Refused:
        for branch in (new.branch, new.base):
            if _head(api, branch) is None:
                return Refused(f"{new.repo} has no branch {clean_line(branch)}.", "Push it first.")
        if "no commits between" in error.message.lower():
            return Refused(
                f"{clean_line(new.branch)} has no commit that {clean_line(new.base)} has not.",
                "There is nothing to merge.",
            )
        return error

    def template(self, repo: RepoName, base: str, places: tuple[str, ...]) -> str | None:
        """The first of these files that is on the base branch, in whatever case its name is written."""
        now = self._desk.client.now()
        at, found = self._templates.get((repo, base), (None, None))
        if at is None or not timedelta(0) <= now - at < TEMPLATE_KEPT:
            found = templates.find(self._desk.api(repo), base, places)
            self._templates[repo, base] = now, found
        return found

    # Reading

    def get(self, key: PullKey) -> PullRequest:
        """As it is now, and published so."""
        return self._publish(key)

    def diff(self, key: PullKey) -> str:
        api = self._desk.api(key.repo)
        self._desk.read_pull(key)
        return clean(api.text(f"/pulls/{key.number}", what=f"the diff of {key}", accept=DIFF), limit=MAX_DIFF)

    def _publish(self, key: PullKey) -> PullRequest:
        return self._desk.mirror.put_pull(self._desk.read_pull(key))

    def _changed(self, key: PullKey) -> PullRequest:
        self._desk.mirror.want_poll()
        return self._publish(key)

    # Review

    def set_check(self, key: PullKey, check: Check) -> PullRequest:
        try:
            statuses.put_check(self._desk.api(key.repo), check)
        except Invalid:
            if check.sha == self._publish(key).head:
                raise
            # Else it is a late word on a commit that is not there any more.
            return self._changed(key)
        pull = self._desk.mirror.pull(key)
        if pull is None or pull.head != check.sha:
            return self._changed(key)
        said = {known.name: known for known in pull.checks} | {check.name: statuses.as_read(check)}
        checks = tuple(said[name] for name in sorted(said))
        noted = self._desk.mirror.own_pull(key, self._desk.client.now(), checks=checks)
        self._desk.mirror.want_poll()
        return noted or pull

    def set_verdict(self, key: PullKey, verdict: Verdict) -> PullRequest:
        """A verdict on another commit than the head is void, so it changes nothing."""
        pull = self._publish(key)
        if verdict.sha != pull.head:
            return pull
        statuses.put_verdict(self._desk.api(key.repo), verdict)
        return self._changed(key)

    def set_lease(self, key: PullKey, worker: WorkerName | None, until: datetime | None) -> PullRequest:
        if worker is not None and until is None:
            raise UsageError("A lease needs an end.", "Say until when.")
        pull = self._publish(key)
        if worker is not None and pull.state is not PullState.OPEN:
            raise Refused(f"{key} is {pull.state.value}.", "Only an open pull request can be reserved.")
        api = self._desk.api(key.repo)
        gone = leases.swap(api, key, worker, until, pull.labels)
        add = [worker] if worker is not None and worker not in pull.labels else []
        relabel(api, key.number, add, [name for name in pull.labels if name in gone])
        changed = self._changed(key)
        lease = None if worker is None or until is None else Lease(worker, until)
        return self._desk.mirror.annotate_pull(key, lease=lease) or changed

    def close(self, key: PullKey) -> PullRequest:
        pull = self._publish(key)
        if pull.state is PullState.MERGED:
            raise Refused(f"{key} is merged already.", "Revert its commit if it must go.")
        if pull.state is PullState.CLOSED:
            return pull
        self._desk.api(key.repo).patch(f"/pulls/{key.number}", {"state": "closed"}, what=str(key))
        return self._changed(key)

    # Merging

    def merge(self, key: PullKey, *, head: str, message: str) -> PullRequest:
        api = self._desk.api(key.repo)
        pull = self._publish(key)
        for attempt in range(TRIES):
            if pull.state is PullState.MERGED:
                _delete_branch(api, pull)
                return pull
            _refuse(pull, head)
            try:
                sha = self._merge(api, pull, head, message)
            except (AnswerLost, Conflict) as error:
                pull = self._publish(key)
                if pull.state is PullState.MERGED:
                    continue
                _refuse(pull, head)
                passing = isinstance(error, AnswerLost) or "base branch was modified" in error.message.lower()
                if not passing or attempt == TRIES - 1:
                    raise _worded(error, pull) from error
            else:
                pull = self._landed(pull, sha)
                # The branch was at this head when it was merged, so there is no need to look.
                _delete_branch(api, pull, looked=True)
                return pull
        return pull

    def _merge(self, api: RepoApi, pull: PullRequest, head: str, message: str) -> str:
        title, _, text = rows.body(message).strip().partition("\n")
        # GitHub links a commit to its pull request by this spelling, and knows no `!52`.
        title = (title or f"{pull.title} (!{pull.number})").replace(f"(!{pull.number})", f"(#{pull.number})")
        body = {
            "sha": head,
            "merge_method": "squash",
            "commit_title": title,
            "commit_message": text.strip(),
        }
        answer = api.put(
            f"/pulls/{pull.number}/merge", body, what=f"the merge of {pull.key}", repeatable=False
        )
        return answer.decode(_Merged).sha

    def _landed(self, pull: PullRequest, sha: str) -> PullRequest:
        """It is merged, in GitHub's own word, whatever a copy of it that lags may say for a while."""
        self._desk.mirror.want_poll()
        now = self._desk.client.now()
        changes: dict[str, object] = {
            "state": PullState.MERGED,
            "updated_at": max(pull.updated_at, (now - ANSWERED).replace(microsecond=0)),
            "merged_as": sha,
            "merged_by": self._desk.me(pull.repo),
            "mergeable": None,
            "lease": None,
        }
        noted = self._desk.mirror.own_pull(pull.key, now, **changes)
        return noted or msgspec.structs.replace(pull, **changes)


def _refuse(pull: PullRequest, head: str) -> None:
    """Raises Refused for what needs no try."""
    if pull.state is PullState.CLOSED:
        raise Refused(f"{pull.key} is closed.", "Open it anew if it is wanted after all.")
    if pull.state is PullState.OPEN and pull.head != head:
        raise Refused(
            f"{pull.key} has moved: its head is {pull.head[:10]}, not {head[:10]}.",
            "Look at what was pushed, then merge again.",
        )
    if pull.state is PullState.OPEN and pull.mergeable is False:
        raise Refused(
            f"{pull.key} is in conflict with {clean_line(pull.base)}.",
            "Rebase its branch onto the base, or have hive do it.",
        )


def _worded(error: GitHubError, pull: PullRequest) -> GitHubError | Refused:
    """Why GitHub will not merge it, in its own words: a check, a review, a rule of the branch."""
    if isinstance(error, Conflict):
        error.hint = f"`hive pr {pull.number}` shows its checks; its page on GitHub shows the branch's rules."
    return error


def _delete_branch(api: RepoApi, pull: PullRequest, *, looked: bool = False) -> None:
    """Delete an attempt's branch after its merge, if it still is what was merged. It may stay: nothing
    depends on it, and a later merge of the same tries again."""
    if not pull.branch.startswith("hive/"):
        return
    try:
        if looked or _head(api, pull.branch) == pull.head:
            api.delete(f"/git/refs/heads/{quote(pull.branch)}", what=f"the branch {pull.branch}")
    except GitHubError:
        return


def _head(api: RepoApi, branch: str) -> str | None:
    path = f"/git/ref/heads/{quote(branch)}"
    try:
        return api.get(path, what=f"the branch {clean_line(branch)}").decode(_Ref).object.sha
    except NotFound:
        return None
