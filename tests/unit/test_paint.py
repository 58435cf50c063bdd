"""How lines of spans get onto a terminal."""

from __future__ import annotations

import pytest

from hive_tui.cli.paint import paint
from hive_tui.core import report
from hive_tui.core.columns import Span
from hive_tui.core.dispatch import decide
from hive_tui.core.document import build
from hive_tui.core.glyphs import Tone
from tests import builders as b

PAGE = "https://example.com/me/proj/issues/1"


def test_a_pipe_gets_text_alone() -> None:
    assert paint([(Span(" #1 ", Tone.GOOD, PAGE),)], color=False) == " #1"


def test_a_terminal_gets_links_around_their_words() -> None:
    linked = f"\x1b]8;;{PAGE}\x1b\\#1\x1b]8;;\x1b\\"
    assert paint([(Span("  #1  ", link=PAGE),)], color=True) == f"  {linked}  "
    assert paint([(Span(" #1", Tone.GOOD, PAGE),)], color=True) == f"\x1b[32m {linked}\x1b[0m"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https://x\x1b\\", "https://x\x07", "https://x y\u202e", "javascript:x"]
)
def test_an_address_that_is_none_is_no_link(url: str) -> None:
    assert paint([(Span("#1", link=url),)], color=True) == "#1"


def test_issues_and_pull_requests_lead_to_their_pages() -> None:
    pull = PAGE.replace("issues/1", "pull/50")
    snapshot, settings = b.snapshot(b.issue(1, url=PAGE), b.pull(url=pull), b.issue(2)), b.settings()
    found = build(snapshot, decide(snapshot, settings, b.NOW), settings, b.NOW, fleet="local")
    links = [span for line in report.lines(found, width=100) for span in line if span.link is not None]
    assert [(span.text.strip(), span.link) for span in links] == [("#1", PAGE), ("!50", pull)]
