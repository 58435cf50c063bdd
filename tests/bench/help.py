"""`hive --help` against the import of click, which it cannot do without."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.bench._startup import compare, hive, python


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        times = compare([*hive(), "--help"], python("import click"), Path(home))
    return {"bench": "help", **times, "floor": "python -c 'import click'", "target_ratio": 1.3}
