"""A compositor that asks only those widgets for their lines whose part of the screen is painted anew.

Textual asks every widget within the smallest rectangle around all that changed. With a log that grows in one
corner and a list that somebody moves in in another, that is the whole screen in every frame.
"""

from __future__ import annotations

from textual._compositor import ChopsUpdate, Compositor


class SparingCompositor(Compositor):
    """It leans on what Textual does not promise: should another version paint in another way, the method
    is not called, and it is only slower."""

    def render_partial_update(self) -> ChopsUpdate | None:
        # Textual keeps the cuts when it is asked for them: let them be those of all widgets.
        dirty, everything, _ = self._dirty_regions, self.visible_widgets, self.cuts
        touched = {
            widget: (region, clip)
            for widget, (region, clip) in everything.items()
            if any(region.overlaps(each) for each in dirty)
        }
        self._visible_widgets = touched
        try:
            return super().render_partial_update()
        finally:
            if self._visible_widgets is touched:
                self._visible_widgets = everything
