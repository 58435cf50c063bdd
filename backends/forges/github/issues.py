"""Writes to issues. Each looks first, does only what is missing, and may be cut off and repeated anywhere."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from backends.forges import local_rows as rows
from backends.forges.github import approvals, comments, decode
from backends.forges.github.decode import ReadIssue
from backends.forges.github.desk import Desk, RepoApi
from backends.forges.github.errors import AnswerLost, Gone, NotFound
from backends.forges.github.intents import Intents
from backends.forges.github.query import WORKFLOW_LABELS
from hive_tui.core import workflow
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.ids import IssueKey, RepoName
from hive_tui.core.model import Comment, Issue, body_sha
from hive_tui.core.showing import AUTHOR

LATELY = timedelta(seconds=10)
"""What was read so short a while ago is not read again before a write; the write's own answer tells whether
somebody else came in between."""

TRIES = 3
"""Of a write whose answer is lost each time."""

CLOCKS = timedelta(minutes=1)
"""Before the first answer nobody knows how far GitHub's clock is from this one."""

SLACK = timedelta(seconds=5)
"""An issue may seem to be made so long before it was asked for: GitHub tells whole seconds."""


class _Made(msgspec.Struct, frozen=True):
    number: int
    created_at: datetime
    title: str = ""
    body: str | None = None
    pull_request: object = None


