"""Answers a GraphQL query as GitHub does: checked against the published schema, priced, then executed.

`execute` is what the server calls. It raises published.Unavailable when the schema was not fetched, and
graphql_views.NotServed for a part of the schema that the fake does not have; neither is ever GitHub's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLFieldResolver,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_variable_values,
)
from graphql.execution import VariableValues

from tests.fakes.github import state
from tests.fakes.github.graphql_commits import App, CheckRun, StatusContext
from tests.fakes.github.graphql_cost import NODE_LIMIT, measure
from tests.fakes.github.graphql_issues import Issue, IssueComment, Label
from tests.fakes.github.graphql_people import account
from tests.fakes.github.graphql_pulls import PullRequest, PullRequestReview
from tests.fakes.github.graphql_repositories import Query, Repository
from tests.fakes.github.graphql_schema import document, locations, problems, schema
from tests.fakes.github.graphql_views import Asked, Info, Kind, NotServed, Trouble
from tests.fakes.github.hooks import GraphCall, GraphError

KINDS: dict[type, Kind] = {
    state.User: account,
    state.App: App,
    state.Repository: Repository,
    state.Label: Label,
    state.Issue: Issue,
    state.Comment: IssueComment,
    state.Pull: PullRequest,
    state.Review: PullRequestReview,
    state.Status: StatusContext,
    state.CheckRun: CheckRun,
}


def execute(call: GraphCall) -> dict[str, Any]:
    """The body of the answer, whose status is 200 whatever is in it."""
    query = call.payload.get("query")
    if not isinstance(query, str) or not query.strip():
        return _refused({"message": "A query attribute must be specified and must be a string."})
    wrong = problems(query)
    if wrong:
        return _refused(*wrong)
    operation = _operation(query, call.payload.get("operationName"))
    if operation is None:
        return _refused({"message": "An operation name is required"})
    if operation.operation is not OperationType.QUERY:
        raise NotServed(operation.operation.value)
    given = call.payload.get("variables") or {}
    variables = get_variable_values(schema(), operation.variable_definitions or (), given)
    if not isinstance(variables, VariableValues):
        return _refused(*(_invalid(error) for error in variables))
    cost = measure(schema(), document(query), operation, variables)
    if cost.nodes > NODE_LIMIT:
        words = f"This query requests up to {cost.nodes:,} possible nodes which exceeds the maximum limit of"
        return _refused({"type": "MAX_NODE_LIMIT_EXCEEDED", "message": f"{words} {NODE_LIMIT:,}."})
    asked = Asked(call, cost, call.charge(cost.points), KINDS)
    result = execute_sync(
        schema(),
        document(query),
        Query(asked),
        asked,
        variable_values=given,
        operation_name=operation.name.value if operation.name else None,
        field_resolver=_resolver(_placed(operation, call.errors)),
        type_resolver=lambda value, *_: type(value).__name__,
    )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_said(error) for error in result.errors]
    return answer


def _operation(query: str, name: Any) -> OperationDefinitionNode | None:
    """The operation that is meant; None when it cannot be told."""
    there = [x for x in document(query).definitions if isinstance(x, OperationDefinitionNode)]
    if name is not None:
        there = [x for x in there if x.name and x.name.value == name]
    return there[0] if len(there) == 1 else None


def _placed(
    operation: OperationDefinitionNode, errors: Sequence[GraphError]
) -> dict[tuple[str | int, ...], Trouble]:
    """Injected faults by the place where they strike."""
    first = next(x for x in operation.selection_set.selections if isinstance(x, FieldNode))
    default = ((first.alias or first.name).value,)
    return {tuple(x.path) or default: Trouble(x.kind, x.message) for x in errors}


def _resolver(faults: dict[tuple[str | int, ...], Trouble]) -> GraphQLFieldResolver:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        if not faults:
            return _value(source, info, args)
        path = tuple(info.path.as_list())
        if path in faults:
            raise faults[path]
        value = _value(source, info, args)
        if isinstance(value, list):
            return [faults.get((*path, at), item) for at, item in enumerate(value)]
        return value

    return resolve


def _value(source: Any, info: Info, args: dict[str, Any]) -> Any:
    try:
        value = getattr(source, info.field_name)
    except AttributeError as error:
        if error.obj is not source:
            raise
        raise NotServed(f"{info.parent_type.name}.{info.field_name}") from None
    return value(info, **args) if callable(value) else value


def _said(error: GraphQLError) -> dict[str, Any]:
    """As GitHub writes an error of a field. What is a mistake of the fake's goes on as an exception."""
    cause = error.original_error
    said: dict[str, Any] = {}
    if isinstance(cause, Trouble):
        said = {"type": cause.kind}
        if cause.saml is not None:
            said["extensions"] = {"saml_failure": cause.saml}
    elif cause is not None:
        raise cause
    return said | {"path": list(error.path or ()), "locations": locations(error), "message": error.message}


def _invalid(error: GraphQLError) -> dict[str, Any]:
    """A variable's value that does not fit its type."""
    return {"extensions": {"problems": [{"explanation": error.message}]}, "message": error.message}


def _refused(*errors: dict[str, Any]) -> dict[str, Any]:
    return {"errors": list(errors)}
