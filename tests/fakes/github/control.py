"""`/_fake/…`: the same controls as in process, for a server that runs as a program of its own.

GET faults            those that are set, with how often each hit
POST faults           set one: the fields of `faults.Fault` as JSON
DELETE faults         clear them
GET audit             every call so far; DELETE forgets them
PATCH settings        {"latency": 0.1, "rules": {"core": 100}}
PATCH repository      {"repo": "o/n", "archived": true, "disabled": true, "rename": "o/m"}
POST check            {"repo": "o/n", "number": 7, "name": "build", "conclusion": "failure"} as a CI would
POST label            {"repo": "o/n", "number": 7, "by": "ada", "add": ["ready"], "remove": []}
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.fakes.github import changes
from tests.fakes.github.audit import as_json
from tests.fakes.github.faults import Fault, graph_errors
from tests.fakes.github.rest import Answer
from tests.fakes.github.state import Pull

if TYPE_CHECKING:
    from tests.fakes.github.server import GitHub


def answer(github: GitHub, method: str, path: str, body: bytes) -> Answer:
    try:
        said = json.loads(body or b"{}")
        match method, path.removeprefix("/_fake/"):
            case "GET", "faults":
                return Answer(200, [asdict(fault) for fault in github.faults.present()])
            case "POST", "faults":
                errors = graph_errors(said.pop("errors", ()))
                return Answer(201, asdict(github.faults.add(Fault(**said, errors=errors))))
            case "DELETE", "faults":
                github.faults.clear()
            case "GET", "audit":
                return Answer(200, as_json(github.audit.entries), kind="application/json")
            case "DELETE", "audit":
                github.audit.clear()
            case "PATCH", "settings":
                _settings(github, said)
            case _, "repository" | "check" | "label":
                with github.world.lock:
                    _change(github, path.removeprefix("/_fake/"), said)
            case _:
                return Answer(404, {"message": __doc__})
    except (LookupError, TypeError, ValueError) as error:
        return Answer(422, {"message": f"{type(error).__name__}: {error}"})
    return Answer(204)


def _settings(github: GitHub, said: dict[str, Any]) -> None:
    github.latency = float(said.get("latency", github.latency))
    for name, value in said.get("rules", {}).items():
        if not hasattr(github.limits.rules, name):
            raise KeyError(name)
        setattr(github.limits.rules, name, int(value))


def _change(github: GitHub, what: str, said: dict[str, Any]) -> None:
    world = github.world
    repo = world.repository(said["repo"])
    if repo is None:
        raise KeyError(said["repo"])
    if what == "repository":
        repo.archived = bool(said.get("archived", repo.archived))
        repo.disabled = bool(said.get("disabled", repo.disabled))
        if "rename" in said:
            changes.rename(world, repo, said["rename"])
        return
    item = repo.issues[said["number"]]
    if what == "label":
        changes.add_labels(world, repo, item, said.get("add", ()), said["by"])
        for name in said.get("remove", ()):
            changes.remove_label(world, repo, item, name, said["by"])
        return
    if not isinstance(item, Pull):
        raise ValueError(f"#{item.number} is no pull request")
    conclusion = said.get("conclusion")
    status = "completed" if conclusion else "in_progress"
    changes.add_check(world, repo, item.head_sha, name=said["name"], status=status, conclusion=conclusion)
