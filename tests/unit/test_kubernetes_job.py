"""What a run's pod may and has, whatever the fleet's template says."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.clusters.kubernetes import manifests, quantity
from backends.clusters.kubernetes.job import CERTIFICATES, in_pod, manifest
from backends.clusters.kubernetes.objects import FLEET_LABEL, RUN_LABEL
from hive_tui.core.errors import ConfigError
from hive_tui.core.ids import RepoName, run_id
from hive_tui.core.ports import TRACKER_TOKEN, Job
from hive_tui.core.worker_template import Toleration, WorkerTemplate
from tests.fakes import run_host

TEMPLATE = WorkerTemplate(image="example.org/hive-agent:1", agent_secret="agent")

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def test_the_usual_quota_takes_a_hundred_of_the_usual_pods() -> None:
    usual = WorkerTemplate()
    containers = (usual.runner, usual.work, usual.judge)
    hard = manifests.quota()[0]["spec"]["hard"]
    for kind, name in (("cpu", "requests.cpu"), ("memory", "requests.memory")):
        amounts = [quantity.number(getattr(each, kind)) for each in containers]
        most = quantity.number(hard[name])
        assert most is not None
        assert 100 * sum(amount or 0 for amount in amounts) <= most
    # With half of it, saving work took most of the grace period on a busy node.
    assert (quantity.number(usual.runner.cpu) or 0) >= Decimal("0.1")


def work(**changes: Any) -> Job:
    plain = run_host.job(Path("/nowhere"))
    repo = msgspec.structs.replace(
        plain.repo,
        source="https://example.org/acme/tool.git",
        credential=("/home/kay/python", "-m", "helper"),
        variables=("GITHUB_TOKEN",),
        certificates="/home/kay/ca.pem",
        portable=("python3", "-m", "helper"),
    )
    return msgspec.structs.replace(plain, repo=msgspec.structs.replace(repo, **changes))


def made(template: WorkerTemplate = TEMPLATE, *, starts: int = 0, fleet: str = "prod") -> dict[str, Any]:
    job = in_pod(work(), template)
    return manifest(job.spec.id, "uid-1", job, template, fleet, starts)


def containers(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    pod = made["spec"]["template"]["spec"]
    return {each["name"]: each for each in (*pod["initContainers"], *pod["containers"])}


class TestInPod:
    def test_git_asks_the_fleets_secret(self) -> None:
        repo = in_pod(work(), TEMPLATE).repo
        assert repo.credential == ("python3", "-m", "helper")
        assert repo.variables == (TRACKER_TOKEN,)
        assert repo.certificates == str(CERTIFICATES)

    def test_without_a_secret_nobody_is_asked(self) -> None:
        repo = in_pod(work(), msgspec.structs.replace(TEMPLATE, tracker_secret=None)).repo
        assert (repo.credential, repo.variables, repo.certificates) == ((), (), None)

    def test_what_only_this_machine_reaches_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="no pod"):
            in_pod(work(source="/home/kay/tool"), TEMPLATE)
        with pytest.raises(ConfigError, match="cannot leave"):
            in_pod(work(portable=()), TEMPLATE)


class TestManifest:
    def test_it_goes_with_its_run_and_is_never_started_twice(self) -> None:
        made_ = made(starts=1)
        assert made_["metadata"]["name"] == f"{work().spec.id}-2"
        (owner,) = made_["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("AgentRun", "uid-1", True)
        spec = made_["spec"]
        assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
        assert spec["activeDeadlineSeconds"] == 3600 + 300 + 60
        assert spec["ttlSecondsAfterFinished"] == 3600
        assert spec["template"]["spec"]["restartPolicy"] == "Never"

    @pytest.mark.parametrize("user", [1000, None])
    def test_every_container_is_locked_down(self, user: int | None) -> None:
        made_ = made(msgspec.structs.replace(TEMPLATE, user_id=user))
        for each in containers(made_).values():
            security = each["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert not security["allowPrivilegeEscalation"]
            assert security.get("runAsUser") == (user and (user if each["name"] == "runner" else user + 1))
        assert ("fsGroup" in made_["spec"]["template"]["spec"]["securityContext"]) is (user is not None)

    def test_secrets_are_where_they_belong(self) -> None:
        every = containers(made())
        assert "envFrom" not in every["runner"]
        for name in ("work", "judge"):
            assert every[name]["envFrom"] == [{"secretRef": {"name": "agent"}}]
            assert not {"account", "own", "tracker"} & {
                mount["name"] for mount in every[name]["volumeMounts"]
            }
            assert TRACKER_TOKEN not in str(every[name])
        assert not [mount for mount in every["runner"]["volumeMounts"] if mount["name"].startswith("tree")]
        assert all(
            mount["readOnly"]
            for mount in every["runner"]["volumeMounts"]
            if mount["name"].startswith("share")
        )
        assert TRACKER_TOKEN in [each["name"] for each in every["runner"]["env"]]

    def test_the_runner_knows_what_the_agent_may_not_give_away(self) -> None:
        job = in_pod(work(), TEMPLATE)
        agent = msgspec.structs.replace(job.agent, credentials=("TOY_KEY",))
        job = msgspec.structs.replace(job, agent=agent)
        runner = containers(manifest(job.spec.id, "uid-1", job, TEMPLATE, "prod", 0))["runner"]
        (key,) = (each for each in runner["env"] if each["name"] == "TOY_KEY")
        assert key["valueFrom"]["secretKeyRef"] == {"name": "agent", "key": "TOY_KEY", "optional": True}

    def test_without_a_tracker_secret_none_is_named(self) -> None:
        assert "hive-tracker" in str(made())
        assert "hive-tracker" not in str(made(msgspec.structs.replace(TEMPLATE, tracker_secret=None)))

    def test_the_template_says_where_it_runs(self) -> None:
        template = msgspec.structs.replace(
            TEMPLATE,
            runtime_class="gvisor",
            priority_class="low",
            node_selector={"pool": "agents"},
            tolerations=(Toleration("agents", "Exists", effect="NoExecute", toleration_seconds=30),),
            image_pull_secrets=("registry",),
        )
        pod = made(template)["spec"]["template"]["spec"]
        assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("gvisor", "low")
        assert pod["nodeSelector"] == {"pool": "agents"}
        assert pod["tolerations"] == [
            {"key": "agents", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
        ]
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        plain = made()["spec"]["template"]["spec"]
        assert not {"runtimeClassName", "priorityClassName", "nodeSelector", "tolerations"} & set(plain)

    def test_every_volume_that_is_mounted_is_there_and_bounded(self) -> None:
        pod = made()["spec"]["template"]["spec"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        mounted = {mount["name"] for each in containers(made()).values() for mount in each["volumeMounts"]}
        assert mounted == set(volumes)
        assert all("sizeLimit" in each["emptyDir"] for each in volumes.values() if "emptyDir" in each)

    def test_without_an_image_there_is_no_pod(self) -> None:
        with pytest.raises(ConfigError, match="names no image"):
            made(WorkerTemplate())

    @given(
        st.from_regex(r"[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}", fullmatch=True),
        st.integers(1, 10**9),
        st.integers(1, 999),
        st.integers(0, 99),
        st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True),
        st.text(),
    )
    def test_names_and_labels_are_kubernetes_own(
        self, repo: str, issue: int, attempt: int, starts: int, fleet: str, title: str
    ) -> None:
        run = run_id("github.com", RepoName(repo), issue, attempt)
        job = msgspec.structs.replace(in_pod(work(), TEMPLATE), title=title)
        meta = manifest(run, "uid-1", job, TEMPLATE, fleet, starts)["metadata"]
        assert _DNS_LABEL.fullmatch(meta["name"]), "it is the host name of its pod, too"
        assert all(_LABEL_VALUE.fullmatch(value) for value in meta["labels"].values())
        assert (meta["labels"][FLEET_LABEL], meta["labels"][RUN_LABEL]) == (fleet, run)
        assert len("".join(meta["annotations"].values())) < 2_000
