"""git over the network, for every backend that runs agents: how it gets in, what it may not do, and what is
said when it fails.

The token comes from a helper process that git asks: it is in no URL, argument, configuration or file. No
configuration of the user's takes part, so neither do their filters (LFS).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hive_tui.core.errors import GitError, Refused
from hive_tui.core.ids import wip_branch_name
from hive_tui.core.model import RunSpec
from hive_tui.core.ports import Remote, RepoJob
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.system import bounded, git

FIRST_SECONDS = 1_800.0
"""For all of a repository, which also is how long others wait for it."""

SECONDS = 600.0
"""For what is new since, and for a push."""

PROBE_SECONDS = 20.0

PAUSES = (1.0, 4.0)
"""Before what the network broke off is tried again."""

_PASSED_ON = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)

_OPTIONS = (
    # A server that sends git elsewhere would send the question for a token along.
    "-c", "http.followRedirects=false",
    "-c", "http.lowSpeedLimit=1000",
    "-c", "http.lowSpeedTime=30",
    "-c", "credential.useHttpPath=true",
    "-c", "core.askPass=",
    "-c", "submodule.recurse=false",
    # Without it a base that moved on since would make git send everything that it has.
    "-c", "push.negotiate=true",
)  # fmt: skip

_PASSING = re.compile(
    r"Could not resolve|Failed to connect|Connection (?:reset|refused|timed out|was reset)|timed out|too slow"
    r"|early EOF|unexpected disconnect|RPC failed|hung up|Empty reply|transfer closed"
    r"|returned error: (?:5\d\d|429)",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"could not read Username|Authentication failed|returned error: 40[134]|not found|hive: ", re.IGNORECASE
)

_LASTING = ("lets git not in", "no token for", "no branch", "renamed or moved")
"""What it says where every other run will fare no better."""

_MOVED = re.compile(r"returned error: 30[1278]")

_PLAIN = (
    *("--quiet", "--no-tags", "--no-write-fetch-head"),
    *("--no-auto-maintenance", "--no-recurse-submodules"),
)

_REMOTE = "origin"

_redact = Redactor()

Stop = Callable[[], bool]
"""Whether somebody wants it to end now."""


def is_remote(source: str) -> bool:
    return "://" in source


def is_passing(error: GitError) -> bool:
    """Whether the network broke it off, so that it may work in a moment."""
    return _PASSING.search(error.message) is not None


def is_lasting(error: GitError) -> bool:
    """Whether every other run will fare no better before a person mends it."""
    return any(word in error.message for word in _LASTING)


def refspec(spec: RunSpec, sha: str, branch: str) -> str:
    """For pushing a commit to one of the attempt's two branches; only the one of unfinished work is forced.

    Raises Refused for any other branch.
    """
    wip = wip_branch_name(spec.issue, spec.attempt)
    if branch not in (spec.branch, wip):
        raise Refused(f"Run {spec.id} may not push to {branch}.", f"Its own branch is {spec.branch}.")
    if not git.SHA.fullmatch(sha):
        raise GitError(f"{sha!r} is not a commit.")
    mark = "+" if branch == wip else ""
    return f"{mark}{sha}:refs/heads/{branch}"


def fetch(
    repo: RepoJob, into: Path, *, first: bool, saved: str | None = None, stop: Stop | None = None
) -> str:
    """Fetch the base branch into a repository of ours, and the branch `saved` if it is there; returns the
    base branch's SHA.

    Raises GitError, with the next step, when the server cannot be reached or has no such branch, and when
    `stop` says so. `first`: there is nothing yet, so it may take long.
    """
    ref = _ref(repo.base)
    # A server that knows no filters sends everything.
    filters = ("--filter=blob:none",) if repo.large else ()
    seconds = FIRST_SECONDS if first else SECONDS
    # What a partial clone lacks, git asks of a remote that has a name.
    git.run("config", f"remote.{_REMOTE}.url", repo.source, cwd=into)

    def attempt() -> None:
        given = (*_PLAIN, *filters, _REMOTE, f"+refs/heads/{repo.base}:{ref}")
        try:
            call(repo, into, "fetch", *given, seconds=seconds, stop=stop)
        except GitError as error:
            raise (_no_branch(repo) if _is_missing(error) else error) from None
        refs = [ref]
        if saved is not None:
            refs += _fetch_saved(repo, into, saved, filters, stop)
        if repo.large:
            _fill(repo, into, refs, stop)

    persistently(attempt, stop=stop)
    return git.text("rev-parse", "--verify", f"{ref}^{{commit}}", cwd=into)


def push(repo: RepoJob, bare: Path, refspec: str, *, pauses: Sequence[float] | None = None) -> None:
    """Push one refspec. Raises GitError with the server's own reason."""

    def attempt() -> None:
        call(repo, bare, "push", "--quiet", "--no-verify", repo.source, refspec, seconds=SECONDS)

    persistently(attempt, pauses=pauses)


def probe(remote: Remote, cwd: Path) -> None:
    """Raises GitError when git does not get through to the base branch."""
    ref = f"refs/heads/{remote.base}"
    if not call(remote, cwd, "ls-remote", "--quiet", remote.source, ref, seconds=PROBE_SECONDS).strip():
        raise _no_branch(remote)


