"""How pull requests are opened, reviewed, judged, merged and moved by pushes, by GitHub's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fakes.github.changes import Invalid, invalid, note, set_open
from tests.fakes.github.state import Issue, Pull, Repository, Review, World

_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:(?P<repo>[\w.-]+/[\w.-]+)?#|\S+?/issues/)(?P<number>\d+)\b",
    re.IGNORECASE,
)


def open_pull(
    world: World,
    repo: Repository,
    *,
    author: str,
    title: str,
    head: str,
    base: str,
    body: str = "",
    draft: bool = False,
) -> Pull:
    """`head` and `base` are branches of this repository."""
    head_sha, base_sha = repo.git.branch(head), repo.git.branch(base)
    if base_sha is None:
        raise invalid("PullRequest", "base", "invalid")
    if head_sha is None:
        raise invalid("PullRequest", "head", "invalid")
    if any(pull.open and (pull.head, pull.base) == (head, base) for pull in repo.pulls.values()):
        words = f"A pull request already exists for {repo.owner}:{head}."
        raise Invalid("Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": words}])
    if repo.git.is_ancestor(head_sha, base_sha):
        words = f"No commits between {base} and {head}"
        raise Invalid("Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": words}])
    pull = record(
        world,
        repo,
        author=author,
        title=title,
        body=body,
        head=(head, head_sha),
        base=(base, base_sha),
        draft=draft,
    )
    repo.git.run("update-ref", f"refs/pull/{pull.number}/head", head_sha)
    return pull


def record(
    world: World,
    repo: Repository,
    *,
    author: str,
    title: str,
    body: str,
    head: tuple[str, str],
    base: tuple[str, str],
    draft: bool = False,
) -> Pull:
    """Without a look at git; `head` and `base` are (branch, commit)."""
    now = world.now()
    pull = Pull(
        world.next_id(),
        repo.next_number,
        author,
        title,
        body,
        now,
        now,
        head=head[0],
        head_sha=head[1],
        base=base[0],
        base_sha=base[1],
        draft=draft,
    )
    repo.issues[pull.number] = pull
    return pull


def retarget(world: World, repo: Repository, pull: Pull, base: str, *, by: str) -> None:
    sha = repo.git.branch(base)
    if sha is None:
        raise invalid("PullRequest", "base", "invalid")
    if base != pull.base:
        pull.base, pull.base_sha = base, sha
        note(world, pull, "base_ref_changed", by)


def review(
    world: World, pull: Pull, *, author: str, state: str, body: str = "", commit: str | None = None
) -> Review:
    """`state` as `Review.state`."""
    made = Review(world.next_id(), author, state, body, commit or pull.head_sha, world.now())
    pull.reviews.append(made)
    pull.updated_at = world.now()
    return made


def review_decision(repo: Repository, pull: Pull) -> str | None:
    """`APPROVED`, `CHANGES_REQUESTED`, `REVIEW_REQUIRED`; None where none is required and none says no."""
    counted = [x for x in pull.reviews if x.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")]
    last = {x.author: x.state for x in counted}
    protection = repo.protection.get(pull.base)
    needed = protection.required_reviews if protection else 0
    if "CHANGES_REQUESTED" in last.values():
        return "CHANGES_REQUESTED"
    if sum(state == "APPROVED" for state in last.values()) >= max(1, needed):
        return "APPROVED"
    return "REVIEW_REQUIRED" if needed else None


def mergeable(world: World, repo: Repository, pull: Pull) -> bool | None:
    """Whether head merges into base; None at the first look after either moved, and when it is closed."""
    tip = repo.git.branch(pull.base)
    if not pull.open or tip is None:
        return None
    if pull.tested is None or pull.tested[:2] != (pull.head_sha, tip):
        pull.tested = (pull.head_sha, tip, repo.git.merge_tree(tip, pull.head_sha) is not None)
        if world.merge_test_lags:
            return None
    return pull.tested[2]


def check_states(repo: Repository, sha: str) -> dict[str, str]:
    """Name of each status and check of a commit to `success`, `pending` or `failure`."""
    found = {x.context: "failure" if x.state == "error" else x.state for x in repo.latest_statuses(sha)}
    for check in repo.latest_checks(sha):
        passed = check.conclusion in ("success", "neutral", "skipped")
        found[check.name] = "pending" if check.status != "completed" else "success" if passed else "failure"
    return found


def why_blocked(world: World, repo: Repository, pull: Pull) -> str | None:
    """What the protection of the base still asks for, in GitHub's words."""
    protection = repo.protection.get(pull.base)
    if protection is None:
        return None
    if protection.required_reviews and review_decision(repo, pull) != "APPROVED":
        count = protection.required_reviews
        return f"At least {count} approving review is required by reviewers with write access."
    states = check_states(repo, pull.head_sha)
    for name in protection.required_checks:
        if states.get(name) != "success":
            how = {None: "expected", "pending": "pending", "failure": "failing"}[states.get(name)]
            return f'Required status check "{name}" is {how}.'
    return None


