"""`hive issue` and `status`: what is to be done."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
import msgspec

from hive_tui.cli.acting import act, configured_repos, read
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.finding import find_issues, find_one_issue
from hive_tui.cli.paint import paint, width
from hive_tui.core import document, gates, rows, text, workflow
from hive_tui.core.actions import (
    Approve,
    EditIssue,
    NewIssue,
    SetOpen,
    SetStatus,
)
from hive_tui.core.columns import Line, Span
from hive_tui.core.dispatch import decide
from hive_tui.core.document import IssueDoc
from hive_tui.core.errors import HiveError, UsageError, unknown
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Comment, Issue, IssueType
from hive_tui.core.rows import Page
from hive_tui.core.settings import Preset
from hive_tui.core.store import Snapshot
from hive_tui.core.workflow import IssueState

TEMPLATE = """\
What is wanted or wrong, and why.

## Plan

## Definition of Done
- [ ]
"""
"""What the editor shows for a new issue; saved as it is, it makes none."""


def _page(session: Session) -> Page:
    return Page(width(), session.now(), len(configured_repos(session)) > 1)


@click.group("issue", cls=Group, epilog='Example: `hive issue new "Faster start-up"`.')
def issue_command() -> None:
    """List, show, write, edit and close issues."""


@issue_command.command("list", epilog="Example: `hive issue list --state ready -o json`.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also closed ones.")
@click.option("--state", type=click.Choice([state.value for state in IssueState]), help="Only in this state.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Only with this label.")
@global_options
@repo_option
@output_option
@pass_session
def issue_list_command(
    session: Session, everything: bool, state: str | None, labels: tuple[str, ...]
) -> None:
    """Issues, with who works on them or what holds them."""
    snapshot = read(session)
    settings, repo = session.fleet_settings, session.repo
    plan = decide(snapshot, settings, session.now())
    found = [
        issue
        for issue in document.issue_docs(snapshot, plan, settings, everything=True)
        if (everything or issue.open)
        and repo in (None, issue.repo)
        and state in (None, issue.state)
        and set(labels) <= set(issue.labels)
    ]
    found.sort(key=rows.issue_order)
    session.emit({"issues": found}, lambda: _issues_text(session, found))


def _issues_text(session: Session, found: list[IssueDoc]) -> str:
    if not found:
        session.say_empty("No issues. `hive issue new TITLE` writes one.")
        return ""
    return paint(rows.issue_table(_page(session), found), color=session.color)


class IssueDetail(msgspec.Struct, frozen=True):
    """One issue with its text."""

    issue: IssueDoc
    body: str
    comments: list[Comment]
    created_at: datetime
    updated_at: datetime


@issue_command.command("show", epilog="Example: `hive issue show 42`.")
@click.argument("issue", metavar="ISSUE")
@global_options
@repo_option
@output_option
@pass_session
def issue_show_command(session: Session, issue: str) -> None:
    """One issue: its state, its text, its comments."""
    snapshot, key = find_one_issue(session, read(session), issue)
    found = session.fleet.forge.get_issue(key)
    detail = IssueDetail(
        _issue_doc(session, snapshot, found),
        found.body,
        session.fleet.forge.comments(key),
        found.created_at,
        found.updated_at,
    )
    session.emit(detail, lambda: paint(_issue_lines(session, detail), color=session.color))


def _issue_doc(session: Session, snapshot: Snapshot, issue: Issue) -> IssueDoc:
    settings = session.fleet_settings
    plan = decide(snapshot, settings, session.now())
    return document.issue_doc(snapshot, issue, plan, settings)


def _issue_lines(session: Session, detail: IssueDetail) -> list[Line]:
    issue, now = detail.issue, session.now()
    mark = rows.issue_mark(issue)
    head = f"  {issue.author}, {text.since(detail.created_at, now)} ago"
    lines: list[Line] = [
        (Span(f"{issue.repo}#{issue.number}  {text.clean_line(issue.title)}", Tone.TITLE),),
        (Span(str(mark), mark.tone), Span(head, Tone.QUIET), Span(f"  {', '.join(issue.labels)}")),
    ]
    if issue.gate is not None:
        lines.append((Span(f"{issue.gate.name}: {text.clean_line(issue.gate.detail)}", Tone.SOON),))
    lines += [(), *((Span(line),) for line in text.clean(detail.body).splitlines())]
    for comment in detail.comments:
        by = f"{text.clean_line(comment.author)}, {text.since(comment.at, now)} ago:"
        lines += [(), (Span(by, Tone.QUIET),)]
        lines += [(Span(f"  {line}"),) for line in text.clean(comment.body).splitlines()]
    return lines


@issue_command.command(
    "new",
    epilog='Example: `hive issue new "Faster start-up" --type improvement --plan "Import lazily."'
    ' --done "hive --help takes 50 ms"`.',
)
@click.argument("title", required=False)
@click.option("-t", "--title", "title_option", metavar="TEXT", help="Its title, as `gh` spells it.")
@click.option("--body", metavar="TEXT", help="Its text, in Markdown.")
@click.option("-F", "--body-file", metavar="FILE", help="Its text from a file, or - for standard input.")
@click.option("--plan", metavar="TEXT", help="Adds `## Plan`.")
@click.option("--done", multiple=True, metavar="TEXT", help="Adds a line to `## Definition of Done`.")
@click.option("--type", "kind", type=click.Choice([kind.value for kind in IssueType]), help="What it is.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Another label.")
@click.option("--draft", is_flag=True, help="Not ready yet: no agent starts on it.")
@global_options
@repo_option
@output_option
@pass_session
def issue_new_command(
    session: Session,
    title: str | None,
    title_option: str | None,
    body: str | None,
    body_file: str | None,
    plan: str | None,
    done: tuple[str, ...],
    kind: str | None,
    labels: tuple[str, ...],
    draft: bool,
) -> None:
    """Write an issue. A terminal asks for what is missing: the title, and in your editor the text.

    It is ready for an agent at once, unless --draft; what still holds it is said.
    """
    session.require_writable()
    settings = session.fleet_settings
    repo = session.one_repo().name
    if title is not None and title_option is not None:
        raise UsageError("The title is given twice.", "Give it as an argument or as --title.")
    if title is None:
        title = title_option if title_option is not None else _asked_title()
    if not title.strip():
        raise UsageError("An issue needs a title.", 'Such as `hive issue new "Faster start-up"`.')
    content = _compose(_given_text(body, body_file), plan, done)
    if content is None:
        content = _edited(TEMPLATE)
    wanted = [*labels]
    if kind is not None:
        wanted.append(f"type:{kind}")
    if not draft and not workflow.states(tuple(wanted), settings.labels):
        wanted.append(workflow.label(IssueState.READY, settings.labels))
    request = NewIssue(repo, title, content, tuple(dict.fromkeys(wanted)))
    issue = act(session, read(session), request, quiet=True).issue
    assert issue is not None
    session.emit(_issue_doc(session, read(session), issue), f"{issue.key} {issue.title}")
    gate = gates.text_gate(issue, settings)
    if gate is not None and not draft:
        session.say(f"No agent starts on it yet: {gate.detail}.")


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked_title() -> str:
    if not _interactive():
        raise UsageError("The title is missing.", 'Give one: `hive issue new "Faster start-up"`.')
    return str(click.prompt("Title", err=True))


def _given_text(body: str | None, body_file: str | None) -> str | None:
    if body is not None and body_file is not None:
        raise UsageError("There are two texts.", "Give either --body or --body-file.")
    if body_file is None:
        return body
    try:
        if body_file == "-":
            return sys.stdin.buffer.read().decode("utf-8", "replace")
        return Path(body_file).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise HiveError(f"{body_file} cannot be read: {error.strerror}.", "Check its name.") from error


def _compose(body: str | None, plan: str | None, done: tuple[str, ...]) -> str | None:
    """The text from its parts; None where none is given and a person can be asked."""
    if body is None and plan is None and not done:
        return None if _interactive() else ""
    parts = [body.strip()] if body and body.strip() else []
    if plan is not None:
        parts.append(f"## Plan\n{plan.strip()}")
    if done:
        lines = "\n".join(f"- [ ] {text.clean_line(line)}" for line in done)
        parts.append(f"## Definition of Done\n{lines}")
    return "\n\n".join(parts) + "\n"


def _edited(content: str) -> str:
    """What the person made of it in their editor; unchanged or empty is a no."""
    changed = click.edit(content, extension=".md")
    if changed is None or not changed.strip() or changed.strip() == content.strip():
        raise click.Abort
    return changed


@issue_command.command("edit", epilog='Example: `hive issue edit 42 --title "Faster start-up"`.')
@click.argument("issue", metavar="ISSUE")
@click.option("--title", metavar="TEXT")
@click.option("--body", metavar="TEXT", help="Its whole new text.")
@click.option(
    "-F", "--body-file", metavar="FILE", help="Its whole new text from a file, or - for standard input."
)
@click.option("--add-label", "add", multiple=True, metavar="NAME")
@click.option("--remove-label", "remove", multiple=True, metavar="NAME")
@global_options
@repo_option
@output_option
@pass_session
def issue_edit_command(
    session: Session,
    issue: str,
    title: str | None,
    body: str | None,
    body_file: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
) -> None:
    """Change an issue's title, text or labels. Without an option, a terminal opens your editor."""
    session.require_writable()
    snapshot, key = find_one_issue(session, read(session), issue)
    content = _given_text(body, body_file)
    if content is None and title is None and not add and not remove:
        if not _interactive():
            raise UsageError("Nothing would change.", "Give --title, --body, --add-label or --remove-label.")
        content = _edited(session.fleet.forge.get_issue(key).body)
    request = EditIssue(key, title=title, body=content, add_labels=add, remove_labels=remove)
    edited = act(session, snapshot, request, quiet=True).issue
    assert edited is not None
    session.emit(_issue_doc(session, read(session), edited), f"{edited.key} {edited.title}")


