"""People, repositories, issues and comments as GitHub's REST interface writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.fakes.github.rights import ROLES
from tests.fakes.github.state import (
    App,
    Comment,
    Installation,
    Issue,
    Label,
    Pull,
    Repository,
    TimelineEvent,
    User,
    World,
    node_id,
)

Json = dict[str, Any]

REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
USER_URLS = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
}
_ZEROS = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")


def stamp(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Shapes:
    """`site` and `api` are URLs without a slash at the end."""

    def __init__(self, world: World, site: str, api: str) -> None:
        self.world = world
        self.site = site
        self.api = api

    def repo_api(self, repo: Repository) -> str:
        return f"{self.api}/repos/{repo.full_name}"

    def page(self, repo: Repository) -> str:
        return f"{self.site}/{repo.full_name}"

    # Who

    def user(self, login: str) -> Json:
        """`simple-user`; a login that is gone is shown as `ghost`, as GitHub does."""
        user = self.world.users.get(login.lower()) or User(10137, "ghost")
        url = f"{self.api}/users/{quote(user.login)}"
        page = f"apps/{user.login.removesuffix('[bot]')}" if user.type == "Bot" else user.login
        return {
            "login": user.login,
            "id": user.id,
            "node_id": user.node_id,
            "avatar_url": f"{self.site}/avatars/{user.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.site}/{page}",
            **{key: url + path for key, path in USER_URLS.items()},
            "type": user.type,
            "site_admin": False,
            "user_view_type": "public",
        }

    def users(self, logins: list[str]) -> list[Json]:
        return [self.user(login) for login in logins]

    def profile(self, user: User) -> Json:
        """`public-user`."""
        since = "2020-01-01T00:00:00Z"
        owned = [x for x in self.world.repositories.values() if x.owner == user.login and not x.private]
        nothing = dict.fromkeys(("bio", "company", "hireable", "location"))
        counts = {"followers": 0, "following": 0, "public_gists": 0, "public_repos": len(owned)}
        named = {"name": user.name, "email": user.email, "blog": ""}
        return self.user(user.login) | nothing | counts | named | {"created_at": since, "updated_at": since}

    def app(self, app: App) -> Json:
        since = "2020-01-01T00:00:00Z"
        return {
            "id": app.id,
            "slug": app.slug,
            "node_id": node_id("A", app.id),
            "owner": self.user(app.owner),
            "name": app.name,
            "description": None,
            "external_url": self.site,
            "html_url": f"{self.site}/apps/{app.slug}",
            "created_at": since,
            "updated_at": since,
            "permissions": app.permissions,
            "events": [],
        }

    def installation(self, made: Installation) -> Json:
        since = "2020-01-01T00:00:00Z"
        account = self.world.user(made.account)
        url = f"{self.api}/app/installations/{made.id}"
        return {
            "id": made.id,
            "account": self.user(account.login),
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.site}/settings/installations/{made.id}",
            "app_id": made.app.id,
            "app_slug": made.app.slug,
            "target_id": account.id,
            "target_type": account.type,
            "permissions": made.permissions,
            "events": [],
            "created_at": since,
            "updated_at": since,
            "single_file_name": None,
            "repository_selection": "all" if made.repositories is None else "selected",
            "suspended_by": None if made.suspended_at is None else self.user(made.account),
            "suspended_at": stamp(made.suspended_at),
        }

    # Repositories

    def repository(self, repo: Repository, viewer: str | None = None) -> Json:
        """`repository`; `viewer` is the login whose rights are shown, None for no rights."""
        url, page = self.repo_api(repo), self.page(repo)
        issues = sum(item.open for item in repo.issues.values())
        role = ROLES.index(self.world.role(viewer, repo) if viewer else "read")
        rights = {
            "pull": "read",
            "triage": "triage",
            "push": "write",
            "maintain": "maintain",
            "admin": "admin",
        }
        return {
            "id": repo.id,
            "node_id": repo.node_id,
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self.user(repo.owner),
            "html_url": page,
            "description": repo.description,
            "fork": False,
            "url": url,
            **{key: url + path for key, path in REPOSITORY_URLS.items()},
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.updated_at),
            "pushed_at": stamp(repo.pushed_at),
            "git_url": f"git:{page.split(':', 1)[1]}.git",
            "ssh_url": f"git@{self.site.split('://')[1]}:{repo.full_name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "homepage": None,
            **dict.fromkeys(_ZEROS, 0),
            "language": None,
            "has_issues": repo.has_issues,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": True,
            "has_pages": False,
            "has_discussions": False,
            "mirror_url": None,
            "archived": repo.archived,
            "disabled": repo.disabled,
            "open_issues": issues,
            "open_issues_count": issues,
            "license": None,
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": [],
            "visibility": "private" if repo.private else "public",
            "default_branch": repo.default_branch,
            "permissions": {name: role >= ROLES.index(least) for name, least in rights.items()},
        }

    def full_repository(self, repo: Repository, viewer: str | None) -> Json:
        """`full-repository`."""
        return self.repository(repo, viewer) | {
            "network_count": 0,
            "subscribers_count": 0,
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": False,
            "allow_auto_merge": False,
            "delete_branch_on_merge": repo.delete_branch_on_merge,
        }

    # Issues

    def label(self, repo: Repository, label: Label) -> Json:
        return {
            "id": label.id,
            "node_id": label.node_id,
            "url": f"{self.repo_api(repo)}/labels/{quote(label.name, safe='')}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
        }

    def item(self, repo: Repository, item: Issue, *, part: str) -> Json:
        """What issues and pull requests have in common; `part` is `issues` or `pulls`."""
        assignees = self.users(item.assignees)
        return {
            "url": f"{self.repo_api(repo)}/{part}/{item.number}",
            "html_url": self.html(repo, item),
            "id": item.id,
            "node_id": item.node_id,
            "number": item.number,
            "title": item.title,
            "user": self.user(item.author),
            "labels": [self.label(repo, label) for label in repo.labels_of(item)],
            "state": "open" if item.open else "closed",
            "locked": item.locked,
            "active_lock_reason": None,
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "milestone": None,
            "created_at": stamp(item.created_at),
            "updated_at": stamp(item.updated_at),
            "closed_at": stamp(item.closed_at),
            "author_association": self.world.association(item.author, repo, item),
            "body": item.body or None,
        }

    def html(self, repo: Repository, item: Issue) -> str:
        return f"{self.page(repo)}/{'pull' if isinstance(item, Pull) else 'issues'}/{item.number}"

    def issue(self, repo: Repository, item: Issue, *, full: bool = False) -> Json:
        """`issue`; `full` as the single one is read, with who closed it."""
        url = f"{self.repo_api(repo)}/issues/{item.number}"
        shape = self.item(repo, item, part="issues") | {
            "repository_url": self.repo_api(repo),
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "timeline_url": f"{url}/timeline",
            "comments": len(item.comments),
            "reactions": self.reactions(url),
            "performed_via_github_app": None,
            "state_reason": item.state_reason,
        }
        if full:
            shape["closed_by"] = self.user(item.closed_by) if item.closed_by else None
        if isinstance(item, Pull):
            page = self.html(repo, item)
            shape["draft"] = item.draft
            shape["pull_request"] = {
                "url": f"{self.repo_api(repo)}/pulls/{item.number}",
                "html_url": page,
                "diff_url": f"{page}.diff",
                "patch_url": f"{page}.patch",
                "merged_at": stamp(item.merged_at),
            }
        return shape

    def reactions(self, url: str) -> Json:
        kinds = ("total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
        return {"url": f"{url}/reactions"} | dict.fromkeys(kinds, 0)

    def comment(self, repo: Repository, item: Issue, made: Comment) -> Json:
        url = f"{self.repo_api(repo)}/issues/comments/{made.id}"
        return {
            "url": url,
            "html_url": f"{self.html(repo, item)}#issuecomment-{made.id}",
            "issue_url": f"{self.repo_api(repo)}/issues/{item.number}",
            "id": made.id,
            "node_id": made.node_id,
            "user": self.user(made.author),
            "created_at": stamp(made.created_at),
            "updated_at": stamp(made.updated_at),
            "author_association": self.world.association(made.author, repo),
            "body": made.body,
            "reactions": self.reactions(url),
            "performed_via_github_app": None,
        }

    def event(self, repo: Repository, event: TimelineEvent) -> Json:
        """`issue-event-for-issue`."""
        shape: Json = {
            "id": event.id,
            "node_id": node_id("EV", event.id),
            "url": f"{self.repo_api(repo)}/issues/events/{event.id}",
            "actor": self.user(event.actor),
            "event": event.event,
            "commit_id": event.detail if event.event == "merged" else None,
            "commit_url": None,
            "created_at": stamp(event.at),
            "performed_via_github_app": None,
        }
        if event.label is not None:
            found = repo.label(event.label)
            shape["label"] = {"name": event.label, "color": found.color if found else "ededed"}
        if event.event == "renamed":
            shape["rename"] = {"from": event.detail, "to": ""}
        if event.event in ("assigned", "unassigned"):
            shape["assignee"] = self.user(event.detail or "")
            shape["assigner"] = self.user(event.actor)
        return shape
