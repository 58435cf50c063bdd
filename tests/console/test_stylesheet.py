"""What the style sheet remembers is what Textual would find anew."""

from __future__ import annotations

import pytest
from textual.css.stylesheet import Stylesheet

from tests.console.conftest import Console, Open

pytestmark = pytest.mark.timeout(60)


def assert_styled_as_by_textual(c: Console) -> None:
    compared = 0
    for node in (c.app.screen, *c.app.screen.walk_children()):
        own = node.styles.base.get_rules()
        components = {name: styles.get_rules() for name, styles in node._component_styles.items()}
        fresh = Stylesheet(variables=c.app.get_css_variables())
        fresh._rules = c.app.stylesheet.rules
        Stylesheet.apply(fresh, node)
        assert own == node.styles.base.get_rules(), node
        found = {name: styles.get_rules() for name, styles in node._component_styles.items()}
        assert components == found, node
        compared += len(own) + len(found)
    assert compared


async def test_components_are_styled_as_by_textual(console: Open) -> None:
    async with console(said=True) as c:
        assert_styled_as_by_textual(c)
        for key in ("2", "j", "4", "tab", "z", "z", "1"):
            await c.press(key)
            assert_styled_as_by_textual(c)
        c.app.theme = "textual-light"
        await c.pilot.pause()
        assert_styled_as_by_textual(c)
        await c.pilot.resize_terminal(80, 24)
        await c.press("3")
        assert_styled_as_by_textual(c)
        await c.press("question_mark")
        assert_styled_as_by_textual(c)
