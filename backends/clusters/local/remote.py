"""Between a server and a runner's own repository, over the network.

What is fetched lies in one mirror for each repository below the fleet's folder; runs borrow its objects, so
nothing of it is ever removed. The token comes from a helper process that git asks: it is in no URL, argument,
configuration or file. No configuration of the user's takes part, so neither do their filters (LFS).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from backends import typed
from hive_tui.core.errors import GitError
from hive_tui.core.ports import Remote, RepoJob
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.system import bounded, flock, git

FIRST_SECONDS = 1_800.0
"""For all of a repository, which also is how long others wait for it."""

SECONDS = 600.0
"""For what is new since, and for a push."""

PROBE_SECONDS = 20.0

PAUSES = (1.0, 4.0)
"""Before what the network broke off is tried again."""

REACHED = timedelta(minutes=15)
"""For so long after it worked, it is taken to work."""

UNREACHED = timedelta(minutes=1)
"""For so long after it failed, it is not tried."""

_STALE_SECONDS = 3_600.0

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

_redact = Redactor()


Stop = Callable[[], bool]
"""Whether somebody wants it to end now."""


class Reach(msgspec.Struct, frozen=True):
    """Whether git got through to a repository, when that was tried last."""

    at: datetime
    why: str | None = None
    """Why it did not, with the next step."""


def is_remote(source: str) -> bool:
    return "://" in source


def mirror(home: Path, source: str) -> Path:
    """Where the fleet keeps what was fetched from `source`."""
    name = re.sub(r"[^a-z0-9]+", "-", urlsplit(source).path.lower().removesuffix(".git")).strip("-")[:60]
    return home / "mirrors" / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}.git"


def fetch(home: Path, bare: Path, repo: RepoJob, stop: Stop | None = None) -> str:
    """Make `bare` if need be, borrowing the mirror's objects; returns the base branch's SHA there.

    Raises GitError, with the next step, when the server cannot be reached or has no such branch, and when
    `stop` says so: the first time may take long.
    """
    where = mirror(home, repo.source)
    with _alone(where, repo, stop):
        sha = _bring(home, where, repo, stop)
    if not (bare / "HEAD").is_file():
        git.run("init", "--quiet", "--bare", "--template=", "--", bare)
    info = bare / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_bytes(os.fsencode((where / "objects").absolute()) + b"\n")
    git.run("update-ref", f"refs/heads/{repo.base}", sha, cwd=bare)
    return sha


@contextmanager
def _alone(where: Path, repo: RepoJob, stop: Stop | None) -> Iterator[None]:
    """While no other run fetches into the mirror."""
    deadline = time.monotonic() + FIRST_SECONDS
    while True:
        with flock.waited_for(where.with_suffix(".lock"), 0.5) as held:
            if held:
                yield
                return
        if stop is not None and stop():
            raise GitError("git was stopped.")
        if time.monotonic() > deadline:
            minutes = f"{FIRST_SECONDS / 60:.0f} min"
            raise GitError(f"Another run has been fetching {repo.name} for {minutes}.", "Try again.")


def push(home: Path, bare: Path, repo: RepoJob, refspec: str) -> None:
    """Push one refspec. Raises GitError with the server's own reason."""

    def attempt() -> None:
        _git(repo, bare, "push", "--quiet", "--no-verify", repo.source, refspec, seconds=SECONDS)

    _reaching(home, repo.source, attempt)


def probe(home: Path, remote: Remote) -> None:
    """Raises GitError when git does not get through to the base branch; remembers what it found."""

    def attempt() -> None:
        ref = f"refs/heads/{remote.base}"
        said = _git(remote, home, "ls-remote", "--quiet", remote.source, ref, seconds=PROBE_SECONDS)
        if not said.strip():
            raise _no_branch(remote)

    _reaching(home, remote.source, attempt, pauses=())


def reach(home: Path, source: str) -> Reach | None:
    """What was found out last; None when nothing was tried yet."""
    try:
        return typed.decode(_note(home, source).read_bytes(), Reach)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return None


def _bring(home: Path, where: Path, repo: RepoJob, stop: Stop | None) -> str:
    """Fetch the base branch into the mirror; returns its SHA."""
    new = not (where / "HEAD").is_file()
    if new:
        git.run("init", "--quiet", "--bare", "--template=", "--", where)
    git.run("config", "remote.origin.url", repo.source, cwd=where)
    _unlock(where)
    # Named by a number, since a branch `a` and one `a/b` cannot both be there at different times.
    ref = f"refs/hive/bases/{hashlib.sha256(repo.base.encode()).hexdigest()[:16]}"
    refspec = f"+refs/heads/{repo.base}:{ref}"
    # A server that knows no filters sends everything.
    filters = ("--filter=blob:none",) if repo.large else ()
    plain = (
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
    )

    def attempt() -> None:
        seconds = FIRST_SECONDS if new else SECONDS
        try:
            _git(repo, where, "fetch", *plain, *filters, "origin", refspec, seconds=seconds, stop=stop)
        except GitError as error:
            raise (_no_branch(repo) if "find remote ref" in error.message else error) from None
        if repo.large:
            _fill(repo, where, ref, plain, stop)

    _reaching(home, repo.source, attempt)
    return git.text("rev-parse", "--verify", f"{ref}^{{commit}}", cwd=where)


def _fill(repo: RepoJob, where: Path, ref: str, plain: tuple[str, ...], stop: Stop | None) -> None:
    """Fetch the files of the branch's tip at once: whoever borrows from here cannot fetch them."""
    listed = git.run("rev-list", "--objects", "--missing=print", "--max-count=1", ref, cwd=where).stdout
    missing = [line[1:] for line in listed.splitlines() if line.startswith(b"?")]
    if missing:
        _git(
            repo, where, "-c", "fetch.negotiationAlgorithm=noop", "fetch", *plain, "--filter=blob:none",
            "--stdin", "origin", stdin=b"\n".join(missing) + b"\n", seconds=FIRST_SECONDS, stop=stop,
        )  # fmt: skip


def _git(
    remote: Remote | RepoJob,
    cwd: Path,
    *args: str,
    seconds: float,
    stdin: bytes = b"",
    stop: Stop | None = None,
) -> bytes:
    scheme = urlsplit(remote.source).scheme
    # An empty helper forgets those of other configurations; none is read here, this keeps it so.
    options = ["-c", "credential.helper="]
    if remote.credential:
        options += ["-c", f"credential.helper=!{shlex.join(remote.credential)}"]
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


def _reaching(
    home: Path, source: str, attempt: Callable[[], None], pauses: tuple[float, ...] | None = None
) -> None:
    """Do it, again after a pause where the network broke it off, and remember whether it got through."""
    for pause in (*(PAUSES if pauses is None else pauses), None):
        try:
            attempt()
        except GitError as error:
            passing = _PASSING.search(error.message) is not None
            if passing and pause is not None:
                time.sleep(pause)
                continue
            if passing or any(word in error.message for word in _LASTING):
                _remember(home, source, error.words)
            raise
        _remember(home, source, None)
        return


def _remember(home: Path, source: str, why: str | None) -> None:
    note = _note(home, source)
    new = note.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # it only saves somebody a look
        note.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(Reach(datetime.now(UTC), why)))
        os.replace(new, note)


def _note(home: Path, source: str) -> Path:
    return mirror(home, source).with_suffix(".reach")


def _unlock(where: Path) -> None:
    """Remove what a git that was killed here long ago has left in the way of the next one."""
    before = time.time() - _STALE_SECONDS
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for path in where.glob(pattern):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
