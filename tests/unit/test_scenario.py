"""The scenario format: strict, with errors that name the file, the path and the nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.agents.scenario import Ask, Hostile, Run, Step, Text, Use, find, load
from hive_tui.core.errors import ConfigError, UsageError


def write(folder: Path, text: str, name: str = "default.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_kind_of_step(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        about: all of it
        pace: 2
        each_step: {output: 3, cost: 0.5}
        rounds:
          - - think: t
            - run: make
            - run: {command: make, timeout: 2}
            - write: {path: a/b.py, text: x}
            - pause: 1
            - ask: {question: q}
            - hostile: [nul, long-line]
            - hostile: []
            - crash: 11
          - []
        """,
    )
    scenario = load(path)
    assert scenario.pace == 2.0
    assert scenario.each_step == Use(output=3, cost=0.5)
    assert scenario.round(1) == (
        Step(think="t"),
        Step(run="make"),
        Step(run=Run("make", 2.0)),
        Step(write=Text("a/b.py", "x")),
        Step(pause=1.0),
        Step(ask=Ask("q")),
        Step(hostile=(Hostile.NUL, Hostile.LONG_LINE)),
        Step(hostile=()),
        Step(crash=11),
    )
    assert scenario.round(2) == scenario.round(3) == ()


def test_json_is_read_too(tmp_path: Path) -> None:
    assert load(write(tmp_path, '{"steps": [{"say": "x"}]}', "a.json")).round(1) == (Step(say="x"),)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("steps: [{wirte: {path: a, text: b}}]", r"steps\[0\]\.wirte: unknown key", "`write`"),
        ("steps: [{write: {path: a, txt: b}}]", r"steps\[0\]\.write\.txt: unknown key", "`text`"),
        ("step: []", "step: unknown key", "`steps`"),
        ("steps: [{say: a, think: b}]", r"steps\[0\]: .*exactly one key.*think, say", None),
        ("steps: [{}]", r"steps\[0\]: .*exactly one key.*none", None),
        ("{steps: [], rounds: []}", "either `steps` or `rounds`", None),
        ("about: x", "either `steps` or `rounds`", None),
        ("steps: [{pause: long}]", r"steps\[0\]\.pause: Expected `float", None),
        ("steps: [{write: {path: ../a, text: b}}]", r"steps\[0\]\.write: .*stay in the work tree", None),
        ("steps: [{read: /etc/passwd}]", r"steps\[0\]: .*stay in the work tree", None),
        ("steps: [{hostile: [loud]}]", r"hostile\[0\]: Invalid enum value 'loud'", None),
        ("steps: [", "while parsing", "syntax"),
        ("[]", "Expected `object`", None),
    ],
)
def test_errors_name_file_path_and_nearest_key(
    tmp_path: Path, text: str, message: str, hint: str | None
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as error:
        load(path)
    assert str(path) in error.value.message
    assert error.value.hint is not None
    assert hint is None or hint in error.value.hint


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "b.yaml")


def test_an_unknown_name_lists_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "steps: []", "issue-12.yaml")
    with pytest.raises(UsageError) as error:
        find(tmp_path, name="issue-21", prompt="", issue=None, attempt=None)
    assert "issue-12" in (error.value.hint or "")


def test_a_name_never_leaves_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, "steps: []", "secret.yaml")
    with pytest.raises(UsageError):
        find(inner, name=None, prompt="Scenario: ../secret", issue=None, attempt=None)
