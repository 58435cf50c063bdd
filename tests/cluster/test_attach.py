"""A shell where an agent works, in a real terminal: from the console by key, and from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop, scenario
from tests.fakes.github.server import GitHub
from tests.fakes.terminal import Terminal, hive

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(300)]

PATIENCE = 60.0

PROMPT = "/tree$"
CONSOLE = "\x1b[?1049h"
"""The alternate screen."""

WORKS = ({"write": {"path": "mine.txt", "text": "mine\n"}}, {"say": "Half of it."}, {"stall": 600.0})


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    made = PodShop(tmp_path / "shop", github, namespace, image, scenarios={"default": scenario(WORKS)})
    yield made
    made.close()


def hears(terminal: Terminal, word: str, since: int) -> int:
    """Wait until the terminal was sent a word after its first `since` bytes; returns how many there are."""
    terminal.until(lambda: word.encode() in terminal.sent[since:], repr(word), PATIENCE)
    return len(terminal.sent)


def test_a_shell_in_a_pod_is_entered_and_left(shop: PodShop) -> None:
    issue = shop.ready("Sell bread")
    shop.start()
    shop.hears(issue, "Half of it.")
    with Terminal(hive("attach", str(issue)), cwd=shop.repository, env=shop.env) as terminal:
        work_in_the_pod(terminal, 0)
        terminal.type("exit 7\n")
        assert terminal.wait(PATIENCE) == 7
        assert not terminal.left_behind
    with Terminal(hive("top"), cwd=shop.repository, env=shop.env) as terminal:
        seen = hears(terminal, "Half of it.", 0)
        terminal.type("3e")
        seen = work_in_the_pod(terminal, seen)
        terminal.type("\x04")
        seen = hears(terminal, CONSOLE, seen)
        # It has the size that the terminal has by now.
        terminal.until(lambda: "╮" in terminal.screen.display[2][-1:], "a pane to the edge", PATIENCE)
        terminal.type("3e")
        seen = hears(terminal, PROMPT, seen)
        # Whatever ends the run ends the shell: what it said can be read before the console comes back.
        shop.hive("kill", str(issue), "--yes")
        seen = hears(terminal, "Enter goes back to the console", seen)
        terminal.type("\n")
        hears(terminal, CONSOLE, seen)
        terminal.until(lambda: "■ killed" in terminal.text, "the run's end", PATIENCE)
        terminal.type("q")
        assert terminal.wait(PATIENCE) == 0
        assert not terminal.left_behind


def work_in_the_pod(terminal: Terminal, seen: int) -> int:
    """As a person does: a command, another size, Ctrl+C."""
    seen = hears(terminal, PROMPT, seen)
    terminal.type("ls; stty size\n")
    seen = hears(terminal, "48 160", seen)
    assert "mine.txt" in terminal.text
    terminal.resize(120, 40)
    # What the shell is told of the new size takes its way through the cluster.
    terminal.type("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo resi''zed; sleep 600\n")
    seen = hears(terminal, "resized", seen)
    terminal.type("\x03")
    seen = hears(terminal, PROMPT, seen)
    terminal.type("echo co''de $?\n")
    return hears(terminal, "code 130", seen)
