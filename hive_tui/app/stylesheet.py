"""A style sheet that does not look up anew what cannot have changed.

Textual resolves every component class of every widget below a node whose class, focus or hover changed,
each against all rules. Widgets that draw their own lines have ten such classes, so this was two thirds
of all styling: 40 ms of the first paint and of every change of focus.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from textual.css.model import RuleSet, Selector, SelectorType
from textual.css.styles import RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

_PREFIX = {
    SelectorType.TYPE: "",
    SelectorType.CLASS: ".",
    SelectorType.ID: "#",
}


class _Asked(NamedTuple):
    """What the rules of some components ask for."""

    rules: tuple[RuleSet, ...]
    names: frozenset[str]
    """Types, classes and ids of the widget or its ancestors."""
    states: frozenset[str]
    """Pseudo classes of those."""


class ComponentStylesheet(Stylesheet):
    """Remembers the rules of component classes by all that their selectors ask for.

    That is which of the names and pseudo classes that stand in them a widget and its ancestors have.
    Should another Textual style components in another way, this is not called, and only slower.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._asked_of: list[RuleSet] | None = None
        self._asked: dict[type[DOMNode], _Asked] = {}
        self._resolved: dict[Hashable, dict[str, RulesMap]] = {}
        self._last: WeakKeyDictionary[DOMNode, Hashable] = WeakKeyDictionary()

    def set_variables(self, variables: dict[str, str]) -> None:
        self._resolved.clear()
        super().set_variables(variables)

    def _process_component_classes(self, node: DOMNode) -> None:
        components = node._get_component_classes()
        if not components:
            return
        key = self._surroundings(node, components)
        if node._component_styles and self._last.get(node) == key:
            return
        self._last[node] = key
        resolved = self._resolved.get(key)
        if resolved is None:
            super()._process_component_classes(node)
            self._resolved[key] = {
                name: styles.base.get_rules() for name, styles in node._component_styles.items()
            }
            return
        before = dict(node._component_styles)
        node._component_styles.clear()
        for name, rules in resolved.items():
            virtual = DOMNode(classes=name)
            virtual._attach(node)
            virtual.styles.base.merge_rules(rules)
            node._component_styles[name] = virtual.styles
        if any(before.get(name) != styles for name, styles in node._component_styles.items()):
            node.refresh()

    def _surroundings(self, node: DOMNode, components: frozenset[str]) -> Hashable:
        asked = self._asked_for(type(node), components)
        path: list[Hashable] = [components, asked.rules]
        for ancestor in node.css_path_nodes:
            matched = asked.names & ancestor._selector_names
            of_interest = asked.states if matched else ()
            path.append((matched, *(ancestor.has_pseudo_classes({state}) for state in of_interest)))
        return tuple(path)

    def _asked_for(self, kind: type[DOMNode], components: frozenset[str]) -> _Asked:
        # Every class of widgets that is seen for the first time brings rules of its own.
        if self._asked_of is not self.rules:
            self._asked_of = self.rules
            self._asked.clear()
        found = self._asked.get(kind)
        if found is None:
            names = ("*", *(f".{component}" for component in sorted(components)))
            rules = [rule for name in names for rule in self.rules_map.get(name, ())]
            leading = [
                selector
                for rule in rules
                for selectors in rule.selector_set
                for selector in selectors.selectors[:-1]
            ]
            states = frozenset[str]().union(*(selector.pseudo_classes for selector in leading))
            found = self._asked[kind] = _Asked(tuple(rules), frozenset(map(_name, leading)), states)
        return found


def _name(selector: Selector) -> str:
    prefix = _PREFIX.get(selector.type)
    return "*" if prefix is None else prefix + selector.name
