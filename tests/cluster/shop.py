"""A whole hive whose runs are pods of a real cluster, and whose issues are on the GitHub for tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from backends.clusters.kubernetes import access, logs, watching
from backends.clusters.kubernetes.api import Api
from hive_tui.cli.log_text import log_lines
from hive_tui.core import document
from hive_tui.core.columns import plain
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Event, Run
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Item
from tests.cluster.kube import Namespace
from tests.fakes.github import changes
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.workshop import PLAN_AND_DONE, Workshop

T = TypeVar("T")
Steps = Sequence[Mapping[str, Any]]

WORK: Steps = (
    {"run": "mkdir -p notes && git branch --show-current > notes/$(git branch --show-current | tr / -).md"},
    {"commit": "Leave a note"},
)
"""What an agent does that has nothing better to do: a file of its own, in nobody's way."""

SMALL: dict[str, Any] = {
    "runner": {"cpu": "10m", "memory": "160Mi"},
    "work": {"cpu": "10m", "memory": "160Mi"},
    "judge": {"cpu": "10m", "memory": "64Mi"},
    "storage": "100Mi",
    "grace_seconds": 60,
}
"""Pods of which many fit on one small node. They have little of its processor, so saving work takes long
beside other tests."""


def scenario(*rounds: Steps) -> str:
    """A scenario file of the scripted agent."""
    return yaml.safe_dump({"about": "test", "rounds": [[dict(step) for step in steps] for steps in rounds]})


