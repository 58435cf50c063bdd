"""The runner's link to its place in a pod: its AgentRun, its volume, its standard output, the git server."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.clusters import git_remote
from backends.clusters.event_log import LogWriter
from backends.clusters.kubernetes import camel, run_status
from backends.clusters.kubernetes.api import AGENT_RUNS, Api
from backends.clusters.kubernetes.box.sandbox import PodSandbox
from backends.clusters.kubernetes.errors import Conflict, Forbidden, NotFound
from backends.clusters.kubernetes.job import WORK_SOCKET, WORK_TREE
from backends.clusters.kubernetes.objects import (
    NOT_REGISTERED,
    AgentRunObject,
    AgentRunSpec,
    AgentRunStatus,
    PodClaim,
)
from backends.clusters.kubernetes.reflector import Added, Changed, Deleted, News, Reflector, Synced
from backends.clusters.kubernetes.reporting import Reporting
from backends.clusters.registration import refuse_unless_startable, starting
from hive_tui.core.errors import GitError, HiveError, Refused, RunEnded, SourceError, StoreError
from hive_tui.core.events import LogLine, Note
from hive_tui.core.ids import RunId
from hive_tui.core.model import Control, Phase
from hive_tui.core.ports import BackendContext, Job, RepoJob, Sandbox
from hive_tui.system import git

if TYPE_CHECKING:
    import tenacity

    from hive_tui.core.model import RunSpec, RunStatus

TERMINATION_LOG = Path("/dev/termination-log")

REGISTER_SECONDS = 300.0
"""How long a pod asks an API server that is away, or forbids it, to be registered: nothing is lost by
waiting."""

PUSH_PAUSES = (1.0, 3.0, 8.0, 15.0)
"""Longer than on a laptop, where unfinished work stays on the disk; all in all less than a pod's grace."""


class NotRegistered(SourceError):
    """This pod could not become its run, for no fault of either."""

    exit_code = NOT_REGISTERED