def persistently(
    attempt: Callable[[], None], *, pauses: Sequence[float] | None = None, stop: Stop | None = None
) -> None:
    """Do it, again after each pause where the network broke it off."""
    import tenacity  # only for whoever fetches or pushes

    waits = PAUSES if pauses is None else pauses
    told = stop or (lambda: False)
    tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, GitError) and is_passing(error)),
        wait=tenacity.wait_chain(*map(tenacity.wait_fixed, waits)) if waits else tenacity.wait_none(),
        stop=lambda state: state.attempt_number > len(waits) or told(),
        reraise=True,
    )(attempt)


def _ref(branch: str) -> str:
    """Named by a number, since a branch `a` and one `a/b` cannot both be there at different times."""
    return f"refs/hive/bases/{hashlib.sha256(branch.encode()).hexdigest()[:16]}"


def _fetch_saved(
    repo: RepoJob, into: Path, branch: str, filters: tuple[str, ...], stop: Stop | None
) -> list[str]:
    """The name of what was fetched, if there is such a branch: somebody may have deleted it."""
    ref = _ref(branch)
    try:
        given = (*_PLAIN, *filters, _REMOTE, f"+refs/heads/{branch}:{ref}")
        call(repo, into, "fetch", *given, seconds=SECONDS, stop=stop)
    except GitError as error:
        if _is_missing(error):
            return []
        raise
    return [ref]


def _fill(repo: RepoJob, where: Path, refs: list[str], stop: Stop | None) -> None:
    """Fetch the files of the branches' tips at once: whoever borrows from here cannot fetch them."""
    missing: list[bytes] = []
    for ref in refs:
        listed = git.run("rev-list", "--objects", "--missing=print", "--max-count=1", ref, cwd=where).stdout
        missing += [line[1:] for line in listed.splitlines() if line.startswith(b"?")]
    if missing:
        call(
            repo, where, "-c", "fetch.negotiationAlgorithm=noop", "fetch", *_PLAIN, "--filter=blob:none",
            "--stdin", _REMOTE, stdin=b"\n".join(missing) + b"\n", seconds=FIRST_SECONDS, stop=stop,
        )  # fmt: skip


def call(
    remote: Remote | RepoJob,
    cwd: Path,
    *args: str,
    seconds: float,
    stdin: bytes = b"",
    stop: Stop | None = None,
) -> bytes:
    """What a git that may talk to this server says. Raises GitError."""
    scheme = urlsplit(remote.source).scheme
    # An empty helper forgets those of other configurations; none is read here, this keeps it so.
    options = ["-c", "credential.helper="]
    if remote.credential:
        options += ["-c", f"credential.helper=!{_helper(remote.credential)}"]
    if remote.certificates is not None:
        options += ["-c", f"http.sslCAInfo={remote.certificates}"]
    named = {name: os.environ[name] for name in (*_PASSED_ON, *remote.variables) if name in os.environ}
    done = bounded.run(
        git.command(*_OPTIONS, *options, *args),
        cwd=cwd,
        env=git.environment(
            {**named, "GIT_ALLOW_PROTOCOL": scheme if scheme in ("https", "http") else "none"}
        ),
        stdin=stdin,
        limit=1 << 20,
        timeout=seconds,
        stop=stop,
    )
    if done.code:
        raise _explained(remote, done.stderr)
    return done.stdout


def _helper(argv: Sequence[str]) -> str:
    """For git's shell, which puts `get`, `store` or `erase` behind it. Only `get` is passed on: after
    every success git wants to store what it was told, and a process that declines costs as much as one that
    answers."""
    return f'f() {{ test "$1" != get || exec {shlex.join(argv)} get; }}; f'


def _explained(remote: Remote | RepoJob, stderr: bytes) -> GitError:
    words = _redact(clean(stderr.decode("utf-8", "replace"), limit=1_500)).strip() or "no message"
    helper = next((line[6:] for line in words.splitlines() if line.startswith("hive: ")), None)
    if helper is not None:
        return GitError(f"git has no token for {remote.source}: {helper}")
    line = clean_line(words, limit=500)
    if _MOVED.search(words):
        return GitError(
            f"{remote.source} was renamed or moved.",
            "Give the fleet its new name, in the configuration; `hive doctor` tells it.",
        )
    if _NOBODY.search(words) and not _PASSING.search(words):
        return GitError(
            f"{remote.source} lets git not in: {line}",
            "Check the repository's name and what the token may; `hive doctor` does.",
        )
    hint = "Is the network there? It is tried again." if _PASSING.search(words) else None
    return GitError(f"git cannot reach {remote.source}: {line}" if hint else f"git: {line}", hint)


def _no_branch(remote: Remote | RepoJob) -> GitError:
    return GitError(
        f"{remote.source} has no branch {remote.base}.",
        "Make it, or set `base` of the repository in the configuration.",
    )


def _is_missing(error: GitError) -> bool:
    return "find remote ref" in error.message
