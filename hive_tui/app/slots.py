"""The number of slots while somebody turns it; pure.

What is turned is a difference, not a number: two people who press `+` at once get two slots more, as
with `hive slots +1` from two terminals. Where the fleet's own number moves meanwhile, the number shown
moves with it, so that what is asked for is always what stands on the screen.
"""

from __future__ import annotations

from hive_tui.core.actions.fleet import MAX_SLOTS


class SlotsDial:
    """What was turned and not applied yet, and what was applied and is not true yet."""

    def __init__(self) -> None:
        self.turned = 0
        self._applied = 0

    def turn(self, by: int, slots: int) -> None:
        """Turn it; it stops at its ends."""
        wanted = slots + self._applied + self.turned + by
        self.turned = max(0, min(MAX_SLOTS, wanted)) - slots - self._applied

    def wanted(self, slots: int) -> int | None:
        """The number to show beside the one that is true; None where there is no other."""
        by = self.turned + self._applied
        return max(0, min(MAX_SLOTS, slots + by)) if by else None

    def take(self) -> int:
        """What is to be applied now; it stays shown until `settled`."""
        by, self.turned = self.turned, 0
        self._applied += by
        return by

    def settled(self) -> None:
        """What was applied is true, or failed."""
        self._applied = 0

    def reset(self) -> None:
        """Forget what was turned and not applied."""
        self.turned = 0