class KubernetesHost:
    """See `core.ports.RunHost`. Belongs to one process; in a pod the environment says in which one."""

    lasting = False

    def __init__(
        self, api: Api, context: BackendContext, run: RunId, *, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._api, self._run = api, run
        own, pod, uid = (environ.get(f"HIVE_{name}") for name in ("OWN", "POD_NAME", "POD_UID"))
        self._is_pod = uid is not None
        self._me = PodClaim(pod or f"{socket.gethostname()}-{os.getpid()}", uid or f"{os.getpid()}")
        self.home: Path = Path(own) if own else context.home / "runs" / run
        self.home.mkdir(parents=True, exist_ok=True)
        self.sandbox: Sandbox = PodSandbox(Path(WORK_SOCKET), Path(WORK_TREE), run)
        self._log = LogWriter(self.home / "events.jsonl")
        self._reporting = Reporting(api, run, TERMINATION_LOG if self._is_pod else self.home / "last-word")
        self._spec: RunSpec | None = None
        self._orders: tuple[Control, ...] = ()
        self._generation = -1
        self._watching = False
        self._over = threading.Event()

    # Identity

    def register(self, *, recover: bool = False) -> Job:
        """Become the run: this pod wins the swap of its AgentRun's status, before it has done anything."""
        if recover:
            raise Refused("Nothing of a run is left in its pod; whoever dispatches makes good for it.")
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((SourceError, Conflict, Forbidden)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5.0),
            stop=tenacity.stop_after_delay(REGISTER_SECONDS),
            before_sleep=_complain,
            reraise=True,
        )
        before: list[AgentRunStatus] = []
        try:
            job = retrying(self._register, before)
        except (SourceError, Conflict, Forbidden) as error:
            raise NotRegistered(error.message, error.hint) from error
        self._spec = job.spec
        self._watch()
        waited = before[0].phase is not Phase.QUEUED
        if before[0].lines and not (self.home / "events.jsonl").exists():
            # Numbers go on where the last pod's ended, although its files went with it.
            goes_on = Note(text=f"goes on in pod {self._me.name}")
            self.append([LogLine(before[0].lines + 1, datetime.now(UTC), goes_on)])
        return msgspec.structs.replace(job, resume=run_status.plain(before[0])) if waited else job

    def _register(self, before: list[AgentRunStatus]) -> Job:
        """One try. `before` keeps what was found first: the answer to an earlier try may have been lost."""
        try:
            found = self._api.get(AGENT_RUNS, self._run, AgentRunObject)
        except NotFound as error:
            raise RunEnded(f"There is no AgentRun {self._run} any more.") from error
        spec = camel.decode(found.spec, AgentRunSpec)
        status = camel.decode(found.status, AgentRunStatus)
        if before and status.pod == self._me and status.phase is Phase.STARTING:
            self._taken(found, spec, status)
            return spec.work
        if found.metadata.deletion_timestamp is not None:
            raise RunEnded(f"AgentRun {self._run} is being deleted.")
        if not before:
            before.append(status)
        refuse_unless_startable(self._run, status)
        before[0] = status
        now = datetime.now(UTC)
        new = run_status.after(
            status, starting(run_status.plain(status), now), now, pod=self._me, starts=status.starts + 1
        )
        body = run_status.body(self._run, found.metadata.resource_version, new)
        written = self._api.replace(AGENT_RUNS, self._run, body, AgentRunObject, sub="status")
        self._taken(written, spec, new)
        return spec.work

    def _taken(self, found: AgentRunObject, spec: AgentRunSpec, status: AgentRunStatus) -> None:
        self._orders, self._generation = spec.control, found.metadata.generation
        self._reporting.registered(found.metadata.resource_version, status)

    # Record and log

    def report(self, status: RunStatus) -> None:
        if status.phase.final:
            self._log.sync()
        self._reporting.report(status)
        if status.phase.final or status.parked:
            self._over.set()

    def append(self, lines: Sequence[LogLine]) -> None:
        """To the file, and to the container's log, which others read. Raises StoreError when the disk is
        full; nothing of `lines` is in either then."""
        try:
            self._log.append(lines)
        except OSError as error:
            raise StoreError(f"{self.home}: {error.strerror}.", "`storage` of the worker is full.") from error
        if lines:
            self._reporting.lines = max(self._reporting.lines, lines[-1].n)
        if self._is_pod:
            out = sys.stdout.buffer
            with contextlib.suppress(OSError):  # nobody listens any more; the file has them
                out.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
                out.flush()

    # Orders

    def controls(self, after: int) -> list[Control]:
        if self._reporting.ended is not None:
            raise RunEnded(f"Run {self._run} does not belong to this pod any more: {self._reporting.ended}.")
        if not self._watching:
            found = self._api.get(AGENT_RUNS, self._run, AgentRunObject)
            self._orders = camel.decode(found.spec, AgentRunSpec).control
        return [order for order in self._orders if order.seq > after]

    def _watch(self) -> None:
        """Mirror the own AgentRun from now on: orders come by themselves, also after an outage."""
        self._watching = True
        mirror = Reflector(
            self._api, AGENT_RUNS, AgentRunObject, fields=f"metadata.name={self._run}", say=self._hear
        )
        threading.Thread(target=mirror.run, args=(self._over,), name="orders", daemon=True).start()

    def _hear(self, news: News[AgentRunObject]) -> None:
        match news:
            case Synced(items=items) if not items:
                self._reporting.ended = "its AgentRun was deleted"
            case Synced(items=items):
                self._take(items[0])
            case Added(object=found) | Changed(object=found):
                self._take(found)
            case Deleted():
                self._reporting.ended = "its AgentRun was deleted"
            case _:
                pass

    def _take(self, found: AgentRunObject) -> None:
        self._reporting.look(camel.decode(found.status, AgentRunStatus))
        if found.metadata.generation != self._generation:  # it counts changes of the spec alone
            self._orders = camel.decode(found.spec, AgentRunSpec).control
            self._generation = found.metadata.generation

    # Repository

    def fetch(
        self,
        bare: Path,
        repo: RepoJob,
        *,
        saved: str | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> str:
        first = not (bare / "HEAD").is_file()
        if first:
            git.run("init", "--quiet", "--bare", "--template=", "--", bare)
        sha = git_remote.fetch(_reached(repo), bare, first=first, saved=saved, stop=stop)
        git.run("update-ref", f"refs/heads/{repo.base}", sha, cwd=bare)
        return sha

    def push(self, bare: Path, repo: RepoJob, sha: str, branch: str) -> None:
        """Raises Refused for a branch that is not this attempt's."""
        if self._spec is None:
            raise GitError(f"This process is not run {self._run}.")
        pushed = git_remote.refspec(self._spec, sha, branch)
        git_remote.push(_reached(repo), bare, pushed, pauses=PUSH_PAUSES)


def _complain(state: tenacity.RetryCallState) -> None:
    """Say what is in the way the first time that it is."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, HiveError) and state.attempt_number == 1 and not isinstance(error, Conflict):
        print(f"{datetime.now(UTC):%FT%TZ} not registered yet: {error.words}", file=sys.stderr, flush=True)


def _reached(repo: RepoJob) -> RepoJob:
    """Without a certificate that the fleet's secret does not have."""
    if repo.certificates is None or Path(repo.certificates).is_file():
        return repo
    return msgspec.structs.replace(repo, certificates=None)
