"""The one place that talks to a cluster's API server: paths, time limits, errors and the only retries.

Bodies are decoded from the bytes into what hive reads of them: the typed models of the `kubernetes` package
take half a second to import and a hundred times as long to decode.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from backends import typed
from backends.clusters.kubernetes import errors
from backends.clusters.kubernetes.errors import Asked
from backends.clusters.kubernetes.login import Login
from backends.clusters.kubernetes.objects import GROUP, VERSION, KubeObject
from backends.clusters.kubernetes.pace import Pace
from backends.clusters.kubernetes.stream import Stream
from hive_tui.core.errors import HiveError, UsageError, unknown

if TYPE_CHECKING:
    import tenacity

    from backends.clusters.kubernetes.session import Access, Answer, Session

T = TypeVar("T")

SECONDS = 15.0
"""After which a call is not repeated any more: whoever waits for it should hear why."""

ATTEMPTS = 5

FIRST_SECONDS = 15.0
"""Until a watch begins."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Resource(NamedTuple):
    """A kind of objects, as the API's paths name it."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def words(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


AGENT_RUNS = Resource(GROUP, VERSION, "agentruns")
FLEETS = Resource(GROUP, VERSION, "fleets")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
JOBS = Resource("batch", "v1", "jobs")
PODS = Resource("", "v1", "pods")
EVENTS = Resource("", "v1", "events")
NODES = Resource("", "v1", "nodes", namespaced=False)
SECRETS = Resource("", "v1", "secrets")
CONFIG_MAPS = Resource("", "v1", "configmaps")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """All of a list, and the version from which a watch goes on."""

    items: tuple[T, ...]
    version: str


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _List(msgspec.Struct, Generic[T], frozen=True):
    metadata: _ListMeta = _ListMeta()
    items: tuple[T, ...] | None = None
    """Null where Go had none."""


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    git_version: str


class _GroupVersion(msgspec.Struct, frozen=True):
    version: str = ""


class _Group(msgspec.Struct, frozen=True):
    versions: tuple[_GroupVersion, ...] = ()


class Api:
    """Calls to one server as one user. Thread-safe; nothing is opened before the first call."""

    def __init__(self, access: Access, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.context = access.context
        self.namespace = access.namespace
        self.server = access.server
        self._sleep = sleep
        self._pace = Pace(sleep=sleep)
        self._login = Login(access)
        self._namespace_seen = False
        self._within: float | None = None

    def within(self, seconds: float) -> Api:
        """The same, for somebody who waits so long for each answer: a slow server has that time, and one that
        is away is asked again until then."""
        other = copy.copy(self)
        other._within = seconds
        return other

    # Objects

    def get(self, resource: Resource, name: str, kind: type[T], *, version: str | None = None) -> T:
        """One object. With `version` "0" the server may answer from its cache. Raises NotFound."""
        query = {"resourceVersion": version} if version is not None else {}
        asked = self._asked("get", resource, name)
        try:
            answer = self._send("GET", self._path(resource, name), asked, query=query)
        except errors.NotFound:
            self._look_at_namespace(resource)
            raise
        return self._decode(answer, kind, asked)

    def list(
        self, resource: Resource, kind: type[T], *, labels: str = "", fields: str = "", patient: bool = True
    ) -> Listing[T]:
        """Everything, as of one moment; not `patient`, it is asked once, for whoever repeats it anyway."""
        asked = self._asked("list", resource)
        send = self._send if patient else self._once
        # Not in pages: a server answers from its cache only what has no limit, in a third of the time.
        answer = send("GET", self._path(resource), asked, query=selectors(labels, fields))
        shape: type[_List[T]] = _List[kind]  # type: ignore[valid-type]
        page = self._decode(answer, shape, asked)
        found = Listing(page.items or (), page.metadata.resource_version)
        if not found.items:
            # An empty list is all that the API says of a namespace that is not there.
            self._look_at_namespace(resource)
        return found

    def create(self, resource: Resource, body: Mapping[str, Any], kind: type[T]) -> T:
        """Raises AlreadyExists."""
        asked = self._asked("create", resource)
        answer = self._send("POST", self._path(resource), asked, body=_encode(body))
        return self._decode(answer, kind, asked)

    def replace(
        self, resource: Resource, name: str, body: Mapping[str, Any], kind: type[T], *, sub: str = ""
    ) -> T:
        """Raises Conflict where the body's resourceVersion is no longer the object's."""
        asked = self._asked("update", resource, name, sub)
        answer = self._send("PUT", self._path(resource, name, sub), asked, body=_encode(body))
        return self._decode(answer, kind, asked)

    def patch(
        self, resource: Resource, name: str, body: Mapping[str, Any], kind: type[T], *, sub: str = ""
    ) -> T:
        """Merge: what the body names is changed, null takes away."""
        asked = self._asked("patch", resource, name, sub)
        path = self._path(resource, name, sub)
        answer = self._send("PATCH", path, asked, body=_encode(body), content_type=MERGE_PATCH)
        return self._decode(answer, kind, asked)

    def apply(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        *,
        manager: str = "hive",
        force: bool = False,
        dry_run: bool = False,
    ) -> bytes:
        """Make or change it so that it has what the body says, and return it as it is then. Raises Conflict
        where another manager says otherwise, unless by `force`."""
        query = {"fieldManager": manager}
        query |= {"force": "true"} if force else {}
        query |= {"dryRun": "All"} if dry_run else {}
        answer = self._send(
            "PATCH",
            self._path(resource, name),
            self._asked("patch", resource, name),
            query=query,
            body=_encode(body),
            content_type=APPLY_PATCH,
            repeatable=True,
        )
        return answer.body

    def delete(
        self,
        resource: Resource,
        name: str,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        """False where it was not there. Raises Conflict where it is another one than `uid`."""
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        asked = self._asked("delete", resource, name)
        try:
            self._send("DELETE", self._path(resource, name), asked, body=_encode(body))
        except errors.NotFound:
            return False
        return True

    def stream(
        self,
        resource: Resource,
        name: str = "",
        *,
        sub: str = "",
        query: Mapping[str, str],
        idle: float,
    ) -> Stream:
        """A watch or a log, line by line; raises Unreachable after `idle` seconds without a byte.

        It is asked for once: whoever reads a stream has to begin again by himself anyway.
        """
        verb = "watch" if query.get("watch") == "true" else "get"
        asked = self._asked(verb, resource, name, sub)
        path = self._path(resource, name, sub)
        # A watch begins at once, a log when there is something in it.
        first = FIRST_SECONDS if verb == "watch" else None
        answer = self._once("GET", path, asked, query=query, idle=idle, first=first)
        return Stream(answer, self.server)

    # Anything else

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
    ) -> bytes:
        """The body of the answer; `path` begins with a slash."""
        asked = Asked(_VERBS.get(method, method.lower()), path)
        answer = self._send(method, path, asked, query=query, body=body, content_type=content_type)
        return answer.body

    def version(self) -> str:
        """Of the server, such as `v1.34.1`."""
        asked = Asked("get", "/version")
        return self._decode(self._send("GET", "/version", asked), _Version, asked).git_version

    def close(self) -> None:
        """End the connections that are not in use; streams end by their own `close`."""
        self._login.close()

    # One call

    def _asked(self, verb: str, resource: Resource, name: str = "", sub: str = "") -> Asked:
        what = f"{resource.plural}/{sub}" if sub else resource.plural
        if resource.group:
            what += f".{resource.group}"
        namespace = self.namespace if resource.namespaced else ""
        return Asked(verb, what, name, namespace, resource.group, resource.version)

    def _path(self, resource: Resource, name: str = "", sub: str = "") -> str:
        base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        where = f"/namespaces/{quote(self.namespace, safe='')}" if resource.namespaced else ""
        path = f"{base}{where}/{resource.plural}"
        if name:
            path += f"/{quote(name, safe='')}"
        return f"{path}/{sub}" if sub else path

    def _send(
        self,
        method: str,
        path: str,
        asked: Asked,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        repeatable: bool = False,
    ) -> Answer:
        """One call with its repetitions: of what changes nothing, or certainly did not get there."""
        seconds = SECONDS if self._within is None else self._within
        end, attempts = time.monotonic() + seconds, ATTEMPTS * max(1.0, seconds / SECONDS)
        repeatable = repeatable or method == "GET"

        def worth_it(error: BaseException) -> bool:
            if not isinstance(error, errors.Unreachable) or isinstance(error, errors.Untrusted):
                return False
            return repeatable or not error.reached

        def ask() -> Answer:
            most = None if self._within is None else max(1.0, end - time.monotonic())
            return self._once(
                method, path, asked, query=query, body=body, content_type=content_type, most=most
            )

        try:
            return ask()
        except errors.Unreachable as error:
            if not worth_it(error):
                raise
            known = [error]

        import tenacity  # 40 ms that a cluster which answers need not cost

        backoff = tenacity.wait_random_exponential(multiplier=0.25, max=5.0)

        def ask_again() -> Answer:
            if known:
                raise known.pop()  # what came of the first try
            return ask()

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            told = error.retry_after if isinstance(error, errors.Unreachable) else None
            return max(backoff(state), told or 0.0)

        def stop(state: tenacity.RetryCallState) -> bool:
            late = time.monotonic() + state.upcoming_sleep >= end
            return late or state.attempt_number >= attempts

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_it), wait=wait, stop=stop, sleep=self._sleep, reraise=True
        )
        return retrying(ask_again)

    def _once(
        self,
        method: str,
        path: str,
        asked: Asked,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        idle: float | None = None,
        first: float | None = None,
        most: float | None = None,
    ) -> Answer:
        self._pace.wait()
        url = path + (f"?{urlencode(query)}" if query else "")

        def send() -> Answer:
            return session.send(
                method, url, body=body, content_type=content_type, idle=idle, first=first, most=most
            )

        session = self._login.open(seconds=most)
        answer = send()
        if answer.code == 401 and (renewed := self._login.open(session, seconds=most)) is not session:
            # A token may have been rotated, or a login renewed: once with what is there now.
            answer.close()
            session = renewed
            answer = send()
        if answer.code < 300:
            return answer
        failed = errors.problem(answer.code, answer.headers, answer.body, asked)
        if isinstance(failed, errors.NotInstalled) and asked.group == GROUP:
            failed = errors.not_installed(asked, self._other_versions(session, asked))
        elif isinstance(failed, errors.NotFound) and asked.verb == "create":
            self._look_at_namespace(Resource("", "", ""))
        raise failed

    def _decode(self, answer: Answer, kind: type[T], asked: Asked) -> T:
        try:
            return typed.decode(answer.body, kind)
        except msgspec.ValidationError as error:
            raise errors.NotInstalled(
                f"What the cluster answers to {asked.words} is not as hive expects it: {error}.",
                "`hive deploy --crds-only` brings this hive's; hive needs Kubernetes 1.30 or newer.",
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise errors.problem(200, {}, answer.body, asked) from None

    def _other_versions(self, session: Session, asked: Asked) -> tuple[str, ...]:
        """The versions of a group of which the server does not know one."""
        try:
            answer = session.send("GET", f"/apis/{asked.group}")
            found = typed.decode(answer.body, _Group) if answer.code == 200 else _Group()
        except (errors.Unreachable, msgspec.DecodeError, UnicodeDecodeError):
            return ()
        return tuple(each.version for each in found.versions if each.version != asked.version)

    def look_at_namespace_again(self) -> None:
        """For whoever misses what was there: the namespace may have gone since. Raises UsageError."""
        self._namespace_seen = False
        self._look_at_namespace(Resource("", "", ""))

    def _look_at_namespace(self, resource: Resource) -> None:
        """Raises UsageError, with the nearest names, where the namespace is not there; asked once."""
        if self._namespace_seen or not resource.namespaced:
            return
        asked = self._asked("get", NAMESPACES, self.namespace)
        try:
            answer = self._once("GET", self._path(NAMESPACES, self.namespace), asked)
            found = self._decode(answer, KubeObject, asked)
        except errors.NotFound:
            raise self._no_namespace() from None
        except HiveError:
            found = None  # whoever may not look at it finds out otherwise
        if found is not None and found.metadata.deletion_timestamp is not None:
            # It is still there while what is in it goes, piece by piece.
            raise UsageError(
                f"The namespace {self.namespace!r} is being deleted.",
                "Once it is gone `hive deploy` makes it anew.",
            )
        self._namespace_seen = True

    def _no_namespace(self) -> UsageError:
        try:
            names = [each.metadata.name for each in self.list(NAMESPACES, KubeObject).items]
        except HiveError:
            names = []
        error = unknown("namespace", self.namespace, names)
        error.hint = (
            f"{error.hint or ''} `hive deploy` makes it; `kubectl get namespaces` lists them.".strip()
        )
        return error


_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def selectors(labels: str, fields: str) -> dict[str, str]:
    """What a list or a watch is narrowed to, as its query says it."""
    found = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in found.items() if value}


def _encode(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body)
