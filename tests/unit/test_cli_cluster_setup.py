"""Setting up a fleet on a cluster of several machines: fleet add, init, doctor, the first contact."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from hive_tui import config
from hive_tui.app import contact_lines
from hive_tui.app.contact_lines import Found
from hive_tui.cli import cluster_options, run
from hive_tui.cli.cluster_options import ClusterWish
from hive_tui.cli.common import Session
from hive_tui.core.cluster_facts import ClusterFacts, Node, Right
from hive_tui.core.errors import ConfigError
from hive_tui.core.findings import Finding, broken, ok
from hive_tui.core.model import Dispatcher, DispatcherState
from hive_tui.core.ports import BackendContext
from hive_tui.core.worker_template import KubernetesSettings
from hive_tui.probing import Kubeconfig
from tests.fakes import cluster_fleet as c
from tests.fakes.github.server import GitHub
from widgets.cells import Line

Hive = Callable[..., Any]

CONTEXTS = {"prod": "agents", "dev": None}


class Setup:
    """Stands for the backend's own: it knows the kubeconfig of `CONTEXTS`, and finds what it is told."""

    findings: tuple[Finding, ...] = (ok("kubeconfig", "context prod"),)

    def __init__(self, context: BackendContext) -> None:
        settings = context.settings.kubernetes
        self.place = settings.context or "prod"
        if self.place not in CONTEXTS:
            raise ConfigError(f"Unknown context {self.place!r}.", "Did you mean prod?")
        self.namespace = settings.namespace or CONTEXTS[self.place] or "default"

    def examine(self) -> Iterator[Finding]:
        yield from self.findings

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _backend(monkeypatch: pytest.MonkeyPatch) -> None:
    c.holding(monkeypatch, c.fleet(name="work"))
    monkeypatch.setattr(c.Pods, "setup", Setup, raising=False)
    # No tracker answers here, and nobody waits for one as long as a person would.
    monkeypatch.setattr(Session, "snapshot", lambda self: self.fleet.read_snapshot(0.3))


@pytest.fixture
def hive(
    hive_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Hive:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run(list(arguments))
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return json.loads(shown.out) if "json" in arguments else shown.out + shown.err

    return call


def kubernetes(name: str = "work") -> KubernetesSettings:
    return config.load().fleet(name).kubernetes


# fleet add


def test_a_fleet_stays_where_it_was_added(hive: Hive) -> None:
    said = hive("fleet", "add", "work", "--cluster", "kubernetes")
    assert "context prod, namespace agents" in said
    assert "hive --fleet work deploy --crds-only" in said
    assert "hive --fleet work init --repo OWNER/NAME" in said
    settings = config.load().fleet("work")
    assert (settings.cluster, settings.forge) == ("kubernetes", "github")
    assert (kubernetes().context, kubernetes().namespace) == ("prod", "agents")
    assert "local" in config.load().names()
    assert "work   kubernetes/github (prod, agents)" in hive("fleet", "list")
    listed = {fleet["name"]: fleet for fleet in hive("fleet", "list", "-o", "json")["fleets"]}
    assert (listed["work"]["context"], listed["local"]["context"]) == ("prod", None)


def test_what_is_said_of_the_cluster_is_written_down(hive: Hive, tmp_path: Path) -> None:
    hive(
        *("fleet", "add", "work", "--cluster", "kubernetes", "--context", "dev", "--image", "hive-agent:1"),
        *("--kubeconfig", "some.yaml", "--tracker-secret", "github", "--agent-secret", "keys"),
        *("--slots", "7"),
    )
    found = kubernetes()
    assert (found.context, found.namespace) == ("dev", "hive"), "never everybody's `default`"
    assert found.kubeconfig == str(tmp_path / "some.yaml")
    worker = found.worker
    assert (worker.image, worker.tracker_secret, worker.agent_secret) == ("hive-agent:1", "github", "keys")
    assert config.load().fleet("work").slots == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--cluster", "kubernetes", "--context", "nope"), "Did you mean prod?"),
        (("--cluster", "kubernetes", "--forge", "local"), "pods do not get at"),
        (("--context", "prod"), "--context is not for a cluster 'local'"),
        (("--image", "x"), "--image is not for a cluster 'local'"),
        (("--cluster", "kubernetes", "--namespace", "Bad_Name"), "expected a name"),
        (
            (
                "--cluster",
                "kubernets",
            ),
            "kubernetes",
        ),
    ],
)
def test_what_cannot_be_a_fleet_writes_nothing(hive: Hive, arguments: tuple[str, ...], words: str) -> None:
    assert words in hive("fleet", "add", "work", *arguments, code=2)
    assert not config.load().path.exists()


def test_a_fleet_whose_dispatcher_is_elsewhere_can_be_taken_out_here(hive: Hive) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes")
    said = hive("fleet", "remove", "work")
    assert "What it has in its cluster stays there" in said
    assert (
        "`kubectl --context=prod --namespace=agents delete"
        " fleets.hive.dev,agentruns.hive.dev,jobs,leases,events --selector=hive.dev/fleet=work`" in said
    )
    assert "work" not in config.load().names()


# init


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github") as github:
        github.world.add_repository("acme/app", collaborators={"kay": "write"})
        yield github


