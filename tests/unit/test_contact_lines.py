"""What the first contact says, as lines."""

from __future__ import annotations

from hive_tui.app import contact_lines
from hive_tui.app.contact_lines import Doing, Found


def test_what_came_of_it_goes_on_below_instead_of_being_cut() -> None:
    said = [
        "",
        "  tests      none; `hive init --test COMMAND` sets the command that must succeed",
        "Next:",
        "  " + "x" * 60,
    ]
    shown = contact_lines.lines(Found("local", "config.yaml", False), (), Doing("Done.", said), 40)
    texts = ["".join(cell.text for cell in line) for line in shown]
    assert texts[texts.index("Done.") + 1 :] == [
        "",
        "    tests      none; `hive init --test",
        "               COMMAND` sets the command",
        "               that must succeed",
        "  Next:",
        "    " + "x" * 36,
        "    " + "x" * 24,
    ]
