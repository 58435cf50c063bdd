"""The cost of queries, by the examples that GitHub publishes."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_variable_values, parse
from graphql.execution import VariableValues

from tests.fakes.github import published
from tests.fakes.github.graphql_cost import Cost, measure
from tests.fakes.github.graphql_schema import problems, schema


@pytest.fixture(autouse=True)
def _published() -> None:
    try:
        schema()
    except published.Unavailable as error:
        pytest.skip(str(error))


def cost(query: str, **variables: Any) -> Cost:
    assert not problems(query)
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    values = get_variable_values(schema(), operation.variable_definitions or (), variables)
    assert isinstance(values, VariableValues)
    return measure(schema(), document, operation, values)


def test_nodes_of_connections_below_each_other_are_multiplied() -> None:
    query = """query { viewer { repositories(first: 50) { edges { repository:node { name
        issues(first: 10) { totalCount edges { node { title bodyHTML } } } } } } } }"""
    assert cost(query).nodes == 550


def test_nodes_of_connections_beside_each_other_are_added() -> None:
    query = """query { viewer {
        repositories(first: 50) { edges { repository:node { name
            pullRequests(first: 20) { edges { pullRequest:node { title
                comments(first: 10) { edges { comment:node { bodyHTML } } } } } }
            issues(first: 20) { totalCount edges { issue:node { title bodyHTML
                comments(first: 10) { edges { comment:node { bodyHTML } } } } } } } } }
        followers(first: 10) { edges { follower:node { login } } } } }"""
    assert cost(query).nodes == 22_060


def test_points_are_the_requests_by_the_hundred() -> None:
    query = """query { viewer { login repositories(first: 100) { edges { node { id
        issues(first: 50) { edges { node { id
            labels(first: 60) { edges { node { id name } } } } } } } } } } }"""
    assert cost(query) == Cost(requests=5101, nodes=100 + 5000 + 300_000)
    assert cost(query).points == 51


def test_the_cheapest_query_costs_a_point() -> None:
    assert cost("{ viewer { login } }") == Cost(0, 0)
    assert cost("{ viewer { login } }").points == 1


def test_bounds_come_from_variables_too() -> None:
    query = """query($n: Int!) { viewer { repositories(first: $n) { nodes {
        issues(last: $n) { nodes { id } } } } } }"""
    assert cost(query, n=7) == Cost(requests=8, nodes=7 + 49)


def test_fragments_count_where_they_are_spread_and_once_a_field() -> None:
    query = """query { a: repository(owner: "o", name: "a") { ...R ...R }
        b: repository(owner: "o", name: "b") { ...R } }
        fragment R on Repository { issues(first: 30) { nodes { id } } }"""
    assert cost(query) == Cost(requests=2, nodes=60)


def test_what_is_left_out_costs_nothing() -> None:
    query = """query($with: Boolean!) { viewer {
        repositories(first: 10) @include(if: $with) { nodes { id } }
        followers(first: 10) @skip(if: $with) { nodes { id } } } }"""
    assert cost(query, **{"with": True}) == Cost(1, 10)


def test_a_total_asks_once_and_answers_no_nodes() -> None:
    query = 'query { repository(owner: "o", name: "a") { issues(states: OPEN) { totalCount } } }'
    assert cost(query) == Cost(1, 0)


def test_each_id_of_a_look_up_counts() -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Issue { labels(first: 10) { nodes { id } } } } }"
    assert cost(query, ids=["a", "b", "c"]) == Cost(requests=3, nodes=30)
