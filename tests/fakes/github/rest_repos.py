"""Repositories, branches, commits and collaborators over REST."""

from __future__ import annotations

from tests.fakes.github import changes
from tests.fakes.github.rest import Answer, Call, Stop, endpoint, readable
from tests.fakes.github.rights import ROLES
from tests.fakes.github.state import Protection, Repository

R = "/repos/{owner}/{repo}"
B = f"{R}/branches/{{branch+}}"


def _viewer(call: Call) -> str | None:
    return call.token.user if call.token else None


@endpoint("GET", R, "metadata:read")
def get_repository(call: Call) -> Answer:
    return Answer(200, call.shapes.full_repository(call.repo, _viewer(call)))


@endpoint("PATCH", R, "administration:write", role="admin")
def update_repository(call: Call) -> Answer:
    repo, body = call.repo, call.body
    if repo.archived and body.get("archived") is not False:
        raise Stop(403, "Repository was archived so is read-only.")
    name = call.maybe("name")
    if name and name != repo.name:
        changes.rename(call.world, repo, f"{repo.owner}/{name}")
    repo.default_branch = call.maybe("default_branch") or repo.default_branch
    for switch in ("archived", "private", "has_issues", "delete_branch_on_merge"):
        if isinstance(body.get(switch), bool):
            setattr(repo, switch, body[switch])
    if "description" in body:
        repo.description = call.maybe("description")
    repo.updated_at = call.world.now()
    return Answer(200, call.shapes.full_repository(repo, _viewer(call)))


def _listed(call: Call, repos: list[Repository]) -> Answer:
    return Answer(200, [call.shapes.repository(repo, _viewer(call)) for repo in call.page(repos)])


@endpoint("GET", "/user/repos")
def my_repositories(call: Call) -> Answer:
    login, world = call.login, call.world
    mine = [x for x in world.repositories.values() if ROLES.index(world.role(login, x)) > ROLES.index("read")]
    return _listed(call, [repo for repo in mine if readable(world, call.token, repo)])


@endpoint("GET", "/users/{login}/repos")
@endpoint("GET", "/orgs/{login}/repos")
def owned_repositories(call: Call) -> Answer:
    owner = call.params["login"].lower()
    if owner not in call.world.users:
        raise Stop(404, "Not Found")
    owned = [x for x in call.world.repositories.values() if x.owner.lower() == owner]
    return _listed(call, [repo for repo in owned if readable(call.world, call.token, repo)])


# Branches


@endpoint("GET", f"{R}/branches", "contents:read")
def list_branches(call: Call) -> Answer:
    found = [
        (name.removeprefix("refs/heads/"), sha) for name, sha in call.repo.git.refs("refs/heads/").items()
    ]
    return Answer(200, [call.shapes.branch(call.repo, name, sha) for name, sha in call.page(found)])


@endpoint("GET", f"{B}/protection", "administration:read", role="admin")
def get_protection(call: Call) -> Answer:
    branch = call.params["branch"]
    rule = call.repo.protection.get(branch)
    if rule is None:
        raise Stop(404, "Branch not protected")
    return Answer(200, call.shapes.protection(call.repo, branch, rule))


@endpoint("PUT", f"{B}/protection", "administration:write", role="admin")
def put_protection(call: Call) -> Answer:
    branch, body = call.params["branch"], call.body
    if call.repo.git.branch(branch) is None:
        raise Stop(404, "Branch not found")
    checks = body.get("required_status_checks") or {}
    reviews = body.get("required_pull_request_reviews")
    named = [check["context"] for check in checks.get("checks", ())]
    rule = Protection(
        required_checks=named or list(checks.get("contexts", ())),
        strict=bool(checks.get("strict")),
        required_reviews=0 if reviews is None else int(reviews.get("required_approving_review_count", 1)),
        enforce_admins=bool(body.get("enforce_admins")),
        allow_force_pushes=bool(body.get("allow_force_pushes")),
        allow_deletions=bool(body.get("allow_deletions")),
    )
    call.repo.protection[branch] = rule
    return Answer(200, call.shapes.protection(call.repo, branch, rule))


@endpoint("DELETE", f"{B}/protection", "administration:write", role="admin")
def delete_protection(call: Call) -> Answer:
    if call.repo.protection.pop(call.params["branch"], None) is None:
        raise Stop(404, "Branch not protected")
    return Answer(204)


