"""`python -m hive_tui` is `hive`."""

from hive_tui.cli import main

main()
