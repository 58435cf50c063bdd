"""The demo's data: issues, gates and scripts, as they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backends.agents import scenario
from hive_tui.core.gates import Gate, text_gate
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Issue
from hive_tui.core.text import clean, clean_line
from hive_tui.demo import content, maintainer
from hive_tui.demo.content import DemoIssue
from hive_tui.demo.fleet import fleet_settings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ISSUES = (*content.backlog(), *content.later())
SCENARIOS: dict[str, dict[str, Any]] = {
    name: data for number, issue in enumerate(ISSUES, 1) for name, data in issue.scenarios(number).items()
}


def as_issue(number: int, issue: DemoIssue) -> Issue:
    return Issue(
        repo=RepoName("demo/pocket"),
        number=number,
        title=clean_line(issue.title),
        body=clean(issue.body),
        author=issue.author,
        open=not issue.closed,
        created_at=NOW,
        updated_at=NOW,
        labels=issue.all_labels,
        edited_by=issue.edited_by,
    )


def test_gates_hold_exactly_what_nobody_has_a_script_for() -> None:
    settings = fleet_settings(Path("/x"), user="you", speed=1.0)
    gates: dict[str, list[str]] = {}
    for number, issue in enumerate(ISSUES, 1):
        gate: Gate | None = text_gate(as_issue(number, issue), settings)
        if issue.script is not None:
            assert gate is None, issue.title
        elif gate is not None:
            gates.setdefault(gate.name, []).append(issue.title)
    assert set(gates) == {"closed", "state", "author", "edited", "definition-of-done", "plan"}


def test_the_backlog_shows_what_a_fleet_meets() -> None:
    assert 20 <= len(content.backlog()) <= 30
    titles = [issue.title for issue in ISSUES]
    assert len(set(titles)) == len(titles)
    kinds: set[str] = set()
    for data in SCENARIOS.values():
        for steps in data.get("rounds") or [data.get("steps")]:
            kinds |= {key for step in steps for key in step}
    assert {"limit", "stall", "ask", "hostile", "crash", "error", "write", "replace", "commit"} <= kinds
    assert any("\x1b" in issue.title and "\u202e" in issue.title for issue in ISSUES)
    assert sum(issue.left_to_you for issue in ISSUES) >= 3


def test_every_scenario_is_valid_and_starts_with_a_look_around() -> None:
    found = SCENARIOS
    for name, data in (*found.items(), ("default", content.DEFAULT)):
        assert scenario.parse(data, name).pace > 0
    first = scenario.parse(found["issue-1"], "issue-1")
    seconds = first.pace * len(first.round(1))
    assert seconds < 15, "the first pull request has to be there within half a minute"


def test_the_data_files_hold_no_invisible_characters() -> None:
    for path in Path(content.__file__).parent.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert clean(text, limit=len(text)) == text, path.name


def test_the_agents_are_busy_for_ten_minutes() -> None:
    slots = 4
    scripts = [issue.script for issue in (*content.backlog(), *content.later()) if issue.script is not None]
    seconds = [script.pace * sum(len(steps) for steps in script.scenario()["rounds"]) for script in scripts]
    assert sum(seconds) / slots > 600
    assert len(content.later()) * maintainer.FILE_EVERY > 500
