"""Between a repository and a runner's own: objects are borrowed one way and pushed the other.

Of a user's checkout nothing is touched, and no hook of theirs runs. What has a URL is `remote`'s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from backends.clusters import git_remote
from backends.clusters.local import remote
from hive_tui.core.errors import GitError
from hive_tui.core.model import RunSpec
from hive_tui.core.ports import RepoJob
from hive_tui.system import git

_RECEIVE = (
    f"git -c core.hooksPath={os.devnull} -c core.fsmonitor=false -c receive.autogc=false"
    " -c receive.denyCurrentBranch=refuse receive-pack"
)


def fetch(
    home: Path,
    bare: Path,
    repo: RepoJob,
    *,
    saved: str | None = None,
    stop: Callable[[], bool] | None = None,
) -> str:
    """Make `bare` if need be, borrowing every object of the source, so also those of the branch `saved`;
    returns the base branch's SHA.

    `home` is the fleet's folder, which keeps what was fetched from a URL; `stop` says that this is to end.
    """
    if git_remote.is_remote(repo.source):
        return remote.fetch(home, bare, repo, saved=saved, stop=stop)
    source = Path(repo.source)
    common = Path(git.text("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=source))
    sha = _sha(source, repo.base)
    if not (bare / "HEAD").is_file():
        kind = git.text("rev-parse", "--show-object-format", cwd=source)
        git.run("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", "--", bare)
    info = bare / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_bytes(os.fsencode(common / "objects") + b"\n")
    if (common / "shallow").is_file():
        shutil.copyfile(common / "shallow", bare / "shallow")
    git.run("update-ref", f"refs/heads/{repo.base}", sha, cwd=bare)
    return sha


def push(home: Path, bare: Path, repo: RepoJob, sha: str, branch: str, spec: RunSpec) -> None:
    """Push a commit to one of the attempt's two branches; only the one of unfinished work is forced.

    Raises Refused for any other branch, GitError when the source does not take it.
    """
    pushed = git_remote.refspec(spec, sha, branch)
    if git_remote.is_remote(repo.source):
        return remote.push(home, bare, repo, pushed)
    target = str(Path(repo.source).absolute())
    git.run("push", "--quiet", "--no-verify", f"--receive-pack={_RECEIVE}", target, pushed, cwd=bare)


def _sha(source: Path, branch: str) -> str:
    found = git.run(
        "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", cwd=source, check=False
    )
    if found.returncode:
        raise GitError(
            f"{source} has no branch {branch}.",
            "Make it, or set `base` of the repository in the configuration.",
        )
    return found.stdout.decode("ascii").strip()
