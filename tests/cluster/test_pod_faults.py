"""What can go wrong with a pod: it is said in the cluster's own words, and what comes next is what should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.pod_watch import PodWatch
from tests.cluster.shop import WORK, PodShop, Steps, scenario
from tests.fakes.github.server import GitHub

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

AGENTS = ("robin", "hungry", "tiny", "messy", "imageless", "secretless", "homeless")

# What is in memory as a file belongs to no process; the parent of the shell is the agent, the first to go.
# What is eaten once the kernel has counted that, and before it has gone, costs the next one its life.
COUNTS = "/sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control"
NOBODY_DIED = f"! grep -qs '^oom_kill [1-9]' {COUNTS}"
EAT = f"for n in $(seq 64); do {NOBODY_DIED} && head -c 1000000 /dev/zero >> /dev/shm/much; done"
OUT_OF_MEMORY: Steps = (
    {"write": {"path": "kept.txt", "text": "finished part\n"}},
    {"commit": "Finish a part"},
    {"run": f"echo 1000 > /proc/$PPID/oom_score_adj; {EAT}; rm /dev/shm/much"},
    {"stall": 60.0},
)
OVER_THE_LIMIT: Steps = (
    {"write": {"path": "kept.txt", "text": "finished part\n"}},
    {"commit": "Finish a part"},
    {"run": "head -c 60000000 /dev/zero > ../much"},
    {"stall": 100.0},
)


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    options = {"scenarios": "scenarios"}
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        slots=len(AGENTS),
        max_attempts=2,
        agents=[{"name": name, "backend": "scripted", "options": options} for name in AGENTS],
        scenarios={
            "issue-1-a1": scenario(OUT_OF_MEMORY),
            "issue-3-a1": scenario(OVER_THE_LIMIT),
            **{f"issue-{number}-a2": scenario(WORK) for number in (1, 2, 3)},
        },
    )
    yield made
    made.close()


def test_every_fault_of_a_pod_is_named_and_nothing_doubles(shop: PodShop) -> None:
    shop.start()
    shop.wait("the fleet", lambda: shop.namespace.find("fleet", "github"))
    shop.workers(
        hungry={"work": {"cpu": "10m", "memory": "80Mi"}},
        tiny={"runner": {"cpu": "10m", "memory": "8Mi"}},
        messy={"storage": "30Mi"},
        imageless={"image": "localhost/no-such-image:1", "imagePullPolicy": "Never"},
        secretless={"agentSecret": "no-such-secret"},
        homeless={"nodeSelector": {"hive.dev/nowhere": "yes"}},
    )
    with PodWatch(shop.namespace) as seen:
        for number, agent in enumerate(AGENTS[1:], 1):
            assert shop.ready(f"For {agent}", agent=agent) == number
        a_missing_image_is_named_and_a_kill_ends_it(shop, 4)
        a_missing_secret_is_named_and_once_there_the_run_goes_on(shop, 5)
        a_pod_that_fits_nowhere_is_explained_and_a_kill_ends_it(shop, 6)
        an_agent_out_of_memory_fails_with_its_work_kept(shop, 1)
        a_runner_out_of_memory_is_named(shop, 2)
        an_evicted_pod_is_named_and_the_issue_tried_again(shop, 3)
        a_used_up_quota_holds_the_run_until_there_is_more(shop)
    assert all(len(names) == 1 for names in seen.pods.values()), seen.pods
    shop.assert_nothing_doubled()


def a_missing_image_is_named_and_a_kill_ends_it(shop: PodShop, issue: int) -> None:
    why = says_why(shop, issue, "Image")
    assert "localhost/no-such-image:1" in why
    shop.hive("kill", str(issue), "--yes")
    assert "kay" in shop.reached(issue, "killed")["why"]


def a_missing_secret_is_named_and_once_there_the_run_goes_on(shop: PodShop, issue: int) -> None:
    assert 'secret "no-such-secret" not found' in says_why(shop, issue, "secret")
    meta = {"name": "no-such-secret"}
    shop.namespace.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"KEY": "value"}}
    )
    shop.reached(issue, "succeeded")


def a_pod_that_fits_nowhere_is_explained_and_a_kill_ends_it(shop: PodShop, issue: int) -> None:
    assert "didn't match Pod's node affinity/selector" in says_why(shop, issue, "node")
    shop.hive("kill", str(issue), "--yes")
    killed = shop.reached(issue, "killed")
    shop.wait("its pod's end", lambda: shop.pod_of(killed["id"]) is None)


def an_agent_out_of_memory_fails_with_its_work_kept(shop: PodShop, issue: int) -> None:
    first = shop.reached(issue, "failed")
    print(f"agent out of memory: {first['why']} ({first['evidence']})")
    assert "memory" in f"{first['why']} {first['evidence']}"
    assert shop.show(f"hive/wip/issue-{issue}-a1", "kept.txt") == "finished part\n"
    shop.reached(issue, "succeeded", attempt=2)


def a_runner_out_of_memory_is_named(shop: PodShop, issue: int) -> None:
    first = shop.reached(issue, "lost", "failed")
    print(f"runner out of memory: {first['phase']}: {first['why']} ({first['evidence']})")
    assert "memory" in first["why"]


def an_evicted_pod_is_named_and_the_issue_tried_again(shop: PodShop, issue: int) -> None:
    first = shop.reached(issue, "lost", "failed")

    def named() -> bool:
        # A runner that still has the last word knows of a signal only; its pod has the reason.
        run = shop.run(issue)
        return run is not None and "evicted: Usage of EmptyDir" in (run["why"] or "")

    shop.wait("the eviction", named)
    print(f"evicted: {first['phase']}: {first['why']} ({first['evidence']})")
    shop.reached(issue, "succeeded", attempt=2)


def a_used_up_quota_holds_the_run_until_there_is_more(shop: PodShop) -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "nothing"}}
    shop.namespace.apply({**body, "spec": {"hard": {"pods": "0"}}})
    issue = shop.ready("For robin", agent="robin")

    def said() -> bool:
        # A dispatcher that has just looked at the quota starts nothing; else the pod is refused.
        run = shop.run(issue)
        if run is not None:
            return "exceeded quota: nothing" in (run["why"] or "")
        return any("is used up: 0 of 0 pods (nothing)" in text for text in shop.events("error"))

    shop.wait("word of the quota", said)
    shop.namespace("delete", "resourcequota", "nothing")
    shop.reached(issue, "succeeded")


def says_why(shop: PodShop, issue: int, word: str) -> str:
    """What keeps a run from starting, as `hive top --once` and `hive describe` say it."""

    def why() -> str | None:
        run = shop.run(issue)
        return run["why"] if run is not None and word in (run["why"] or "") else None

    text = shop.wait(f"why #{issue} does not start, with {word!r}", why)
    run = shop.run(issue)
    assert run is not None
    assert run["phase"] == "queued"
    assert word in shop.hive("describe", str(issue))
    return text
