"""Widgets that outlive their own bugs.

Textual ends the whole app at the first exception in a handler or while painting. A person who watches
agents at work is better served by one blank pane and a notice. What to do about the exception is up to
the app (`_handle_exception`); these classes only see to it that it is asked, and that messages and
pictures go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.message import Message
from textual.message_pump import MessagePump
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    _Pump = MessagePump
    _Widget = Widget
else:
    _Pump = _Widget = object


class GuardedPump(_Pump):
    """An app or a screen that goes on after an exception in one of its handlers."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # a handler's edge: the app makes it visible
            self.app._handle_exception(error)


class Guarded(GuardedPump, _Widget):
    """A widget that also stays blank, instead of ending the app, where it cannot be painted."""

    def draw_lines(self, crop: Region) -> list[Strip]:
        """What `render_lines` is for other widgets."""
        return super().render_lines(crop)

    def render_lines(self, crop: Region) -> list[Strip]:
        try:
            return self.draw_lines(crop)
        except Exception as error:  # the same edge
            self.app._handle_exception(error)
            return [Strip.blank(crop.width)] * crop.height
