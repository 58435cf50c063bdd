"""Painted lines of widgets that have no border, padding or tint around them."""

from __future__ import annotations

from textual._styles_cache import StylesCache
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class BareLines(StylesCache):
    """Keeps painted lines as Textual does, without asking for every line anew what would be around it:
    that takes as long as to paint the line, and several times as long for a scroll bar.

    It leans on what Textual does not promise: should another version keep lines in another way, the method
    is not called, and it is only slower.
    """

    def render_widget(self, widget: Widget, crop: Region) -> list[Strip]:
        if widget.styles.gutter:
            return super().render_widget(widget, crop)
        width = widget.size.width
        if width != self._width:
            self.clear()
            self._width = width
        filters, background = widget.get_line_filters(), widget.background_colors[1]
        blank = widget.rich_style
        strips = []
        for y in crop.line_range:
            strip = self._cache.get(y)
            if strip is None or y in self._dirty_lines:
                strip = widget.render_line(y).adjust_cell_length(width, blank)
                self._cache[y] = strip
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, background)
            strips.append(strip)
        self._dirty_lines.difference_update(crop.line_range)
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips
