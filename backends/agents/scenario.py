"""The scenario format of the scripted agent: what it says and really does, step by step.

A scenario is a YAML or JSON file. `steps` is one round; `rounds` is a list of them, where round 2 is
played when the agent is called again with the findings of a failed test, and so on:

    about: Adds a function, forgets an import, repairs it
    pace: 1.5                         # seconds before each step (default 0)
    each_step: {output: 180, cost: 0.004}   # usage added with each step
    rounds:
      - - think: The parser has no unit for weeks.
        - read: pocket/durations.py
        - replace: {path: pocket/durations.py, old: "UNITS = {", new: "UNITS = {'w': 604800, "}
        - run: python3 -m unittest -q
        - commit: Parse weeks
      - - say: I see, the import is missing.
        - append: {path: pocket/durations.py, text: "import re\\n"}
        - commit: Import re

All times are seconds at speed 1; the agent's `speed` divides them. Every step has exactly one key, a
field of `Step`. A file is found by the name in the agent's option `scenario`, else by a line
`Scenario: NAME` in the prompt, else as `issue-<n>-a<attempt>`, `issue-<n>`, `default`.
"""

from __future__ import annotations

import difflib
import re
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from hive_tui.core.errors import ConfigError, unknown

SUFFIXES = (".yaml", ".yml", ".json")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in a scenario: a key that is not known is an error."""


def _inside(path: str) -> None:
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"Path {path!r} must be relative and stay in the work tree")


class Text(Part, frozen=True):
    """A file's new text (`write`) or what is added at its end (`append`)."""

    path: str
    text: str

    def __post_init__(self) -> None:
        _inside(self.path)


class Replace(Part, frozen=True):
    """Replaces the first `old`, which must be there (or be `new` already)."""

    path: str
    old: str
    new: str

    def __post_init__(self) -> None:
        _inside(self.path)


class Run(Part, frozen=True):
    """A shell command in the work tree; when it fails the agent goes on."""

    command: str
    timeout: float = 60.0
    """Seconds, not scaled by the speed."""


class Use(Part, frozen=True):
    """Usage that is added to the session's totals; `cost` in dollars."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost: float = 0.0


class Ask(Part, frozen=True):
    """Asks and waits for a message, then goes on with `default`.

    Later texts of `say`, `write`, `append` and `commit` may hold the answer as `{answer}`.
    """

    question: str
    wait: float = 60.0
    default: str = "whatever you think is best"


class Limit(Part, frozen=True):
    """The account's limit: the process ends, and a resumed session goes on after it.

    `reset_after`: seconds until quota is back, absent when the agent does not say.
    """

    text: str = "You have reached your usage limit."
    reset_after: float | None = None
    billing: bool = False


class Fail(Part, frozen=True):
    """The agent gives up, says so and exits with `exit_code`."""

    text: str
    exit_code: int = 1


class Problem(Part, frozen=True):
    """An error of the model's service; `retrying` ones are passing."""

    text: str
    retrying: bool = True


class Hostile(Enum):
    """What an agent may print that must never reach a terminal as it is."""

    ESCAPES = "escapes"
    OSC52 = "osc52"
    BIDI = "bidi"
    MARKUP = "markup"
    NUL = "nul"
    INVALID_UTF8 = "invalid-utf8"
    LONG_LINE = "long-line"
    SECRET = "secret"


