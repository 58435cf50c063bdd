"""One resource, mirrored: listed once, then watched, for as long as it takes.

What a server forgets is listed anew, what breaks is begun again ever more patiently, and every word of it is
said, so that whoever listens knows what is there and how fresh that is.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from backends import typed
from backends.clusters.kubernetes.api import FLEETS, Api, Resource, selectors
from backends.clusters.kubernetes.errors import (
    Asked,
    Expired,
    Forbidden,
    Silent,
    Unreachable,
    of_status,
    status_of,
)
from backends.clusters.kubernetes.objects import KubeObject
from hive_tui.core.errors import HiveError

if TYPE_CHECKING:
    from backends.clusters.kubernetes.stream import Stream

T = TypeVar("T", bound=KubeObject)
S = TypeVar("S")

WATCH_SECONDS = (240, 300)
"""The server ends a watch after so long, jittered: not all of them begin again at the same time."""

IDLE_SECONDS = 75.0
"""Without a byte, and a bookmark comes every minute: the connection is dead, or its resource has none."""

BACKOFF = (1.0, 30.0)
"""Seconds until it is tried again: the least, and the most."""

MAX_RETRY_AFTER = 300.0
"""Seconds for which a server may ask to be left alone."""

SHORTEST = 1.0
"""Seconds that a watch takes at least: one that ends sooner is not begun again at once."""

_LASTED = 10.0
"""Seconds after which a watch is one that worked, also where nothing happened meanwhile."""

_LOOK = 1.0
"""Between two looks whether the mirroring thread still works."""


class Synced(msgspec.Struct, Generic[S], frozen=True):
    """All that is there: what is not in `items` is gone."""

    items: tuple[S, ...]


class Added(msgspec.Struct, Generic[S], frozen=True):
    object: S


class Changed(msgspec.Struct, Generic[S], frozen=True):
    object: S


class Deleted(msgspec.Struct, Generic[S], frozen=True):
    object: S
    """As it was last."""


class Alive(msgspec.Struct, frozen=True):
    """The server spoke, and nothing has changed: a watch was taken up again, or a bookmark came."""


class Failed(msgspec.Struct, frozen=True):
    """It cannot be read; what was said before stays as it was."""

    error: HiveError
    retry_at: datetime


News = Synced[S] | Added[S] | Changed[S] | Deleted[S] | Alive | Failed


class _Event(msgspec.Struct, Generic[S], frozen=True):
    type: str
    object: S


class Reflector(Generic[T]):
    """Mirrors one resource in a thread; `say` is called there, one news after the other."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        kind: type[T],
        *,
        labels: str = "",
        fields: str = "",
        refused: float = 0.0,
        say: Callable[[News[T]], None],
    ) -> None:
        """`refused`: seconds until what is forbidden is asked for again, where nobody waits for it."""
        self._api = api
        self._resource = resource
        self._kind = kind
        self._event: type[_Event[T]] = _Event[kind]  # type: ignore[valid-type]
        self._labels = labels
        self._fields = fields
        self._refused = refused
        self._hear = say
        self._asked = Asked("watch", resource.words, namespace=api.namespace, group=resource.group)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stream: Stream | None = None
        self._bug: BaseException | None = None
        self._version: str | None = None
        """From which the watch goes on; None: list first."""
        self._worked = False
        """The watch has brought something, or lasted, since it was begun."""
        self._listed = False
        """It was listed at least once."""
        self._relisted = False
        """It was listed anew, and nothing was heard since."""
        self._doubted = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; then it returns at once, and nothing more is said.

        The work is done in a thread of its own, since none that is waiting for a connection can be woken.
        """
        name = f"watch-{self._resource.plural}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        while not stop.wait(_LOOK) and thread.is_alive():
            pass
        with self._lock:
            self._ended.set()
            stream = self._stream
        if stream is not None:
            stream.close()
        thread.join(0.2)
        if self._bug is not None:
            raise self._bug

    def doubt(self) -> None:
        """List it anew: what the watch should have brought did not come."""
        with self._lock:
            self._doubted, stream = True, self._stream
        if stream is not None:
            stream.close()

    def _work(self) -> None:
        try:
            self._mirror()
        except BaseException as error:  # said by `run`, in the thread that asked for it
            self._bug = error

    def _mirror(self) -> None:
        failures = 0
        while not self._ended.is_set():
            self._worked = False
            started = time.monotonic()
            try:
                self._turn()
                failures = 0
            except HiveError as error:
                if self._pardoned(error):
                    failures = 0
                else:
                    failures = 1 if self._worked else failures + 1
                    wait = delay(failures, error)
                    if isinstance(error, Forbidden):
                        wait = max(wait, self._refused)
                    self._say(Failed(error, datetime.now(UTC) + timedelta(seconds=wait)))
                    self._ended.wait(wait)
            self._ended.wait(max(0.0, started + SHORTEST - time.monotonic()))

    def _pardoned(self, error: HiveError) -> bool:
        """Whether it is part of how watches go: tried again without a word, once, after one that worked."""
        if isinstance(error, Expired):
            again, self._version, self._relisted = self._relisted, None, True
            return not again
        if isinstance(error, Silent):
            return True
        broke = isinstance(error, Unreachable) and error.retry_after is None and self._version is not None
        return broke and self._worked

    def _turn(self) -> None:
        """List, if need be, and watch until it ends. Raises HiveError."""
        if self._doubted:
            self._doubted, self._version = False, None
        if self._version is None:
            found = self._api.list(
                self._resource, self._kind, labels=self._labels, fields=self._fields, patient=False
            )
            if self._listed and not found.items:
                self._api.look_at_namespace_again()
            self._version = found.version
            self._listed = self._relisted = True
            self._say(Synced(found.items))
        stream = self._open(self._version)
        if stream is None:
            return
        started = time.monotonic()
        try:
            for line in stream:
                if line:
                    self._take(line)
                    self._worked, self._relisted = True, False
        finally:
            with self._lock:
                self._stream = None
            if self._doubted or time.monotonic() - started >= _LASTED:
                self._worked, self._relisted = True, False
        if not self._worked and not self._ended.is_set():
            raise Unreachable(f"{self._api.server} ends every watch of {self._resource.words} at once.")

    def _open(self, version: str) -> Stream | None:
        """None where it was stopped meanwhile."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),
        }
        query |= selectors(self._labels, self._fields)
        stream = self._api.stream(self._resource, query=query, idle=IDLE_SECONDS)
        with self._lock:
            if not self._ended.is_set():
                self._stream = stream
        if self._ended.is_set():
            stream.close()
            return None
        self._say(Alive())
        return stream

    def _take(self, line: bytes) -> None:
        """One event of the watch. Raises HiveError where it is none, or says that something is wrong."""
        try:
            event = typed.decode(line, self._event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._refuse(line)
            return
        match event.type:
            case "ADDED":
                self._say(Added(event.object))
            case "MODIFIED":
                self._say(Changed(event.object))
            case "DELETED":
                if self._resource is FLEETS:
                    self._look_at_namespace()
                self._say(Deleted(event.object))
            case "BOOKMARK":
                self._say(Alive())
            case _:
                self._refuse(line)
                return
        self._version = event.object.metadata.resource_version or self._version

    def _look_at_namespace(self) -> None:
        """A Fleet goes seldom, and then most often with its namespace, which no watch of it tells."""
        version, self._version = self._version, None
        self._api.look_at_namespace_again()
        self._version = version

    def _refuse(self, line: bytes) -> None:
        """Raise what a line means that is no object; the list shows what was missed."""
        self._version = None
        try:
            event = typed.decode(line, _Event[msgspec.Raw])
            status = status_of(event.object)
        except (msgspec.DecodeError, UnicodeDecodeError):
            status = None
        if status is not None:
            raise of_status(status, status.code, self._asked)
        raise Unreachable(
            f"{self._api.server} sends something else than {self._resource.words} are.",
            "A proxy in between may cut what it sends; hive reads it anew by itself.",
        )

    def _say(self, news: News[T]) -> None:
        if not self._ended.is_set():
            self._hear(news)


def delay(failures: int, error: HiveError) -> float:
    """Seconds until the next try after so many failures in a row."""
    import tenacity  # not before something fails

    least, most = BACKOFF
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = failures
    drawn = tenacity.wait_random_exponential(multiplier=2 * least, min=least, max=most)(state)
    asked_for = error.retry_after if isinstance(error, Unreachable) else None
    return max(drawn, min(asked_for or 0.0, MAX_RETRY_AFTER))
