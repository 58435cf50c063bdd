"""Files that tests hold equal to what the code makes; `HIVE_UPDATE=1 pytest …` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path


def check(path: Path, content: str) -> None:
    """Fail with a readable difference unless the file has exactly this content."""
    if os.environ.get("HIVE_UPDATE"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    stored = path.read_text(encoding="utf-8")
    assert stored.splitlines() == content.splitlines(), f"{path} differs: HIVE_UPDATE=1 pytest writes it anew"
