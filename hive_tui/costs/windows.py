"""How much a model's context holds."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path

import msgspec


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    """What they were taken from."""
    windows: dict[str, int | None]


class Windows:
    """Looks sizes up in genai-prices, and keeps them: to import that takes a quarter of a second."""

    def __init__(self, path: Path) -> None:
        """`path` is the file that keeps them; one that cannot be read or written is done without."""
        self._path = path
        self._kept: _Kept | None = None

    def of(self, model: str) -> int | None:
        """Tokens; None where nobody says."""
        if self._kept is None:
            self._kept = self._load()
        if model not in self._kept.windows:
            self._kept.windows[model] = published(model)
            self._save(self._kept)
        return self._kept.windows[model]

    def _load(self) -> _Kept:
        source = _source()
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (OSError, ValueError):
            kept = _Kept("", {})
        return kept if kept.source == source else _Kept(source, {})

    def _save(self, kept: _Kept) -> None:
        # Of its own, so that another process that does the same never sees half of it.
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            fresh.write_bytes(msgspec.json.encode(kept))
            fresh.replace(self._path)
        except OSError:
            return


def published(model: str) -> int | None:
    """The size as genai-prices has it."""
    from genai_prices import data_snapshot

    try:
        _, found = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        return None
    return found.context_window or None


def _source() -> str:
    """Which genai-prices there is."""
    spec = util.find_spec("genai_prices")
    if spec is None or spec.origin is None:
        return "none"
    facts = Path(spec.origin).with_name("data.py").stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def fill(context: int | None, window: int | None) -> float | None:
    """The share of a window that is in use, 0 to 1. None where one of them is not known, or more is in use
    than it holds: the vendor lets some have larger ones, of which nobody knows the size."""
    if context is None or not window or context > window:
        return None
    return context / window
