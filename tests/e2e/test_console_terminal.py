"""The console in a real terminal: every way to end it, resizing, being put aside, and its own bugs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.terminal import Terminal, hive
from tests.fakes.workshop import Workshop

pytestmark = pytest.mark.e2e

TOP = hive("--read-only", "top")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """One fleet for all of them; nothing is dispatched, as nobody may write."""
    made = Workshop(tmp_path_factory.mktemp("shop"))
    made.init()
    made.issue("Sell bread")
    yield made
    made.close()


def console(shop: Workshop, *args: str, **options: object) -> Terminal:
    return Terminal(list(args or TOP), cwd=shop.repository, env=shop.env, **options)  # type: ignore[arg-type]


def stopped(pid: int) -> bool:
    return os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == pid


@pytest.mark.parametrize("end", ["q", signal.SIGTERM, signal.SIGHUP, "term while it starts"])
def test_every_end_leaves_the_terminal_as_it_was(shop: Workshop, end: str | signal.Signals) -> None:
    with console(shop) as terminal:
        if end == "term while it starts":
            terminal.until(lambda: b"\x1b[?1049h" in terminal.sent, "the screen")
            terminal.process.send_signal(signal.SIGTERM)
        else:
            terminal.shows("Sell bread")
            if isinstance(end, signal.Signals):
                terminal.process.send_signal(end)
            else:
                terminal.type(end)
        code = terminal.wait()
        assert not terminal.left_behind
        assert code == 0 or end == "term while it starts"
        assert "Traceback" not in terminal.text


def test_ctrl_c_does_not_end_it_and_sigint_does_no_harm(shop: Workshop) -> None:
    with console(shop) as terminal:
        terminal.shows("Sell bread")
        terminal.type("\x03")
        terminal.shows("leaves the console")
        terminal.process.send_signal(signal.SIGINT)
        terminal.read(0.3)
        if terminal.process.poll() is None:
            terminal.type("q")
        terminal.wait()
        assert not terminal.left_behind
        assert "Traceback" not in terminal.text


def test_put_aside_and_back(shop: Workshop) -> None:
    with console(shop) as terminal:
        terminal.shows("Sell bread")
        for key in (True, False):
            terminal.type("\x1a") if key else terminal.process.send_signal(signal.SIGTSTP)
            terminal.until(partial(stopped, terminal.process.pid), "the stop")
            terminal.read(0.1)
            assert not terminal.left_behind
            terminal.screen.reset()
            terminal.process.send_signal(signal.SIGCONT)
            terminal.shows("Sell bread", "3 Agents")
        terminal.type("q")
        assert terminal.wait() == 0
        assert not terminal.left_behind


def test_wild_resizing(shop: Workshop) -> None:
    with console(shop) as terminal:
        terminal.shows("Sell bread")
        for size in ((20, 5), (220, 60), (80, 24), (44, 10), (1, 1), (100, 30), (160, 20), (43, 9)) * 3:
            terminal.resize(*size)
            terminal.read(0.02)
        terminal.resize(160, 48)
        terminal.screen.reset()
        terminal.resize(161, 48)
        terminal.shows("Sell bread", "1 Fleet", "8 Events", "3 Agents")
        terminal.type("q")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.text


def test_a_quiet_console_sends_little(shop: Workshop) -> None:
    """What a slow line can carry: the clock and some ages, no whole screens."""
    with console(shop) as terminal:
        terminal.shows("Sell bread")
        terminal.read(1.5)
        seconds = 3.0
        assert terminal.read(seconds) / seconds < 1_000


def test_the_database_is_locked_damaged_and_gone(shop: Workshop) -> None:
    database = shop.fleet_home() / "fleet.db"
    kept = database.read_bytes()
    with console(shop) as terminal:
        terminal.shows("Sell bread")
        lock = sqlite3.connect(database)
        lock.execute("BEGIN EXCLUSIVE")
        terminal.read(1.0)
        assert "Sell bread" in terminal.text
        lock.rollback()
        lock.close()
        terminal.shows("Sell bread")
        database.write_bytes(b"this is no database " * 500)
        terminal.until(lambda: "failed" in terminal.text or "stale" in terminal.text, "the notice")
        assert "Sell bread" in terminal.text
        assert terminal.process.poll() is None
        for name in ("fleet.db", "fleet.db-wal", "fleet.db-shm"):
            (shop.fleet_home() / name).unlink(missing_ok=True)
        terminal.read(1.0)
        assert terminal.process.poll() is None
        database.write_bytes(kept)
        terminal.until(lambda: "failed" not in terminal.text and "Sell bread" in terminal.text, "recovery")
        terminal.type("q")
        assert terminal.wait() == 0


BUG = """
import sys
from hive_tui.app.panes.agents import AgentsPane
from hive_tui.app.rows import *
def boom(self, *args, **kwargs):
    raise ZeroDivisionError("in the middle of it")
AgentsPane.{method} = boom
from hive_tui.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("method", ["row", "show", "on_focus", "__init__"])
def test_a_bug_is_told_and_lived_with(shop: Workshop, method: str) -> None:
    run = [sys.executable, "-c", BUG.format(method=method), *TOP[3:]]
    with console(shop, *run) as terminal:
        if method == "__init__":
            assert terminal.wait() == 1
            terminal.until(lambda: "in the middle of it" in terminal.text, "the error")
        else:
            if method == "show":
                terminal.shows("This is a bug in hive", "in the middle of it", "errors.log")
            terminal.shows("Sell bread")
            terminal.type("z")
            terminal.type("q")
            assert terminal.wait() == 0
        assert not terminal.left_behind


def test_without_a_terminal(shop: Workshop, tmp_path: Path) -> None:
    for stdin, stdout in ((subprocess.DEVNULL, subprocess.PIPE), (None, None)):
        done = subprocess.run(
            TOP,
            cwd=shop.repository,
            env=shop.env,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            preexec_fn=(lambda: os.close(1)) if stdout is None else None,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert "--once" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("away", ["2>/dev/null", "2>&-"])
def test_messages_that_go_elsewhere_take_no_picture_with_them(shop: Workshop, away: str) -> None:
    with console(shop, "sh", "-c", f'exec "$@" {away}', "sh", *TOP) as terminal:
        terminal.shows("Sell bread")
        terminal.type("q")
        assert terminal.wait() == 0
        assert not terminal.left_behind


@pytest.mark.parametrize("term", ["linux", "screen", "dumb", "vt100"])
def test_poor_terminals(shop: Workshop, term: str) -> None:
    with console(shop, term=term, size=(80, 24)) as terminal:
        terminal.shows("3 Agents")
        terminal.type("2")
        terminal.shows("2 Issues", "Sell bread")
        assert b"38;2;" not in terminal.sent, "it has no colours by their numbers"
        terminal.type("q")
        assert terminal.wait() == 0
        assert not terminal.left_behind
