"""The text of GraphQL queries, and what they cost before they are sent.

One query asks about many repositories. GitHub counts a query's connections as if each were as full as it may
be: the sum by a hundred is its points, and its nodes have a limit. So what is asked of a repository is data
(`Ask`) whose cost follows from it, and as many of them go into one query as stay far below the limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec

from hive_tui.core import workflow
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import Preset
from hive_tui.core.workflow import IssueState

MAX_PAGE = 100
"""GitHub's own limit for what a connection brings at once."""

MAX_REQUESTS = 1_500
"""Connections of one query: 15 points, and an answer well within GitHub's ten seconds."""

MAX_SINGLE = 200
"""Issues, pull requests and commits that one query asks for by their number or SHA."""

ENDED = 20
"""Merged or closed pull requests that a full read looks at, the newest first."""

WORKFLOW_LABELS = tuple(
    dict.fromkeys(workflow.label(state, preset) for preset in Preset for state in IssueState)
)
"""Labels that make an issue one of hive's, by either preset."""

_LABELS, _CLOSES, _CHECKS = 50, 5, 100
"""How much is read of what hangs on an issue, a pull request or a commit."""


class Page(msgspec.Struct, frozen=True):
    """A part of a list: so many, after this cursor."""

    first: int
    after: str | None = None

    def __str__(self) -> str:
        return f"first:{self.first}" + (f" after:{json.dumps(self.after)}" if self.after else "")


class Ask(msgspec.Struct, frozen=True):
    """What is asked of one repository; its own facts always come along."""

    repo: RepoName
    issues: Page | None = None
    """Open issues with a label of the workflow, without their texts."""
    pulls: Page | None = None
    """Open pull requests."""
    ended: bool = False
    """The pull requests that were merged or closed last."""
    numbers: tuple[int, ...] = ()
    """Issues with all that is known of them."""
    bodies: tuple[int, ...] = ()
    """Issues whose text alone is wanted."""
    pull_numbers: tuple[int, ...] = ()
    heads: tuple[str, ...] = ()
    """Commits whose checks are wanted."""

    @property
    def requests(self) -> int:
        """Connections that GitHub counts."""
        count = len(self.numbers) * 2 + len(self.pull_numbers) * 3 + len(self.heads) + self.ended
        if self.issues is not None:
            count += 1 + self.issues.first * 2
        if self.pulls is not None:
            count += 1 + self.pulls.first * 3
        return count

    @property
    def singles(self) -> int:
        return len(self.numbers) + len(self.bodies) + len(self.pull_numbers) + len(self.heads)

    def parts(self) -> list[Ask]:
        """The same in pieces of which each fits into a query."""
        pieces = [
            Ask(self.repo, issues=self.issues),
            Ask(self.repo, pulls=self.pulls, ended=self.ended),
            *(
                Ask(self.repo, **{kind: chunk})  # type: ignore[arg-type]
                for kind in ("numbers", "bodies", "pull_numbers", "heads")
                for chunk in _chunks(getattr(self, kind))
            ),
        ]
        return [piece for piece in pieces if piece.requests or piece.singles]


