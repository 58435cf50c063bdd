"""The console's own theme; every other one of Textual's works too (`TEXTUAL_THEME`)."""

from __future__ import annotations

from textual.theme import Theme

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
    error="#e8707a",
    dark=True,
    variables={"footer-key-foreground": "#6cb2eb", "footer-background": "#151b22"},
)
