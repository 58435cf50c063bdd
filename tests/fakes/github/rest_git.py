"""git's objects, refs and files over REST."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from tests.fakes.github import pulls
from tests.fakes.github.bare import ZERO, GitRefused, Person
from tests.fakes.github.rest import Answer, Call, Stop, endpoint

R = "/repos/{owner}/{repo}"


# Refs


def _shown(call: Call, name: str, sha: str) -> dict[str, Any]:
    return call.shapes.ref(call.repo, name, sha)


@endpoint("GET", f"{R}/git/ref/{{ref+}}", "contents:read")
def get_ref(call: Call) -> Answer:
    name = f"refs/{call.params['ref']}"
    sha = call.repo.git.refs(name).get(name)
    if sha is None:
        raise Stop(404, "Not Found")
    return Answer(200, _shown(call, name, sha))


@endpoint("GET", f"{R}/git/matching-refs/{{ref+}}", "contents:read")
def matching_refs(call: Call) -> Answer:
    """Every ref whose name begins so, on one page."""
    found = call.repo.git.refs(f"refs/{call.params['ref']}")
    return Answer(200, [_shown(call, name, sha) for name, sha in found.items()])


@endpoint("POST", f"{R}/git/refs", "contents:write")
def create_ref(call: Call) -> Answer:
    name, sha = call.text("ref"), call.text("sha")
    git = call.repo.git
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Stop(422, "Reference name must start with 'refs/' and contain at least two slashes.")
    if git.kind(sha) is None:
        raise Stop(422, "Object does not exist")
    if "creation" in call.repo.rules_for(name.removeprefix("refs/heads/")):
        raise Stop(
            422, "Repository rule violations found\n\nCannot create ref due to creations being restricted."
        )
    try:
        git.update_ref(name, sha, ZERO)
    except GitRefused as error:
        taken = name in git.refs(name)
        words = "Reference already exists" if taken else f"{name} is not a valid ref name."
        raise Stop(422, words) from error
    pulls.sync(call.world, call.repo, by=call.login)
    shape = _shown(call, name, sha)
    return Answer(201, shape, {"Location": shape["url"]})


@endpoint("PATCH", f"{R}/git/refs/{{ref+}}", "contents:write")
def update_ref(call: Call) -> Answer:
    name, sha = f"refs/{call.params['ref']}", call.text("sha")
    git, force = call.repo.git, bool(call.body.get("force"))
    old = git.refs(name).get(name)
    if old is None:
        raise Stop(422, "Reference does not exist")
    if git.kind(sha) is None:
        raise Stop(422, "Object does not exist")
    forced = old != sha and not git.is_ancestor(old, sha)
    if forced and not force:
        raise Stop(422, "Update is not a fast forward")
    _check_protection(call, name, forced=forced)
    try:
        git.update_ref(name, sha, old)
    except GitRefused as error:
        raise Stop(422, "Reference cannot be updated") from error
    pulls.sync(call.world, call.repo, by=call.login)
    return Answer(200, _shown(call, name, sha))


@endpoint("DELETE", f"{R}/git/refs/{{ref+}}", "contents:write")
def delete_ref(call: Call) -> Answer:
    name, git = f"refs/{call.params['ref']}", call.repo.git
    if name not in git.refs(name):
        raise Stop(422, "Reference does not exist")
    protection = call.repo.protection.get(name.removeprefix("refs/heads/"))
    if name == f"refs/heads/{call.repo.default_branch}" or (protection and not protection.allow_deletions):
        raise Stop(422, "Cannot delete this branch")
    git.delete_ref(name)
    pulls.sync(call.world, call.repo, by=call.login)
    return Answer(204)


def _check_protection(call: Call, name: str, *, forced: bool) -> None:
    protection = call.repo.protection.get(name.removeprefix("refs/heads/"))
    if protection is None or not name.startswith("refs/heads/"):
        return
    if forced and not protection.allow_force_pushes:
        raise Stop(422, "Cannot force-push to this branch")
    bound = protection.enforce_admins or call.world.role(call.login, call.repo) != "admin"
    if bound and protection.required_reviews:
        raise Stop(409, "Could not update branch: changes must be made through a pull request.")
    if bound and protection.required_checks:
        name = protection.required_checks[0]
        raise Stop(409, f'Could not update branch: required status check "{name}" is expected.')


# Objects


@endpoint("GET", f"{R}/git/commits/{{sha}}", "contents:read")
def get_commit_object(call: Call) -> Answer:
    commit = call.repo.git.commit(call.params["sha"])
    if commit is None:
        raise Stop(404, "Not Found")
    return Answer(200, call.shapes.git_commit(call.repo, commit))


@endpoint("POST", f"{R}/git/commits", "contents:write")
def create_commit(call: Call) -> Answer:
    git, tree, parents = call.repo.git, call.text("tree"), tuple(call.strings("parents"))
    if git.kind(tree) != "tree":
        raise Stop(422, "Tree SHA does not exist")
    if any(git.kind(parent) != "commit" for parent in parents):
        raise Stop(422, "Parent SHA does not exist or is not a commit object")
    author = _person(call, "author") or call.world.person(call.login)
    sha = git.write_commit(
        tree=tree,
        parents=parents,
        message=call.text("message"),
        author=author,
        committer=_person(call, "committer") or author,
    )
    commit = git.commit(sha)
    assert commit is not None
    shape = call.shapes.git_commit(call.repo, commit)
    return Answer(201, shape, {"Location": shape["url"]})


def _person(call: Call, role: str) -> Person | None:
    said = call.body.get(role)
    if said is None:
        return None
    at = said.get("date")
    when = datetime.fromisoformat(at.replace("Z", "+00:00")) if at else call.world.now()
    return Person(said["name"], said["email"], when)


@endpoint("GET", f"{R}/git/trees/{{sha+}}", "contents:read")
def get_tree(call: Call) -> Answer:
    git, url = call.repo.git, f"{call.shapes.repo_api(call.repo)}/git"
    sha = git.ref(f"{call.params['sha']}^{{tree}}")
    if sha is None:
        raise Stop(404, "Not Found")
    tree = []
    for mode, kind, entry, size, path in git.tree(sha, recursive="recursive" in call.query):
        row: dict[str, Any] = {"path": path, "mode": mode, "type": kind, "sha": entry}
        if size is not None:
            row["size"] = size
        tree.append(row | {"url": f"{url}/{kind}s/{entry}"})
    return Answer(200, {"sha": sha, "url": f"{url}/trees/{sha}", "tree": tree, "truncated": False})


@endpoint("POST", f"{R}/git/trees", "contents:write")
def create_tree(call: Call) -> Answer:
    git, entries = call.repo.git, {}
    for one in call.body.get("tree", ()):
        sha = git.write_blob(one["content"].encode()) if "content" in one else one["sha"]
        entries[one["path"]] = (one["mode"], sha)
    base = call.maybe("base_tree")
    if base is not None and git.ref(f"{base}^{{tree}}") is None:
        raise Stop(422, "base_tree is not a valid tree oid")
    try:
        made = git.write_tree(f"{base}^{{tree}}" if base else None, entries)
    except GitRefused as error:
        raise Stop(422, "tree.sha is not valid") from error
    call.params["sha"] = made
    answer = get_tree(call)
    answer.status = 201
    return answer


@endpoint("GET", f"{R}/git/blobs/{{sha}}", "contents:read")
def get_blob(call: Call) -> Answer:
    git, sha = call.repo.git, call.params["sha"]
    if git.kind(sha) != "blob":
        raise Stop(404, "Not Found")
    content = git.run("cat-file", "blob", sha)
    url = f"{call.shapes.repo_api(call.repo)}/git/blobs/{sha}"
    encoded = {"content": base64.encodebytes(content).decode(), "encoding": "base64"}
    return Answer(200, {"sha": sha, "node_id": f"B_{sha}", "size": len(content), "url": url} | encoded)


@endpoint("POST", f"{R}/git/blobs", "contents:write")
def create_blob(call: Call) -> Answer:
    content = call.text("content")
    raw = _decoded(content) if call.maybe("encoding") == "base64" else content.encode()
    sha = call.repo.git.write_blob(raw)
    url = f"{call.shapes.repo_api(call.repo)}/git/blobs/{sha}"
    return Answer(201, {"sha": sha, "url": url}, {"Location": url})


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise Stop(422, "content is not valid Base64") from error


# Files


@endpoint("GET", f"{R}/contents/{{path+}}", "contents:read")
def get_content(call: Call) -> Answer:
    git, path, ref = call.repo.git, call.params["path"], call.query.get("ref", call.repo.default_branch)
    commit = git.resolve(ref)
    if commit is None:
        raise Stop(404, f"No commit found for the ref {ref}")
    sha = git.ref(f"{commit}:{path}")
    if sha is None:
        raise Stop(404, "Not Found")
    if git.kind(sha) == "tree":
        rows = [
            _entry(call, f"{path}/{name}", kind, entry, size, ref)
            for _, kind, entry, size, name in git.tree(sha)
        ]
        return Answer(200, rows)
    content = git.run("cat-file", "blob", sha)
    if call.wants("raw"):
        return Answer(200, content, kind="application/vnd.github.raw; charset=utf-8")
    return Answer(200, call.shapes.content(call.repo, path, sha, content, ref))


def _entry(call: Call, path: str, kind: str, sha: str, size: int | None, ref: str) -> dict[str, Any]:
    """One line of `content-directory`."""
    shape = call.shapes.content(call.repo, path, sha, b"", ref)
    del shape["content"], shape["encoding"]
    if kind == "tree":
        shape["download_url"] = None
    return shape | {"type": "dir" if kind == "tree" else "file", "size": size or 0}


@endpoint("PUT", f"{R}/contents/{{path+}}", "contents:write")
def put_content(call: Call) -> Answer:
    repo, git, path = call.repo, call.repo.git, call.params["path"]
    branch = call.maybe("branch") or repo.default_branch
    tip = git.branch(branch)
    if tip is None:
        raise Stop(404, f"Branch {branch} not found")
    there, said = git.ref(f"{tip}:{path}"), call.maybe("sha")
    if there is not None and said is None:
        raise Stop(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if there != said:
        raise Stop(409, f"{path} does not match {said}")
    _check_protection(call, f"refs/heads/{branch}", forced=False)
    content = _decoded(call.text("content"))
    tree = git.write_tree(f"{tip}^{{tree}}", {path: ("100644", git.write_blob(content))})
    by = call.world.person(call.login)
    sha = git.write_commit(tree=tree, parents=(tip,), message=call.text("message"), author=by, committer=by)
    git.update_ref(f"refs/heads/{branch}", sha, tip)
    pulls.sync(call.world, repo, by=call.login)
    commit, blob = git.commit(sha), git.ref(f"{sha}:{path}")
    assert commit is not None
    assert blob is not None
    shown = {
        "content": call.shapes.content(repo, path, blob, content, branch),
        "commit": call.shapes.git_commit(repo, commit),
    }
    return Answer(200 if there else 201, shown)
