"""A style sheet that does not look up anew what cannot have changed.

Textual matches a widget against all rules whenever a class, the focus or the mouse changed somewhere
above it, and then each of its component classes, of which widgets that draw their own lines have ten.
That was half of the first paint and of every change of focus.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import msgspec
from textual.css.model import RuleSet, Selector, SelectorType
from textual.css.styles import RenderStyles, RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widget import Widget

_PREFIX = {
    SelectorType.TYPE: "",
    SelectorType.CLASS: ".",
    SelectorType.ID: "#",
}

_BY_PLACE = frozenset(("first-of-type", "last-of-type", "first-child", "last-child", "odd", "even", "empty"))
"""Pseudo classes that depend on the widgets beside one, or in it."""

_NOTES = ("_has_hover_style", "_has_focus_within", "_has_order_style", "_has_odd_or_even")
"""What Textual notes at a widget when it has looked up its rules."""


class _Asked(msgspec.Struct, frozen=True):
    """What some rules ask for."""

    rules: tuple[RuleSet, ...]
    names: frozenset[str]
    """Types, classes and ids of the widget or its ancestors."""
    states: frozenset[str]
    """Pseudo classes of those."""


class _Found(msgspec.Struct, frozen=True):
    rules: RulesMap
    notes: tuple[Any, ...]


@runtime_checkable
class Restyled(Protocol):
    """A widget that need not be painted anew as a whole when its component classes look otherwise."""

    def restyled(self, components: Collection[str]) -> None:
        """These look otherwise, perhaps none."""


class RememberingStylesheet(Stylesheet):
    """Remembers the rules of widgets and components by all that their selectors ask for.

    That is which of the names and pseudo classes that stand in them a widget and its ancestors have.
    It leans on methods that Textual does not promise: should another version style in another way, they
    are not called, and it is only slower.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parsed_anew = False
        """The variables are others than those that the rules were parsed with."""
        self._parsed = 0
        """How often the variables have become others."""
        self._asked_of: list[RuleSet] | None = None
        self._asked: dict[Hashable, _Asked] = {}
        self._found: dict[Hashable, _Found] = {}
        self._last: WeakKeyDictionary[DOMNode, Hashable] = WeakKeyDictionary()
        self._components: dict[Hashable, dict[str, RulesMap]] = {}
        self._last_components: WeakKeyDictionary[DOMNode, Hashable] = WeakKeyDictionary()

    def foresee(self, widgets: Iterable[DOMNode]) -> None:
        """Take in the style sheets of these widgets' classes before any of them is mounted.

        Otherwise those of their base classes are parsed again for every class that lies deeper than
        all before, since that is what decides which of two rules wins.
        """
        for widget in widgets:
            for read_from, css, depth, scope in widget._get_default_css():
                self.add_source(css, read_from, is_default_css=True, tie_breaker=depth, scope=scope)

    def is_of(self, variables: dict[str, str]) -> bool:
        """Whether all rules are those of these variables."""
        return not self._parsed_anew and variables == self._variables

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables == self._variables:
            return
        self._parsed_anew = True
        self._parsed += 1
        self._found.clear()
        self._components.clear()
        self._last.clear()
        self._last_components.clear()
        super().set_variables(variables)

    def reparse(self) -> None:
        # Textual asks for it after every choice of a theme, also of the one that the app begins with.
        if self._parsed_anew:
            super().reparse()
            self._parsed_anew = False

    def apply(
        self, node: DOMNode, *, animate: bool = False, cache: dict[tuple[Any, ...], RulesMap] | None = None
    ) -> None:
        names = node._selector_names & self.rules_map.keys() if isinstance(node, Widget) else frozenset()
        asked = self._asked_for(frozenset(names))
        if not names or not asked.states.isdisjoint(_BY_PLACE):
            super().apply(node, animate=animate, cache=cache)
            return
        key = _surroundings(node, asked)
        if self._last.get(node) == key:
            node.notify_style_update()  # the colours of what is below it may be others
            self._process_component_classes(node)
            return
        self._last[node] = key
        found = self._found.get(key)
        if found is None:
            super().apply(node, animate=animate)
            notes = tuple(getattr(node, note) for note in _NOTES)
            self._found[key] = _Found(node.styles.base.get_rules(), notes)
            return
        for note, value in zip(_NOTES, found.notes, strict=True):
            setattr(node, note, value)
        self.replace_rules(node, found.rules, animate=animate)
        self._process_component_classes(node)

    def _process_component_classes(self, node: DOMNode) -> None:
        components = node._get_component_classes()
        if not components:
            return
        asked = self._asked_for(frozenset(f".{component}" for component in components), leading=True)
        key = (self._parsed, components, _surroundings(node, asked))
        last = self._last_components.get(node)
        if node._component_styles and last == key:
            return
        self._last_components[node] = key
        found = self._components.get(key)
        if found is None:
            super()._process_component_classes(node)
            self._components[key] = {
                name: styles.base.get_rules() for name, styles in node._component_styles.items()
            }
            node.refresh()
            return
        node._component_styles.clear()
        node._component_styles.update(self._styled(node, key, found))
        before = self._components.get(last, {})
        restyled = {name for name, rules in found.items() if before.get(name) != rules}
        if isinstance(node, Restyled):
            node.restyled(restyled)
        elif restyled:
            node.refresh()

    def _styled(self, node: DOMNode, key: Hashable, found: dict[str, RulesMap]) -> Mapping[str, RenderStyles]:
        """The styles of a widget's components. They are kept for the next time it has or loses the focus:
        at the widget, since they refer to it."""
        kept: dict[Hashable, dict[str, RenderStyles]] = vars(node).setdefault("_styled_components", {})
        styled = kept.get(key)
        if styled is None:
            styled = kept[key] = {}
            for name, rules in found.items():
                virtual = DOMNode(classes=name)
                virtual._attach(node)
                virtual.styles.base.merge_rules(rules)
                styled[name] = virtual.styles
        return styled

    def _asked_for(self, names: frozenset[str], *, leading: bool = False) -> _Asked:
        """What the rules ask for that end in one of these names; with `leading` only what stands in
        front of those."""
        # Every class of widgets that is seen for the first time brings rules of its own.
        if self._asked_of is not self.rules:
            self._asked_of = self.rules
            self._asked.clear()
        asked = self._asked.get((names, leading))
        if asked is None:
            wanted = ("*", *sorted(names - {"*"}))
            rules = dict.fromkeys(rule for name in wanted for rule in self.rules_map.get(name, ()))
            selectors = [
                selector
                for rule in rules
                for each in rule.selector_set
                for selector in (each.selectors[:-1] if leading else each.selectors)
            ]
            states = frozenset[str]().union(*(selector.pseudo_classes for selector in selectors))
            asked = _Asked(tuple(rules), frozenset(map(_name, selectors)), states)
            self._asked[names, leading] = asked
        return asked


def _surroundings(node: DOMNode, asked: _Asked) -> Hashable:
    """Everything about a widget and its ancestors that rules ask for."""
    path: list[Hashable] = [asked.rules]
    for ancestor in node.css_path_nodes:
        matched = asked.names & ancestor._selector_names
        states: Collection[str] = asked.states if matched else ()
        path.append((matched, *(ancestor.has_pseudo_classes({state}) for state in states)))
    return tuple(path)


def _name(selector: Selector) -> str:
    prefix = _PREFIX.get(selector.type)
    return "*" if prefix is None else prefix + selector.name
