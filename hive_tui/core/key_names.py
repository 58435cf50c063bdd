"""What keys are called: by Textual, and by people."""

from __future__ import annotations

import unicodedata

_OTHERWISE = {
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "low_line": "underscore",
    "commercial_at": "at",
}
"""Where Textual's name of a character is not Unicode's."""


def name_of(char: str) -> str:
    """Textual's name of the key that types this character."""
    if char == " ":
        return "space"
    if char.isalnum():
        return char
    name = unicodedata.name(char, "").lower().replace("-", "_").replace(" ", "_")
    return _OTHERWISE.get(name, name)


PUNCTUATION = {name_of(char): char for char in map(chr, range(33, 127)) if not char.isalnum()}
"""The ASCII characters that are neither letters nor digits, by Textual's names."""

_LABELS = {
    **PUNCTUATION,
    "space": "Space",
    "tab": "Tab",
    "enter": "Enter",
    "escape": "Esc",
    "backspace": "Backspace",
    "delete": "Del",
    "insert": "Ins",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}

_MODIFIERS = {"ctrl": "Ctrl", "alt": "Alt", "shift": "Shift"}


def key_label(key: str) -> str:
    """A key as people read it: `+` for `plus`, `Ctrl+P` for `ctrl+p`, `g i` for two in a row."""
    return " ".join(map(_label, key.split(" ")))


def _label(key: str) -> str:
    *modifiers, last = key.split("+")
    label = _LABELS.get(last, last)
    if last[:1] == "f" and last[1:].isdigit():
        label = last.upper()
    if not modifiers:
        return label
    return "+".join(
        [*(_MODIFIERS.get(word, word) for word in modifiers), label.upper() if len(label) == 1 else label]
    )