@issue_command.command("close", epilog="Example: `hive issue close 42`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@global_options
@repo_option
@pass_session
def issue_close_command(session: Session, issues: tuple[str, ...]) -> None:
    """Close issues: no agent starts on them any more."""
    session.require_writable()
    snapshot, keys = find_issues(session, read(session), issues)
    act(session, snapshot, SetOpen(keys))


@issue_command.command("reopen", epilog="Example: `hive issue reopen 42`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@global_options
@repo_option
@pass_session
def issue_reopen_command(session: Session, issues: tuple[str, ...]) -> None:
    """Open closed issues again."""
    session.require_writable()
    snapshot, keys = find_issues(session, read(session), issues)
    act(session, snapshot, SetOpen(keys, is_open=True))


@issue_command.command("approve", epilog="Example: `hive issue approve 42`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@global_options
@repo_option
@pass_session
def issue_approve_command(session: Session, issues: tuple[str, ...]) -> None:
    """Let issues be started with exactly the text that they have now, whoever wrote it."""
    session.require_writable()
    snapshot, keys = find_issues(session, read(session), issues)
    act(session, snapshot, Approve(keys))


@click.command("status", epilog="Example: `hive status 42 ready`.")
@click.argument("issue", metavar="ISSUE")
@click.argument("status", metavar="STATUS")
@global_options
@repo_option
@pass_session
def status_command(session: Session, issue: str, status: str) -> None:
    """Set an issue's status: ready, in-progress, in-review, changes-requested, needs-human or done."""
    session.require_writable()
    state = _state(status, session.fleet_settings.labels)
    snapshot, key = find_one_issue(session, read(session), issue)
    act(session, snapshot, SetStatus((key,), state))


def _state(name: str, preset: Preset) -> IssueState:
    """A state by its own name or by its label's."""
    for state in IssueState:
        if name in (state.value, workflow.label(state, preset)):
            return state
    raise unknown("status", name, [state.value for state in IssueState])
