"""How far a run is, from its pod to its AgentRun: seldom, and never at the cost of the run.

A phase, a step or a commit is written at once, figures at most every two seconds, so that a hundred runs do
not keep an API server busy. What cannot be written now is replaced by what is newer. Only a last word is
waited for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from backends.clusters.kubernetes import camel, run_status
from backends.clusters.kubernetes.api import AGENT_RUNS, Api
from backends.clusters.kubernetes.errors import Conflict, Forbidden, Invalid, NotFound
from backends.clusters.kubernetes.objects import AgentRunObject, AgentRunStatus, PodClaim
from hive_tui.core.errors import HiveError, SourceError
from hive_tui.core.ids import RunId
from hive_tui.core.model import RunStatus

FIGURES_SECONDS = 2.0
"""Between two reports of which only figures are new."""

GLANCE_SECONDS = 0.5
"""How long a run waits for something that people look out for to be written."""

LAST_WORD_SECONDS = 600.0
"""How long the record of a run's end is offered to an API server that does not take it."""

RETRY_SECONDS = (0.5, 10.0)

_FIGURES = (
    "usage", "used", "last_event", "last_words", "progress_at", "changed_files", "model", "session",
)  # fmt: skip


class Reporting:
    """Writes one run's status, as the pod that is the run."""

    def __init__(
        self, api: Api, run: RunId, termination_log: Path, *, patience: float = LAST_WORD_SECONDS
    ) -> None:
        self._api, self._run, self._patience = api, run, patience
        self._termination_log = termination_log
        self._changed = threading.Condition()
        self._wanted: RunStatus | None = None
        """Not written yet."""
        self._said = RunStatus()
        """What was reported last, written or not."""
        self._due = 0.0
        """When `_wanted` may go out."""
        self._failing = False
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()
        """Held by whoever talks to the API server; guards the three below."""
        self._version = ""
        self._known = AgentRunStatus()
        self._pod: PodClaim | None = None
        self.lines = 0
        """The number of the log's last line."""
        self.ended: str | None = None
        """Why this process is not the run any more."""

    def registered(self, version: str, status: AgentRunStatus) -> None:
        """From now on only what this pod wrote is written over."""
        with self._writing:
            self._version, self._known, self._pod = version, status, status.pod
            self.lines = status.lines
        self._said = run_status.plain(status)

    def look(self, status: AgentRunStatus) -> None:
        """Take notice of what stands in the cluster."""
        if self._pod is None or self.ended is not None:
            return
        if status.pod != self._pod:
            self.ended = "another pod is this run"
        elif status.phase.final and not self._said.phase.final:
            self.ended = f"it was ended from outside: {status.phase.value}"

    def report(self, status: RunStatus) -> None:
        """See `core.ports.RunHost.report`."""
        if status.phase.final or status.parked:
            self._last_word(status)
            return
        now = time.monotonic()
        with self._changed:
            urgent = _without_figures(status) != _without_figures(self._said)
            self._said = status
            if urgent or self._wanted is None:
                self._due = now if urgent else max(now, self._due)
            self._wanted = status
            self._start()
            self._changed.notify_all()
            if urgent and not self._failing:
                self._changed.wait_for(lambda: self._wanted is None or self._failing, GLANCE_SECONDS)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reporting", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        wait = RETRY_SECONDS[0]
        while True:
            status = self._next()
            try:
                with self._writing:
                    self._write(status)
                failed = False
            except HiveError as error:
                # Whatever it is, the run goes on; the next report may get through.
                failed = True
                _complain(f"how far the run is cannot be written: {error.words}")
            with self._changed:
                self._failing = failed
                wait = min(2 * wait, RETRY_SECONDS[1]) if failed else RETRY_SECONDS[0]
                self._due = time.monotonic() + (wait if failed else FIGURES_SECONDS)
                if self._wanted is status and not failed:
                    self._wanted = None
                self._changed.notify_all()

    def _next(self) -> RunStatus:
        """What is to be written, once it is due."""
        with self._changed:
            while True:
                left = self._due - time.monotonic()
                if self._wanted is not None and (left <= 0 or self._urgent()):
                    return self._wanted
                self._changed.wait(None if self._wanted is None else left)

    def _urgent(self) -> bool:
        """Something that cannot wait has come since the last time it was written."""
        if self._wanted is None or self._failing:
            return False
        return _without_figures(self._wanted) != _without_figures(run_status.plain(self._known))

    def _last_word(self, status: RunStatus) -> None:
        """Leave it with the kubelet, then offer it to the API server until it is taken."""
        import tenacity  # only at the end

        with self._changed:
            self._said, self._wanted = status, None
        self._leave(run_status.last_word(status))
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((SourceError, Forbidden)),
            wait=tenacity.wait_random_exponential(multiplier=RETRY_SECONDS[0], max=RETRY_SECONDS[1]),
            stop=tenacity.stop_after_delay(self._patience),
            before_sleep=lambda state: _complain("the run's record is not written yet; it is tried again"),
            reraise=True,
        )

        def write() -> None:
            with self._writing:
                self._write(status)

        try:
            retrying(write)
        except HiveError as error:
            _complain(f"the run's record could not be written: {error.words}")

    def _leave(self, word: bytes) -> None:
        try:
            with open(self._termination_log, "r+b") as file:  # made by the kubelet, or not there
                file.truncate()
                file.write(word)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                _complain(f"{self._termination_log}: {error.strerror}")

    def _write(self, status: RunStatus) -> None:
        """One PUT, and another one where somebody else has written in between."""
        if not self._version:
            self._read()
        while self.ended is None and not self._known.phase.final:
            new = run_status.after(self._known, status, datetime.now(UTC), lines=self.lines)
            body = run_status.body(self._run, self._version, new)
            try:
                written = self._api.replace(AGENT_RUNS, self._run, body, AgentRunObject, sub="status")
            except (Conflict, NotFound):
                self._read()
                continue
            except Invalid as error:
                # The same again would be refused again; the next report is another one.
                _complain(f"what was reported is refused: {error.words}")
                return
            self._version, self._known = written.metadata.resource_version, new
            return

    def _read(self) -> None:
        try:
            found = self._api.get(AGENT_RUNS, self._run, AgentRunObject)
        except NotFound:
            self.ended = "its AgentRun was deleted"
            return
        self._known = camel.decode(found.status, AgentRunStatus)
        self._version = found.metadata.resource_version
        self.look(self._known)


def _without_figures(status: RunStatus) -> RunStatus:
    blank = RunStatus()
    return msgspec.structs.replace(status, **{name: getattr(blank, name) for name in _FIGURES})


def _complain(words: str) -> None:
    print(f"{datetime.now(UTC):%FT%TZ} {words}", file=sys.stderr, flush=True)
