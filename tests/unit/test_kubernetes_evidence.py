"""What a run's Job, pod and events say, on objects as a real cluster made them (Kubernetes 1.34)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import evidence
from backends.clusters.kubernetes.evidence import Finding, Signs
from backends.clusters.kubernetes.objects import (
    NOT_REGISTERED,
    AgentRunStatus,
    ContainerState,
    EventObject,
    JobObject,
    PodClaim,
    PodObject,
    Terminated,
)
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, Process

RECORDED = Path(__file__).parents[1] / "fixtures" / "kubernetes" / "evidence.json"
_CASES: dict[str, dict[str, Any]] = msgspec.json.decode(RECORDED.read_bytes())

SOON = datetime(2026, 11, 21, 20, 25, 30, tzinfo=UTC)
"""Moments after most of them were recorded."""
LATE = SOON + timedelta(hours=1)

QUEUED = AgentRunStatus()


def signs(case: str) -> tuple[RunId, Signs]:
    recorded = _CASES[case]
    job = recorded["job"]
    found = Signs(
        jobs=(msgspec.convert(job, JobObject),),
        pods=msgspec.convert(recorded["pods"], tuple[PodObject, ...]),
        events=msgspec.convert(recorded["events"], tuple[EventObject, ...]),
    )
    return RunId(job["metadata"]["name"]), found


def begun(found: Signs, **changes: Any) -> AgentRunStatus:
    """The status of a run whose pod has registered."""
    pod = found.pods[0].metadata if found.pods else None
    claim = PodClaim(pod.name, pod.uid) if pod is not None else PodClaim("pod-x", "its-uid")
    return AgentRunStatus(**{"phase": Phase.WORKING, "pod": claim, "starts": 1, **changes})


def queued(case: str, now: datetime = SOON) -> Finding:
    run, found = signs(case)
    return evidence.look(run, QUEUED, found, now)


def working(case: str, now: datetime = SOON) -> Finding:
    run, found = signs(case)
    return evidence.look(run, begun(found), found, now)


def ending(found: Signs, code: int, said: str) -> Signs:
    """The same, but that the runner ended so, after it printed this."""
    (pod,) = found.pods
    (runner,) = pod.status.container_statuses
    end = Terminated(exit_code=code, reason="Error", message=said)
    runner = msgspec.structs.replace(runner, state=ContainerState(terminated=end))
    status = msgspec.structs.replace(pod.status, container_statuses=(runner,))
    return msgspec.structs.replace(found, pods=(msgspec.structs.replace(pod, status=status),))


class TestWhatIsToStart:
    def test_without_a_job_there_is_no_process(self) -> None:
        assert evidence.look(RunId("r"), QUEUED, Signs(), SOON) == Finding(Process.NONE)

    def test_a_pod_that_runs_but_has_not_registered_is_a_process(self) -> None:
        found = queued("running")
        assert (found.process, found.why) == (Process.ALIVE, None)
        assert found.place is not None
        assert (found.place.node, found.place.restarts, found.place.condition) == ("vm", 0, None)

    @pytest.mark.parametrize(
        ("case", "words"),
        [
            ("unschedulable", "0/1 nodes are available: 1 Insufficient cpu."),
            ("no such node", "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        ],
    )
    def test_what_may_pass_is_said_and_waited_for(self, case: str, words: str) -> None:
        found = queued(case, LATE)
        assert (found.process, found.why, found.again) == (Process.ALIVE, words, None)
        assert found.place is None or found.place.condition == words

    def test_what_a_quota_refuses_goes_back_to_the_queue(self) -> None:
        found = queued("quota", datetime(2026, 11, 21, 20, 24, 40, tzinfo=UTC))
        words = "exceeded quota: hive, requested: pods=1, used: pods=0, limited: pods=0"
        assert (found.process, found.why) == (Process.ALIVE, words)
        assert found.again is not None
        assert queued("quota", found.again).process is Process.GONE
        run, all_signs = signs("quota")
        cause = evidence.cause(run, QUEUED, all_signs)
        assert (cause.words, cause.problem, cause.disrupted) == (words, False, True)

    @pytest.mark.parametrize(
        ("case", "words"),
        [
            ("ErrImagePull", 'work: ErrImagePull: failed to pull and unpack image "localhost/nope:1"'),
            ("ImagePullBackOff", 'work: ImagePullBackOff: Back-off pulling image "localhost/nope:1"'),
            ("ErrImageNeverPull", "work: ErrImageNeverPull: Container image"),
            ("InvalidImageName", "work: InvalidImageName: Failed to apply default image tag"),
            ("secret missing", 'runner: CreateContainerConfigError: secret "hive-tracker" not found'),
            ("volume secret missing", 'MountVolume.SetUp failed for volume "x" : secret "hive-tracker"'),
            ("service account missing", "error looking up service account hc-evidence/hive-run"),
            ("pod security", 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation'),
            ("work crashes at start", "work: ended with exit status 7, started again 4 times"),
        ],
    )
    def test_what_does_not_pass_is_said_and_given_up(self, case: str, words: str) -> None:
        found = queued(case)
        assert found.process is Process.ALIVE
        assert (found.why or "").startswith(words)
        assert found.again is not None
        assert queued(case, found.again - timedelta(seconds=1)).process is Process.ALIVE
        given_up = queued(case, found.again)
        assert (given_up.process, given_up.why) == (Process.GONE, found.why)
        run, all_signs = signs(case)
        cause = evidence.cause(run, QUEUED, all_signs)
        assert (cause.words, cause.problem) == (found.why, True)

    def test_a_program_that_is_not_there_ends_it_at_once(self) -> None:
        assert queued("no such program").process is Process.GONE
        run, all_signs = signs("no such program")
        cause = evidence.cause(run, QUEUED, all_signs)
        assert cause.problem
        assert cause.words.startswith("runner: StartError: failed to create containerd task")

    @pytest.mark.parametrize(
        ("code", "words", "problem"),
        [
            (NOT_REGISTERED, "The cluster forbids to get agentruns.hive.dev.", False),
            (1, "its runner ended with exit status 1 before it began: The cluster forbids", True),
            (137, "its runner ended with exit status 137", None),
        ],
    )
    def test_a_runner_that_never_was_its_run_spends_no_attempt(
        self, code: int, words: str, problem: bool | None
    ) -> None:
        run, found = signs("exit 1")
        said = "not registered yet\nThe cluster forbids to get agentruns.hive.dev.\n"
        cause = evidence.cause(run, QUEUED, ending(found, code, said))
        assert cause.words.startswith(words)
        assert (cause.problem, cause.disrupted) == (problem is True, problem is False)

    def test_a_pod_deleted_before_it_registered_was_the_clusters_doing(self) -> None:
        assert queued("pod deleted by hand").process is Process.GONE
        run, all_signs = signs("pod deleted by hand")
        assert evidence.cause(run, QUEUED, all_signs).disrupted

    def test_a_run_that_waited_looks_for_its_next_job(self) -> None:
        run, found = signs("succeeded")
        waiting = begun(found, phase=Phase.WAITING, agent_problem="quota")
        assert evidence.current(run, waiting) == f"{run}-2"
        assert evidence.look(run, waiting, found, SOON).process is Process.NONE
        assert evidence.look(run, begun(found), found, SOON).process is Process.GONE

    def test_a_run_that_has_just_begun_to_wait_has_a_process_until_its_pod_is_over(self) -> None:
        run, found = signs("running")
        waiting = begun(found, phase=Phase.WAITING, agent_problem="quota")
        assert evidence.look(run, waiting, found, SOON).process is Process.ALIVE


class TestWhatHasBegun:
    def test_its_pod_runs(self) -> None:
        found = working("running")
        assert (found.process, found.why, found.again) == (Process.ALIVE, None, None)
        assert found.place is not None
        assert found.place.condition is None

    def test_another_pod_is_not_it(self) -> None:
        run, found = signs("running")
        other = begun(found, pod=PodClaim("running-x", "another"))
        seen = evidence.look(run, other, found, SOON)
        assert seen.process is Process.GONE
        assert seen.place is not None
        assert seen.place.pod == "running-x"

    def test_the_agents_side_out_of_memory_is_shown_and_does_not_end_it(self) -> None:
        found = working("work out of memory")
        assert found.process is Process.ALIVE
        assert found.place is not None
        assert found.place.restarts == 3
        assert found.place.condition == "work: out of memory (OOMKilled), started again 3 times"

    @pytest.mark.parametrize(
        ("case", "words", "disrupted"),
        [
            ("runner out of memory", "its runner was out of memory (OOMKilled)", False),
            ("exit 1", "its runner ended with exit status 1", False),
            ("evicted", 'evicted: Usage of EmptyDir volume "w" exceeds the limit "10Mi".', True),
            ("deadline", "it took longer than its Job may (activeDeadlineSeconds)", False),
            ("pod deleted by hand", "its pod was deleted", True),
        ],
    )
    def test_what_ended_it_is_said(self, case: str, words: str, disrupted: bool) -> None:
        assert working(case).process is Process.GONE
        run, found = signs(case)
        cause = evidence.cause(run, begun(found), found)
        assert (cause.words, cause.problem, cause.disrupted) == (words, False, disrupted)

    def test_an_eviction_is_why_a_run_ended_that_was_told_by_a_signal_only(self) -> None:
        run, found = signs("evicted")
        why = "ended from outside by SIGTERM"
        words = 'evicted: Usage of EmptyDir volume "w" exceeds the limit "10Mi".'
        lost = begun(found, phase=Phase.LOST, why=why)
        assert (evidence.interrupted(run, lost, found) or "").startswith(words)
        # The event is there before the pod's own status says it.
        (pod,) = found.pods
        going = msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, reason=None))
        early = msgspec.structs.replace(found, pods=(going,))
        assert (evidence.interrupted(run, lost, early) or "").startswith(words)
        assert evidence.interrupted(run, begun(found, phase=Phase.LOST, why="stalled"), found) is None
        assert evidence.interrupted(run, lost, msgspec.structs.replace(found, pods=())) is None

    def test_a_deleted_job_takes_its_pod_along(self) -> None:
        _, found = signs("pod deleted by hand")
        alone = msgspec.structs.replace(found, jobs=())
        assert evidence.cause(RunId("deleted"), begun(found), alone).words == "its Job was deleted"

    def test_one_that_is_preempted_is_being_ended_and_says_why(self) -> None:
        found = working("preempted, ending", SOON - timedelta(seconds=28))
        words = "preempted by a pod of a higher priority (vm): default-scheduler: preempting to accommodate"
        assert found.process is Process.ALIVE
        assert found.place is not None
        assert (found.place.condition or "").startswith(f"it is being ended: {words}")
        run, all_signs = signs("preempted, ending")
        assert evidence.cause(run, begun(all_signs), all_signs).words.startswith(words)

    def test_a_silent_node_is_not_known_to_have_lost_it(self) -> None:
        found = working("node silent", LATE)
        assert (found.process, found.again) == (Process.UNKNOWN, None)
        assert found.place is not None
        assert found.place.condition == "its node hc-ghost does not answer"

    def test_what_the_cluster_gave_up_with_its_node_is_gone_after_a_while(self) -> None:
        found = working("node lost")
        assert found.process is Process.UNKNOWN
        assert found.again is not None
        assert working("node lost", found.again).process is Process.GONE
        run, all_signs = signs("node lost")
        cause = evidence.cause(run, begun(all_signs), all_signs)
        assert cause.disrupted
        assert cause.words.startswith("its node was lost (hc-ghost): Taint manager")

    def test_a_node_that_is_known_to_be_silent_needs_no_mark_on_the_pod(self) -> None:
        run, found = signs("running")
        silent = msgspec.structs.replace(found, silent=frozenset({"vm"}))
        assert evidence.look(run, begun(found), silent, SOON).process is Process.UNKNOWN


class TestWhatHasEnded:
    def test_it_has_a_process_until_its_pod_is_over(self) -> None:
        run, found = signs("running")
        done = begun(found, phase=Phase.SUCCEEDED)
        assert evidence.look(run, done, found, SOON).process is Process.ALIVE
        run, found = signs("succeeded")
        seen = evidence.look(run, begun(found, phase=Phase.SUCCEEDED), found, SOON)
        assert seen.process is Process.GONE
        assert seen.place is not None
        assert seen.place.condition is None

    def test_one_that_never_had_a_pod_never_had_a_process(self) -> None:
        killed = AgentRunStatus(phase=Phase.KILLED)
        assert evidence.look(RunId("r"), killed, Signs(), SOON) == Finding(Process.NONE)

    def test_a_lost_one_says_what_ended_it(self) -> None:
        run, found = signs("runner out of memory")
        seen = evidence.look(run, begun(found, phase=Phase.LOST), found, SOON)
        assert seen.place is not None
        assert seen.place.condition == "its runner was out of memory (OOMKilled)"

    def test_a_last_word_is_found_in_the_runners_termination_message(self) -> None:
        _, found = signs("no such program")
        assert (evidence.last_word(found.pods[0]) or "").startswith("failed to create containerd task")
        _, found = signs("running")
        assert evidence.last_word(found.pods[0]) is None


@pytest.mark.parametrize("case", list(_CASES))
def test_words_are_one_line_and_bounded(case: str) -> None:
    for finding in (queued(case), working(case)):
        condition = finding.place.condition if finding.place is not None else None
        for words in (finding.why, condition):
            assert words is None or ("\n" not in words and 0 < len(words) <= evidence.MAX_WORDS)
