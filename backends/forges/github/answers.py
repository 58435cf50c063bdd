"""What came back from one call, and which error it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from backends import typed
from backends.forges.github import errors
from backends.forges.github.limits import retry_after
from hive_tui.core.text import clean_line

T = TypeVar("T")

MAX_WORDS = 300
"""Characters kept of what the server says."""


class Answer(msgspec.Struct, frozen=True):
    """One answer of the server; names of headers are in lower case."""

    verb: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def unchanged(self) -> bool:
        """304: what was known under this etag is still so, and nothing was charged."""
        return self.status == 304

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def next_page(self) -> str | None:
        """The number of the page that follows in a list, None on the last one."""
        for part in self.headers.get("link", "").split(","):
            match = re.fullmatch(r'\s*<[^>]*[?&]page=(\d+)[^>]*>\s*;.*rel="next".*', part)
            if match:
                return match[1]
        return None

    def decode(self, shape: type[T]) -> T:
        """The body as that type. Raises Garbled."""
        try:
            return typed.decode(self.body, shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            where = f"{self.verb} {self.path}"
            what = f"GitHub's answer to {where} cannot be read: {clean_line(str(error), limit=MAX_WORDS)}."
            raise errors.Garbled(what) from None


class _Reason(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    field: str = ""


typed.prepare(_Reason)


class _Complaint(msgspec.Struct, frozen=True):
    message: str = ""
    errors: object = None

    @property
    def reasons(self) -> list[_Reason]:
        found = self.errors if isinstance(self.errors, list) else [self.errors] if self.errors else []
        return [
            _Reason("custom", item) if isinstance(item, str) else msgspec.convert(item, _Reason, strict=False)
            for item in found
            if isinstance(item, str | dict)
        ]


def said(answer: Answer) -> tuple[str, tuple[str, ...]]:
    """The server's own words on one line, and its codes."""
    try:
        complaint = typed.decode(answer.body, _Complaint)
        reasons = complaint.reasons
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return "", ()
    details = [reason.message or " ".join(filter(None, (reason.field, reason.code))) for reason in reasons]
    words = clean_line("; ".join(filter(None, (complaint.message, *details))), limit=MAX_WORDS)
    return words, tuple(clean_line(reason.code, limit=60) for reason in reasons)


_SECONDARY = re.compile(
    r"secondary rate limit|abuse detection|wait a few minutes|submitted too quickly", re.I
)
_PRIMARY = re.compile(r"api rate limit exceeded|rate limit (?:already )?exceeded", re.I)


def too_fast(answer: Answer) -> bool:
    """Whether it is GitHub's secondary limit, which has no budget that could be counted."""
    if answer.status not in (403, 429):
        return False
    words, _ = said(answer)
    if _SECONDARY.search(words):
        return True
    return not used_up(answer) and ("retry-after" in answer.headers or answer.status == 429)


def used_up(answer: Answer) -> bool:
    """Whether a budget of points is used up."""
    if answer.status not in (403, 429):
        return False
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return True
    return _PRIMARY.search(said(answer)[0]) is not None


def problem(answer: Answer, what: str, repo: str) -> errors.GitHubError | None:
    """The error that an answer is, but for limits and renames; `what` was asked for (`o/n#3`), in `repo`."""
    status = answer.status
    if status < 400:
        return None
    words, codes = said(answer)
    tail = f": {words.rstrip('.')}" if words else ""
    match status:
        case 401:
            return errors.BadToken()
        case 403 | 451:
            return _denied(answer, what, repo, words)
        case 404:
            return errors.NotFound(what)
        case 410:
            return errors.Gone(what)
        case 405 | 409:
            return errors.Conflict(f"{what}{tail} ({status}).")
        case 400 | 406 | 422:
            return errors.Invalid(f"GitHub refuses {what}{tail} ({status}).", codes)
    if status >= 500:
        trouble = f"GitHub answers {what} with an error of its own ({status})."
        return errors.ServerDown(trouble, retry_after=retry_after(answer.headers))
    return errors.Garbled(f"GitHub answers {what} with status {status}{tail}.")


def _denied(answer: Answer, what: str, repo: str, words: str) -> errors.GitHubError:
    sso = answer.headers.get("x-github-sso", "")
    if sso.startswith("required"):
        _, _, url = sso.partition("url=")
        return errors.SsoRequired(repo, url if re.fullmatch(r"https?://[\x21-\x7e]{1,500}", url) else None)
    low = words.lower()
    if "archived" in low:
        return errors.Archived(repo)
    if answer.status == 451 or "access blocked" in low or "disabled" in low:
        return errors.Blocked(repo)
    tail = f": {words.rstrip('.')}" if words else ""
    return errors.Forbidden(f"GitHub forbids {what}{tail} (403).", _permission(answer.headers))


def _permission(headers: Mapping[str, str]) -> str | None:
    """What the token would need: `contents: write`, or a classic token's scope."""
    wanted = headers.get("x-accepted-github-permissions")
    if wanted:
        first = clean_line(wanted, limit=200).split(";")[0]
        pairs = [part.strip().replace("=", ": ") for part in first.split(",")]
        return " and ".join(filter(None, pairs)) or None
    scopes = {scope.strip() for scope in headers.get("x-accepted-oauth-scopes", "").split(",")} - {""}
    has = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",")}
    if "x-oauth-scopes" in headers and scopes and not scopes & has:
        return clean_line(" or ".join(sorted(scopes)), limit=200)
    return None
