"""Between a repository and a runner's own: objects are borrowed one way and pushed the other.

Of a user's checkout nothing is touched, and no hook of theirs runs. What has a URL is `remote`'s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from backends.clusters.local import remote
from hive_tui.core.errors import GitError, Refused
from hive_tui.core.ids import wip_branch_name
from hive_tui.core.model import RunSpec
from hive_tui.core.ports import RepoJob
from hive_tui.system import git

_RECEIVE = (
    f"git -c core.hooksPath={os.devnull} -c core.fsmonitor=false -c receive.autogc=false"
    " -c receive.denyCurrentBranch=refuse receive-pack"
)


def fetch(home: Path, bare: Path, repo: RepoJob, stop: Callable[[], bool] | None = None) -> str:
    """Make `bare` if need be, borrowing every object of the source; returns the base branch's SHA.

    `home` is the fleet's folder, which keeps what was fetched from a URL; `stop` says that this is to end.
    """
    if remote.is_remote(repo.source):
        return remote.fetch(home, bare, repo, stop)
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
    wip = wip_branch_name(spec.issue, spec.attempt)
    if branch not in (spec.branch, wip):
        raise Refused(f"Run {spec.id} may not push to {branch}.", f"Its own branch is {spec.branch}.")
    if not git.SHA.fullmatch(sha):
        raise GitError(f"{sha!r} is not a commit.")
    mark = "+" if branch == wip else ""
    refspec = f"{mark}{sha}:refs/heads/{branch}"
    if remote.is_remote(repo.source):
        return remote.push(home, bare, repo, refspec)
    target = str(Path(repo.source).absolute())
    git.run("push", "--quiet", "--no-verify", f"--receive-pack={_RECEIVE}", target, refspec, cwd=bare)


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
