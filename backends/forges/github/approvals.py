"""A person's consent to exactly one text of an issue: a comment of theirs that holds the text's hash.

It outlives every copy of hive's. It counts only if the person wrote the comment and nobody else has edited
it since; whether the person may approve is a gate's question. The label tells a poll that there is one.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from backends import typed
from backends.forges.github import comments, decode
from backends.forges.github.desk import RepoApi
from backends.forges.github.errors import Garbled
from hive_tui.core import gates
from hive_tui.core.model import Approval
from hive_tui.core.settings import FleetSettings
from hive_tui.core.text import clean_line

LABEL = "hive:approved"
"""Of an issue that has an approval to look up."""

_MARKER = r"(?:\A|\n)<!-- hive:approval ([0-9a-f]{64}) -->\s*\Z"
"""On a line of its own: whoever answers a stranger's words by quoting them has not said them."""


class _Who(msgspec.Struct, frozen=True):
    login: str = ""
    kind: str = msgspec.field(default="", name="__typename")


class _Comment(msgspec.Struct, frozen=True, rename="camel"):
    created_at: datetime
    body: str = ""
    last_edited_at: datetime | None = None
    author_association: str = ""
    author: _Who | None = None
    editor: _Who | None = None


class _Comments(msgspec.Struct, frozen=True):
    nodes: list[_Comment | None] | None = None


class _Issue(msgspec.Struct, frozen=True):
    comments: _Comments | None = None


class _Repository(msgspec.Struct, frozen=True):
    issue: _Issue | None = None


class _Data(msgspec.Struct, frozen=True):
    repository: _Repository | None = None


_QUERY = """query($owner: String!, $name: String!, $number: Int!) {
  rateLimit { cost limit remaining resetAt }
  repository(owner: $owner, name: $name) { issue(number: $number) { comments(last: 100) { nodes {
    body createdAt lastEditedAt authorAssociation author { login __typename } editor { login }
  } } } }
}"""


def write(api: RepoApi, number: int, me: str, sha: str) -> None:
    """Approve, as whoever the token is of, the text with that hash; an older approval of theirs is over."""
    words = f"{me} approves this text for hive, as it is now (`{sha[:12]}`)."
    comments.write(api, number, me, words, f"approval {sha}")


def find(api: RepoApi, number: int, sha: str, settings: FleetSettings) -> Approval | None:
    """The latest approval of the text with that hash by somebody who may, else the latest of all.

    Raises GitHubError.
    """
    owner, _, name = api.repo.partition("/")
    variables = {"owner": owner, "name": name, "number": number}
    what = f"the approval of {api.repo}#{number}"
    found = api.client.graphql(_QUERY, variables, repo=api.repo, cost=1, what=what, write=True)
    try:
        data = typed.decode(found.data, _Data)
    except msgspec.DecodeError as error:
        raise Garbled(f"GitHub's answer about {what} cannot be read: {clean_line(str(error))}.") from None
    issue = data.repository.issue if data.repository is not None else None
    nodes = (issue.comments.nodes if issue is not None and issue.comments is not None else None) or []
    given = [approval for node in nodes if node is not None and (approval := _approval(node)) is not None]
    of_this = [approval for approval in given if approval.body_sha == sha]
    fitting = [approval for approval in of_this if gates.may_approve(approval, settings)]
    return max(fitting or given, key=lambda approval: approval.at, default=None)


def _approval(node: _Comment) -> Approval | None:
    match = re.search(_MARKER, node.body)
    if match is None or node.author is None or node.author.kind == "Bot":
        return None
    if node.editor is not None and node.editor.login.lower() != node.author.login.lower():
        return None
    by = clean_line(node.author.login, limit=decode.MAX_NAME)
    role = clean_line(node.author_association, limit=decode.MAX_NAME) or None
    return Approval(by, node.last_edited_at or node.created_at, match[1], role)
