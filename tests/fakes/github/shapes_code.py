"""Pull requests, commits, branches, statuses and checks as GitHub's REST interface writes them."""

from __future__ import annotations

import base64
from typing import Any

from tests.fakes.github import pulls
from tests.fakes.github.bare import Commit, Person
from tests.fakes.github.shapes import Json, Shapes, stamp
from tests.fakes.github.state import App, CheckRun, Protection, Pull, Repository, Review, Status, node_id

UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


class CodeShapes(Shapes):
    # Pull requests

    def pull(self, repo: Repository, pull: Pull) -> Json:
        """`pull-request-simple`."""
        url, page = f"{self.repo_api(repo)}/pulls/{pull.number}", self.html(repo, pull)
        issue = f"{self.repo_api(repo)}/issues/{pull.number}"
        links = {
            "self": url,
            "html": page,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.repo_api(repo)}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{self.repo_api(repo)}/statuses/{pull.head_sha}",
        }
        return self.item(repo, pull, part="pulls") | {
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "merged_at": stamp(pull.merged_at),
            "merge_commit_sha": pull.merge_commit,
            "requested_reviewers": self.users(pull.reviewers),
            "requested_teams": [],
            "head": self._end(repo, pull.head, pull.head_sha),
            "base": self._end(repo, pull.base, pull.base_sha),
            "_links": {name: {"href": link} for name, link in links.items()},
            "auto_merge": None,
            "draft": pull.draft,
        }

    def _end(self, repo: Repository, branch: str, sha: str) -> Json:
        owner = self.user(repo.owner)
        label = f"{repo.owner}:{branch}"
        return {"label": label, "ref": branch, "sha": sha, "user": owner, "repo": self.repository(repo)}

    def full_pull(self, repo: Repository, pull: Pull) -> Json:
        """`pull-request`."""
        files = repo.git.changed(pull.base_sha, pull.head_sha)
        state = pulls.merge_state(self.world, repo, pull)
        able = pull.tested[2] if pull.tested and state != "unknown" else None
        return self.pull(repo, pull) | {
            "merged": pull.merged_at is not None,
            "mergeable": able,
            "rebaseable": able,
            "mergeable_state": state,
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": len(pull.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": len(repo.git.between(pull.base_sha, pull.head_sha)),
            "additions": sum(added for added, *_ in files),
            "deletions": sum(removed for _, removed, *_ in files),
            "changed_files": len(files),
        }

    def files(self, repo: Repository, pull: Pull) -> list[Json]:
        """`diff-entry` of each changed file."""
        names = {"A": "added", "D": "removed"}
        return [
            {
                "sha": repo.git.ref(f"{pull.head_sha}:{path}"),
                "filename": path,
                "status": names.get(letter, "modified"),
                "additions": added,
                "deletions": removed,
                "changes": added + removed,
                "blob_url": f"{self.page(repo)}/blob/{pull.head_sha}/{path}",
                "raw_url": f"{self.page(repo)}/raw/{pull.head_sha}/{path}",
                "contents_url": f"{self.repo_api(repo)}/contents/{path}?ref={pull.head_sha}",
            }
            for added, removed, letter, path in repo.git.changed(pull.base_sha, pull.head_sha)
        ]

    def review(self, repo: Repository, pull: Pull, made: Review) -> Json:
        page = f"{self.html(repo, pull)}#pullrequestreview-{made.id}"
        url = f"{self.repo_api(repo)}/pulls/{pull.number}"
        return {
            "id": made.id,
            "node_id": made.node_id,
            "user": self.user(made.author),
            "body": made.body,
            "state": made.state,
            "html_url": page,
            "pull_request_url": url,
            "author_association": self.world.association(made.author, repo),
            "_links": {"html": {"href": page}, "pull_request": {"href": url}},
            "submitted_at": stamp(made.at),
            "commit_id": made.commit,
        }

    # Commits and branches

    def git_commit(self, repo: Repository, commit: Commit) -> Json:
        """`git-commit`."""
        url = f"{self.repo_api(repo)}/git"
        page = f"{self.page(repo)}/commit"
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{url}/commits/{commit.sha}",
            "html_url": f"{page}/{commit.sha}",
            "author": _person(commit.author),
            "committer": _person(commit.committer),
            "tree": {"sha": commit.tree, "url": f"{url}/trees/{commit.tree}"},
            "message": commit.message.removesuffix("\n"),
            "parents": [
                {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/{sha}"}
                for sha in commit.parents
            ],
            "verification": UNSIGNED,
        }

    def commit(self, repo: Repository, commit: Commit) -> Json:
        """`commit`."""
        inner = self.git_commit(repo, commit)
        url = f"{self.repo_api(repo)}/commits"
        by_mail = {user.email: user.login for user in self.world.users.values()}
        known = {
            role: self.user(by_mail[person.email]) if person.email in by_mail else None
            for role, person in (("author", commit.author), ("committer", commit.committer))
        }
        return {
            "sha": commit.sha,
            "node_id": inner["node_id"],
            "url": f"{url}/{commit.sha}",
            "html_url": inner["html_url"],
            "comments_url": f"{url}/{commit.sha}/comments",
            "commit": {
                "author": inner["author"],
                "committer": inner["committer"],
                "message": inner["message"],
                "tree": inner["tree"],
                "url": inner["url"],
                "comment_count": 0,
                "verification": UNSIGNED,
            },
            **known,
            "parents": [parent | {"url": f"{url}/{parent['sha']}"} for parent in inner["parents"]],
        }

    def ref(self, repo: Repository, name: str, sha: str) -> Json:
        """`git-ref`."""
        kind = repo.git.kind(sha) or "commit"
        url = f"{self.repo_api(repo)}/git"
        return {
            "ref": name,
            "node_id": node_id("REF", repo.id) + name.replace("/", "_"),
            "url": f"{url}/{name}",
            "object": {"type": kind, "sha": sha, "url": f"{url}/{kind}s/{sha}"},
        }

    def branch(self, repo: Repository, name: str, sha: str) -> Json:
        """`short-branch`."""
        commit = {"sha": sha, "url": f"{self.repo_api(repo)}/commits/{sha}"}
        return {"name": name, "commit": commit, "protected": name in repo.protection}

    def full_branch(self, repo: Repository, name: str, commit: Commit) -> Json:
        """`branch-with-protection`."""
        url = f"{self.repo_api(repo)}/branches/{name}"
        protection = repo.protection.get(name)
        checks = protection.required_checks if protection else []
        level = "non_admins" if checks else "off"
        return {
            "name": name,
            "commit": self.commit(repo, commit),
            "_links": {"self": url, "html": f"{self.page(repo)}/tree/{name}"},
            "protected": protection is not None,
            "protection": {
                "enabled": protection is not None,
                "required_status_checks": {"enforcement_level": level, "contexts": checks, "checks": []},
            },
            "protection_url": f"{url}/protection",
        }

    def protection(self, repo: Repository, branch: str, rule: Protection) -> Json:
        """`branch-protection`, as it is read, and `protected-branch`, as it is written."""
        url = f"{self.repo_api(repo)}/branches/{branch}/protection"
        checks = f"{url}/required_status_checks"
        shape: dict[str, Any] = {
            "url": url,
            "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": rule.enforce_admins},
            "allow_force_pushes": {"enabled": rule.allow_force_pushes},
            "allow_deletions": {"enabled": rule.allow_deletions},
            "required_linear_history": {"enabled": False},
        }
        if rule.required_checks or rule.strict:
            shape["required_status_checks"] = {
                "url": checks,
                "contexts_url": f"{checks}/contexts",
                "strict": rule.strict,
                "contexts": rule.required_checks,
                "checks": [{"context": name, "app_id": None} for name in rule.required_checks],
            }
        if rule.required_reviews:
            shape["required_pull_request_reviews"] = {
                "url": f"{url}/required_pull_request_reviews",
                "dismiss_stale_reviews": False,
                "require_code_owner_reviews": False,
                "require_last_push_approval": False,
                "required_approving_review_count": rule.required_reviews,
            }
        return shape

    def content(self, repo: Repository, path: str, sha: str, content: bytes, ref: str) -> Json:
        """`content-file`."""
        url = f"{self.repo_api(repo)}/contents/{path}?ref={ref}"
        git_url = f"{self.repo_api(repo)}/git/blobs/{sha}"
        page = f"{self.page(repo)}/blob/{ref}/{path}"
        return {
            "name": path.rsplit("/", 1)[-1],
            "path": path,
            "sha": sha,
            "size": len(content),
            "url": url,
            "html_url": page,
            "git_url": git_url,
            "download_url": f"{self.page(repo)}/raw/{ref}/{path}",
            "type": "file",
            "content": base64.encodebytes(content).decode(),
            "encoding": "base64",
            "_links": {"self": url, "git": git_url, "html": page},
        }

    # Statuses and checks

    def status(self, repo: Repository, sha: str, status: Status) -> Json:
        """`status`; without `creator` it is the `simple-commit-status` of the combined one."""
        creator = self.user(status.creator)
        return {
            "url": f"{self.repo_api(repo)}/statuses/{sha}",
            "avatar_url": creator["avatar_url"],
            "id": status.id,
            "node_id": status.node_id,
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": stamp(status.created_at),
            "updated_at": stamp(status.created_at),
            "creator": creator,
        }

    def check(self, repo: Repository, check: CheckRun) -> Json:
        """`check-run`."""
        url = f"{self.repo_api(repo)}/check-runs/{check.id}"
        page = f"{self.page(repo)}/runs/{check.id}"
        apps = {app.slug: app for app in self.world.apps.values()}
        app = apps.get(check.app) or App(15368, check.app, "github", check.app, "", {"checks": "write"})
        return {
            "id": check.id,
            "name": check.name,
            "node_id": check.node_id,
            "head_sha": check.sha,
            "external_id": "",
            "url": url,
            "html_url": page,
            "details_url": check.details_url or page,
            "status": check.status,
            "conclusion": check.conclusion,
            "started_at": stamp(check.started_at),
            "completed_at": stamp(check.completed_at),
            "output": {
                "title": check.title,
                "summary": check.summary,
                "text": None,
                "annotations_count": 0,
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": app.id * 1000 + repo.id},
            "app": self.app(app),
            "pull_requests": [],
        }


def _person(person: Person) -> Json:
    return {"name": person.name, "email": person.email, "date": stamp(person.at)}
