"""git, called so that nothing in a repository, a home or an environment changes what it does.

Every call is a subprocess with a scrubbed environment; nobody's configuration, hooks, templates,
attributes, prompts or pagers take part (the settings were tried against hostile repositories).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hive_tui.core.errors import GitError, HiveError
from hive_tui.core.text import Redactor, clean

MINIMUM = (2, 38)
"""`git merge-tree --write-tree`, which merges without a work tree, came with this version."""

SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_SAFE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_ADVICE": "0",
    "LC_ALL": "C.UTF-8",
}

_OPTIONS = (
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.fsmonitor=false",
    "-c", "core.untrackedCache=false",
    "-c", "core.quotePath=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "commit.gpgSign=false",
    "-c", "tag.gpgSign=false",
    "-c", "protocol.version=2",
    "-c", "advice.detachedHead=false",
)  # fmt: skip

_redact = Redactor()


_KEPT = ("PATH", "HOME", "TMPDIR", "USER", "XDG_CONFIG_HOME")

_OTHERS_CONFIG = ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_ATTR_NOSYSTEM")


def environment(extra: Mapping[str, str] | None = None, *, own_config: bool = False) -> dict[str, str]:
    """PATH, HOME and the settings above; no other variable, so no GIT_DIR of a calling hook either.

    With `own_config` the user's configuration counts: in their own checkout only, where line endings,
    filters and identity have to be theirs.
    """
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    safe = {name: value for name, value in _SAFE.items() if not (own_config and name in _OTHERS_CONFIG)}
    return {**env, **safe, **(extra or {})}


def command(*args: str | Path) -> list[str]:
    """The argument vector of `git ARGS` with the safe options, for callers that bound it themselves."""
    return ["git", *_OPTIONS, *map(str, args)]


def run(
    *args: str | Path,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float = 120.0,
    own_config: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run `git ARGS`. Raises GitError with git's own words when it fails, unless `check` is off."""
    try:
        done = subprocess.run(
            command(*args),
            cwd=cwd,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env=environment(env, own_config=own_config),
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise GitError(f"{cwd} does not exist.", "It was moved or deleted; see `hive doctor`.") from error
        raise missing() from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {args[0]} took longer than {timeout:.0f} s.", "Try again.") from error
    if check and done.returncode:
        raise GitError(f"git {_verb(args)} failed: {_words(done.stderr)}")
    return done


def text(*args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """The output of a git command, stripped."""
    return run(*args, cwd=cwd, env=env).stdout.decode("utf-8", "replace").strip()


def ok(*args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> bool:
    """Whether a git command succeeds."""
    return run(*args, cwd=cwd, env=env, check=False).returncode == 0


def missing() -> HiveError:
    """The error for a machine without git."""
    return HiveError("git is not installed.", "Install git 2.38 or newer, then try again.")


def version() -> tuple[int, ...]:
    """git's version; raises HiveError with the next step when it is missing or too old."""
    if shutil.which("git") is None:
        raise missing()
    words = text("version")
    numbers = tuple(int(part) for part in re.findall(r"\d+", words)[:3])
    if numbers < MINIMUM:
        needed = ".".join(map(str, MINIMUM))
        raise HiveError(f"{words} is too old.", f"hive needs git {needed} or newer.")
    return numbers


def _verb(args: Sequence[str | Path]) -> str:
    words = iter(map(str, args))
    for word in words:
        if word in ("-C", "-c", "--git-dir"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _words(stderr: bytes) -> str:
    return _redact(clean(stderr[-2_000:].decode("utf-8", "replace"))).strip() or "no message"
