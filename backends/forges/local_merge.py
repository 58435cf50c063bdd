"""Squashes a pull request onto its base, so that a kill at any point leaves something to go on from.

The new commit says in its trailers which pull request and which head it stands for. Whoever comes
later finds it on the base branch, and neither merges twice nor believes the database more than git.
A base branch that is checked out moves together with its checkout, in one git command; otherwise the
reference moves alone, by compare-and-swap.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from backends.forges.local_repository import LocalRepository
from hive_tui.core.errors import GitError, Refused
from hive_tui.core.model import PullRequest, PullState
from hive_tui.core.text import clean_line

ATTEMPTS = 3
"""Tries, when somebody else moves the base branch in the meantime."""

_NAMES = ("user.name", "user.email")
_UNNAMED = ("hive", "hive@localhost")


class Landed(NamedTuple):
    """The commit on the base branch that a pull request became."""

    sha: str
    head: str
    by: str | None


def land(repository: LocalRepository, pull: PullRequest, head: str, *, by: str, message: str) -> Landed:
    """Put `head` onto the base as one commit and delete the branch, unless that was done before.

    Raises Refused with the reason; nothing has changed then.
    """
    for _ in range(ATTEMPTS):
        found = find(repository, pull, head) or by_hand(repository, pull, head)
        landed = found or _squash(repository, pull, head, by=by, message=message)
        if landed is not None:
            delete_branch(repository, pull.branch, head)
            return landed
    raise Refused(f"{pull.base} keeps moving.", "Try again when nobody else pushes to it.")


def merged(pull: PullRequest, landed: Landed) -> PullRequest:
    """The pull request as it is from now on."""
    if pull.state is PullState.MERGED:
        return pull
    return msgspec.structs.replace(
        pull,
        state=PullState.MERGED,
        head=landed.head,
        merged_by=landed.by,
        merged_as=landed.sha,
        mergeable=None,
        lease=None,
    )


def find(repository: LocalRepository, pull: PullRequest, head: str) -> Landed | None:
    """The squash commit of exactly this head, if it is on the base branch."""
    base = repository.head(pull.base)
    if base is None:
        return None
    # What was on the base before the head left it cannot be its merge.
    older = (f"^{head}",) if repository.has(head) else ()
    trailers = "%x00".join(
        f"%(trailers:key={key},valueonly,separator=%x2C)" for key in ("Hive-Head", "Hive-By")
    )
    commit = f"--format=%H%x00%(trailers:key=Hive-Pull,valueonly,separator=%x2C)%x00{trailers}"
    wanted = str(pull.key)
    search = ("--first-parent", "--fixed-strings", f"--grep=Hive-Pull: {wanted}")
    for line in repository.text("log", *search, commit, base, *older, "--").split("\n"):
        sha, *found = line.split("\0")
        if found[:2] == [wanted, head]:
            return Landed(sha, head, found[2] or None)
    return None


def by_hand(repository: LocalRepository, pull: PullRequest, head: str) -> Landed | None:
    """Somebody merged or fast-forwarded it with git itself."""
    base = repository.head(pull.base)
    if base is None or not repository.is_ancestor(head, base):
        return None
    newer = repository.text("rev-list", "--first-parent", "--ancestry-path", f"{head}..{base}").split()
    if not newer or repository.text("rev-parse", f"{newer[-1]}^1") == head:
        return Landed(head, head, None)
    return Landed(newer[-1], head, None)


def _squash(
    repository: LocalRepository, pull: PullRequest, head: str, *, by: str, message: str
) -> Landed | None:
    """Merge; None when the base branch moved meanwhile."""
    heads = repository.heads()
    base, tip = heads.get(pull.base), heads.get(pull.branch)
    if base is None:
        raise Refused(
            f"There is no branch {pull.base} any more.", "Make it again, or close the pull request."
        )
    if tip != head:
        moved = f"has moved to {tip[:8]}" if tip else "is gone"
        raise Refused(f"{pull.branch} {moved}; {head[:8]} was to be merged.", "Look at it again first.")
    tried = repository.try_merge(base, head)
    if tried.tree is None:
        raise Refused(
            f"{pull.branch} conflicts with {pull.base} in {_some(tried.conflicts)}.",
            "Bring the branch up to date, or close the pull request and retry the issue.",
        )
    checkout = _checkout(repository, pull.base)
    commit = _commit(repository, tried.tree, base, _message(pull, head, by, message))
    if checkout is None:
        done = _move(repository, pull.base, base, commit)
    else:
        done = _follow(repository, checkout, pull.base, base, commit)
    return Landed(commit, head, by) if done else None


def _checkout(repository: LocalRepository, base: str) -> Path | None:
    """Where the base branch is checked out. Raises Refused if it may not be moved under there."""
    places = [tree.path for tree in repository.worktrees() if tree.branch == base and tree.path.is_dir()]
    if not places:
        return None
    if len(places) > 1:
        shown = " and ".join(map(str, places))
        raise Refused(f"{base} is checked out twice, in {shown}.", "Switch one of them to another branch.")
    status = ("status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=all")
    changed = repository.run(*status, cwd=places[0]).stdout.decode("utf-8", "replace").split("\0")
    names = tuple(clean_line(entry[3:]) for entry in changed if entry[2:3] == " ")
    if names:
        raise Refused(
            f"{base} is checked out in {places[0]} with uncommitted changes in {_some(names)}.",
            "Commit or stash them, or switch to another branch, then merge again.",
        )
    return places[0]


def _follow(repository: LocalRepository, checkout: Path, branch: str, old: str, new: str) -> bool:
    """Fast-forward a clean checkout from `old`; one command, so that no kill of ours leaves it half way.

    False when the branch is not at `old` any more.
    """
    options = ("--ff-only", "--no-overwrite-ignore", "--no-autostash", "--no-verify-signatures", "--quiet")
    command = ("-c", "submodule.recurse=false", "merge", *options, new)
    done = repository.run(*command, cwd=checkout, check=False)
    now = repository.head(branch)
    if done.returncode == 0 or now != old:
        # Somebody may have switched the checkout to another branch just before.
        return now == new
    words = clean_line(done.stderr.decode("utf-8", "replace"))
    raise Refused(
        f"The checkout in {checkout} cannot follow: {words}",
        "Move these files away, or switch to another branch, then merge again.",
    )


def _move(repository: LocalRepository, base: str, old: str, new: str) -> bool:
    """Move a branch that nobody has checked out, if it is still where it was."""
    done = repository.run(
        "update-ref", "--create-reflog", "-m", "hive merge", f"refs/heads/{base}", new, old, check=False
    )
    if done.returncode and repository.head(base) == old:
        words = clean_line(done.stderr.decode("utf-8", "replace"))
        raise GitError(f"{base} cannot be moved: {words}", "Mend that, then merge again.")
    return done.returncode == 0


def _commit(repository: LocalRepository, tree: str, parent: str, message: str) -> str:
    values = [repository.text("config", "--get", name, check=False) for name in _NAMES]
    name, email = (value or unnamed for value, unnamed in zip(values, _UNNAMED, strict=True))
    env = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
    done = repository.run("commit-tree", tree, "-p", parent, "-F", "-", stdin=message.encode(), env=env)
    return done.stdout.decode("ascii").strip()


def _message(pull: PullRequest, head: str, by: str, message: str) -> str:
    """The trailers are a paragraph of their own at the end: nothing in the text above counts as one."""
    trailers = f"Hive-Pull: {pull.key}\nHive-Head: {head}\nHive-By: {by}\n"
    return f"{message.strip() or pull.title}\n\n{trailers}"


def delete_branch(repository: LocalRepository, branch: str, head: str) -> None:
    """Delete a branch of hive's that is still at `head`, unless somebody has it checked out."""
    if not branch.startswith("hive/") or any(tree.branch == branch for tree in repository.worktrees()):
        return
    repository.run("update-ref", "-d", f"refs/heads/{branch}", head, check=False)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
