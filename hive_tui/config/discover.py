"""What `hive init` finds out about a repository, by looking only: nothing in it is changed."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from pathlib import Path

import msgspec

from hive_tui.core.errors import GitError, Refused, UsageError
from hive_tui.core.settings import ProjectSettings
from hive_tui.core.text import clean_line
from hive_tui.system import git

PROJECT_FILE = ".hive/config.yaml"

_REMOTE = re.compile(r"(?:\w+://(?:[^/@]*@)?[^/]+/|[^/:@]+@[^/:]+:/?)(?P<path>[^?#]+?)(?:\.git)?/?")

_PLACE = re.compile(
    r"(?:\w+://(?:[^/@]*@)?(?P<host>[^/]+)/|[^/:@]+@(?P<scp>[^/:]+):/?)(?P<path>[^?#]+?)(?:\.git)?/?"
)


class Repository(msgspec.Struct, frozen=True):
    """A checkout that a local fleet can work on."""

    path: Path
    name: str
    """`owner/name`."""
    base: str
    """The branch that work starts from."""


def repository(start: Path, *, name: str | None, base: str | None, user: str) -> Repository:
    """The repository that `start` is in. Raises Refused or UsageError when hive cannot work on it."""
    git.version()
    if not start.is_dir():
        raise UsageError(f"{start} is no folder.", "Go to your repository, then try again.")
    try:
        bare = git.text("rev-parse", "--is-bare-repository", cwd=start) == "true"
    except GitError as error:
        if "dubious ownership" in error.message:
            raise Refused(
                f"{start} belongs to another user, so git refuses to use it.",
                "Work in a clone of your own.",
            ) from error
        raise UsageError(
            f"{start} is not in a git repository.",
            "`git init` and a first commit make one, or go to one that you have.",
        ) from error
    if bare:
        raise Refused(f"{start} is a bare repository.", "Clone it, and run `hive init` in the clone.")
    if git.text("rev-parse", "--is-inside-work-tree", cwd=start) != "true":
        raise Refused(f"{start} is inside of a git directory.", "Go to the checkout, then try again.")
    top = Path(git.text("rev-parse", "--show-toplevel", cwd=start))
    if not git.ok("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=top):
        raise Refused(f"{top} has no commit yet.", "Commit something, then try again.")
    return Repository(top, name or name_of(top, user), _base(top, base))


def _base(top: Path, wanted: str | None) -> str:
    if wanted is not None:
        if not git.ok("show-ref", "--verify", "--quiet", f"refs/heads/{wanted}", cwd=top):
            branches = git.text("for-each-ref", "--format=%(refname:short)", "refs/heads/", cwd=top)
            known = ", ".join(branches.splitlines()[:10])
            raise UsageError(f"There is no branch {wanted!r} in {top}.", f"Known: {known}.")
        return wanted
    current = git.run("symbolic-ref", "--quiet", "--short", "HEAD", cwd=top, check=False)
    branch = current.stdout.decode("utf-8", "replace").strip()
    if not branch:
        raise UsageError(
            "No branch is checked out, so the base branch is not clear.", "Say it with --base BRANCH."
        )
    if branch.startswith("hive/"):
        raise UsageError(
            f"{branch} is a branch of hive's own.", "Check out your main branch, or say --base BRANCH."
        )
    return branch


def remote_of(top: Path) -> str | None:
    """Where the remote `origin` is, as `host/owner/name`: what stands before an `@` is nobody's business."""
    url = _origin(top)
    if not url:
        return None
    place = re.sub(r"^\w+://", "", url.partition("?")[0].partition("#")[0])
    return clean_line(place.rpartition("@")[2].removesuffix(".git"), limit=200) or None


def checkout_of(here: Path) -> str | None:
    """`host/owner/name` of the remote `origin` of the checkout that `here` is in, if there is one."""
    match = _PLACE.fullmatch(_origin(here)) if git.ok("rev-parse", "--git-dir", cwd=here) else None
    parts = [part for part in match["path"].split("/") if part] if match else []
    if match is None or len(parts) != 2:
        return None
    host = match["host"] or match["scp"]
    return f"{clean_line(host, limit=200)}/{_safe(parts[0], 'owner')}/{_safe(parts[1], 'repo')}"


def _origin(top: Path) -> str:
    remote = git.run("config", "--local", "--get", "remote.origin.url", cwd=top, check=False)
    return remote.stdout.decode("utf-8", "replace").strip()


def name_of(top: Path, user: str) -> str:
    """`owner/name` from the remote `origin`, else made from the user's and the folder's names."""
    match = _REMOTE.fullmatch(_origin(top))
    parts = [part for part in match["path"].split("/") if part] if match else []
    if len(parts) >= 2:
        return f"{_safe(parts[-2], 'owner')}/{_safe(parts[-1], 'repo')}"
    return f"{_safe(user, 'me')}/{_safe(top.name, 'repo')}"


def _safe(text: str, fallback: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:100] or fallback


def project_settings(repo: Repository) -> ProjectSettings | None:
    """The repository's own `.hive/config.yaml` on its base branch, or None. Raises ConfigError."""
    from hive_tui.config.parse import parse_project

    shown = git.run("show", f"refs/heads/{repo.base}:{PROJECT_FILE}", cwd=repo.path, check=False)
    if shown.returncode:
        return None
    return parse_project(shown.stdout, f"{PROJECT_FILE} on {repo.base}")


def guess_test(top: Path) -> str | None:
    """The command that probably runs this project's tests, from the files that build tools leave."""
    for file, pattern, command in (
        ("Makefile", r"^test\s*:", "make test"),
        ("justfile", r"^test\b.*:", "just test"),
        ("Cargo.toml", r"", "cargo test"),
        ("go.mod", r"", "go test ./..."),
        ("mix.exs", r"", "mix test"),
        ("pom.xml", r"", "mvn -q test"),
        ("gradlew", r"", "./gradlew test"),
    ):
        if (text := _text(top / file)) is not None and re.search(pattern, text, re.MULTILINE):
            return command
    if _has_npm_test(top):
        return "npm test"
    if any((top / name).exists() for name in ("pytest.ini", "conftest.py", "tests/conftest.py")):
        return "python3 -m pytest -q"
    if "pytest" in _tools(top):
        return "python3 -m pytest -q"
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes()[:200_000].decode("utf-8", "replace") if path.is_file() else None
    except OSError:
        return None


def _has_npm_test(top: Path) -> bool:
    try:
        package = json.loads(_text(top / "package.json") or "{}")
    except ValueError:
        return False
    scripts = package.get("scripts") if isinstance(package, dict) else None
    test = scripts.get("test") if isinstance(scripts, dict) else None
    return isinstance(test, str) and "no test specified" not in test


def _tools(top: Path) -> set[str]:
    try:
        data = tomllib.loads(_text(top / "pyproject.toml") or "")
    except ValueError:
        return set()
    tools = data.get("tool")
    return set(tools) if isinstance(tools, dict) else set()
