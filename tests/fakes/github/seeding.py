"""Repositories with plausible issues and pull requests, the same for the same numbers."""

from __future__ import annotations

from random import Random

from tests.fakes.github import changes, pulls
from tests.fakes.github.state import Repository, World

OWNER = "octo"
LABELS = {"bug": "d73a4a", "docs": "0075ca"}
_VERBS = ("Mend", "Speed up", "Explain", "Test", "Simplify", "Remove", "Translate")
_THINGS = ("the parser", "the cache", "the login page", "error messages", "the importer", "time zones")


def seed(
    world: World, *, repos: int, issues: int, opened: int = 0, seed: int = 0, ready: str = "ready"
) -> list[Repository]:
    """`repos` repositories named `octo/repo-1` … with `issues` open issues and `opened` pull requests each.

    Every third issue has the label `ready`; each pull request has a branch of one commit, and a check.
    """
    random = Random(seed)
    for login in (OWNER, "ada", "grace", "mallory"):
        if login not in world.users:
            world.add_user(login)
    made = []
    for number in range(1, repos + 1):
        readme = {"README.md": f"# repo-{number}\n", "app.py": "print('hello')\n"}
        repo = world.add_repository(
            f"{OWNER}/repo-{number}", files=readme, collaborators={"ada": "write", "grace": "triage"}
        )
        for name, color in LABELS.items():
            changes.create_label(world, repo, name, color=color)
        for count in range(issues):
            title = f"{random.choice(_VERBS)} {random.choice(_THINGS)}"
            labels = [ready] if count % 3 == 0 else [random.choice(("bug", "docs"))]
            author = random.choice((OWNER, "ada", "grace"))
            text = f"{title}, please.\n\nSeen in version {count + 1}."
            changes.create_issue(world, repo, author=author, title=title, body=text, labels=labels)
        _pulls(world, repo, opened)
        made.append(repo)
    return made


def _pulls(world: World, repo: Repository, count: int) -> None:
    """Without a process for each of them, which would take seconds."""
    tip = repo.git.branch("main") or ""
    numbers = range(repo.next_number, repo.next_number + count)
    commits = [
        (ref, tip, f"Change {at}", {f"change-{at}.txt": f"Change {at}\n"})
        for at, number in enumerate(numbers, 1)
        for ref in (f"refs/heads/change-{at}", f"refs/pull/{number}/head")
    ]
    repo.git.load(commits, by=world.person("ada"))
    branches = repo.git.refs("refs/heads/")
    for at, _ in enumerate(numbers, 1):
        head = branches[f"refs/heads/change-{at}"]
        pull = pulls.record(
            world,
            repo,
            author="ada",
            title=f"Change {at}",
            body="",
            head=(f"change-{at}", head),
            base=("main", tip),
        )
        pull.tested = (head, tip, True)  # it was cut from the tip just now
        changes.add_check(world, repo, head, name="build")
