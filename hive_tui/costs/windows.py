"""How much a model's context holds."""

from __future__ import annotations

import functools


@functools.cache
def window(model: str) -> int | None:
    """Tokens, as genai-prices has them; None where nobody says. The first call imports that, a tenth of a
    second."""
    from genai_prices import data_snapshot

    try:
        _, found = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        return None
    return found.context_window or None


def fill(context: int | None, window: int | None) -> float | None:
    """The share of a window that is in use, 0 to 1. None where one of them is not known, or more is in use
    than it holds: the vendor lets some have larger ones, of which nobody knows the size."""
    if context is None or not window or context > window:
        return None
    return context / window