@endpoint("GET", B, "contents:read")
def get_branch(call: Call) -> Answer:
    name, git = call.params["branch"], call.repo.git
    sha = git.branch(name)
    commit = git.commit(sha) if sha else None
    if commit is None:
        raise Stop(404, "Branch not found")
    return Answer(200, call.shapes.full_branch(call.repo, name, commit))


@endpoint("GET", f"{R}/rules/branches/{{branch+}}", "metadata:read")
def list_rules(call: Call) -> Answer:
    """`repository-rule-detailed` of the rules that hold for a branch, which need not exist."""
    source = {"ruleset_source_type": "Repository", "ruleset_source": call.repo.full_name}
    kinds = call.repo.rules_for(call.params["branch"])
    return Answer(200, [{"type": kind, "ruleset_id": call.repo.id} | source for kind in call.page(kinds)])


# Commits


@endpoint("GET", f"{R}/commits", "contents:read")
def list_commits(call: Call) -> Answer:
    git = call.repo.git
    sha = call.commit(call.query.get("sha", call.repo.default_branch))
    shas = call.page(git.text("rev-list", sha).split())
    found = [git.commit(one) for one in shas]
    return Answer(200, [call.shapes.commit(call.repo, commit) for commit in found if commit])


@endpoint("GET", f"{R}/commits/{{ref+}}", "contents:read")
def get_commit(call: Call) -> Answer:
    commit = call.repo.git.commit(call.commit(call.params["ref"]))
    assert commit is not None
    return Answer(200, call.shapes.commit(call.repo, commit))


@endpoint("GET", f"{R}/compare/{{basehead+}}", "contents:read")
def compare(call: Call) -> Answer:
    git, (base, dots, head) = call.repo.git, call.params["basehead"].partition("...")
    if not dots:
        raise Stop(404, "Not Found")
    old, new = (git.resolve(name) for name in (base, head))
    if old is None or new is None:
        raise Stop(404, "Not Found")
    fork = git.text("merge-base", old, new)
    ahead, behind = git.between(old, new), git.between(new, old)
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    page = f"{call.shapes.page(call.repo)}/compare/{base}...{head}"
    commits = {sha: git.commit(sha) for sha in (old, fork, *ahead)}
    shown = {sha: call.shapes.commit(call.repo, commit) for sha, commit in commits.items() if commit}
    answer = {
        "url": f"{call.shapes.repo_api(call.repo)}/compare/{base}...{head}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": shown[old],
        "merge_base_commit": shown[fork],
        "status": status.get((bool(ahead), bool(behind)), "diverged"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [shown[sha] for sha in ahead],
        "files": [],
    }
    return Answer(200, answer)


# Collaborators


@endpoint("GET", f"{R}/collaborators/{{login}}/permission", "metadata:read", role="write")
def get_permission(call: Call) -> Answer:
    login = call.params["login"]
    if login.lower() not in call.world.users:
        raise Stop(404, f"{login} is not a user")
    role = call.world.role(login, call.repo)
    legacy = {"triage": "read", "maintain": "write"}.get(role, role)
    return Answer(200, {"permission": legacy, "role_name": role, "user": _collaborator(call, login, role)})


def _collaborator(call: Call, login: str, role: str) -> dict[str, object]:
    least = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    rights = {name: ROLES.index(role) >= ROLES.index(need) for name, need in least.items()}
    return call.shapes.user(login) | {"role_name": role, "permissions": rights}


@endpoint("GET", f"{R}/collaborators", "metadata:read", role="write")
def list_collaborators(call: Call) -> Answer:
    owner = call.world.user(call.repo.owner)
    people = [owner.login] if owner.type == "User" else sorted(owner.members)
    logins = list(dict.fromkeys([*people, *call.repo.collaborators]))
    found = [(login, call.world.role(login, call.repo)) for login in call.page(logins)]
    return Answer(200, [_collaborator(call, login, role) for login, role in found])


@endpoint("GET", f"{R}/collaborators/{{login}}", "metadata:read", role="write")
def is_collaborator(call: Call) -> Answer:
    if call.world.role(call.params["login"], call.repo) in ("none", "read"):
        raise Stop(404, "Not Found")
    return Answer(204)
