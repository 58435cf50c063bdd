"""Names: how repositories, runs, workers and branches are called, in one place.

The attempt number is the fence of a run, so it is part of every name that a run leaves behind.
"""

from typing import NamedTuple, NewType

RepoName = NewType("RepoName", str)
"""`owner/name`, exact and case-sensitive."""

RunId = NewType("RunId", str)
"""`<repo slug>-<8 hex>-i<issue>-a<attempt>`, at most 52 characters, valid as a Kubernetes name."""

WorkerName = NewType("WorkerName", str)
"""A slot's identity: the agent's name and the lowest free letter, such as `claude-a`."""

AgentName = NewType("AgentName", str)
"""An agent as the fleet calls it, such as `claude`; a fleet may give one product several names."""

MAX_RUN_ID = 52


class IssueKey(NamedTuple):
    """One issue in one repository."""

    repo: RepoName
    number: int

    def __str__(self) -> str:
        return f"{self.repo}#{self.number}"


class PullKey(NamedTuple):
    """One pull request in one repository."""

    repo: RepoName
    number: int

    def __str__(self) -> str:
        return f"{self.repo}!{self.number}"


def run_id(forge: str, repo: RepoName, issue: int, attempt: int) -> RunId:
    """The name of an attempt; `forge` tells equal repository names of two trackers apart."""
    import hashlib  # reading a fleet, which makes no names, need not load OpenSSL
    import re

    digest = hashlib.sha256(f"{forge}/{repo}".encode()).hexdigest()[:8]
    tail = f"{digest}-i{issue}-a{attempt}"
    slug = re.sub(r"[^a-z0-9]+", "-", repo.rpartition("/")[2].lower()).strip("-") or "repo"
    slug = slug[: MAX_RUN_ID - len(tail) - 1].rstrip("-")
    return RunId(f"{slug}-{tail}")


def branch_name(issue: int, attempt: int) -> str:
    """The branch that an attempt, and only this attempt, pushes."""
    return f"hive/issue-{issue}-a{attempt}"


def wip_branch_name(issue: int, attempt: int) -> str:
    """The branch that keeps an attempt's unfinished work."""
    return f"hive/wip/issue-{issue}-a{attempt}"


def worker_name(agent: AgentName, taken: frozenset[WorkerName]) -> WorkerName:
    """The lowest free worker name of an agent: `claude-a` … `claude-z`, `claude-aa` …"""
    index = 0
    while (name := WorkerName(f"{agent}-{_letters(index)}")) in taken:
        index += 1
    return name


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
