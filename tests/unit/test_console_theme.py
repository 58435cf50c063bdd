"""The console's themes: readable, and chosen as the surroundings say."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from hive_tui.app import theme

THEMES = ("hive", "hive-light", "nord", "hive-ansi", "ansi-light")


def ratio(one: Color, other: Color) -> float:
    """The contrast of two colours, as WCAG 2 computes it."""

    def luminance(color: Color) -> float:
        parts = (part / 255 for part in color.rgb)
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("look", [theme.HIVE, theme.HIVE_LIGHT], ids=lambda look: look.name)
def test_every_tone_can_be_read(look: Theme) -> None:
    assert look.foreground
    assert look.background
    assert look.surface
    assert look.accent
    foreground, background, accent = map(Color.parse, (look.foreground, look.background, look.accent))
    behind = {
        "background": background,
        "surface": Color.parse(look.surface),
        "header": background.blend(foreground, 0.06),
        "selected": background.blend(accent, 0.18),
        "selected elsewhere": background.blend(foreground, 0.08),
    }
    texts = {
        name: Color.parse(str(getattr(look, name)))
        for name in ("foreground", "accent", "success", "warning", "error")
    }
    for place, under in behind.items():
        for name, color in texts.items():
            assert ratio(color, under) >= 4.5, (place, name)
        assert ratio(under.blend(foreground, 0.6), under) >= 3, (place, "quiet")
    assert ratio(background, accent) >= 4.5, "the button with the focus"
    assert ratio(background.blend(foreground, 0.35), background) >= 1.5, "the frame of a pane"


@pytest.mark.parametrize(
    ("wish", "environment", "colors", "found"),
    [
        (None, {}, "truecolor", "hive"),
        (None, {}, "256", "hive"),
        ("hive-light", {}, "truecolor", "hive-light"),
        ("no-such", {}, "truecolor", "hive"),
        ("hive-light", {"TEXTUAL_THEME": "nord"}, "truecolor", "nord"),
        (None, {"TEXTUAL_THEME": "no-such"}, "truecolor", "hive"),
        ("hive-light", {"NO_COLOR": "1"}, "truecolor", "hive-ansi"),
        (None, {"NO_COLOR": "1", "TEXTUAL_THEME": "ansi-light"}, None, "ansi-light"),
        (None, {}, "standard", "hive-ansi"),
        (None, {}, None, "hive-ansi"),
        ("hive", {}, "standard", "hive"),
    ],
)
def test_the_theme_to_begin_with(
    wish: str | None, environment: dict[str, str], colors: str | None, found: str
) -> None:
    assert theme.chosen(wish, THEMES, environment, colors=colors) == found
