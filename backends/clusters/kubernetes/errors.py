"""What an API server may answer instead of what was asked for, each with the person's next step.

Those that pass by themselves are `SourceError`s: what was known stays, and the same is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from backends import typed
from hive_tui.core.errors import HiveError, Refused, SourceError, UsageError
from hive_tui.core.text import Redactor, clean_line

MAX_WORDS = 600
"""Characters kept of what a server says."""

HIVE_GROUP = "hive.dev"

LOOK_AT_IT = (
    "Look at your network, and whether `kubectl get namespaces` works;"
    " the console and the dispatcher try again by themselves."
)


class NotFound(SourceError):
    """There is no such object."""


class NotInstalled(SourceError):
    """The whole resource is unknown to the server: its CRD is missing, or of another version."""


class NotKubernetes(SourceError):
    """Whatever answers is no API server of Kubernetes."""


class AlreadyExists(HiveError):
    """There is an object of this name."""


class Conflict(HiveError):
    """Somebody else has changed the object since it was read, or it is another one of the same name."""


class Forbidden(Refused):
    """The account may not do this: `verb` on `resource`, as roles call them."""

    def __init__(self, message: str, hint: str | None = None, *, verb: str = "", resource: str = "") -> None:
        super().__init__(message, hint)
        self.verb = verb
        self.resource = resource


class Invalid(UsageError):
    """The server's schema or its rules refuse what was sent."""


class Expired(SourceError):
    """The server has forgotten the version from which it was to go on: list anew."""


class Unreachable(SourceError):
    """No answer, or one that is the server's own trouble (5xx) or haste (429).

    `reached` is False when the request certainly did not get there, so that a write did not take place.
    """

    def __init__(
        self, message: str, hint: str | None = None, *, retry_after: float | None = None, reached: bool = True
    ) -> None:
        super().__init__(message, hint or LOOK_AT_IT)
        self.retry_after = retry_after
        self.reached = reached


class Untrusted(Unreachable):
    """One of the two is not who the other expects: nothing that passes by itself."""


class Silent(Unreachable):
    """A stream has said nothing for so long that its connection may be dead."""


class Unauthorized(SourceError):
    """The server does not know who asks, or nobody can say it."""


class Asked(NamedTuple):
    """What a request was for, as roles and people call it."""

    verb: str
    resource: str
    """Such as `pods/log` or `jobs.batch`."""
    name: str = ""
    namespace: str = ""
    group: str = ""
    version: str = ""

    @property
    def words(self) -> str:
        where = f" in the namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}{where}"


class Details(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    kind: str = ""
    retry_after_seconds: int | None = None


class Status(msgspec.Struct, frozen=True):
    """A `meta/v1` Status, as far as hive reads it."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None

    def read(self) -> str:
        """Its message, harmless and short."""
        return clean_line(Redactor()(self.message), limit=MAX_WORDS)


def status_of(body: bytes | msgspec.Raw) -> Status | None:
    """The Status in a body, or None where it is something else."""
    try:
        status = typed.decode(body, Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if status.kind == "Status" else None


def problem(code: int, headers: Mapping[str, str], body: bytes, asked: Asked) -> HiveError:
    """The error that an answer above 299 is; `headers` have lower-case names."""
    status = status_of(body)
    retry_after = _seconds(headers.get("retry-after"))
    if status is None:
        words = clean_line(Redactor()(body[: 4 * MAX_WORDS].decode("utf-8", "replace")), limit=MAX_WORDS)
        if code == 401:
            return _unauthorized(words)
        if code == 429 or code >= 500:
            return _down(code, words, retry_after)
        if code == 404 and any(name == "audit-id" or name.startswith("x-kubernetes-") for name in headers):
            return not_installed(asked)
        return NotKubernetes(
            f"The server answers, but not as Kubernetes does ({code}: {words[:120] or 'nothing'}).",
            "Check `server` in your kubeconfig; a proxy in between may have answered instead.",
        )
    return of_status(status, code, asked, retry_after)


def of_status(status: Status, code: int, asked: Asked, retry_after: float | None = None) -> HiveError:
    """The error that a Status is: of an answer, or of a watch's ERROR event."""
    details = status.details or Details()
    if retry_after is None and details.retry_after_seconds is not None:
        retry_after = float(details.retry_after_seconds)
    words = status.read().rstrip(".") or status.reason or str(code)
    match code, status.reason:
        case 401, _:
            return _unauthorized(words)
        case 403, _:
            return _forbidden(words, asked)
        case 404, _ if not details.name and not details.kind:
            return not_installed(asked)
        case 404, _:
            return NotFound(f"The cluster has no such object: {words}.")
        case 409, "AlreadyExists":
            return AlreadyExists(f"It is there already: {words}.")
        case 409, _:
            return Conflict(f"Somebody else has changed it meanwhile: {words}.", "Try again.")
        case 410, _:
            return Expired(
                f"The cluster has forgotten that version: {words}.", "hive reads it anew by itself."
            )
        case 429, _:
            return _down(code, words, retry_after)
        case _ if code >= 500:
            return _down(code, words, retry_after)
    return Invalid(f"The cluster refuses to {asked.words}: {words}.")


def not_installed(asked: Asked, others: tuple[str, ...] = ()) -> NotInstalled:
    """The error of a resource that the server does not know; `others` are the versions that it does know."""
    if asked.group != HIVE_GROUP:
        what = f"The cluster does not know {asked.resource} ({asked.group or 'core'}/{asked.version})."
        return NotInstalled(what, "hive needs Kubernetes 1.30 or newer.")
    if others:
        return NotInstalled(
            f"The cluster's hive resources are of another version: {', '.join(others)}, not {asked.version}.",
            "`hive deploy --crds-only` brings this hive's; a newer hive may be needed instead.",
        )
    return NotInstalled(
        "hive's own resources are not installed in this cluster.", "`hive deploy --crds-only` installs them."
    )


def _unauthorized(words: str) -> Unauthorized:
    return Unauthorized(
        f"The cluster does not accept your credentials ({words or 'Unauthorized'}).",
        "Log in to it anew; `kubectl auth whoami` with the same context shows whether that worked.",
    )


def _forbidden(words: str, asked: Asked) -> Forbidden:
    if "exceeded quota" in words:
        hint = "The namespace's quota is used up: wait until something ends, or have it raised."
    elif "being terminated" in words:
        hint = "The namespace is being deleted: name another one, or wait and make it anew."
    elif "violates PodSecurity" in words:
        hint = "The namespace allows no such pods; `kubectl describe namespace` shows its policy."
    else:
        where = f" -n {asked.namespace}" if asked.namespace else ""
        hint = (
            f"Ask whoever runs the cluster for the right to {asked.verb} {asked.resource};"
            f" `kubectl auth can-i {asked.verb} {asked.resource}{where}` tells whether you have it."
        )
    return Forbidden(
        f"The cluster forbids to {asked.words}: {words}.", hint, verb=asked.verb, resource=asked.resource
    )


def _down(code: int, words: str, retry_after: float | None) -> Unreachable:
    # 429 is said before anything is done; whatever else is said, a write may have taken place.
    what = "The API server asks for patience" if code == 429 else "The API server has trouble"
    return Unreachable(f"{what} ({code}: {words}).", retry_after=retry_after, reached=code != 429)


def _seconds(header: str | None) -> float | None:
    """Of a Retry-After header. Kubernetes gives seconds, a proxy's date is not worth the parsing."""
    return float(header) if header is not None and header.isdecimal() and len(header) < 6 else None