class PodShop(Workshop):
    """A fleet `github` that serves `kay/shop`, as a person with a data folder of their own has it.

    The agent plays what it finds in the repository's folder `scenarios`, since a pod has no other of ours.
    """

    def __init__(
        self,
        root: Path,
        github: GitHub,
        namespace: Namespace,
        image: str,
        *,
        test: str | None = None,
        scenarios: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        worker: Mapping[str, Any] | None = None,
        kubernetes: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """`scenarios` by the name of their file, `files` of the repository beside them; `settings` are the
        fleet's, `worker` its pods', and `kubernetes` says how else the cluster is reached."""
        super().__init__(root)
        assert github.certificates is not None, "pods reach it by https alone"
        self.github, self.namespace = github, namespace
        stock = {"README.md": "A shop.\n", "scenarios/default.yaml": scenario(WORK), **(files or {})}
        stock |= {f"scenarios/{name}.yaml": text for name, text in (scenarios or {}).items()}
        with github.world.lock:
            if "kay" not in github.world.users:
                github.world.add_user("kay")
            self.secret: str = github.world.add_token("kay").secret
            self.repo: Repository = github.world.add_repository("kay/shop", files=stock)
        self.env |= {"SHOP_TOKEN": self.secret, "KUBECONFIG": str(namespace.kubeconfig)}
        self.env.pop("GITHUB_TOKEN", None)
        secret = {"token": self.secret, "ca.crt": github.certificates.read_text()}
        namespace.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hive-tracker"}, "stringData": secret}
        )
        self.settings: dict[str, Any] = {
            "cluster": "kubernetes",
            "forge": "github",
            "repos": [{"name": "kay/shop", **({"test": test} if test else {})}],
            "slots": 3,
            "agents": [{"name": "robin", "backend": "scripted", "options": {"scenarios": "scenarios"}}],
            "allowed_authors": ["kay"],
            "backoff": {"first": 0.1, "most": 0.5},
            "github": {
                "url": github.site,
                "ca_file": str(github.certificates),
                "token_env": "SHOP_TOKEN",
                "active_seconds": 1,
                "idle_seconds": 1,
            },
            "kubernetes": {
                "namespace": namespace.name,
                "worker": {"image": image, **SMALL, **(worker or {})},
                **(kubernetes or {}),
            },
            **settings,
        }
        self.eyes: Api = access.connect(namespace.settings())
        """With which the test looks, whatever its fleet may."""
        self.configure()

    def configure(self) -> None:
        """Write `settings` as the person's configuration."""
        path = self.home / "config" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            yaml.safe_dump({"user": "kay", "current": "github", "fleets": {"github": self.settings}})
        )

    def fleet_home(self) -> Path:
        return self.home / "data" / "fleets" / "github"

    def ready(self, title: str, *, agent: str | None = None) -> int:
        """A new issue that may be started, by one agent alone if it is named; its number."""
        labels = ["status:ready", *([f"agent:{agent}"] if agent else [])]
        with self.github.world.lock:
            issue = changes.create_issue(
                self.github.world,
                self.repo,
                author="kay",
                title=title,
                body=title + PLAN_AND_DONE,
                labels=labels,
            )
        return issue.number

    def workers(self, **templates: Mapping[str, Any]) -> None:
        """Give agents pods of their own, as `kubectl edit fleet` does: the fleet's, but for what is named."""
        fleet = self.namespace.json("get", "fleet", "github")
        worker = fleet["spec"]["worker"]
        patch = {"spec": {"workers": {name: {**worker, **more} for name, more in templates.items()}}}
        self.namespace("patch", "fleet", "github", "--type=merge", "-p", json.dumps(patch))

    def pulls(self) -> dict[str, int]:
        """The number of each open pull request, by its head branch."""
        with self.github.world.lock:
            return {pull.head: pull.number for pull in self.repo.pulls.values() if pull.open}

    def show(self, branch: str, path: str) -> str | None:
        """A file's text on a branch, None where there is no such file."""
        with self.github.world.lock:
            found = self.repo.git.show(f"refs/heads/{branch}", path)
        return None if found is None else found.decode()

    def snapshot(self) -> Any:
        """As everywhere, with the patience that a busy machine asks for."""
        return self.json("top", "--once", "--timeout", "60")

    def look(self) -> tuple[Item, ...]:
        """What a one-shot command reads of the cluster now; not by a process each, since tests look often."""
        fleet = FleetSettings(cluster="kubernetes")
        context = BackendContext("github", self.fleet_home(), fleet, "kay")
        return watching.read(self.eyes.within(60.0), context).items

    def runs(self) -> list[Any]:
        """As `hive top --once -o json` has them."""
        docs = [document.run_doc(item) for item in self.look() if isinstance(item, Run)]
        found: list[Any] = msgspec.json.decode(msgspec.json.encode(docs))
        return sorted(found, key=lambda run: (run["issue"], run["attempt"]))

    def start(self) -> None:
        """Start the dispatcher, however long the cluster takes to answer."""
        self.wait("a dispatcher", lambda: self.call("dispatcher", "start").returncode == 0)

    def run(self, issue: int, attempt: int = 1) -> Any | None:
        """What hive says of a run."""
        found = (run for run in self.runs() if (run["issue"], run["attempt"]) == (issue, attempt))
        return next(found, None)

    def reached(self, issue: int, *phases: str, attempt: int = 1, seconds: float = 150.0) -> Any:
        """The run, once it is in one of these phases."""

        def there() -> Any | None:
            run = self.run(issue, attempt)
            return run if run is not None and run["phase"] in phases else None

        return self.wait(f"attempt {attempt} at #{issue} {' or '.join(phases)}", there, seconds)

    def said(self, issue: int) -> str:
        """The log of an issue's last run, as `hive logs` prints it; empty while there is none."""
        try:
            last = [run["id"] for run in self.runs() if run["issue"] == issue][-1:]
            lines = [line for run in last for line in logs.read(self.eyes, run)]
        except HiveError:
            return ""
        return "\n".join(plain(shown) for line in lines for shown in log_lines(line))

    def hears(self, issue: int, text: str, seconds: float = 120.0) -> None:
        """Wait until the log of an issue's last run has `text`."""
        self.wait(f"#{issue} saying {text!r}", lambda: text in self.said(issue), seconds)

    def events(self, kind: str) -> list[str]:
        """The texts of the fleet's log of one kind."""
        return [item.text for item in self.look() if isinstance(item, Event) and item.kind == kind]

    def agent_runs(self) -> list[Any]:
        return self.namespace.items("agentruns")

    def jobs(self) -> list[Any]:
        return self.namespace.items("jobs")

    def pods(self) -> list[Any]:
        return self.namespace.items("pods")

    def pod_of(self, run: str) -> str | None:
        """The name of a run's pod."""
        found = self.namespace.items("pods", "-l", f"hive.dev/run={run}")
        return found[0]["metadata"]["name"] if found else None

    def assert_nothing_doubled(self) -> None:
        """Every attempt has one AgentRun and at most one Job and pod, and an issue one pull request."""
        runs = [run["metadata"]["name"] for run in self.agent_runs()]
        jobs = [job["metadata"]["labels"]["hive.dev/run"] for job in self.jobs()]
        pods = [pod["metadata"]["labels"]["hive.dev/run"] for pod in self.pods()]
        assert len(runs) == len(set(runs))
        assert len(jobs) == len(set(jobs)), jobs
        assert len(pods) == len(set(pods)), pods
        assert set(jobs) <= set(runs)
        with self.github.world.lock:
            heads = [pull.head for pull in self.repo.pulls.values()]
        assert len(heads) == len({head.rpartition("-a")[0] for head in heads}), heads

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float = 90.0) -> T:
        """As everywhere, but each look takes a few calls of kubectl or of the cluster: it is not looked as
        often, and a dispatcher that ended by a mistake is not waited for."""
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            value = condition()
            if value:
                return value
            log = self.fleet_home() / "dispatcher.log"
            if log.exists() and "Traceback" in log.read_text(errors="replace"):
                raise AssertionError(f"{what}: the dispatcher failed\n{self.story()}")
            time.sleep(0.25)
        raise AssertionError(f"{what} did not happen within {seconds:.0f} s\n{self.story()}")

    def story(self) -> str:
        said = self.namespace("get", "agentruns,pods", "--ignore-not-found")
        said += self.namespace("events", "--types=Warning")
        log = self.fleet_home() / "dispatcher.log"
        text = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        runners = [
            f"--- {pod['metadata']['name']}\n"
            + self.namespace("logs", pod["metadata"]["name"], "-c", "runner", "--tail=15", "--ignore-errors")
            for pod in self.pods()[-3:]
        ]
        return "\n".join([self.call("top", "--once").stdout, said, text, *runners])

    def close(self) -> None:
        self.call("dispatcher", "stop")
        self.eyes.close()
        super().close()
