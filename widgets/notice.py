"""A few words in the middle of an otherwise empty area."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class Notice(Widget):
    """Plain text, never markup."""

    DEFAULT_CSS = "Notice { content-align: center middle; text-align: center; color: $foreground; }"

    def __init__(self, words: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._words = Content(words)

    def render(self) -> Content:
        return self._words
