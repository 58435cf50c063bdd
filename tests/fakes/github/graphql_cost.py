"""What a query costs, by the two rules that GitHub publishes: points an hour, and nodes a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    OperationDefinitionNode,
    SelectionNode,
    get_directive_values,
    get_named_type,
    is_composite_type,
    type_from_ast,
    value_from_ast_untyped,
)
from graphql.execution import VariableValues
from graphql.language import InlineFragmentNode

NODE_LIMIT = 500_000


@dataclass(frozen=True)
class Cost:
    requests: int
    """Connections that must be asked, when each of them is as full as it may be."""
    nodes: int
    """Nodes that may be answered at most."""

    @property
    def points(self) -> int:
        return max(1, (self.requests + 50) // 100)


def measure(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: VariableValues,
) -> Cost:
    """Of an operation of a valid document."""
    fragments = {x.name.value: x for x in document.definitions if isinstance(x, FragmentDefinitionNode)}
    counter = _Counter(schema, fragments, variables)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    counter.count(root, operation.selection_set.selections, 1)
    return Cost(counter.requests, counter.nodes)


class _Counter:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self.requests = 0
        self.nodes = 0

    def count(self, parent: GraphQLCompositeType, selections: Iterable[SelectionNode], times: int) -> None:
        """Everything below a value of the type `parent`, of which there may be `times`."""
        for (owner, _), fields in self._grouped(parent, selections).items():
            first = fields[0]
            known = _field(owner, first)
            kind = known and get_named_type(known.type)
            if known is None or not is_composite_type(kind):
                continue
            below = times * self._multiplied(known, first)
            if _is_connection(known):
                self.requests += times
                self.nodes += below
            within = [x for field in fields if field.selection_set for x in field.selection_set.selections]
            self.count(kind, within, below)

    def _grouped(
        self, parent: GraphQLCompositeType, selections: Iterable[SelectionNode]
    ) -> dict[tuple[GraphQLCompositeType, str], list[FieldNode]]:
        """Fields that are answered as one, by the type that has them and their name in the answer."""
        grouped: dict[tuple[GraphQLCompositeType, str], list[FieldNode]] = {}
        for owner, field in self._flat(parent, selections):
            alias = field.alias or field.name
            grouped.setdefault((owner, alias.value), []).append(field)
        return grouped

    def _flat(
        self, parent: GraphQLCompositeType, selections: Iterable[SelectionNode]
    ) -> Iterator[tuple[GraphQLCompositeType, FieldNode]]:
        for selection in selections:
            if not self._included(selection):
                continue
            if isinstance(selection, FieldNode):
                yield parent, selection
                continue
            inner = (
                self._fragments[selection.name.value]
                if isinstance(selection, FragmentSpreadNode)
                else selection
            )
            assert isinstance(inner, InlineFragmentNode | FragmentDefinitionNode)
            owner = parent
            if inner.type_condition is not None:
                named = type_from_ast(self._schema, inner.type_condition)
                assert is_composite_type(named)
                owner = named
            yield from self._flat(owner, inner.selection_set.selections)

    def _included(self, selection: SelectionNode) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, selection, self._variables)
        include = get_directive_values(GraphQLIncludeDirective, selection, self._variables)
        return not (skip and skip["if"]) and not (include and not include["if"])

    def _multiplied(self, known: GraphQLField, field: FieldNode) -> int:
        """How many values of the field's type one value of its owner may have."""
        given = {
            x.name.value: value_from_ast_untyped(x.value, self._variables.coerced)
            for x in field.arguments or ()
        }
        if _is_connection(known):
            # Without bounds only a total may be asked for, which answers no nodes; what is beyond
            # the bounds is refused when the field is answered.
            return max(given.get("first") or 0, given.get("last") or 0)
        # A look-up by many ids is the only list that is asked for by argument.
        return len(given["ids"]) if isinstance(given.get("ids"), list) else 1


def _field(owner: GraphQLCompositeType, field: FieldNode) -> GraphQLField | None:
    if isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
        found: GraphQLField | None = owner.fields.get(field.name.value)
        return found
    return None


def _is_connection(known: GraphQLField) -> bool:
    return {"first", "last"} <= known.args.keys() and get_named_type(known.type).name.endswith("Connection")
