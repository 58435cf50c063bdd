"""What an injected fault answers instead of the endpoint, in GitHub's words."""

from __future__ import annotations

from tests.fakes.github.faults import Fault
from tests.fakes.github.rest import DOCS, Answer, Stop

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)
_LIMIT_DOCS = f"{DOCS}/using-the-rest-api/rate-limits-for-the-rest-api"


def secondary(status: int, retry_after: int | None) -> Answer:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"documentation_url": f"{_LIMIT_DOCS}#about-secondary-rate-limits", "message": SECONDARY}
    return Answer(status, body, headers)


def instead(fault: Fault, method: str, site: str) -> Answer | None:
    """The answer of a fault that stops the call; None for one that lets the call take place."""
    if fault.kind == "secondary":
        return secondary(fault.status or 403, fault.retry_after)
    if fault.kind == "error":
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return Answer(fault.status or 502, {"message": "Server Error"}, headers)
    if fault.kind == "html":
        page = b"<!DOCTYPE html><html><body><h1>Please sign in to the network</h1></body></html>"
        return Answer(fault.status or 200, page, kind="text/html; charset=utf-8")
    stop = _stop(fault, method, site)
    return None if stop is None else stop.answer


def _stop(fault: Fault, method: str, site: str) -> Stop | None:
    match fault.kind:
        case "moved":
            status = 301 if method == "GET" else 307
            text = "Moved Permanently" if status == 301 else "Temporary Redirect"
            return Stop(status, text, {"Location": fault.location}, url=fault.location)
        case "archived":
            return Stop(403, "Repository was archived so is read-only.")
        case "disabled":
            return Stop(403, "Repository access blocked")
        case "unauthorized":
            return Stop(401, "Bad credentials")
        case "forbidden":
            words = "Resource not accessible by personal access token"
            return Stop(403, words, {"X-Accepted-GitHub-Permissions": fault.permission})
        case "missing":
            return Stop(404, "Not Found")
        case "sso":
            words = "Resource protected by organization SAML enforcement. You must grant your Personal Access"
            url = f"{site}/orgs/acme/sso?authorization_request=AAAA"
            header = {"X-GitHub-SSO": f"required; url={url}"}
            return Stop(403, f"{words} token access to this organization.", header)
    return None
