"""Pull requests, reviews, commit statuses and check runs over REST."""

from __future__ import annotations

from tests.fakes.github import changes, pulls
from tests.fakes.github.rest import Answer, Call, Stop, endpoint
from tests.fakes.github.rest_issues import may_manage, ordered
from tests.fakes.github.state import CheckRun

R = "/repos/{owner}/{repo}"
P = f"{R}/pulls/{{number}}"


@endpoint("GET", f"{R}/pulls", "pull_requests:read")
def list_pulls(call: Call) -> Answer:
    query = call.query
    found = list(call.repo.pulls.values())
    state = query.get("state", "open")
    if state != "all":
        found = [pull for pull in found if pull.open == (state == "open")]
    if "base" in query:
        found = [pull for pull in found if pull.base == query["base"]]
    if "head" in query:  # a filter without an owner is ignored by GitHub
        owner, colon, branch = query["head"].partition(":")
        mine = owner.lower() == call.repo.owner.lower()
        found = [pull for pull in found if not colon or (mine and pull.head == branch)]
    default = "desc" if query.get("sort", "created") == "created" else "asc"
    found = ordered(found, query.get("sort", "created"), query.get("direction", default))
    return Answer(200, [call.shapes.pull(call.repo, pull) for pull in call.page(found)])


@endpoint("POST", f"{R}/pulls", "pull_requests:write", role="write", content=True)
def create_pull(call: Call) -> Answer:
    head = call.text("head")
    owner, colon, branch = head.partition(":")
    if colon and owner.lower() != call.repo.owner.lower():
        raise changes.invalid("PullRequest", "head", "invalid")
    made = pulls.open_pull(
        call.world,
        call.repo,
        author=call.login,
        title=call.text("title"),
        body=call.maybe("body") or "",
        head=branch if colon else head,
        base=call.text("base"),
        draft=bool(call.body.get("draft")),
    )
    shape = call.shapes.full_pull(call.repo, made)
    return Answer(201, shape, {"Location": shape["url"]})


@endpoint("GET", P, "pull_requests:read")
def get_pull(call: Call) -> Answer:
    pull = call.pull()
    if call.wants("diff"):
        text = call.repo.git.diff(pull.base_sha, pull.head_sha)
        return Answer(200, text.encode(), kind="application/vnd.github.v3.diff; charset=utf-8")
    return Answer(200, call.shapes.full_pull(call.repo, pull))


@endpoint("PATCH", P, "pull_requests:write", role="read")
def update_pull(call: Call) -> Answer:
    pull, by = call.pull(), call.login
    if not may_manage(call) and pull.author != by:
        raise Stop(403, "Must have push rights to Repository.")
    changes.edit(call.world, pull, by=by, title=call.maybe("title"), body=call.maybe("body"))
    base, state = call.maybe("base"), call.maybe("state")
    if base is not None:
        pulls.retarget(call.world, call.repo, pull, base, by=by)
    if state is not None:
        if state not in ("open", "closed"):
            raise changes.invalid("PullRequest", "state", "invalid")
        changes.set_open(call.world, pull, state == "open", by=by)
    return Answer(200, call.shapes.full_pull(call.repo, pull))


@endpoint("GET", f"{P}/merge", "contents:read")
def is_merged(call: Call) -> Answer:
    if call.pull().merged_at is None:
        raise Stop(404, "Not Found")
    return Answer(204)


@endpoint("PUT", f"{P}/merge", "contents:write", content=True)
def merge_pull(call: Call) -> Answer:
    method = call.maybe("merge_method") or "merge"
    if method not in ("merge", "squash", "rebase"):
        raise Stop(422, f"Invalid request.\n\n{method!r} is not a possible value of merge_method.")
    sha = pulls.merge(
        call.world,
        call.repo,
        call.pull(),
        by=call.login,
        method=method,
        title=call.maybe("commit_title"),
        message=call.maybe("commit_message"),
        head=call.maybe("sha"),
    )
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@endpoint("GET", f"{P}/commits", "pull_requests:read")
def list_pull_commits(call: Call) -> Answer:
    pull, git = call.pull(), call.repo.git
    shas = call.page(git.between(pull.base_sha, pull.head_sha))
    found = [git.commit(sha) for sha in shas]
    return Answer(200, [call.shapes.commit(call.repo, commit) for commit in found if commit])


@endpoint("GET", f"{P}/files", "pull_requests:read")
def list_files(call: Call) -> Answer:
    return Answer(200, call.page(call.shapes.files(call.repo, call.pull())))


# Reviews


@endpoint("GET", f"{P}/reviews", "pull_requests:read")
def list_reviews(call: Call) -> Answer:
    pull = call.pull()
    return Answer(200, [call.shapes.review(call.repo, pull, made) for made in call.page(pull.reviews)])


@endpoint("POST", f"{P}/reviews", "pull_requests:write", role="read", content=True)
def create_review(call: Call) -> Answer:
    pull, by = call.pull(), call.login
    events = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
    event, text = call.maybe("event"), call.maybe("body") or ""
    if event is not None and event not in events:
        raise Stop(422, f"Invalid request.\n\n{event!r} is not a possible value of event.")
    if by == pull.author and event in ("APPROVE", "REQUEST_CHANGES"):
        asked = "approve" if event == "APPROVE" else "request changes on"
        raise Stop(422, "Unprocessable Entity", errors=[f"Can not {asked} your own pull request"])
    if event in ("REQUEST_CHANGES", "COMMENT") and not text:
        raise changes.invalid("PullRequestReview", "body", "missing_field")
    state = events[event] if event else "PENDING"
    made = pulls.review(call.world, pull, author=by, state=state, body=text, commit=call.maybe("commit_id"))
    return Answer(200, call.shapes.review(call.repo, pull, made))


