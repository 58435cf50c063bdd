"""Rights that are withdrawn in the middle of a run, and come back: nothing is started twice, what is missing
is named, and all goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.clusters.kubernetes import manifests
from tests.cluster.kube import Namespace, Rule
from tests.cluster.pod_watch import PodWatch
from tests.cluster.shop import WORK, PodShop, Steps, scenario
from tests.fakes.github.server import GitHub

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

LOOK = ["get", "list", "watch"]
HIVE = ["hive.dev"]
DISPATCH: tuple[Rule, ...] = (
    {"apiGroups": HIVE, "resources": ["agentruns"], "verbs": [*LOOK, "create", "delete"]},
    {"apiGroups": HIVE, "resources": ["fleets"], "verbs": [*LOOK, "create"]},
    {"apiGroups": HIVE, "resources": ["agentruns/status"], "verbs": ["update"]},
    {"apiGroups": HIVE, "resources": ["fleets/status"], "verbs": ["patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": [*LOOK, "create", "update"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": [*LOOK, "create", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": LOOK},
    {"apiGroups": [""], "resources": ["events"], "verbs": [*LOOK, "create"]},
)
"""What docs/kubernetes.md says that a dispatcher needs."""

READ_LOGS: Rule = {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}
"""What the test itself needs beside that."""

HELD: Steps = (
    {"write": {"path": "kept.txt", "text": "a part\n"}},
    {"say": "Half of it is there."},
    {"run": {"command": "until [ -e /tmp/go-on ]; do sleep 0.2; done", "timeout": 300.0}},
    *WORK,
)
"""Works until somebody says that it may end."""

AT_WORK, WHILE_NOBODY_MAY, ENDS_IN_THE_DARK, BEGINS_IN_THE_DARK = 1, 2, 5, 6
"""The issues, by what happens to their runs; between them are the pull requests of the first two."""


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    namespace.account("dispatcher", (*DISPATCH, READ_LOGS))
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        slots=2,
        scenarios={f"issue-{issue}": scenario(HELD) for issue in (AT_WORK, ENDS_IN_THE_DARK)},
        kubernetes={"kubeconfig": namespace.settings_as("dispatcher").kubeconfig},
    )
    yield made
    made.close()


def test_what_rights_are_missing_is_named_and_all_goes_on_when_they_are_back(shop: PodShop) -> None:
    with PodWatch(shop.namespace) as seen:
        shop.start()
        the_dispatcher_s_rights(shop)
        the_runner_s_rights(shop)
    assert all(len(names) == 1 for names in seen.pods.values()), seen.pods
    shop.assert_nothing_doubled()
    shop.wait("four pull requests", lambda: len(shop.pulls()) == 4)
    assert set(shop.pulls()) == {f"hive/issue-{issue}-a1" for issue in (1, 2, 5, 6)}


def the_dispatcher_s_rights(shop: PodShop) -> None:
    assert shop.ready("At work") == AT_WORK
    shop.hears(AT_WORK, "Half of it is there.")
    pid = shop.json("dispatcher", "status")["pid"]
    with withdrawn(shop, "dispatcher"):
        assert shop.ready("While nobody may") == WHILE_NOBODY_MAY
        forbidden = "forbids to get leases.coordination.k8s.io"
        shop.wait("the dispatcher's complaint", lambda: forbidden in log_of(shop))
        assert "forbids to get fleets.hive.dev" in shop.call("top", "--once").stderr
        assert len(shop.agent_runs()) == 1
        go_on(shop, AT_WORK)
    shop.reached(WHILE_NOBODY_MAY, "succeeded")
    shop.reached(AT_WORK, "succeeded")
    assert shop.json("dispatcher", "status")["pid"] == pid


def the_runner_s_rights(shop: PodShop) -> None:
    assert shop.ready("Ends in the dark") == ENDS_IN_THE_DARK
    shop.hears(ENDS_IN_THE_DARK, "Half of it is there.")
    with withdrawn(shop, "hive-run"):
        assert shop.ready("Begins in the dark") == BEGINS_IN_THE_DARK
        run = shop.wait("its run", lambda: shop.run(BEGINS_IN_THE_DARK))
        go_on(shop, ENDS_IN_THE_DARK)
        prints(shop, run["id"], "forbids to get agentruns.hive.dev")
        at_work = shop.run(ENDS_IN_THE_DARK)
        assert at_work is not None
        prints(shop, at_work["id"], "forbids to update agentruns/status.hive.dev")
        shop.wait("its branch", lambda: shop.show(f"hive/issue-{ENDS_IN_THE_DARK}-a1", "kept.txt"))
        assert at_work["phase"] in ("working", "finishing")
    for issue in (ENDS_IN_THE_DARK, BEGINS_IN_THE_DARK):
        shop.reached(issue, "succeeded")


@contextlib.contextmanager
def withdrawn(shop: PodShop, account: str) -> Iterator[None]:
    """An account may do nothing while the `with` block lasts."""
    shop.namespace("delete", "rolebinding", account)
    try:
        yield
    finally:
        if account == "dispatcher":
            shop.namespace.account(account, (*DISPATCH, READ_LOGS))
        else:
            shop.namespace.apply(*manifests.run_account(shop.namespace.name))


def go_on(shop: PodShop, issue: int) -> None:
    (pod,) = shop.namespace.items("pods", "-l", f"hive.dev/run={run_name(shop, issue)}")
    shop.namespace("exec", pod["metadata"]["name"], "-c", "work", "--", "touch", "/tmp/go-on")


def run_name(shop: PodShop, issue: int) -> str:
    """As kubectl says it: hive itself may not look."""
    (name,) = [
        run["metadata"]["name"] for run in shop.agent_runs() if run["spec"]["work"]["spec"]["issue"] == issue
    ]
    return str(name)


def log_of(shop: PodShop) -> str:
    return (shop.fleet_home() / "dispatcher.log").read_text(errors="replace")


def prints(shop: PodShop, run: str, words: str) -> None:
    """Wait until a run's runner says something beside its log."""
    pod = shop.wait("its pod", lambda: shop.pod_of(run))
    said = ("logs", pod, "-c", "runner", "--ignore-errors")
    shop.wait(f"{words!r} from {run}", lambda: words in shop.namespace(*said))
