"""Somebody who looks at a fleet for long, as a console does: what they are told, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from hive_tui import plugins
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import AgentSettings, FleetSettings
from hive_tui.core.sources import CLUSTER, Freshness, SourceEvent, SourceFailed
from hive_tui.core.store import Snapshot, Store
from hive_tui.core.worker_template import KubernetesSettings
from tests.waiting import until

T = TypeVar("T")


def context(
    home: Path, kubernetes: KubernetesSettings, *, fleet: str = "github", slots: int = 3
) -> BackendContext:
    settings = FleetSettings(
        cluster="kubernetes",
        agents=(AgentSettings(name="robin", backend="scripted"),),  # type: ignore[arg-type]
        slots=slots,
        kubernetes=kubernetes,
    )
    return BackendContext(fleet, home, settings, "kay")


class Onlooker:
    """Watches while the `with` block lasts."""

    def __init__(self, context: BackendContext) -> None:
        self.cluster = plugins.cluster("kubernetes", context)
        self.failures: list[str] = []
        self._store = Store((CLUSTER,))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.cluster.watch, args=(self._hear, self._stop), daemon=True)

    def _hear(self, event: SourceEvent) -> None:
        with self._lock:
            if isinstance(event, SourceFailed):
                self.failures.append(event.why)
            self._store.apply([event], datetime.now(UTC))

    def __enter__(self) -> Onlooker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        self.cluster.close()
        assert not self._thread.is_alive(), "it goes on watching though it was told to stop"

    @property
    def snapshot(self) -> Snapshot:
        with self._lock:
            return self._store.snapshot

    @property
    def source(self) -> Freshness:
        return self.snapshot.sources[CLUSTER]

    def sees(self, what: str, condition: Callable[[Snapshot], T | None], seconds: float = 30.0) -> T:
        """The first true value of `condition`."""
        return until(
            lambda: condition(self.snapshot), seconds=seconds, what=f"{what} (last: {self.failures[-1:]})"
        )

    def fresh(self, seconds: float = 30.0) -> None:
        """Wait until all is well."""
        self.sees("a source that is fresh", lambda snapshot: snapshot.sources[CLUSTER].ok, seconds)

    def failed(self, word: str, seconds: float = 30.0) -> str:
        """Wait until it cannot be read, for a reason with `word`; returns the reason."""

        def why(snapshot: Snapshot) -> str | None:
            source = snapshot.sources[CLUSTER]
            return source.why if not source.ok and word in (source.why or "") else None

        return self.sees(f"a source that failed with {word!r}", why, seconds)
