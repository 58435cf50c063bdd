"""Where the `hive` command and `python -m hive_tui` begin and end."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run hive's command line and end the process with its exit code."""
    # Imports make many objects and no garbage: with Python's usual thresholds, looking for some in
    # them takes a tenth of a short command's time.
    gc.set_threshold(100_000, 20, 20)
    from hive_tui.cli import main

    _end(main())


def _end(code: int) -> NoReturn:
    """End at once where nothing is left to wait for.

    Taking every module apart takes a sixth of a short command's time, and frees memory that the
    kernel takes back anyway.
    """
    threads = sys.modules.get("threading")
    if threads is not None and threads.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError):  # its reader may be gone; nobody is left to tell
                stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
