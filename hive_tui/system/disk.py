"""Whether there is room left to work in."""

from __future__ import annotations

import shutil
from pathlib import Path

LEAST_FREE = 16 << 20
"""Bytes below which not even a small clone and its log have room."""


def full(folder: Path) -> bool:
    """Whether less than that is free where `folder` is. Raises OSError when it cannot be asked."""
    return shutil.disk_usage(folder).free < LEAST_FREE