def merge_state(world: World, repo: Repository, pull: Pull) -> str:
    """REST's `mergeable_state`: `unknown`, `dirty`, `draft`, `blocked`, `behind`, `unstable`, `clean`."""
    able = mergeable(world, repo, pull)
    if able is None:
        return "unknown"
    if not able:
        return "dirty"
    if pull.draft:
        return "draft"
    if why_blocked(world, repo, pull):
        return "blocked"
    protection = repo.protection.get(pull.base)
    tip = repo.git.branch(pull.base)
    if protection and protection.strict and tip and not repo.git.is_ancestor(tip, pull.head_sha):
        return "behind"
    states = check_states(repo, pull.head_sha).values()
    return "clean" if all(state == "success" for state in states) else "unstable"


def closing_issues(repo: Repository, pull: Pull) -> list[Issue]:
    """Issues that the text says it closes ("Fixes #12"), if it goes into the default branch."""
    if pull.base != repo.default_branch:
        return []
    found = {}
    for match in _CLOSES.finditer(pull.body):
        named = match["repo"]
        issue = repo.issues.get(int(match["number"]))
        if (
            issue
            and not isinstance(issue, Pull)
            and (named or repo.full_name).lower() == repo.full_name.lower()
        ):
            found[issue.number] = issue
    return list(found.values())


@dataclass
class NotMergeable(Exception):
    """405, or 409 where the head moved."""

    status: int
    message: str


def merge(
    world: World,
    repo: Repository,
    pull: Pull,
    *,
    by: str,
    method: str = "merge",
    title: str | None = None,
    message: str | None = None,
    head: str | None = None,
) -> str:
    """`method` is `merge` or `squash`; returns the commit on the base."""
    if head is not None and head != pull.head_sha:
        raise NotMergeable(409, "Head branch was modified. Review and try the merge again.")
    tip = repo.git.branch(pull.base)
    blocked = why_blocked(world, repo, pull)
    if blocked:
        raise NotMergeable(405, blocked)
    tree = repo.git.merge_tree(tip, pull.head_sha) if pull.open and tip and not pull.draft else None
    if tree is None or tip is None:
        raise NotMergeable(405, "Pull Request is not mergeable")
    if method == "squash":
        parents: tuple[str, ...] = (tip,)
        subject = title or f"{pull.title} (#{pull.number})"
        words = f"{subject}\n\n{message}" if message else subject
    elif method == "merge":
        parents = (tip, pull.head_sha)
        subject = title or f"Merge pull request #{pull.number} from {repo.owner}/{pull.head}"
        words = f"{subject}\n\n{pull.title if message is None else message}"
    else:
        raise NotMergeable(405, "Rebase merges are not allowed on this repository.")
    person = world.person(by)
    sha = repo.git.write_commit(tree=tree, parents=parents, message=words, author=person, committer=person)
    repo.git.update_ref(f"refs/heads/{pull.base}", sha, tip)
    _merged(world, repo, pull, sha, by)
    if repo.delete_branch_on_merge and repo.git.branch(pull.head):
        repo.git.delete_ref(f"refs/heads/{pull.head}")
        note(world, pull, "head_ref_deleted", by)
    sync(world, repo, by=by)
    return sha


def _merged(world: World, repo: Repository, pull: Pull, sha: str, by: str) -> None:
    now = world.now()
    pull.open = False
    pull.merged_at = pull.closed_at = now
    pull.merged_by = pull.closed_by = by
    pull.merge_commit = sha
    note(world, pull, "merged", by, detail=sha)
    note(world, pull, "closed", by)
    for issue in closing_issues(repo, pull):
        set_open(world, issue, False, by=by)


# Pushes


def sync(world: World, repo: Repository, *, by: str) -> None:
    """Take notice of where the branches are now; to be called after anything moved a ref."""
    repo.pushed_at = repo.updated_at = world.now()
    branches = repo.git.refs("refs/heads/")
    for pull in repo.pulls.values():
        head, tip = branches.get(f"refs/heads/{pull.head}"), branches.get(f"refs/heads/{pull.base}")
        if not pull.open:
            continue
        if head is None:
            set_open(world, pull, False, by=by)
            note(world, pull, "head_ref_deleted", by)
        elif head != pull.head_sha:
            if not repo.git.is_ancestor(pull.head_sha, head):
                note(world, pull, "head_ref_force_pushed", by, detail=head)
            pull.head_sha = head
            pull.base_sha = tip or pull.base_sha
            pull.updated_at = world.now()
            repo.git.run("update-ref", f"refs/pull/{pull.number}/head", head)
        if pull.open and head and tip not in (None, pull.base_sha) and repo.git.is_ancestor(head, str(tip)):
            _merged(world, repo, pull, str(tip), by)
