"""`python -m tests.bench [NAME …]`: one JSON line per benchmark, with its floor or peer and the ratio.

A benchmark is a module here with a `run() -> dict`; one that has options takes what follows its name
(`python -m tests.bench costs --peer`). Figures are for reading, not for passing or failing.
"""

from __future__ import annotations

import importlib
import itertools
import json
import pkgutil
import sys

import tests.bench

NAMES = sorted(
    module.name for module in pkgutil.iter_modules(tests.bench.__path__) if not module.name.startswith("_")
)


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all."""
    wanted = list(itertools.takewhile(lambda each: not each.startswith("-"), arguments))
    options = arguments[len(wanted) :]
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    if options and wanted != ["costs"]:
        print("Only `costs` has options: python -m tests.bench costs --help", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        print(json.dumps(importlib.import_module(f"tests.bench.{name}").run(*options)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