@endpoint("POST", f"{P}/requested_reviewers", "pull_requests:write", content=True)
def request_reviewers(call: Call) -> Answer:
    pull = call.pull()
    for login in call.strings("reviewers"):
        if login == pull.author:
            raise Stop(422, "Review cannot be requested from pull request author.")
        if call.world.role(login, call.repo) == "none" or login.lower() not in call.world.users:
            raise Stop(422, "Reviews may only be requested from collaborators.")
        if login not in pull.reviewers:
            pull.reviewers.append(login)
            changes.note(call.world, pull, "review_requested", call.login, detail=login)
    return Answer(201, call.shapes.pull(call.repo, pull))


# Statuses


@endpoint("POST", f"{R}/statuses/{{sha}}", "statuses:write")
def create_status(call: Call) -> Answer:
    sha, state = call.params["sha"], call.text("state")
    if call.repo.git.kind(sha) != "commit":
        raise Stop(422, f"No commit found for SHA: {sha}")
    if state not in ("error", "failure", "pending", "success"):
        raise changes.invalid("Status", "state", "custom", "state is not included in the list")
    words = call.maybe("description")
    if words is not None and len(words) > 140:
        message = "description is too long (maximum is 140 characters)"
        raise changes.invalid("Status", "description", "custom", message)
    made = changes.add_status(
        call.world,
        call.repo,
        sha,
        context=call.maybe("context") or "default",
        state=state,
        creator=call.login,
        description=words,
        target_url=call.maybe("target_url"),
    )
    shape = call.shapes.status(call.repo, sha, made)
    return Answer(201, shape, {"Location": shape["url"]})


@endpoint("GET", f"{R}/commits/{{ref+}}/statuses", "statuses:read")
def list_statuses(call: Call) -> Answer:
    sha = call.commit(call.params["ref"])
    newest_first = call.repo.statuses.get(sha, [])[::-1]
    return Answer(200, [call.shapes.status(call.repo, sha, made) for made in call.page(newest_first)])


@endpoint("GET", f"{R}/commits/{{ref+}}/status", "statuses:read")
def combined_status(call: Call) -> Answer:
    sha = call.commit(call.params["ref"])
    latest = call.repo.latest_statuses(sha)
    states = {status.state for status in latest}
    failed = states & {"error", "failure"}
    state = "failure" if failed else "success" if states == {"success"} else "pending"
    shown = [call.shapes.status(call.repo, sha, made) for made in call.page(latest)]
    for one in shown:
        del one["creator"]
    url = f"{call.shapes.repo_api(call.repo)}/commits/{sha}"
    answer = {
        "state": state,
        "statuses": shown,
        "sha": sha,
        "total_count": len(latest),
        "repository": call.shapes.repository(call.repo),
        "commit_url": url,
        "url": f"{url}/status",
    }
    return Answer(200, answer)


# Checks


@endpoint("GET", f"{R}/commits/{{ref+}}/check-runs", "checks:read")
def list_checks(call: Call) -> Answer:
    sha, query = call.commit(call.params["ref"]), call.query
    every = query.get("filter") == "all"
    found = call.repo.check_runs.get(sha, []) if every else call.repo.latest_checks(sha)
    for name, of in (("check_name", "name"), ("status", "status")):
        if name in query:
            found = [check for check in found if getattr(check, of) == query[name]]
    shown = [call.shapes.check(call.repo, check) for check in call.page(found)]
    return Answer(200, {"total_count": len(found), "check_runs": shown})


@endpoint("POST", f"{R}/check-runs", "checks:write")
def create_check(call: Call) -> Answer:
    if call.token is None or call.token.installation is None:
        raise Stop(403, "You must authenticate via a GitHub App.")
    sha = call.text("head_sha")
    if call.repo.git.kind(sha) != "commit":
        raise Stop(422, f"No commit found for SHA: {sha}")
    app = call.token.installation.app.slug
    made = changes.add_check(
        call.world, call.repo, sha, name=call.text("name"), status="queued", conclusion=None, app=app
    )
    _update(call, made)
    return Answer(201, call.shapes.check(call.repo, made))


def _update(call: Call, check: CheckRun) -> None:
    conclusion = call.maybe("conclusion")
    check.status = "completed" if conclusion else call.maybe("status") or check.status
    if check.status == "completed":
        check.conclusion = conclusion or check.conclusion
        check.completed_at = call.world.now()
    check.details_url = call.maybe("details_url") or check.details_url
    output = call.body.get("output") or {}
    check.title, check.summary = output.get("title", check.title), output.get("summary", check.summary)


def _check(call: Call) -> CheckRun:
    wanted = int(call.params["number"])
    for checks in call.repo.check_runs.values():
        for check in checks:
            if check.id == wanted:
                return check
    raise Stop(404, "Not Found")


@endpoint("GET", f"{R}/check-runs/{{number}}", "checks:read")
def get_check(call: Call) -> Answer:
    return Answer(200, call.shapes.check(call.repo, _check(call)))


@endpoint("PATCH", f"{R}/check-runs/{{number}}", "checks:write")
def update_check(call: Call) -> Answer:
    check = _check(call)
    _update(call, check)
    return Answer(200, call.shapes.check(call.repo, check))