class Query(msgspec.Struct, frozen=True):
    """One query; what `asks[n]` asks for is below the alias `r<n>` of its answer."""

    asks: tuple[Ask, ...]

    @property
    def cost(self) -> int:
        """Points, at most."""
        return max(1, (sum(ask.requests for ask in self.asks) + 50) // 100)

    @property
    def text(self) -> str:
        repos = "\n".join(_repository(f"r{n}", ask) for n, ask in enumerate(self.asks))
        fragments = (text for name, text in _FRAGMENTS.items() if name in _needed(self.asks))
        return f"query {{\nrateLimit{{cost limit remaining resetAt}}\n{repos}\n}}\n" + "\n".join(fragments)


def batch(asks: Iterable[Ask]) -> list[Query]:
    """All of it in as few queries as the limits allow; the order stays."""
    queries: list[Query] = []
    held: list[Ask] = []
    requests = singles = 0
    for ask in asks:
        fits = ask.requests <= MAX_REQUESTS and ask.singles <= MAX_SINGLE
        for part in [ask] if fits else ask.parts():
            full = requests + part.requests > MAX_REQUESTS or singles + part.singles > MAX_SINGLE
            if held and full:
                queries.append(Query(tuple(held)))
                held, requests, singles = [], 0, 0
            held.append(part)
            requests += part.requests
            singles += part.singles
    return [*queries, Query(tuple(held))] if held else queries


_FACTS = (
    "nameWithOwner url isArchived isDisabled diskUsage viewerPermission defaultBranchRef{name target{oid}}"
)

_FRAGMENTS = {
    "I": (
        "fragment I on Issue{number title state createdAt updatedAt lastEditedAt url authorAssociation"
        " author{login __typename} editor{login} comments{totalCount}"
        f" labels(first:{_LABELS}){{nodes{{name}}}}}}"
    ),
    "L": (
        "fragment L on PullRequest{number title body state isDraft createdAt updatedAt url headRefName"
        " headRefOid baseRefName isCrossRepository headRepositoryOwner{login} author{login} reviewDecision"
        " mergedBy{login} mergeCommit{oid}}"
    ),
    "P": (
        "fragment P on PullRequest{...L mergeable"
        f" labels(first:{_LABELS}){{nodes{{name}}}}"
        f" closingIssuesReferences(first:{_CLOSES}){{nodes{{number repository{{nameWithOwner}}}}}}"
        " statusCheckRollup{...C}}"
    ),
    "C": (
        f"fragment C on StatusCheckRollup{{state contexts(first:{_CHECKS}){{totalCount nodes{{__typename"
        " ... on CheckRun{name status conclusion title startedAt checkSuite{databaseId createdAt}}"
        " ... on StatusContext{context state description createdAt creator{login __typename}}}}}"
    ),
}


def _needed(asks: Sequence[Ask]) -> set[str]:
    """Fragments that are used: GitHub refuses a query with one that is not."""
    names: set[str] = set()
    for ask in asks:
        if ask.issues is not None or ask.numbers:
            names.add("I")
        if ask.pulls is not None or ask.pull_numbers:
            names |= {"P", "L", "C"}
        if ask.ended:
            names.add("L")
        if ask.heads:
            names.add("C")
    return names


def _repository(alias: str, ask: Ask) -> str:
    owner, _, name = ask.repo.partition("/")
    fields = [_FACTS]
    if ask.issues is not None:
        labels = json.dumps(WORKFLOW_LABELS)
        fields.append(
            f"issues({ask.issues} states:OPEN labels:{labels})"
            "{pageInfo{hasNextPage endCursor} nodes{...I}}"
        )
    if ask.pulls is not None:
        fields.append(
            f"pulls:pullRequests({ask.pulls} states:OPEN){{pageInfo{{hasNextPage endCursor}} nodes{{...P}}}}"
        )
    if ask.ended:
        fields.append(
            f"ended:pullRequests(first:{ENDED} states:[MERGED,CLOSED]"
            " orderBy:{field:UPDATED_AT direction:DESC}){nodes{...L}}"
        )
    fields += [f"i{number}:issue(number:{number}){{...I body}}" for number in ask.numbers]
    fields += [f"b{number}:issue(number:{number}){{number body lastEditedAt}}" for number in ask.bodies]
    fields += [f"p{number}:pullRequest(number:{number}){{...P}}" for number in ask.pull_numbers]
    fields += [
        f"c{sha}:object(oid:{json.dumps(sha)}){{... on Commit{{statusCheckRollup{{...C}}}}}}"
        for sha in ask.heads
    ]
    inner = "\n ".join(fields)
    return f"{alias}:repository(owner:{json.dumps(owner)} name:{json.dumps(name)}){{\n {inner}\n}}"


def _chunks(items: tuple[object, ...]) -> list[tuple[object, ...]]:
    return [items[at : at + MAX_SINGLE] for at in range(0, len(items), MAX_SINGLE)]
