"""Repositories with plausible issues and pull requests, the same for the same numbers."""

from __future__ import annotations

from random import Random

from tests.fakes.github import changes, pulls
from tests.fakes.github.state import Repository, World

OWNER = "octo"
LABELS = {"ready": "0e8a16", "in-progress": "fbca04", "review": "1d76db", "bug": "d73a4a", "docs": "0075ca"}
_VERBS = ("Mend", "Speed up", "Explain", "Test", "Simplify", "Remove", "Translate")
_THINGS = ("the parser", "the cache", "the login page", "error messages", "the importer", "time zones")


def seed(world: World, *, repos: int, issues: int, opened: int = 0, seed: int = 0) -> list[Repository]:
    """`repos` repositories named `octo/repo-1` … with `issues` open issues and `opened` pull requests each.

    A third of the issues is ready; each pull request has a branch with one commit and a check.
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
            labels = ["ready"] if count % 3 == 0 else [random.choice(("bug", "docs"))]
            author = random.choice((OWNER, "ada", "grace"))
            text = f"{title}, please.\n\nSeen in version {count + 1}."
            changes.create_issue(world, repo, author=author, title=title, body=text, labels=labels)
        _pulls(world, repo, opened)
        made.append(repo)
    return made


def _pulls(world: World, repo: Repository, count: int) -> None:
    """All branches come from one stream, since a process for each object would take seconds."""
    who, at = f"ada <{world.user('ada').email}>", int(world.now().timestamp())
    lines = []
    for number in range(1, count + 1):
        text, message = f"Change {number}\n", f"Change {number}"
        lines += [f"commit refs/heads/change-{number}", f"committer {who} {at} +0000"]
        lines += [f"data {len(message)}", message, "from refs/heads/main^0"]
        lines += [f"M 100644 inline change-{number}.txt", f"data {len(text)}", text]
    repo.git.run("fast-import", "--quiet", stdin="\n".join(lines).encode())
    for number in range(1, count + 1):
        title, head = f"Change {number}", f"change-{number}"
        pull = pulls.open_pull(world, repo, author="ada", title=title, head=head, base="main", body="")
        changes.add_check(world, repo, pull.head_sha, name="build")
