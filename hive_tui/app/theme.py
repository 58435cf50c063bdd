"""The console's own looks, dark and light, and which theme a terminal gets.

One accent (selection, focus, keys) and three tones of urgency; everything else is the foreground, more
or less of it. Style sheets name these variables only, so that every theme of Textual's works too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from textual.theme import BUILTIN_THEMES, Theme

HIVE = Theme(
    name="hive",
    primary="#6cb2eb",
    secondary="#4f7ea8",
    accent="#6cb2eb",
    foreground="#d5dae1",
    background="#0f1318",
    surface="#151b22",
    panel="#1b232c",
    success="#7cc08a",
    warning="#e0af5a",
    error="#ec7a83",
    dark=True,
    variables={
        "footer-background": "#151b22",
        "footer-key-foreground": "#6cb2eb",
        "block-cursor-background": "#6cb2eb",
        "block-cursor-foreground": "#0f1318",
        "block-cursor-text-style": "none",
        "input-selection-background": "#6cb2eb 30%",
        "border": "#6cb2eb",
    },
)

HIVE_LIGHT = Theme(
    name="hive-light",
    primary="#175e9e",
    secondary="#4f7ea8",
    accent="#175e9e",
    foreground="#1f262e",
    background="#fbfbf9",
    surface="#f2f3f1",
    panel="#e8eae8",
    success="#1b6e37",
    warning="#855300",
    error="#ad2a22",
    dark=False,
    variables={
        "footer-background": "#f2f3f1",
        "footer-key-foreground": "#175e9e",
        "block-cursor-background": "#175e9e",
        "block-cursor-foreground": "#fbfbf9",
        "block-cursor-text-style": "none",
        "input-selection-background": "#175e9e 25%",
        "border": "#175e9e",
    },
)

HIVE_ANSI = Theme(
    name="hive-ansi",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    dark=True,
    variables=dict(BUILTIN_THEMES["ansi-dark"].variables),
)
"""Where colours are few or unwanted: the terminal's own sixteen, on its own background."""

OWN = (HIVE, HIVE_LIGHT, HIVE_ANSI)


def chosen(
    wish: str | None,
    known: Collection[str],
    environment: Mapping[str, str],
    *,
    colors: str | None = "truecolor",
) -> str:
    """The theme to begin with: TEXTUAL_THEME, then what NO_COLOR and the terminal allow, then the wish.

    `colors` is the terminal's colour system as Rich names it, None for no colours at all.
    """
    asked = environment.get("TEXTUAL_THEME")
    if asked in known:
        return str(asked)
    if "NO_COLOR" in environment:
        return HIVE_ANSI.name
    if wish in known:
        return str(wish)
    return HIVE.name if colors in ("truecolor", "256") else HIVE_ANSI.name
