"""The keys with which one moves in lists and texts: the registry's, so that all widgets have the same."""

from __future__ import annotations

from textual.binding import Binding

from hive_tui.core import actions


def moving(**does: str) -> list[Binding]:
    """Bindings for the registry's `list.` actions: `moving(up="line(-1)", page_up="page(-1)")`."""
    return [_binding(f"list.{name.replace('_', '-')}", does[name]) for name in does]


def opening(does: str) -> Binding:
    """The binding of the key that looks at something closely."""
    return _binding("open", does)


def _binding(name: str, does: str) -> Binding:
    action = actions.get(name)
    return Binding(",".join(action.keys), does, action.title, show=False, id=name)