@pytest.fixture
def init(hive: Hive, github: GitHub, tmp_path: Path) -> Hive:
    token = tmp_path / "token"
    token.write_text(github.world.add_token("kay").secret)
    token.chmod(0o600)

    def call(*arguments: str, code: int = 0) -> Any:
        return hive(
            *arguments,
            *("--url", github.site, "--token-file", str(token), "--no-labels", "--repo", "acme/app"),
            code=code,
        )

    return call


def test_init_makes_a_fleet_on_a_cluster_in_one_go(init: Hive) -> None:
    done = init(
        "init", "--cluster", "kubernetes", "--context", "dev", "--image", "hive-agent:1", "-o", "json"
    )
    assert (done["fleet"], done["cluster"], done["context"], done["namespace"]) == (
        *("kubernetes", "kubernetes", "dev", "hive"),
    )
    assert config.load().settings.current == "kubernetes"
    assert kubernetes("kubernetes").worker.image == "hive-agent:1"


def test_init_adds_a_repository_to_the_fleet_that_is_there(hive: Hive, init: Hive) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes", "--image", "hive-agent:1")
    said = init("--fleet", "work", "init")
    assert "cluster    kubernetes (context prod, namespace agents)" in said
    assert "in pods of the fleet's image" in said
    assert "hive --fleet work deploy --crds-only" in said
    assert [repo.name for repo in config.load().fleet("work").repos] == ["acme/app"]
    assert kubernetes().worker.image == "hive-agent:1"


def test_a_fleet_that_works_elsewhere_is_not_moved(init: Hive) -> None:
    init("--fleet", "github", "init", "--forge", "github")
    said = init("--fleet", "github", "init", "--cluster", "kubernetes", code=3)
    assert "runs its agents on local" in said


def test_a_local_tracker_is_of_no_use_to_pods(hive: Hive) -> None:
    said = hive("init", "--cluster", "kubernetes", "--forge", "local", code=2)
    assert "do not get at a tracker on this machine" in said
    assert "--image is not for a cluster 'local'" in hive("init", "--image", "x", code=2)


def test_whoever_is_there_is_asked_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"Context": "dev", "Namespace": "agents", "Image": "hive-agent:1", "Secret": ""}
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda words, **_: answers.pop(words.split()[0]))
    wish = cluster_options.ask(ClusterWish(image="mine:2"))
    assert wish == ClusterWish(context="dev", namespace="agents", image="mine:2")
    assert answers == {"Image": "hive-agent:1"}, "what was given is not asked for"


# doctor


def checks(hive: Hive, code: int = 1) -> dict[str, dict[str, Any]]:
    found = hive("--fleet", "work", "doctor", "-o", "json", code=code)["checks"]
    return {check["name"]: check for check in found}


def test_doctor_tells_what_the_cluster_says_of_itself(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes")
    monkeypatch.setattr(Setup, "findings", (broken("namespace", "there is none", "Make it."),))
    found = checks(hive)
    assert found["namespace"]["fix"] == "Make it."
    assert found["nodes"]["detail"] == "2/3 nodes ready · 8 cores · 32.0 GiB · 220 pods"
    assert found["nodes"]["state"] == "warning"
    assert found["rights"]["state"] == "ok"
    assert found["agents"]["state"] == "ok"
    assert "not looked for here" in found["agents"]["detail"]
    assert found["dispatcher"]["detail"] == "running on ci-7, pid 4711"


def test_doctor_names_missing_rights_and_machines(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes")
    down = ClusterFacts("prod", "agents", "v1.34.1", (Node("vm", False, "kubelet is gone"),))
    stopped = Dispatcher(DispatcherState.STOPPED)
    fleet = c.fleet(name="work", facts=down, denied=c.denied(Right.EXEC), dispatcher=stopped)
    c.holding(monkeypatch, fleet)
    found = checks(hive)
    assert found["nodes"]["state"] == "broken"
    assert "kubelet is gone" in found["nodes"]["fix"]
    assert "open a shell in a run" in found["rights"]["detail"]
    assert found["dispatcher"]["state"] == "warning"
    assert "`hive dispatcher start`" in found["dispatcher"]["fix"]


def test_doctor_repairs_no_dispatcher_of_a_cluster(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes")
    c.holding(monkeypatch, c.fleet(name="work", dispatcher=Dispatcher(DispatcherState.DEAD)))
    monkeypatch.setattr("hive_tui.cli.doctor.ensure_dispatcher", lambda *_: pytest.fail("started"))
    hive("--fleet", "work", "doctor", "--fix", code=1)


def test_a_kubeconfig_that_is_wrong_is_a_finding(hive: Hive) -> None:
    hive("fleet", "add", "work", "--cluster", "kubernetes")
    hive("config", "set", "fleets.work.kubernetes.context", "nope")
    assert checks(hive)["cluster"]["fix"]


# The first contact


def test_a_kubeconfig_that_was_found_leads_somewhere() -> None:
    found = Kubeconfig(Path("/home/kay/.kube/config"), "prod")
    shown = contact_lines.lines(Found("local", "config.yaml", False, kubeconfig=found), (), None, 100)
    words = "\n".join(map(_text, shown))
    assert "context prod" in words
    assert "hive init --cluster kubernetes" in words


def _text(line: Line) -> str:
    return "".join(cell.text for cell in line)