class Step(Part, frozen=True):
    """One thing that the agent does; exactly one of these is set."""

    think: str | None = None
    say: str | None = None
    read: str | None = None
    """Path of a file; the agent shows that it looks at it."""
    write: Text | None = None
    append: Text | None = None
    replace: Replace | None = None
    delete: str | None = None
    run: str | Run | None = None
    commit: str | None = None
    """Commits everything in the work tree with this message; nothing to commit is no error."""
    pause: float | None = None
    use: Use | None = None
    ask: Ask | None = None
    limit: Limit | None = None
    stall: float | None = None
    """Seconds without any output, messages are not heard either."""
    error: Problem | None = None
    fail: Fail | None = None
    unavailable: str | None = None
    """The agent cannot work at all (such as: not logged in); it exits."""
    hostile: tuple[Hostile, ...] | None = None
    """Prints text that attacks the terminal; an empty list is every kind."""
    ignore_signals: float | None = None
    """Interrupts and terminations are ignored from now on for so many seconds, not scaled."""
    crash: int | None = None
    """Dies of this signal."""
    raw: str | None = None
    """Prints this line as it is."""

    def __post_init__(self) -> None:
        keys = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(keys) != 1:
            found = ", ".join(keys) or "none"
            raise ValueError(f"A step has exactly one key, this one has {found}")
        for path in (self.read, self.delete):
            if path is not None:
                _inside(path)


class Scenario(Part, frozen=True):
    """A whole performance; either `steps` or `rounds`."""

    about: str = ""
    model: str | None = None
    """Default: the model that the agent is configured with."""
    pace: float = 0.0
    each_step: Use = Use()
    steps: tuple[Step, ...] | None = None
    rounds: tuple[tuple[Step, ...], ...] | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.rounds is None):
            raise ValueError("A scenario has either `steps` or `rounds`")

    def round(self, number: int) -> tuple[Step, ...]:
        """The steps of a round, counted from 1; none when the scenario has no such round."""
        rounds = self.rounds if self.rounds is not None else ((self.steps or ()),)
        return rounds[number - 1] if number <= len(rounds) else ()


def parse(data: Any, source: str) -> Scenario:
    """A scenario from plain data. Raises ConfigError with `source`, the path and the nearest key."""
    try:
        return msgspec.convert(data, Scenario)
    except msgspec.ValidationError as error:
        message, hint = _explain(str(error))
        raise ConfigError(f"{source}: {message}", hint) from error


def load(path: Path) -> Scenario:
    """The scenario in a file. Raises ConfigError when it cannot be read or is not valid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.", "Check the folder and the file.") from error
    try:
        if path.suffix == ".json":
            data = msgspec.json.decode(text)
        else:
            import yaml  # 20 ms that a JSON scenario need not pay

            try:
                data = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(" ".join(str(error).split())) from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", "Correct the file's syntax.") from error
    return parse(data, str(path))


def find(folder: Path, *, name: str | None, prompt: str, issue: int | None, attempt: int | None) -> Path:
    """The scenario file for a call. Raises UsageError naming the nearest when there is none."""
    if name is None and (named := re.search(r"^Scenario: *([\w.-]+)\s*$", prompt, re.MULTILINE)):
        name = named[1]
    wanted = [name] if name is not None else []
    if not wanted and issue is not None:
        wanted = [f"issue-{issue}-a{attempt}", f"issue-{issue}"]
    if name is None:
        wanted.append("default")
    for stem in wanted:
        for suffix in SUFFIXES:
            if (path := folder / f"{stem}{suffix}").is_file():
                return path
    known = {path.stem for path in folder.glob("*") if path.suffix in SUFFIXES}
    raise unknown(f"scenario in {folder}", wanted[0], known)


_KEYS = {
    name
    for struct in (Scenario, Step, Text, Replace, Run, Use, Ask, Limit, Fail, Problem)
    for name in struct.__struct_fields__
}


def _explain(message: str) -> tuple[str, str]:
    where = path[1] if (path := re.search(r" - at `\$\.?(.*)`$", message)) else ""
    what = re.sub(r" - at `.*`$", "", message)
    hint = "The format is described in backends/agents/scenario.py."
    if key := re.search(r"unknown field `(.*)`", what):
        where, what = f"{where}.{key[1]}".strip("."), "unknown key"
        if near := difflib.get_close_matches(key[1], _KEYS, n=1, cutoff=0.5):
            hint = f"Did you mean `{near[0]}`?"
    return (f"{where}: {what}" if where else what).rstrip(".") + ".", hint
