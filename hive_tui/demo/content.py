"""What the demo is made of: the repository's history and the issues with what agents do about them.

The data stands in `history.yaml`, `backlog.yaml` (issues that are there from the start) and
`later.yaml` (filed by the maintainer while the demo runs), and becomes plain scenarios
(`backends.agents.scenario`) here.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec
import yaml

TEST_COMMAND = "python3 -B -m unittest -q"

PACE = 10.0
"""Seconds between two steps of an agent at speed 1."""

EACH_STEP = {"input": 60, "output": 420, "cache_read": 14_000, "cache_write": 1_100, "cost": 0.0185}
"""What a step costs; numbers of a usual model at a usual price, but nobody pays them."""


class Commit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One commit of the repository's history; `files` are whole files."""

    message: str
    author: str
    files: dict[str, str]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent does about an issue. Each round of `rounds` is a list of scenario steps; looking
    around before the first, and testing and committing after each, are added."""

    thought: str
    rounds: tuple[tuple[dict[str, Any], ...], ...]
    message: str = ""
    summary: str = ""
    pace: float = PACE
    each_step: dict[str, Any] = msgspec.field(default_factory=lambda: dict(EACH_STEP))

    def scenario(self) -> dict[str, Any]:
        """The whole scenario as plain data."""
        rounds = []
        for number, steps in enumerate(self.rounds, 1):
            opening: list[dict[str, Any]] = self._opening() if number == 1 else []
            ends = any(step.keys() & {"crash", "fail", "unavailable"} for step in steps)
            again = "" if number == 1 else f" (round {number})"
            closing: list[dict[str, Any]] = [
                {"run": TEST_COMMAND},
                {"commit": f"{self.message}{again}"},
                {"say": self.summary},
            ]
            rounds.append([*opening, *steps, *([] if ends else closing)])
        return {"pace": self.pace, "each_step": self.each_step, "rounds": rounds}

    def _opening(self) -> list[dict[str, Any]]:
        files = [
            edit["path"]
            for step in self.rounds[0]
            for kind in ("replace", "append")
            if (edit := step.get(kind)) is not None
        ]
        looks = [{"read": path} for path in dict.fromkeys(files)] or [{"run": "ls pocket tests"}]
        return [{"run": "git log --oneline -3"}, *looks, {"think": self.thought}]


class DemoIssue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An issue of the demo. Without `plan`, `done` or with a strange author a gate holds it."""

    title: str
    problem: str
    labels: tuple[str, ...] = ()
    author: str = "ada"
    plan: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    status: str = "ready"
    closed: bool = False
    edited_by: str | None = None
    left_to_you: bool = False
    """The maintainer does not merge it."""
    script: Script | None = None
    second: Script | None = None
    """What the second attempt does, where the first fails."""

    @property
    def all_labels(self) -> tuple[str, ...]:
        return (f"status:{self.status}", *self.labels)

    @property
    def body(self) -> str:
        """The issue's text with the headings that gates look for."""
        parts = [self.problem.strip()]
        if self.plan:
            parts.append("## Plan\n\n" + "\n".join(f"{n}. {line}" for n, line in enumerate(self.plan, 1)))
        if self.done:
            parts.append("## Definition of Done\n\n" + "\n".join(f"- [ ] {line}" for line in self.done))
        return "\n\n".join(parts) + "\n"

    def scenarios(self, number: int) -> dict[str, dict[str, Any]]:
        """What is played for it once it has this number, by file name without suffix."""
        found = {f"issue-{number}": self.script, f"issue-{number}-a2": self.second}
        return {name: script.scenario() for name, script in found.items() if script is not None}


def history() -> tuple[Commit, ...]:
    """The repository, commit by commit."""
    return msgspec.convert(yaml.safe_load(_text("history.yaml")), tuple[Commit, ...])


def backlog() -> tuple[DemoIssue, ...]:
    """The issues that are there from the start, in their order."""
    return msgspec.convert(tuple(yaml.safe_load_all(_text("backlog.yaml"))), tuple[DemoIssue, ...])


def later() -> tuple[DemoIssue, ...]:
    """The issues that the maintainer files one after the other."""
    return msgspec.convert(tuple(yaml.safe_load_all(_text("later.yaml"))), tuple[DemoIssue, ...])


DEFAULT: dict[str, Any] = {
    "about": "For issues that you file yourself",
    "pace": PACE,
    "each_step": EACH_STEP,
    "steps": [
        {"think": "An issue that nobody has prepared me for. I write down what I would do."},
        {"run": "git log --oneline -3"},
        {"run": "ls pocket tests"},
        {"say": "I am a scripted agent: I leave a note where another would leave code."},
        {
            "run": "mkdir -p docs/notes && name=$(git branch --show-current | tr '/' '-')"
            ' && printf "# Notes on %s\\n\\nA scripted agent was here.\\n" "$name" > "docs/notes/$name.md"'
        },
        {"run": TEST_COMMAND},
        {"commit": "Leave a note"},
        {"say": "There is a note in docs/notes."},
    ],
}
"""What is played for issues that somebody else files."""


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
