"""A compositor that asks only those widgets for their lines that are to be seen where it is painted anew.

Textual asks every widget within the smallest rectangle around all that changed, also those that lie below
others. With a log that grows in one corner and a list that somebody moves in in another, that is the whole
screen in every frame, three times over.
"""

from __future__ import annotations

from textual._compositor import ChopsUpdate, Compositor


class SparingCompositor(Compositor):
    """It leans on what Textual does not promise: should another version paint in another way, the method
    is not called, and it is only slower."""

    def render_partial_update(self) -> ChopsUpdate | None:
        # Textual keeps the cuts when it is asked for them: let them be those of all widgets.
        dirty, everything, _ = self._dirty_regions, self.visible_widgets, self.cuts
        touched = {}
        unseen = list(dirty)
        for widget, (region, clip) in everything.items():  # those in front come first
            shown = region.intersection(clip)
            if any(shown.overlaps(each) for each in unseen):
                touched[widget] = (region, clip)
                unseen = [each for each in unseen if not shown.contains_region(each)]
                if not unseen:
                    break
        self._visible_widgets = touched
        try:
            return super().render_partial_update()
        finally:
            if self._visible_widgets is touched:
                self._visible_widgets = everything
