"""The published GraphQL schema, parsed once a process, and what GitHub says of a query that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FieldsOnCorrectTypeRule,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSyntaxError,
    KnownArgumentNamesRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    ValidationRule,
    build_schema,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import ASTValidationRule

from tests.fakes.github import published

_OWN_WORDS = {FieldsOnCorrectTypeRule, KnownArgumentNamesRule, NoUnusedVariablesRule}


@cache
def schema() -> GraphQLSchema:
    """Raises published.Unavailable. About a second the first time."""
    text = published.read(published.GRAPHQL).decode()
    built = build_schema(text, assume_valid=True, assume_valid_sdl=True, no_location=True)
    moment = built.type_map["DateTime"]
    assert isinstance(moment, GraphQLScalarType)
    moment.coerce_input_value = _moment
    return built


@lru_cache(512)
def problems(query: str) -> tuple[dict[str, Any], ...]:
    """What is wrong with a query in GitHub's words, as it stands in `errors`; nothing when it is valid."""
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return ({"message": error.message, "locations": locations(error)},)
    found = validate(schema(), document, _rules())
    return tuple(_said(error) for error in found)


@lru_cache(512)
def document(query: str) -> DocumentNode:
    """A query that has no problems."""
    return parse(query)


def stamp(moment: datetime) -> str:
    """As GitHub writes a time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        raise GraphQLError(f'Could not coerce value "{value}" to DateTime') from None


def _said(error: GraphQLError) -> dict[str, Any]:
    said: dict[str, Any] = {"extensions": error.extensions} if error.extensions else {}
    return said | {"locations": locations(error), "message": error.message}


def locations(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": place.line, "column": place.column} for place in error.locations or ()]


def _rules() -> list[type[ASTValidationRule]]:
    return [rule for rule in specified_rules if rule not in _OWN_WORDS] + [_Fields, _Arguments, _Variables]


class _Fields(ValidationRule):
    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, name = self.context.get_parent_type(), node.name.value
        if parent is not None and self.context.get_field_def() is None:
            extensions = {"code": "undefinedField", "typeName": parent.name, "fieldName": name}
            message = f"Field '{name}' doesn't exist on type '{parent.name}'"
            self.report_error(GraphQLError(message, node, extensions=extensions))


class _Arguments(ValidationRule):
    def enter_argument(
        self, node: ArgumentNode, _key: Any, _parent: Any, _path: Any, above: list[Any]
    ) -> None:
        owner = above[-1]
        known = self.context.get_field_def()
        if not isinstance(owner, FieldNode) or known is None or self.context.get_argument() is not None:
            return
        name = node.name.value
        extensions = {"code": "argumentNotAccepted", "name": owner.name.value, "typeName": "Field"}
        message = f"Field '{owner.name.value}' doesn't accept argument '{name}'"
        self.report_error(GraphQLError(message, node, extensions=extensions | {"argumentName": name}))


class _Variables(ValidationRule):
    def leave_operation_definition(self, operation: OperationDefinitionNode, *_: Any) -> None:
        used = {usage.node.name.value for usage in self.context.get_recursive_variable_usages(operation)}
        for definition in operation.variable_definitions or ():
            name = definition.variable.name.value
            if name not in used:
                where = operation.name.value if operation.name else "anonymous query"
                message = f"Variable ${name} is declared by {where} but not used"
                extensions = {"code": "variableNotUsed", "variableName": name}
                self.report_error(GraphQLError(message, definition, extensions=extensions))
