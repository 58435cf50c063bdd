"""hive's own word on a commit: the statuses `hive/tests` and `hive/review`, which a branch may require."""

from __future__ import annotations

import re

from backends.forges.github import verdicts
from backends.forges.github.desk import RepoApi
from hive_tui.core.errors import UsageError
from hive_tui.core.model import Check, CheckState, Verdict
from hive_tui.core.text import Redactor, clean_line

MAX_WORDS = 140
"""GitHub's own limit of a description."""

_STATES = {CheckState.PASSED: "success", CheckState.FAILED: "failure", CheckState.PENDING: "pending"}

_redact = Redactor()


def put_check(api: RepoApi, check: Check) -> None:
    """Say how a check ended for exactly its commit; the last word of a name counts."""
    said = as_read(check)
    _put(api, said.sha, said.name, _STATES[said.state], said.detail)


def as_read(check: Check) -> Check:
    """A check as a later read finds it."""
    name = clean_line(check.name, limit=100)
    return Check(name, check.state, check.sha, _described(check.detail))


def _described(detail: str) -> str:
    return clean_line(_redact(clean_line(detail)), limit=MAX_WORDS)


def put_verdict(api: RepoApi, verdict: Verdict) -> None:
    _put(api, verdict.sha, verdicts.CONTEXT, verdicts.STATES[verdict.value], verdicts.words(verdict))


def _put(api: RepoApi, sha: str, name: str, state: str, detail: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
        raise UsageError(f"{clean_line(sha, limit=80)!r} is no commit.", "A whole SHA is needed.")
    body = {"state": state, "context": name, "description": _described(detail)}
    # Said twice it is said once: only the last one of a name counts.
    api.post(f"/statuses/{sha}", body, what=f"the status {name} of {api.repo}", repeatable=True)
