from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hive_tui.cli import commands, root, run
from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.core.errors import Refused
from tests.unit.test_discover import make

HIVE = [sys.executable, "-P", "-m", "hive_tui"]


@click.command("probe")
@click.option("--raise", "kind")
@global_options
@repo_option
@output_option
@pass_session
def probe_command(session: Session, kind: str | None) -> None:
    if kind == "refused":
        raise Refused("The gate is \x1b[31mclosed.", "Open it.")
    if kind == "bug":
        raise ValueError("token sk-ant-aaaaaaaaaaaa in \x1b]52;c;x\x07 a value")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "decline":
        raise click.Abort
    session.emit(
        {"fleet": session.fleet_name, "read_only": session.read_only, "repo": session.repo},
        f"fleet {session.fleet_name}",
    )


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = commands.Entry(commands.WATCH, "probe:probe_command", "A command for tests.")
    monkeypatch.setitem(commands.COMMANDS, "probe", entry)
    module = type(sys)("hive_tui.cli.probe")
    module.__dict__["probe_command"] = probe_command
    monkeypatch.setitem(sys.modules, "hive_tui.cli.probe", module)


def configure(home: Path, text: str) -> None:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "config.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", list(commands.COMMANDS))
def test_every_command_of_the_table_exists_and_explains_itself(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert command.help


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, commands.CommandTable):
        context = click.Context(command)
        named = {name: command.get_command(context, name) for name in command.list_commands(context)}
    elif isinstance(command, click.Group):
        named = dict(command.commands)
    else:
        return [(path, command)]
    return [leaf for name, inner in named.items() if inner for leaf in leaves(inner, (*path, name))]


def test_every_command_takes_the_global_options() -> None:
    for path, command in leaves(root):
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--fleet", "--config", "--read-only"} <= options, f"hive {' '.join(path)}"


def test_help_shows_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for section in ("Watch:", "Work:", "Control:", "Issues and pull requests:", "Set up:"):
        assert section in shown
    for name, entry in commands.COMMANDS.items():
        assert f"  {name} " in shown
        assert entry.help.split()[0] in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fleet", "work", "probe", "-o", "json"],
        ["probe", "--fleet", "work", "-o", "json"],
        ["--fleet", "local", "probe", "--fleet", "work", "-o", "json"],
    ],
)
def test_global_options_work_before_and_after_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"schema": "hive/v1", "fleet": "work", "read_only": False, "repo": None}


def test_the_environment_names_a_fleet_and_an_option_wins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVE_FLEET", "work")
    assert run(["probe"]) == 0
    assert capsys.readouterr().out == "fleet work\n"
    assert run(["--fleet", "play", "probe"]) == 0
    assert capsys.readouterr().out == "fleet play\n"


def test_yaml_and_read_only(hive_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(hive_home, "read_only: true\n")
    assert run(["probe", "-o", "yaml"]) == 0
    assert "schema: hive/v1\nfleet: local\nread_only: true\n" in capsys.readouterr().out


def test_a_mistyped_repository_is_refused_with_the_known_ones(
    hive_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(hive_home, "fleets: {local: {repos: [{name: me/app}, {name: me/site}]}}\n")
    assert run(["probe", "--repo", "me/ap"]) == 2
    assert "me/app" in capsys.readouterr().err
    assert run(["probe", "--repo", "ME/APP"]) == 2
    assert run(["probe", "--repo", "me/app"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tpo"], 2, "Did you mean top"),
        (["why", "me/app#4"], 2, "Did you mean next or describe?"),
        (["zzzzzz"], 2, "Known: top, ls"),
        (["config", "gte"], 2, "Did you mean get"),
        (["pr", "merge", "3"], 2, "Did you mean `hive merge`?"),
        (["probe", "--flet", "x"], 2, "--fleet"),
        (["probe", "--raise", "refused"], 3, "hive: The gate is closed.\nOpen it.\n"),
        (["probe", "--raise", "interrupt"], 130, ""),
        (["probe", "--raise", "decline"], 1, "Nothing was done."),
        (["--config", "/nowhere/config.yaml", "probe"], 2, "There is no configuration file"),
    ],
)
def test_failures_have_their_exit_code_and_next_step(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert not shown.out


def test_a_bug_is_one_line_and_a_traceback_in_the_data_folder(
    hive_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["probe", "--raise", "bug"]) == 1
    shown = capsys.readouterr().err
    log = hive_home / "data" / "errors.log"
    assert shown.startswith("hive: unexpected ValueError: token ")
    assert str(log) in shown
    assert "Traceback" not in shown
    kept = log.read_text(encoding="utf-8")
    assert "Traceback" in kept
    assert "sk-ant-aaaaaaaaaaaa" not in kept + shown
    assert "\x1b" not in kept + shown
    monkeypatch.setenv("HIVE_DEBUG", "1")
    assert run(["probe", "--raise", "bug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_on_a_read_only_disk_shows_its_traceback(
    hive_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (hive_home / "data").write_text("a file where the folder should be", encoding="utf-8")
    assert run(["probe", "--raise", "bug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["--help"], ["config", "schema"], ["config", "schema", "-o", "json"]])
def test_a_reader_that_goes_away_is_no_error(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*HIVE, *command], stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_the_output_is_said() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*HIVE, "version"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("hive: No space left on device.")


@pytest.mark.parametrize(
    ("command", "closed", "code"),
    [("ls", ">&-", 0), ("ls", "2>&-", 0), ("issue", "<&-", 2), ("top", "<&-", 2)],
)
def test_a_closed_stream_is_nobody_who_reads(hive_home: Path, command: str, closed: str, code: int) -> None:
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *HIVE, command]
    done = subprocess.run(shell, capture_output=True, timeout=30, check=False, text=True)
    assert done.returncode == code, done.stderr
    assert "unexpected" not in done.stderr


def test_a_terminal_without_unicode_gets_the_rest() -> None:
    done = subprocess.run(
        [*HIVE, "doctor", "--help"],
        capture_output=True,
        timeout=30,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert b"Usage" in done.stdout


def test_colour_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from hive_tui.cli import _color

    assert _color() is None
    monkeypatch.setenv("NO_COLOR", "1")
    assert _color() is False
    monkeypatch.setenv("HIVE_COLOR", "always")
    assert _color() is True
    monkeypatch.setenv("HIVE_COLOR", "never")
    assert _color() is False


def test_the_repository_you_are_in_is_meant(
    hive_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, site = make(tmp_path / "app"), make(tmp_path / "site")
    repos = f"[{{name: me/app, path: '{app}'}}, {{name: me/site, path: '{site}'}}]"
    configure(hive_home, f"fleets: {{local: {{repos: {repos}}}}}\n")
    monkeypatch.chdir(site)
    assert Session().one_repo().name == "me/site"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="Which repository"):
        Session().one_repo()


def test_completion_offers_commands_without_loading_them() -> None:
    done = subprocess.run(
        HIVE,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "_HIVE_COMPLETE": "bash_complete", "COMP_WORDS": "hive di", "COMP_CWORD": "1"},
    )
    assert done.stdout.split() == ["plain,dispatch", "plain,dispatcher"], done.stderr
