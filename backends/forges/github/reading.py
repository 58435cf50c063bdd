"""One repository within one poll: what is to be asked, what came, and what follows for the mirror.

The reading of a repository takes several queries when its lists have several pages, when texts are missing,
or when something is in the mirror that no list names any more. Nothing is published before all of it came:
a consumer never sees an issue that is ready without the text that it is judged by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from backends.forges.github import cadence, decode
from backends.forges.github.client import QueryError
from backends.forges.github.decode import IssueText, ReadIssue, ReadPull, Seen
from backends.forges.github.errors import Forbidden, GitHubError, NotFound, Renamed, SsoRequired
from backends.forges.github.mirror import Known, Mirror, Sync, TakingIn
from backends.forges.github.probing import Moved
from backends.forges.github.query import MAX_PAGE, WORKFLOW_LABELS, Ask, Page
from hive_tui.core import workflow
from hive_tui.core.errors import words_of
from hive_tui.core.gates import DISPATCHABLE
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.model import (
    Approval,
    Check,
    CheckState,
    Issue,
    Lease,
    PullRequest,
    PullState,
    RepoState,
    Verdict,
)
from hive_tui.core.settings import Preset

TEXTS = 100
"""Texts of issues that nothing is decided by: so many are read in one poll, until all are known."""

UNKNOWN_TRIES = 5
"""Polls that ask whether a pull request can be merged, before GitHub is believed not to know."""

FRESH_HEAD = timedelta(minutes=10)
"""A head without any check may get its first one for so long after it came."""

OVERLAP = timedelta(seconds=15)
"""A first read takes a moment, in which something may change behind it."""

FIRST_PULLS = 30
"""Pull requests of the first page, where it is not known how many there are."""

MAX_NOTES = 3


class Reading:
    """The reading of one repository; `ask` and `take` in turns, then `take_in`."""

    def __init__(self, repo: RepoName, known: Known, mirror: Mirror, preset: Preset) -> None:
        self.repo = repo
        self.known = known
        self.error: GitHubError | None = None
        self.published = False
        self.moved: Moved | None = None
        self._mirror = mirror
        self._preset = preset
        self._full = False
        self._seen_at: datetime | None = None
        self._facts: Seen | None = None
        self._notes: list[str] = []
        self._holes = False
        self._next = Ask(repo)
        self._issues: dict[int, ReadIssue] = {}
        self._texts: dict[int, IssueText] = {}
        self._pulls: dict[int, ReadPull] = {}
        self._checks: dict[str, tuple[tuple[Check, ...], Verdict | None]] = {}
        self._gone_issues: set[int] = set()
        self._gone_pulls: set[int] = set()
        self._pages: tuple[str | None, str | None] = (None, None)
        self._begun = False
        self._asked_again = False
        self._asked_texts = False
        self._completed = False
        self._asked = False
        self._own: dict[IssueKey | PullKey, datetime] = {}
        self._later = Ask(repo)

    # What to ask

    def begin(
        self, moved: Moved | None, open_pulls: Iterable[PullRequest], now: datetime, *, asked: bool
    ) -> None:
        """The first question, after the probe (None where it is read for the first time). `asked`: a person
        wants to know, so that also checks that failed are read: somebody may have run them again."""
        self._begun, self._asked = True, asked
        self.moved = moved
        self._own = self._mirror.owned(self.repo)
        sync = self.known.sync
        closed = self.known.state.closed_to_work is not None
        again = now if closed and asked else now - (cadence.CLOSED if closed else cadence.FULL)
        if moved is None or moved.more or sync.full_at is None or sync.full_at <= again:
            self._begin_full()
            return
        pulls = list(open_pulls)
        issues = [n for n in moved.issues if not self._is_own(IssueKey(self.repo, n), moved)]
        others = {n for n in moved.pulls if not self._is_own(PullKey(self.repo, n), moved)}
        self._next = Ask(self.repo, numbers=tuple(issues), pull_numbers=tuple(sorted(others)))
        # The rest of what changed is hive's own doing, and its answers are published already.
        later = {*sync.later_issues, *moved.issues, *(k.number for k in self._own if type(k) is IssueKey)}
        later_pulls = {*sync.later_pulls, *moved.pulls, *(k.number for k in self._own if type(k) is PullKey)}
        later_pulls |= {pull.number for pull in pulls if self._mergeability_open(pull)}
        if moved.base_sha != sync.base_sha:
            later_pulls |= {pull.number for pull in pulls if pull.base == self.known.state.base}
        later, later_pulls = later - set(issues), later_pulls - others
        read = others | later_pulls
        heads = {pull.head for pull in pulls if pull.number not in read and _is_followed(pull, now, asked)}
        # A text that was never read, of an issue that nothing is decided by, costs nothing beside the rest.
        texts = self._mirror.without_text(self.repo)[:TEXTS]
        self._later = Ask(
            self.repo,
            numbers=tuple(sorted(later)),
            pull_numbers=tuple(sorted(later_pulls)),
            heads=tuple(sorted(heads)),
            bodies=tuple(number for number in texts if number not in {*issues, *later}),
        )

    def _is_own(self, key: IssueKey | PullKey, moved: Moved) -> bool:
        """Whether hive itself made the latest change there."""
        written = self._own.get(key)
        return written is not None and moved.changed_at[key.number] <= written

    @property
    def can_wait(self) -> bool:
        """Whether there is something to be read that is no reason for a query right now."""
        return self.error is None and bool(self._later.requests or self._later.singles)

    def wait_no_longer(self) -> None:
        """Ask for that too."""
        now, later = self._next, self._later
        self._next = msgspec.structs.replace(
            later,
            issues=now.issues,
            pulls=now.pulls,
            ended=now.ended,
            numbers=now.numbers + later.numbers,
            pull_numbers=now.pull_numbers + later.pull_numbers,
        )
        self._later = Ask(self.repo)

    def _begin_full(self) -> None:
        self._full = True
        issues, pulls = (len(numbers) for numbers in self._mirror.open_numbers(self.repo))
        read_before = self.known.sync.full_at is not None
        self._next = Ask(
            self.repo,
            issues=Page(_page(issues) if read_before else MAX_PAGE),
            pulls=Page(_page(pulls) if read_before else FIRST_PULLS),
            ended=True,
        )

    def _mergeability_open(self, pull: PullRequest) -> bool:
        if pull.mergeable is not None or pull.state is not PullState.OPEN:
            return False
        return self.known.sync.unknown.get(pull.number, 0) < UNKNOWN_TRIES

    @property
    def ask(self) -> Ask | None:
        """The next question, None when everything is known or the repository failed."""
        asks = self._next.requests or self._next.singles
        return self._next if asks and self.error is None else None

    @property
    def done(self) -> bool:
        """Everything that was asked for came."""
        return self._begun and self.ask is None

    # What came

    def fail(self, error: GitHubError) -> None:
        """It cannot be read now."""
        self.error = self.error or error

    def take(self, seen: Seen | None, errors: list[QueryError], at: datetime) -> None:
        """What a query brought of it, and what of it failed; `at` in the server's clock.

        Paths of errors begin below the repository's alias. What to ask next is worked out when all parts
        of a question came: `turn`.
        """
        absent = {error.path[0] for error in errors if error.type == "NOT_FOUND" and len(error.path) == 1}
        for error in errors:
            if seen is not None and error.path and error.path[0] not in absent:
                self._holes = True
                self._notes.append(f"{_place(error.path)}: {error.message.rstrip('.')}")
        if seen is None:
            self.fail(_refusal(self.repo, errors))
            return
        if seen.called.lower() != self.repo.lower():
            self.fail(Renamed(self.repo, seen.called))
            return
        if self._seen_at is None:
            self._seen_at = at - OVERLAP
        self._facts = seen
        self._holes |= seen.holes
        self._issues |= {read.issue.number: read for read in seen.issues}
        self._texts |= {text.number: text for text in seen.texts}
        for read in seen.pulls:
            # What a light list says of a pull request is less than what is known of it already.
            if read.whole or read.pull.number not in self._pulls:
                self._pulls[read.pull.number] = read
        self._checks |= seen.checks
        self._gone_issues |= {n for n in seen.missing_issues if {f"i{n}", f"b{n}"} & absent}
        self._gone_pulls |= {number for number in seen.missing_pulls if f"p{number}" in absent}
        self._pages = (seen.next_issues or self._pages[0], seen.next_pulls or self._pages[1])

    def turn(self) -> None:
        """All that was asked for came: what does it leave open?"""
        issues, pulls = self._pages
        self._pages = (None, None)
        if issues or pulls:
            self._next = Ask(
                self.repo,
                issues=Page(MAX_PAGE, issues) if issues else None,
                pulls=Page(FIRST_PULLS, pulls) if pulls else None,
            )
            return
        self._join_texts()
        numbers, pull_numbers = self._unnamed()
        pull_numbers |= self._unsure()
        self._next = Ask(
            self.repo,
            numbers=tuple(sorted(numbers)),
            bodies=tuple(sorted(self._needed_texts() - numbers)),
            pull_numbers=tuple(sorted(pull_numbers)),
        )

    def _join_texts(self) -> None:
        for number, text in list(self._texts.items()):
            read = self._issues.get(number)
            if read is not None and not read.has_body and read.revision == text.revision:
                issue = msgspec.structs.replace(read.issue, body=text.body)
                self._issues[number] = ReadIssue(issue, read.revision, True)
                del self._texts[number]

    def _unnamed(self) -> tuple[set[int], set[int]]:
        """After a full read: what the mirror has, or hive is at work on, and no list named."""
        if not self._full or self._completed:
            return set(), set()
        self._completed = True
        issues, pulls = self._mirror.open_numbers(self.repo)
        concerns = self._mirror.concerns(self.repo)
        return {*issues, *concerns} - self._issues.keys(), set(pulls) - self._pulls.keys()

    def _unsure(self) -> set[int]:
        """GitHub works out whether something can be merged when it is asked: it may know by now. Nobody may
        wait for it; then the next query will tell."""
        if self._asked_again or not (self._asked or self._full):
            return set()
        self._asked_again = True
        return {
            number
            for number, read in self._pulls.items()
            if read.whole and self._mergeability_open(read.pull)
        }

    def _needed_texts(self) -> set[int]:
        """Texts of issues that may be started, and some of the others, that no read of them brought."""
        if self._asked_texts:
            return set()
        self._asked_texts = True
        held = self._mirror.revisions(self.repo)
        bare = {
            number: read.issue
            for number, read in self._issues.items()
            if not read.has_body and held.get(number) != read.revision
        }
        ready = {number for number, issue in bare.items() if self._ready(issue)}
        others = sorted(bare.keys() - ready, reverse=True)
        return ready | set(others[: max(0, TEXTS - len(ready))])

    def _ready(self, issue: Issue) -> bool:
        return issue.open and workflow.state(issue.labels, self._preset) in DISPATCHABLE

    # What lookups add

    def issues_with_text(self) -> list[Issue]:
        """All that were read with their text, after the last turn."""
        return [read.issue for read in self._issues.values() if read.has_body]

    def whole_pulls(self) -> list[PullRequest]:
        return [read.pull for read in self._pulls.values() if read.whole]

    def annotate_issue(self, number: int, *, approval: Approval | None) -> None:
        read = self._issues[number]
        issue = msgspec.structs.replace(read.issue, approval=approval)
        self._issues[number] = msgspec.structs.replace(read, issue=issue)

    def annotate_pull(self, number: int, *, lease: Lease | None) -> None:
        read = self._pulls[number]
        pull = msgspec.structs.replace(read.pull, lease=lease)
        self._pulls[number] = msgspec.structs.replace(read, pull=pull)

    # What follows

    def take_in(self, into: TakingIn, now: datetime, luck: float) -> None:
        """Publish what came, also if something of it failed; how far it was read moves on only if not."""
        if self._facts is not None:
            self._publish(into)
        into.repository(self._state(now, luck), self._sync(now))

    def taken_in(self) -> None:
        """It is published, and with it what hive wrote before it was read."""
        if self._seen_at is not None and not (self.error or self._holes or self.can_wait):
            self._mirror.disown(self._own)

    def _publish(self, into: TakingIn) -> None:
        for read in self._issues.values():
            if not read.has_body and self._ready(read.issue) and not into.has_text(read):
                continue  # its text did not come: better as it was known than judged by nothing
            into.issue(read, workflow_labels=WORKFLOW_LABELS)
        for text in self._texts.values():
            into.text(self.repo, text)
        for read_pull in self._pulls.values():
            into.pull(read_pull)
        into.checks(self.repo, self._checks)
        for number in self._gone_issues:
            into.forget_issue(IssueKey(self.repo, number))
        for number in self._gone_pulls:
            into.forget_pull(PullKey(self.repo, number))

    def _state(self, now: datetime, luck: float) -> RepoState:
        known = self.known.state
        if self.error is not None or self._notes:
            why = words_of(self.error) if self.error is not None else _said(self._notes)
            retry_at = now + cadence.retry(self.known.sync.failures, luck, repository=True)
            since = known.since if known.why is not None else now
            base = known if self.error is not None or self._facts is None else self._heard(now)
            return msgspec.structs.replace(base, why=why, since=since, retry_at=retry_at)
        if self._facts is not None:
            return self._heard(now)
        return msgspec.structs.replace(known, heard_at=now, why=None, since=None, retry_at=None)

    def _heard(self, now: datetime) -> RepoState:
        assert self._facts is not None
        return decode.state(self._facts, now)

    def _sync(self, now: datetime) -> Sync:
        sync = self.known.sync
        if self.error is not None or self._holes:
            return msgspec.structs.replace(sync, failures=sync.failures + 1)
        unknown = {
            number: sync.unknown.get(number, 0) + 1
            for number, read in self._pulls.items()
            if read.pull.state is PullState.OPEN and read.pull.mergeable is None
        }
        kept = {n: tries for n, tries in sync.unknown.items() if n not in self._pulls}
        sync = msgspec.structs.replace(
            sync,
            failures=0,
            unknown={**kept, **unknown},
            later_issues=self._later.numbers,
            later_pulls=self._later.pull_numbers,
        )
        if self.moved is not None:
            moved = self.moved
            sync = msgspec.structs.replace(
                sync,
                etag=moved.etag,
                seen=moved.seen,
                base_etag=moved.base_etag,
                base_sha=moved.base_sha,
            )
        if self._full:
            assert self._facts is not None
            sync = msgspec.structs.replace(sync, full_at=now, seen=sync.seen or self._seen_at)
            if self.moved is None:
                sync = msgspec.structs.replace(sync, base_sha=self._facts.base_sha)
        return sync


def _is_followed(pull: PullRequest, now: datetime, asked: bool) -> bool:
    return bool(pull.head) and (checks_open(pull, now) or (asked and not checks_passed(pull)))


def checks_open(pull: PullRequest, now: datetime) -> bool:
    """Whether the checks of its head may still change by themselves."""
    if not any(check.sha == pull.head for check in pull.checks):
        return now - pull.updated_at < FRESH_HEAD
    return any(check.state is CheckState.PENDING for check in pull.checks if check.sha == pull.head)


def checks_passed(pull: PullRequest) -> bool:
    """Whether nothing is left to be said against its head."""
    return all(check.state is CheckState.PASSED for check in pull.checks if check.sha == pull.head)


def _page(known: int) -> int:
    """A page that has room for what is known and some more: GitHub charges for its size."""
    return min(MAX_PAGE, max(10, known + 5))


def _refusal(repo: RepoName, errors: list[QueryError]) -> GitHubError:
    """Why GraphQL shows nothing of a repository."""
    for error in errors:
        if "SAML" in error.message or "single sign-on" in error.message:
            return SsoRequired(repo, None)
        if error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
            return Forbidden(f"GitHub forbids {repo}: {error.message.rstrip('.')}.")
    return NotFound(repo)


def _place(path: tuple[str | int, ...]) -> str:
    """Where in an answer something failed, for people: `#41`, or `pulls … statusCheckRollup`."""
    numbered = (re.fullmatch(r"[ibp](\d+)", name) for name in path[:1] if isinstance(name, str))
    for found in filter(None, numbered):
        return f"#{found[1]}"
    names = [name for name in path if isinstance(name, str) and name != "nodes"]
    return " ".join(names[:1] + names[-1:] if len(names) > 1 else names) or "something"


def _said(notes: list[str]) -> str:
    said = list(dict.fromkeys(notes))
    more = f" and {len(said) - MAX_NOTES} more" if len(said) > MAX_NOTES else ""
    return (
        f"GitHub answered only in part: {'; '.join(said[:MAX_NOTES])}{more}. Check the token's permissions;"
        " the rest is up to date."
    )