class Issues:
    """See `core.ports.Forge`. Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._handed_out: set[tuple[str, int]] = set()
        self._intents = Intents(desk.mirror.database, desk.client.now)
        self._late: dict[IssueKey, tuple[datetime, Issue]] = {}
        self._said = comments.Known()

    def create(self, repo: RepoName, *, title: str, body: str, labels: Sequence[str]) -> Issue:
        api = self._desk.api(repo)
        document: dict[str, object] = {
            "title": rows.title(title),
            "body": rows.body(body),
            "labels": list(dict.fromkeys(map(rows.label, labels))),
        }
        with self._intents.of("issue", repo, rows.title(title), rows.body(body)) as since:
            made = self._create(api, document, since)
        self._desk.mirror.want_poll()
        # What was written here is listed, whatever its labels.
        return self._desk.mirror.put_issue(self._read(IssueKey(repo, made)))

    def _create(self, api: RepoApi, document: dict[str, object], cut_off: datetime | None) -> int:
        """`cut_off`: since when somebody who did not hear of it may have made it."""
        if cut_off is not None:
            found = self._made_since(api, document, cut_off - CLOCKS)
            if found is not None:
                return found
        started = None
        for attempt in range(TRIES):
            try:
                answer = api.post("/issues", document, what=f"a new issue in {api.repo}")
                number = answer.decode(_Made).number
                self._hand_out(api.repo, number)
                return number
            except AnswerLost as lost:
                started = started or self._desk.client.now() - CLOCKS
                try:
                    found = self._made_since(api, document, started)
                except SourceError:
                    raise lost from None  # whether it was made is still not known
                if found is not None:
                    return found
                if attempt == TRIES - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _made_since(self, api: RepoApi, document: dict[str, object], since: datetime) -> int | None:
        """An issue just like this one that hive's account made lately, and that nobody was given yet."""
        me = self._desk.me(api.repo)
        params: dict[str, str | int] = {"creator": me, "state": "all", "sort": "created", "per_page": 30}
        answer = api.get("/issues", what=f"the latest issues of {api.repo}", params=params)
        for made in answer.decode(list[_Made]):
            same = made.title == document["title"] and (made.body or "") == document["body"]
            recent = made.created_at >= since - SLACK and made.pull_request is None
            if same and recent and self._hand_out(api.repo, made.number):
                return made.number
        return None

    def _hand_out(self, repo: RepoName, number: int) -> bool:
        """False if the number was handed out before: two issues may be alike on purpose."""
        with self._lock:
            if (repo, number) in self._handed_out:
                return False
            self._handed_out.add((repo, number))
            return True

    def get(self, key: IssueKey) -> Issue:
        """As it is now, and published so if it is hive's."""
        found = self._desk.mirror.put_issue(self._read(key), workflow_labels=WORKFLOW_LABELS)
        self._remember(found)
        return found

    def _remember(self, issue: Issue, at: datetime | None = None) -> None:
        """`issue` was read at `at`, by default just now."""
        now = self._desk.client.now()
        with self._lock:
            recent = {key: known for key, known in self._late.items() if _is_recent(known[0], now)}
            self._late = {**recent, issue.key: (at or now, issue)}

    def _lately(self, key: IssueKey, by: str) -> Issue:
        """As it was read a moment ago, which is enough for hive's own writes; else as it is now."""
        with self._lock:
            at, issue = self._late.get(key, (None, None))
        recent = at is not None and _is_recent(at, self._desk.client.now())
        if by == AUTHOR and recent and issue is not None:
            return issue
        return self.get(key)

    def _wrote(self, issue: Issue, **changes: object) -> Issue:
        """Publish what a write made of an issue, by the write's own answer: the next poll reads the rest."""
        self._desk.mirror.want_poll()
        known = self._desk.mirror.own_issue(issue.key, self._desk.client.now(), **changes)
        if known is None:
            return self.get(issue.key)  # it may belong into the list from now on
        with self._lock:
            at, _ = self._late.get(issue.key, (None, None))
        if at is not None:
            self._remember(msgspec.structs.replace(issue, **changes), at)
        return known

    def _read(self, key: IssueKey) -> ReadIssue:
        read = self._desk.read_issue(key)
        issue = read.issue
        if approvals.LABEL in issue.labels:
            known = self._desk.mirror.issue(key)
            sha = body_sha(issue.body)
            approval = known.approval if known is not None else None
            if approval is None or approval.body_sha != sha:
                approval = approvals.find(self._desk.api(key.repo), key.number, sha, self._desk.settings)
            read = msgspec.structs.replace(read, issue=msgspec.structs.replace(issue, approval=approval))
        return read

    def edit(self, key: IssueKey, *, title: str | None, body: str | None) -> Issue:
        issue = self.get(key)
        changes = {}
        if title is not None and rows.title(title) != issue.title:
            changes["title"] = rows.title(title)
        if body is not None and rows.body(body) != issue.body:
            changes["body"] = rows.body(body)
        if not changes:
            return issue
        self._desk.api(key.repo).patch(f"/issues/{key.number}", changes, what=str(key))
        return self._changed(key)

    def set_labels(self, key: IssueKey, *, add: Sequence[str], remove: Sequence[str], by: str) -> Issue:
        """Adds first: an issue with a state too many is seen, one without any is forgotten."""
        issue = self._lately(key, by)
        wanted = tuple(dict.fromkeys(map(rows.label, add)))
        if by == AUTHOR and self._moved_by_a_person(issue, wanted, remove):
            return issue
        has = {name.lower() for name in issue.labels}
        missing = [name for name in wanted if name.lower() not in has]
        if missing:
            found = put_labels(self._desk.api(key.repo), key.number, missing)
            mine = {name.lower() for name in missing}
            before = tuple(name for name in found if name.lower() not in mine)
            seen = msgspec.structs.replace(issue, labels=before)
            if self._is_done(found):
                # With nothing beside it whoever merged it may have put it there at the same moment.
                return self._wrote(issue, labels=found)
            if by == AUTHOR and self._moved_by_a_person(seen, wanted, remove):
                # Somebody came between the look and the write: theirs stays, and hive's goes.
                kept = take_labels(self._desk.api(key.repo), key.number, missing)
                return self._wrote(issue, labels=before if kept is None else kept)
            issue = msgspec.structs.replace(issue, labels=found)
        keep = {name.lower() for name in wanted}
        surplus = [name for name in issue.labels if name in remove and name.lower() not in keep]
        if surplus:
            left = take_labels(self._desk.api(key.repo), key.number, surplus)
            rest = tuple(name for name in issue.labels if name not in surplus)
            issue = msgspec.structs.replace(issue, labels=rest if left is None else left)
        return self._wrote(issue, labels=issue.labels) if missing or surplus else issue

    def _moved_by_a_person(self, issue: Issue, add: Sequence[str], remove: Sequence[str]) -> bool:
        """Whether the state that hive is about to change is not the one that it saw."""
        preset = self._desk.settings.labels
        leaves = set(workflow.states(tuple(remove), preset))
        goes_to = set(workflow.states(tuple(add), preset))
        found = set(workflow.states(issue.labels, preset))
        if not leaves and not goes_to:
            return False
        if not goes_to:
            # Where it goes to is there already: the second step of a move.
            return len(found - leaves) > 1
        if found - leaves - goes_to:
            return True  # there is one that hive did not see
        return bool(leaves) and not found

    def _is_done(self, labels: tuple[str, ...]) -> bool:
        return workflow.states(labels, self._desk.settings.labels) == (workflow.IssueState.DONE,)

    def set_open(self, key: IssueKey, is_open: bool, *, by: str) -> Issue:
        issue = self._lately(key, by)
        if issue.open == is_open:
            return issue
        body = {"state": "open"} if is_open else {"state": "closed", "state_reason": "completed"}
        self._desk.api(key.repo).patch(f"/issues/{key.number}", body, what=str(key))
        return self._wrote(issue, open=is_open)

    def approve(self, key: IssueKey) -> Issue:
        """Approve the text as it is now, as the person whose token it is."""
        api = self._desk.api(key.repo)
        me = self._desk.me(key.repo)
        if me.endswith("[bot]"):
            raise Refused(
                f"hive acts as {me} there, and an App cannot approve in a person's name.",
                f"`hive issue approve {key}` in a fleet with your own token does it, or list its author in "
                "allowed_authors.",
            )
        issue = self.get(key)
        approvals.write(api, key.number, me, body_sha(issue.body))
        if approvals.LABEL not in issue.labels:
            put_labels(api, key.number, [approvals.LABEL])
        return self._changed(key)

    def comment(self, key: IssueKey, *, body: str, marker: str | None) -> None:
        api = self._desk.api(key.repo)
        with self._lock:
            at, issue = self._late.get(key, (None, None))
        recent = at is not None and _is_recent(at, self._desk.client.now())
        bare = recent and issue is not None and issue.comments == 0
        try:
            me = self._desk.me(key.repo)
            comments.write(api, key.number, me, body, marker, known=self._said, bare=bare)
        except (NotFound, Gone):
            self._desk.read_issue(key)  # an unknown one is said as such
            raise
        self._desk.mirror.own(key, self._desk.client.now())
        self._desk.mirror.want_poll()

    def comments(self, key: IssueKey) -> list[Comment]:
        try:
            return comments.shown(comments.read(self._desk.api(key.repo), key.number))
        except (NotFound, Gone):
            self._desk.read_issue(key)
            raise

    def _changed(self, key: IssueKey) -> Issue:
        self._desk.mirror.want_poll()
        return self.get(key)


def _is_recent(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at <= LATELY


def relabel(api: RepoApi, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
    """Put labels on an issue or pull request and take others off; the rest is not touched."""
    if add:
        put_labels(api, number, add)
    take_labels(api, number, remove)


def put_labels(api: RepoApi, number: int, names: Sequence[str]) -> tuple[str, ...]:
    """Returns all that are on it then; adding what is there already is no change."""
    what = f"the labels of {api.repo}#{number}"
    answer = api.post(f"/issues/{number}/labels", {"labels": list(names)}, what=what, repeatable=True)
    return decode.labels(decode.Labels(answer.decode(list[decode.Label | None])))


def take_labels(api: RepoApi, number: int, names: Sequence[str]) -> tuple[str, ...] | None:
    """Returns those that are left, None where that was not said."""
    left: tuple[str, ...] | None = None
    for name in names:
        path = f"/issues/{number}/labels/{quote(name, safe='')}"
        try:
            answer = api.delete(path, what=f"the labels of {api.repo}#{number}")
        except NotFound:
            left = None  # somebody took it off meanwhile
            continue
        left = decode.labels(decode.Labels(answer.decode(list[decode.Label | None])))
    return left
