"""Issues, labels and comments over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.fakes.github import changes
from tests.fakes.github.rest import Answer, Call, Stop, endpoint
from tests.fakes.github.rights import ROLES
from tests.fakes.github.state import Comment, Issue, Label

R = "/repos/{owner}/{repo}"


def may_manage(call: Call) -> bool:
    """Whether the caller may label, assign and close what others wrote."""
    if call.token is not None and call.token.kind == "installation":
        return True
    return ROLES.index(call.world.role(call.login, call.repo)) >= ROLES.index("triage")


def since(call: Call) -> datetime | None:
    text = call.query.get("since")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Stop(422, "The since parameter must be a valid ISO 8601 timestamp.") from error
    return at if at.tzinfo else at.replace(tzinfo=call.world.now().tzinfo)


@endpoint("GET", f"{R}/issues", "issues:read")
def list_issues(call: Call) -> Answer:
    """Pull requests are among them, as GitHub has it."""
    repo, query = call.repo, call.query
    items = list(repo.issues.values())
    state = query.get("state", "open")
    if state not in ("open", "closed", "all"):
        raise changes.invalid("Issue", "state", "invalid")
    if state != "all":
        items = [item for item in items if item.open == (state == "open")]
    at = since(call)
    if at is not None:
        items = [item for item in items if item.updated_at >= at]
    for name in filter(None, query.get("labels", "").split(",")):
        items = [item for item in items if name.lower() in {x.name.lower() for x in repo.labels_of(item)}]
    if "creator" in query:
        items = [item for item in items if item.author.lower() == query["creator"].lower()]
    assignee = query.get("assignee")
    if assignee and assignee != "*":
        items = [
            item
            for item in items
            if (not item.assignees if assignee == "none" else assignee in item.assignees)
        ]
    elif assignee == "*":
        items = [item for item in items if item.assignees]
    items = ordered(items, query.get("sort", "created"), query.get("direction", "desc"))
    return Answer(200, [call.shapes.issue(repo, item) for item in call.page(items)])


def ordered(items: list[Any], sort: str, direction: str) -> list[Any]:
    """By `created`, `updated` or `comments`; ties by number, so that pages never overlap."""
    keys = {
        "created": lambda item: (item.created_at, item.number),
        "updated": lambda item: (item.updated_at, item.number),
        "comments": lambda item: (len(item.comments), item.number),
    }
    return sorted(items, key=keys.get(sort, keys["created"]), reverse=direction != "asc")


@endpoint("POST", f"{R}/issues", "issues:write", role="read", content=True)
def create_issue(call: Call) -> Answer:
    if not call.repo.has_issues:
        raise Stop(410, "Issues are disabled for this repo")
    title = call.text("title")
    if not title.strip():
        raise changes.invalid("Issue", "title", "missing_field")
    managed = may_manage(call)
    made = changes.create_issue(
        call.world,
        call.repo,
        author=call.login,
        title=title,
        body=call.maybe("body") or "",
        labels=call.strings("labels") if managed else (),
        assignees=call.strings("assignees") if managed else (),
    )
    shape = call.shapes.issue(call.repo, made, full=True)
    return Answer(201, shape, {"Location": shape["url"]})


@endpoint("GET", f"{R}/issues/{{number}}", "issues:read")
def get_issue(call: Call) -> Answer:
    return Answer(200, call.shapes.issue(call.repo, call.issue(), full=True))


@endpoint("PATCH", f"{R}/issues/{{number}}", "issues:write", role="read")
def update_issue(call: Call) -> Answer:
    item, body, by = call.issue(), call.body, call.login
    if not may_manage(call) and item.author != by:
        raise Stop(403, "Must have push rights to Repository.")
    changes.edit(call.world, item, by=by, title=call.maybe("title"), body=call.maybe("body"))
    state = call.maybe("state")
    if state is not None:
        if state not in ("open", "closed"):
            raise changes.invalid("Issue", "state", "invalid")
        changes.set_open(call.world, item, state == "open", by=by, reason=call.maybe("state_reason"))
    if "labels" in body and may_manage(call):
        changes.set_labels(call.world, call.repo, item, call.strings("labels"), by)
    if "assignees" in body and may_manage(call):
        changes.set_assignees(call.world, call.repo, item, call.strings("assignees"), by)
    return Answer(200, call.shapes.issue(call.repo, item, full=True))


@endpoint("POST", f"{R}/issues/{{number}}/assignees", "issues:write", role="triage")
def add_assignees(call: Call) -> Answer:
    item = call.issue()
    wanted = [*item.assignees, *call.strings("assignees")]
    changes.set_assignees(call.world, call.repo, item, wanted, call.login)
    return Answer(201, call.shapes.issue(call.repo, item, full=True))


@endpoint("DELETE", f"{R}/issues/{{number}}/assignees", "issues:write", role="triage")
def remove_assignees(call: Call) -> Answer:
    item, gone = call.issue(), call.strings("assignees")
    wanted = [login for login in item.assignees if login not in gone]
    changes.set_assignees(call.world, call.repo, item, wanted, call.login)
    return Answer(200, call.shapes.issue(call.repo, item, full=True))


@endpoint("GET", f"{R}/issues/{{number}}/events", "issues:read")
@endpoint("GET", f"{R}/issues/{{number}}/timeline", "issues:read")
def list_events(call: Call) -> Answer:
    events = call.page(call.issue().events)
    return Answer(200, [call.shapes.event(call.repo, event) for event in events])


# Labels


def _labels(call: Call, item: Issue) -> Answer:
    return Answer(200, [call.shapes.label(call.repo, label) for label in call.repo.labels_of(item)])


@endpoint("GET", f"{R}/issues/{{number}}/labels", "issues:read")
def list_issue_labels(call: Call) -> Answer:
    labels = call.page(call.repo.labels_of(call.issue()))
    return Answer(200, [call.shapes.label(call.repo, label) for label in labels])


@endpoint("POST", f"{R}/issues/{{number}}/labels", "issues:write", role="triage")
def add_labels(call: Call) -> Answer:
    item = call.issue()
    changes.add_labels(call.world, call.repo, item, call.strings("labels"), call.login)
    return _labels(call, item)


@endpoint("PUT", f"{R}/issues/{{number}}/labels", "issues:write", role="triage")
def set_labels(call: Call) -> Answer:
    item = call.issue()
    changes.set_labels(call.world, call.repo, item, call.strings("labels"), call.login)
    return _labels(call, item)


@endpoint("DELETE", f"{R}/issues/{{number}}/labels", "issues:write", role="triage")
def clear_labels(call: Call) -> Answer:
    changes.set_labels(call.world, call.repo, call.issue(), (), call.login)
    return Answer(204)


@endpoint("DELETE", f"{R}/issues/{{number}}/labels/{{name}}", "issues:write", role="triage")
def remove_label(call: Call) -> Answer:
    item = call.issue()
    if not changes.remove_label(call.world, call.repo, item, call.params["name"], call.login):
        raise Stop(404, "Label does not exist")
    return _labels(call, item)


@endpoint("GET", f"{R}/labels", "issues:read")
def list_labels(call: Call) -> Answer:
    labels = sorted(call.repo.labels.values(), key=lambda label: label.name.lower())
    return Answer(200, [call.shapes.label(call.repo, label) for label in call.page(labels)])


@endpoint("POST", f"{R}/labels", "issues:write")
def create_label(call: Call) -> Answer:
    name, color, words = call.text("name"), call.maybe("color"), call.maybe("description")
    made = changes.create_label(call.world, call.repo, name, color=color, description=words)
    shape = call.shapes.label(call.repo, made)
    return Answer(201, shape, {"Location": shape["url"]})


def _label(call: Call) -> Label:
    found = call.repo.label(call.params["name"])
    if found is None:
        raise Stop(404, "Not Found")
    return found


@endpoint("GET", f"{R}/labels/{{name}}", "issues:read")
def get_label(call: Call) -> Answer:
    return Answer(200, call.shapes.label(call.repo, _label(call)))


@endpoint("PATCH", f"{R}/labels/{{name}}", "issues:write")
def update_label(call: Call) -> Answer:
    label = _label(call)
    name = call.maybe("new_name") or call.maybe("name") or label.name
    other = call.repo.label(name)
    if other is not None and other is not label:
        raise changes.invalid("Label", "name", "already_exists")
    label.name = name
    label.color = call.maybe("color") or label.color
    if "description" in call.body:
        label.description = call.maybe("description")
    return Answer(200, call.shapes.label(call.repo, label))


@endpoint("DELETE", f"{R}/labels/{{name}}", "issues:write")
def delete_label(call: Call) -> Answer:
    changes.delete_label(call.world, call.repo, _label(call))
    return Answer(204)


# Comments


@endpoint("GET", f"{R}/issues/{{number}}/comments", "issues:read")
def list_comments(call: Call) -> Answer:
    item, at = call.issue(), since(call)
    found = [made for made in item.comments if at is None or made.updated_at >= at]
    return Answer(200, [call.shapes.comment(call.repo, item, made) for made in call.page(found)])


@endpoint("GET", f"{R}/issues/comments", "issues:read")
def list_all_comments(call: Call) -> Answer:
    at = since(call)
    found = [(item, made) for item in call.repo.issues.values() for made in item.comments]
    found = [(item, made) for item, made in found if at is None or made.updated_at >= at]
    backwards = call.query.get("direction") == "desc" and "sort" in call.query
    by_update = call.query.get("sort") == "updated"
    found.sort(key=lambda pair: (pair[1].updated_at if by_update else pair[1].created_at, pair[1].id))
    if backwards:
        found.reverse()
    return Answer(200, [call.shapes.comment(call.repo, item, made) for item, made in call.page(found)])


@endpoint("POST", f"{R}/issues/{{number}}/comments", "issues:write", role="read", content=True)
def create_comment(call: Call) -> Answer:
    item, text = call.issue(), call.text("body")
    if item.locked and not may_manage(call):
        raise Stop(403, "Unable to create comment because issue is locked.")
    if not text.strip() or len(text) > 65536:
        raise changes.invalid("IssueComment", "body", "missing_field" if not text.strip() else "too_long")
    made = changes.comment(call.world, item, author=call.login, body=text)
    shape = call.shapes.comment(call.repo, item, made)
    return Answer(201, shape, {"Location": shape["url"]})


def _comment(call: Call) -> tuple[Issue, Comment]:
    wanted = int(call.params["number"])
    for item in call.repo.issues.values():
        for made in item.comments:
            if made.id == wanted:
                return item, made
    raise Stop(404, "Not Found")


def _own_comment(call: Call) -> tuple[Issue, Comment]:
    """An app may change only its own; people with the right to push may change everybody's."""
    item, made = _comment(call)
    app = call.token is not None and call.token.kind == "installation"
    if made.author != call.login and (app or not may_manage(call)):
        raise Stop(403, "Must have push rights to Repository.")
    return item, made


@endpoint("GET", f"{R}/issues/comments/{{number}}", "issues:read")
def get_comment(call: Call) -> Answer:
    item, made = _comment(call)
    return Answer(200, call.shapes.comment(call.repo, item, made))


@endpoint("PATCH", f"{R}/issues/comments/{{number}}", "issues:write", role="read")
def edit_comment(call: Call) -> Answer:
    item, made = _own_comment(call)
    changes.edit_comment(call.world, item, made, by=call.login, body=call.text("body"))
    return Answer(200, call.shapes.comment(call.repo, item, made))


@endpoint("DELETE", f"{R}/issues/comments/{{number}}", "issues:write", role="read")
def delete_comment(call: Call) -> Answer:
    item, made = _own_comment(call)
    changes.delete_comment(call.world, item, made)
    return Answer(204)


@endpoint("PUT", f"{R}/issues/{{number}}/lock", "issues:write")
def lock_issue(call: Call) -> Answer:
    call.issue().locked = True
    return Answer(204)


@endpoint("DELETE", f"{R}/issues/{{number}}/lock", "issues:write")
def unlock_issue(call: Call) -> Answer:
    call.issue().locked = False
    return Answer(204)
