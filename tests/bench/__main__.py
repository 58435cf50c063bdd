"""`python -m tests.bench [NAME …]`: one JSON line per benchmark, with its floor or peer and the ratio.

A benchmark is a module here with a `run() -> dict`. Figures are for reading, not for passing or failing.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import tests.bench

NAMES = sorted(
    module.name for module in pkgutil.iter_modules(tests.bench.__path__) if not module.name.startswith("_")
)


def main(wanted: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        print(json.dumps(importlib.import_module(f"tests.bench.{name}").run()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
