"""The GraphQL side of the GitHub for tests: the published schema, answered from its state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType

from tests.fakes.github import changes, published, pulls
from tests.fakes.github.graphql_execute import execute
from tests.fakes.github.graphql_schema import schema
from tests.fakes.github.graphql_views import NotServed, View
from tests.fakes.github.hooks import Bucket, GraphCall, GraphError
from tests.fakes.github.state import Protection, Repository, Token, World

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RESET = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _published() -> None:
    try:
        schema()
    except published.Unavailable as error:
        pytest.skip(str(error))


class Site:
    """A world whose clock moves by a minute with each `later`, and one token."""

    def __init__(self, home: Path) -> None:
        self.now = START
        self.world = World(home, clock=lambda: self.now)
        self.token = self.world.add_token("kay")
        self.charged: list[int] = []

    def later(self) -> None:
        self.now += timedelta(minutes=1)

    def ask(
        self, query: str, *, token: Token | None = None, errors: tuple[GraphError, ...] = (), **variables: Any
    ) -> dict[str, Any]:
        payload = {"query": query, "variables": variables}
        return execute(
            GraphCall(self.world, token or self.token, payload, "http://fake", self._charge, errors)
        )

    def get(self, query: str, **variables: Any) -> Any:
        answer = self.ask(query, **variables)
        assert "errors" not in answer
        return answer["data"]

    def _charge(self, points: int) -> Bucket:
        self.charged.append(points)
        return Bucket("graphql", 5000, sum(self.charged), RESET)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def repo(site: Site) -> Repository:
    return site.world.add_repository("me/shop", collaborators={"kay": "write"})


def test_issues_are_listed_with_what_a_forge_reads(site: Site, repo: Repository) -> None:
    site.world.add_user("stranger")
    changes.create_issue(site.world, repo, author="stranger", title="Old", body="It is", labels=["ready"])
    site.later()
    changes.edit(site.world, repo.issues[1], by="kay", body="It was")
    data = site.get(
        """{ repository(owner: "me", name: "shop") { issues(first: 5) { totalCount nodes {
            __typename id number title body state stateReason url createdAt updatedAt lastEditedAt
            author { __typename login } authorAssociation editor { login }
            labels(first: 10) { nodes { name color } } comments { totalCount }
        } } } }"""
    )
    (issue,) = data["repository"]["issues"]["nodes"]
    assert issue.pop("id") == repo.issues[1].node_id
    assert issue.pop("labels")["nodes"][0]["name"] == "ready"
    assert issue == {
        "__typename": "Issue",
        "number": 1,
        "title": "Old",
        "body": "It was",
        "state": "OPEN",
        "stateReason": None,
        "url": "http://fake/me/shop/issues/1",
        "createdAt": "2026-01-02T03:04:05Z",
        "updatedAt": "2026-01-02T03:05:05Z",
        "lastEditedAt": "2026-01-02T03:05:05Z",
        "author": {"__typename": "User", "login": "stranger"},
        "authorAssociation": "NONE",
        "editor": {"login": "kay"},
        "comments": {"totalCount": 0},
    }


def test_a_bot_has_no_brackets_in_its_name(site: Site, repo: Repository) -> None:
    site.world.add_user("helper[bot]", kind="Bot")
    changes.create_issue(site.world, repo, author="helper[bot]", title="One")
    data = site.get(
        '{ repository(owner: "me", name: "shop") { issue(number: 1) { author { __typename login } } } }'
    )
    assert data["repository"]["issue"]["author"] == {"__typename": "Bot", "login": "helper"}


LIST = """query($labels: [String!], $filter: IssueFilters, $order: IssueOrder,
        $first: Int = 10, $after: String) {
    repository(owner: "me", name: "shop") {
        issues(labels: $labels, filterBy: $filter, orderBy: $order, first: $first, after: $after) {
            nodes { number } pageInfo { hasNextPage endCursor } } } }"""


@pytest.fixture
def numbers(site: Site, repo: Repository) -> Callable[..., list[int]]:
    """Numbers of the issues that LIST finds: 1 has a, 2 has b, 3 has both and was updated last but one."""
    for labels in (["a"], ["b"], ["a", "b"]):
        changes.create_issue(site.world, repo, author="kay", title="One", labels=labels)
        site.later()
    changes.comment(site.world, repo.issues[1], author="kay", body="Hm")

    def find(**variables: Any) -> list[int]:
        return [node["number"] for node in site.get(LIST, **variables)["repository"]["issues"]["nodes"]]

    return find


def test_labels_want_any_and_a_filter_wants_all(numbers: Callable[..., list[int]]) -> None:
    assert numbers(labels=["A", "b"]) == [1, 2, 3]
    assert numbers(filter={"labels": ["a", "b"]}) == [3]
    assert numbers(labels=["c"]) == []


def test_issues_are_found_by_the_time_of_their_last_change(numbers: Callable[..., list[int]]) -> None:
    newest = {"field": "UPDATED_AT", "direction": "DESC"}
    assert numbers(order=newest) == [1, 3, 2]
    assert numbers(filter={"since": "2026-01-02T03:06:05Z"}, order=newest) == [1, 3]
    assert numbers(filter={"states": ["CLOSED"]}) == []


def test_a_cursor_stays_valid_while_issues_change(
    site: Site, repo: Repository, numbers: Callable[..., list[int]]
) -> None:
    newest = {"field": "UPDATED_AT", "direction": "DESC"}
    page = site.get(LIST, order=newest, first=1)["repository"]["issues"]
    assert page["pageInfo"]["hasNextPage"]
    changes.create_issue(site.world, repo, author="kay", title="Another")
    assert numbers(order=newest, after=page["pageInfo"]["endCursor"]) == [3, 2]


def test_pages_can_be_read_from_either_end(site: Site, repo: Repository) -> None:
    for _ in range(5):
        changes.create_issue(site.world, repo, author="kay", title="One")
    ask = """query($before: String) { repository(owner: "me", name: "shop") { 
        issues(last: 2, before: $before) {
        edges { cursor node { number } } pageInfo { hasPreviousPage hasNextPage startCursor } } } }"""
    last = site.get(ask)["repository"]["issues"]
    assert [edge["node"]["number"] for edge in last["edges"]] == [4, 5]
    assert last["pageInfo"] == {
        "hasPreviousPage": True,
        "hasNextPage": False,
        "startCursor": last["edges"][0]["cursor"],
    }
    before = site.get(ask, before=last["pageInfo"]["startCursor"])["repository"]["issues"]
    assert [edge["node"]["number"] for edge in before["edges"]] == [2, 3]


def _pull(site: Site, repo: Repository) -> str:
    by = site.world.person("kay")
    sha = repo.git.add("fix", {"a": "1"}, "Mend it", by=by, start="main")
    changes.create_issue(site.world, repo, author="kay", title="Broken", labels=["ready"])
    pulls.open_pull(site.world, repo, author="kay", title="Mend", head="fix", base="main", body="Fixes #1")
    return sha


PULL = """{ repository(owner: "me", name: "shop") { pullRequests(first: 5, states: OPEN) { nodes {
    number state isDraft mergeable mergeStateStatus reviewDecision headRefName headRefOid baseRefName
    closingIssuesReferences(first: 5) { nodes { number } }
    commits(last: 1) { totalCount nodes { commit { oid messageHeadline author { user { login } } } } }
    statusCheckRollup { state contexts(first: 10) { checkRunCount statusContextCount nodes { __typename
        ... on CheckRun { name status conclusion } ... on StatusContext { context state } } } }
} } } }"""


def test_a_pull_request_says_how_far_it_is(site: Site, repo: Repository) -> None:
    sha = _pull(site, repo)
    assert repo.pulls[2].head_sha == sha
    first = site.get(PULL)["repository"]["pullRequests"]["nodes"][0]
    assert (first["mergeable"], first["statusCheckRollup"]) == ("UNKNOWN", None)
    repo.protection["main"] = Protection(required_reviews=1)
    changes.add_check(site.world, repo, sha, name="build")
    changes.add_status(site.world, repo, sha, context="hive/tests", state="pending", creator="kay")
    (pull,) = site.get(PULL)["repository"]["pullRequests"]["nodes"]
    assert pull == {
        "number": 2,
        "state": "OPEN",
        "isDraft": False,
        "mergeable": "MERGEABLE",
        "mergeStateStatus": "BLOCKED",
        "reviewDecision": "REVIEW_REQUIRED",
        "headRefName": "fix",
        "headRefOid": sha,
        "baseRefName": "main",
        "closingIssuesReferences": {"nodes": [{"number": 1}]},
        "commits": {
            "totalCount": 1,
            "nodes": [
                {"commit": {"oid": sha, "messageHeadline": "Mend it", "author": {"user": {"login": "kay"}}}}
            ],
        },
        "statusCheckRollup": {
            "state": "PENDING",
            "contexts": {
                "checkRunCount": 1,
                "statusContextCount": 1,
                "nodes": [
                    {
                        "__typename": "CheckRun",
                        "name": "build",
                        "status": "COMPLETED",
                        "conclusion": "SUCCESS",
                    },
                    {"__typename": "StatusContext", "context": "hive/tests", "state": "PENDING"},
                ],
            },
        },
    }


def test_an_issue_knows_the_pull_requests_that_close_it_and_its_past(site: Site, repo: Repository) -> None:
    _pull(site, repo)
    changes.edit(site.world, repo.issues[1], by="kay", title="Still broken")
    data = site.get(
        """{ repository(owner: "me", name: "shop") { issue(number: 1) {
            closedByPullRequestsReferences(first: 5) { nodes { number } }
            timelineItems(first: 9, itemTypes: [LABELED_EVENT, RENAMED_TITLE_EVENT, CROSS_REFERENCED_EVENT]) {
                nodes { __typename
                    ... on LabeledEvent { label { name } actor { login } }
                    ... on RenamedTitleEvent { previousTitle currentTitle }
                    ... on CrossReferencedEvent { willCloseTarget source { ... on PullRequest { number } } } }
            } } } }"""
    )["repository"]["issue"]
    assert data["closedByPullRequestsReferences"]["nodes"] == [{"number": 2}]
    past = {node.pop("__typename"): node for node in data["timelineItems"]["nodes"]}
    assert past == {
        "LabeledEvent": {"label": {"name": "ready"}, "actor": {"login": "kay"}},
        "RenamedTitleEvent": {"previousTitle": "Broken", "currentTitle": "Still broken"},
        "CrossReferencedEvent": {"willCloseTarget": True, "source": {"number": 2}},
    }


def test_objects_are_found_by_their_ids(site: Site, repo: Repository) -> None:
    changes.create_issue(site.world, repo, author="kay", title="One")
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Issue { number } } }"
    answer = site.ask(query, ids=[repo.issues[1].node_id, repo.node_id, "I_nothing"])
    assert answer["data"] == {
        "nodes": [{"__typename": "Issue", "number": 1}, {"__typename": "Repository"}, None]
    }
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["nodes", 2])
    assert error["message"] == "Could not resolve to a node with the global id of 'I_nothing'."


def test_files_and_branches_are_read_from_git(site: Site, repo: Repository) -> None:
    data = site.get(
        """{ repository(owner: "me", name: "shop") { defaultBranchRef { name target { oid } }
            object(expression: "HEAD:README.md") { ... on Blob { text } }
            gone: object(expression: "HEAD:nothing") { id }
            ref(qualifiedName: "nothing") { name } viewerPermission } }"""
    )["repository"]
    assert data == {
        "defaultBranchRef": {"name": "main", "target": {"oid": repo.git.branch("main")}},
        "object": {"text": "# shop\n"},
        "gone": None,
        "ref": None,
        "viewerPermission": "WRITE",
    }


def test_points_are_charged_and_told(site: Site, repo: Repository) -> None:
    site.get("{ viewer { login } }")
    query = """query { rateLimit { limit cost used remaining resetAt nodeCount } viewer {
        repositories(first: 100) { nodes { issues(first: 100) { nodes {
            labels(first: 20) { totalCount } } } } } } }"""
    assert site.get(query)["rateLimit"] == {
        "limit": 5000,
        "cost": 101,
        "used": 102,
        "remaining": 4898,
        "resetAt": "2026-01-02T04:00:00Z",
        "nodeCount": 100 + 100 * 100 + 100 * 100 * 20,
    }
    assert site.charged == [1, 101]


# What goes wrong


def test_one_repository_among_many_is_missing(site: Site, repo: Repository) -> None:
    answer = site.ask(
        """{ a: repository(owner: "me", name: "shop") { name }
             b: repository(owner: "me", name: "gone") { name } }"""
    )
    assert answer == {
        "data": {"a": {"name": "shop"}, "b": None},
        "errors": [
            {
                "type": "NOT_FOUND",
                "path": ["b"],
                "locations": [{"line": 2, "column": 14}],
                "message": "Could not resolve to a Repository with the name 'me/gone'.",
            }
        ],
    }


def test_a_private_repository_is_missing_to_strangers(site: Site, repo: Repository) -> None:
    repo.private = True
    answer = site.ask(
        '{ repository(owner: "me", name: "shop") { name } }', token=site.world.add_token("stranger")
    )
    assert (answer["data"], answer["errors"][0]["type"]) == ({"repository": None}, "NOT_FOUND")


def test_a_former_name_leads_to_the_repository(site: Site, repo: Repository) -> None:
    changes.rename(site.world, repo, "me/store")
    query = """query($follow: Boolean!) {
        repository(owner: "me", name: "shop", followRenames: $follow) { nameWithOwner } }"""
    assert site.get(query, follow=True)["repository"]["nameWithOwner"] == "me/store"
    assert site.ask(query, follow=False)["errors"][0]["type"] == "NOT_FOUND"


def test_a_token_may_lack_a_permission(site: Site, repo: Repository) -> None:
    repo.private = True
    _pull(site, repo)
    sha = repo.pulls[2].head_sha
    changes.add_check(site.world, repo, sha, name="build")
    changes.add_status(site.world, repo, sha, context="hive/tests", state="success", creator="kay")
    given = {"pull_requests": "read", "statuses": "read"}
    token = site.world.add_token("kay", permissions=given, repositories=("me/shop",))
    answer = site.ask(
        """{ repository(owner: "me", name: "shop") { name issues(first: 1) { totalCount }
            pullRequest(number: 2) {
                statusCheckRollup { contexts(first: 5) { nodes { __typename } } } } } }""",
        token=token,
    )
    # `issues` cannot be null, so the whole repository is.
    assert answer["data"] == {"repository": None}
    error = answer["errors"][0]
    assert (error["type"], error["message"], error["extensions"]) == (
        "FORBIDDEN",
        "Resource not accessible by personal access token",
        {"saml_failure": False},
    )
    answer = site.ask(
        """{ repository(owner: "me", name: "shop") {
            pullRequest(number: 2) {
                statusCheckRollup { contexts(first: 5) { nodes { __typename } } } } } }""",
        token=token,
    )
    rollup = answer["data"]["repository"]["pullRequest"]["statusCheckRollup"]
    assert rollup["contexts"]["nodes"] == [None, {"__typename": "StatusContext"}]
    path = ["repository", "pullRequest", "statusCheckRollup", "contexts", "nodes", 0]
    assert answer["errors"][0]["path"] == path


def test_single_sign_on_hides_an_organization(site: Site, repo: Repository) -> None:
    site.token.sso_missing.add("me")
    answer = site.ask('{ repository(owner: "me", name: "shop") { name } viewer { login } }')
    assert answer["data"] == {"repository": None, "viewer": {"login": "kay"}}
    (error,) = answer["errors"]
    assert (error["type"], error["extensions"]) == ("FORBIDDEN", {"saml_failure": True})
    assert error["message"].startswith("Resource protected by organization SAML enforcement.")


def test_faults_strike_where_they_are_told_to(site: Site, repo: Repository) -> None:
    changes.create_issue(site.world, repo, author="kay", title="One")
    changes.create_issue(site.world, repo, author="kay", title="Two")
    query = """{ a: repository(owner: "me", name: "shop") { issues(first: 5) { nodes { title } } }
                 b: repository(owner: "me", name: "shop") { name } }"""
    faults = (
        GraphError(("a", "issues", "nodes", 1), "SERVICE_UNAVAILABLE", "Later"),
        GraphError(("b",), "FORBIDDEN", "No"),
    )
    answer = site.ask(query, errors=faults)
    assert answer["data"] == {"a": {"issues": {"nodes": [{"title": "One"}, None]}}, "b": None}
    assert sorted((x["type"], x["message"]) for x in answer["errors"]) == [
        ("FORBIDDEN", "No"),
        ("SERVICE_UNAVAILABLE", "Later"),
    ]
    assert site.ask(query, errors=(GraphError((), "X", "Y"),))["data"]["a"] is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ viewer {", "Syntax Error"),
        ("{ viewer { logn } }", "Field 'logn' doesn't exist on type 'User'"),
        ('{ user(name: "a", login: "b") { id } }', "Field 'user' doesn't accept argument 'name'"),
        ("query($a: Int) { viewer { login } }", "Variable $a is declared by anonymous query but not used"),
        ("query A { viewer { id } } query B { viewer { id } }", "An operation name is required"),
        ("", "A query attribute must be specified and must be a string."),
    ],
)
def test_a_wrong_query_is_refused_and_costs_nothing(site: Site, query: str, message: str) -> None:
    answer = site.ask(query)
    assert "data" not in answer
    assert message in answer["errors"][0]["message"]
    assert site.charged == []


def test_a_wrong_variable_is_refused(site: Site, repo: Repository) -> None:
    for wrong in ({"first": "many"}, {"filter": {"since": "yesterday"}}):
        assert "data" not in site.ask(LIST, **wrong)


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("", "MISSING_PAGINATION_BOUNDARIES"),
        ("(first: 101)", "EXCESSIVE_PAGINATION"),
        ('(first: 1, after: "x")', "INVALID_CURSOR_ARGUMENTS"),
    ],
)
def test_pages_have_bounds(site: Site, repo: Repository, page: str, kind: str) -> None:
    answer = site.ask(f'{{ repository(owner: "me", name: "shop") {{ issues{page} {{ nodes {{ id }} }} }} }}')
    assert (answer["data"], answer["errors"][0]["type"]) == ({"repository": None}, kind)


def test_too_many_nodes_are_refused(site: Site) -> None:
    query = """{ viewer { repositories(first: 100) { nodes { issues(first: 100) { nodes {
        comments(first: 50) { nodes { id } } } } } } } }"""
    (error,) = site.ask(query)["errors"]
    words = "This query requests up to 510,100 possible nodes which exceeds the maximum limit of 500,000."
    assert error == {"type": "MAX_NODE_LIMIT_EXCEEDED", "message": words}


def test_what_the_fake_lacks_is_said_loudly(site: Site, repo: Repository) -> None:
    with pytest.raises(NotServed, match=r"Repository\.stargazerCount"):
        site.ask('{ repository(owner: "me", name: "shop") { stargazerCount } }')


def test_every_view_is_of_a_published_type() -> None:
    def below(kind: type[View]) -> list[type[View]]:
        return [kind, *(x for child in kind.__subclasses__() for x in below(child))]

    helpers = {"View", "Part", "Account", "Text", "Thread", "Happened", "GitObject"}
    for kind in below(View):
        if kind.__name__ in helpers:
            continue
        published_type = schema().type_map[kind.__name__]
        assert isinstance(published_type, GraphQLObjectType)
        # Every address is made from a path, also where GitHub has none.
        own = {name for name in vars(kind) if not name.startswith("_")} - {"resourcePath"}
        assert own <= published_type.fields.keys(), kind.__name__
