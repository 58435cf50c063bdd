"""The line behind `:`: what it means, how it goes on, what is kept of it, how a call is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hive_tui.app.line import child, completion, grammar
from hive_tui.app.line.child import Caller
from hive_tui.app.line.completion import Names
from hive_tui.app.line.grammar import Call, Do, SetTheme, ShowCosts, ShowLog, ShowPane, SwitchFleet
from hive_tui.app.line.history import MOST, Browsing, History
from hive_tui.cli.commands import COMMANDS
from hive_tui.core import actions
from hive_tui.core.errors import HiveError, UsageError


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("q", Do("quit")),
        (":quit", Do("quit")),
        ("?", Do("help")),
        ("help kill", Call(("kill", "--help"))),
        ("read-only", Do("read-only")),
        ("issues", ShowPane("issues")),
        ("issues label:ready !flaky", ShowPane("issues", "label:ready !flaky")),
        ("prs", ShowPane("pulls")),
        ("events", ShowPane("events")),
        ("costs", ShowCosts()),
        ("costs --by issue", ShowCosts("issue")),
        ("costs --scope=machine --by model", ShowCosts("model", "machine")),
        ("costs --by block", Call(("costs", "--by", "block"))),
        ("costs --since 7d", Call(("costs", "--since", "7d"))),
        ("costs export", Call(("costs", "export"))),
        ("events --since 1h", Call(("events", "--since", "1h"))),
        ("hive events", Call(("events",))),
        ("agents", ShowPane("agents")),
        ("agents claude", ShowPane("agents", "claude")),
        ("agents enable claude", Call(("agents", "enable", "claude"))),
        ("fleet", ShowPane("fleet")),
        ("fleet demo", SwitchFleet("demo")),
        ("fleet list", Call(("fleet", "list"))),
        ("theme nord", SetTheme("nord")),
        ("pause", Do("pause")),
        ("pause --why 'a night'", Call(("pause", "--why", "a night"))),
        ("slots 8", Call(("slots", "8"))),
        ("kill", Do("kill")),
        ("zoom", Do("zoom")),
        ("go.issue", Do("go.issue")),
        ("logs -f 41", ShowLog("41")),
        ("logs --follow", ShowLog("")),
        ("logs 41", Call(("logs", "41"))),
        ("hive ls", Call(("ls",))),
        ("top --once -o json", Call(("top", "--once", "-o", "json"))),
        ("demo start", Call(("demo", "start"))),
        ("dispatcher start", Call(("dispatcher", "start"))),
    ],
)
def test_a_line_is_the_consoles_own_or_a_call(line: str, meant: grammar.Meaning) -> None:
    assert grammar.meaning(line, COMMANDS) == meant


@pytest.mark.parametrize("line", ["", "  ", ":", "hive"])
def test_an_empty_line_means_nothing(line: str) -> None:
    assert grammar.meaning(line, COMMANDS) is None


@pytest.mark.parametrize(
    ("line", "action"),
    [("kill 41 42", "kill"), ("stop --why x", "stop"), ("merge 3 -y", "merge"), ("reset 3 --yes", "reset")],
)
def test_what_ends_something_is_asked_about_however_it_is_written(line: str, action: str) -> None:
    meant = grammar.meaning(line, COMMANDS)
    assert isinstance(meant, Call)
    assert meant.danger is actions.get(action)
    assert not {"-y", "--yes"}.intersection(meant.argv)


@pytest.mark.parametrize("line", ["kill --help", "kill 41 --dry-run", "retry 41", "send 41 'go on'"])
def test_what_ends_nothing_is_not_asked_about(line: str) -> None:
    meant = grammar.meaning(line, COMMANDS)
    assert isinstance(meant, Call)
    assert meant.danger is None


@pytest.mark.parametrize(
    ("line", "problem", "hint"),
    [
        ("top", "the console", ":top --once"),
        ("demo", "a console of its own", ":demo start"),
        ("demo --speed=2", "a console of its own", ":demo start"),
        ("dispatcher run", "never ends", ":dispatcher start"),
        ("fire 3 --wait", "--wait", "leave it out"),
        ("top --once --watch 2", "--watch", "leave it out"),
        ("dispatch --watch", "--watch", "leave it out"),
        ("events -f", "-f", "leave it out"),
        ("kil 3", "Unknown command 'kil'", "kill"),
        ("theme", "Which theme", "Tab"),
        ("send 3 'hi", "No closing quotation", "Close"),
    ],
)
def test_what_no_line_can_do_names_the_next_step(line: str, problem: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        grammar.meaning(line, COMMANDS)
    assert problem in refused.value.message
    assert hint in (refused.value.hint or "")


NAMES = Names(
    verbs=tuple(COMMANDS),
    issues=("#41", "#42", "#7"),
    runs=("claude-a",),
    pulls=("!7",),
    agents=("claude", "codex"),
    fleets=("demo", "local"),
    themes=("hive", "nord"),
)


@pytest.mark.parametrize(
    ("line", "ways"),
    [
        ("kil", ["kill"]),
        ("kill c", ["kill claude-a"]),
        ("kill #4", ["kill #41", "kill #42"]),
        ("fire #7", []),
        ("merge !", ["merge !7"]),
        ("fleet d", ["fleet demo"]),
        ("fleet use l", ["fleet use local"]),
        ("theme n", ["theme nord"]),
        ("agents d", ["agents disable"]),
        ("agents disable co", ["agents disable codex"]),
        ("issues s", ["issues state:"]),
        ("version ", []),
    ],
)
def test_completion_knows_what_a_command_is_about(line: str, ways: list[str]) -> None:
    assert completion.candidates(line, NAMES) == ways


def test_tab_takes_only_what_is_sure() -> None:
    assert completion.longest("kil", NAMES) == "kill"
    assert completion.longest("kill #", NAMES) == "kill #"
    assert completion.longest("kill #4", NAMES) == "kill #4"
    assert completion.longest("theme h", NAMES) == "theme hive"
    assert completion.longest("nothing", NAMES) == "nothing"
    assert completion.longest("", NAMES) == ""


def test_lines_are_kept_once_bounded_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "data" / "console.history"
    history = History(path)
    for line in ("ls", "kill 1", "ls", "send 3 my own words", "config set user sk-ant-abcdefgh12345"):
        history.add(line)
    assert History(path).lines == ["kill 1", "ls", "send"]
    assert path.stat().st_mode & 0o077 == 0
    other = History(path)
    other.add("pause")
    history.add("resume")
    assert History(path).lines[-2:] == ["pause", "resume"]
    for number in range(MOST + 20):
        history.add(f"kill {number}")
    assert len(History(path).lines) == MOST


def test_a_history_that_cannot_be_written_lives_on(tmp_path: Path) -> None:
    history = History(tmp_path)  # a folder
    history.add("ls")
    assert history.lines == ["ls"]
    kept = History(None)
    kept.add("ls")
    kept.add("next")
    assert kept.lines == ["ls", "next"]


def test_going_up_finds_lines_that_begin_alike_and_down_comes_back() -> None:
    browsing = Browsing(["kill 1", "ls", "kill 2"])
    assert browsing.step(-1, "ki") == "kill 2"
    assert browsing.step(-1, "kill 2") == "kill 1"
    assert browsing.step(-1, "kill 1") == "kill 1"
    assert browsing.step(1, "kill 1") == "kill 2"
    assert browsing.step(1, "kill 2") == "ki"


def test_a_call_names_the_fleet_the_file_and_the_mode() -> None:
    caller = Caller("a", Path("/c.yaml"))
    assert caller.argv(("ls",), read_only=True)[1:] == [
        *("-P", "-m", "hive_tui", "--fleet", "a", "--config", "/c.yaml", "--read-only", "ls")
    ]
    assert "--fleet" not in Caller("a").argv(("demo", "start"))


PYTHON = [sys.executable, "-P", "-c"]


async def test_a_call_is_harmless_and_has_no_terminal() -> None:
    said = await child.call(
        [
            *PYTHON,
            "import sys, os; print('a\\x1b[31mb', sys.stdin.read(), os.environ['COLUMNS']); sys.exit('no')",
        ],
        columns=77,
        name="x",
    )
    assert said == (1, "ab  77\nno")


async def test_a_call_that_never_ends_is_ended() -> None:
    with pytest.raises(HiveError, match="took longer"):
        await child.call([*PYTHON, "import time; time.sleep(100)"], columns=80, name="x", seconds=0.3)


async def test_a_call_that_says_too_much_is_ended() -> None:
    with pytest.raises(HiveError, match="said more"):
        await child.call([*PYTHON, "while True: print('x' * 10000)"], columns=80, name="x")


async def test_a_call_that_cannot_start_says_so() -> None:
    with pytest.raises(HiveError, match="cannot be started"):
        await child.call(["/nonexistent/hive"], columns=80, name="x")


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("issue new", True),
        ("issue new 'Say hello' --label bug", True),
        ("hive issue edit 41", True),
        ("issue new 'Say hello' --done 'it says hello'", False),
        ("issue edit 41 --body=none", False),
        ("issue edit --help", False),
        ("issue show 41", False),
    ],
)
def test_what_asks_gets_the_terminal(line: str, asks: bool) -> None:
    call = grammar.meaning(line, COMMANDS)
    assert isinstance(call, grammar.Call)
    assert call.asks is asks
