"""Where the `hive` command and `python -m hive_tui` begin."""

from __future__ import annotations

import gc


def main() -> None:
    """Run hive's command line and end the process with its exit code."""
    # Imports make many objects and no garbage: with Python's usual thresholds, looking for some in
    # them takes a tenth of a short command's time.
    gc.set_threshold(100_000, 20, 20)
    from hive_tui.cli import main

    main()


if __name__ == "__main__":
    main()
