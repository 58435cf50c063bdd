"""How a command carries out an action of the registry: plan, ask where something is lost, do, say."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from msgspec.structs import replace

from hive_tui.cli.common import Session
from hive_tui.core import actions
from hive_tui.core.actions import ActionContext, ActionPlan, ActionResult, Danger, Request
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.sources import CLUSTER, FORGE, Health
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from hive_tui.core.text import clean_line

yes_option = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask. Needed where there is no terminal to ask on."
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only print what would happen to what, and what would be lost."
)


def context_of(session: Session) -> ActionContext:
    """What actions are carried out with."""
    return ActionContext(
        cluster=session.fleet.cluster,
        forge=session.fleet.forge,
        settings=session.fleet_settings,
        actor=session.actor,
        now=session.now,
        read_only=session.read_only,
    )


def require(session: Session, snapshot: Snapshot, name: str, target: Target) -> None:
    """Raises Refused, as the registry does, where this command carries out an action of it by itself."""
    action = actions.get(name)
    refused = actions.refusal_of(action, context_of(session), snapshot)
    if refused is not None:
        raise Refused(*refused)
    against = action.against(snapshot, target) if action.against is not None else None
    if against is not None:
        raise Refused(actions.sentence(f"{target.run}: {against}"))


def read(session: Session, *needed: str) -> Snapshot:
    """The fleet's state. Raises SourceError when a source that is needed (default: both) failed."""
    snapshot = session.snapshot()
    for name in needed or (CLUSTER, FORGE):
        source = snapshot.sources.get(name)
        if source is not None and source.state is Health.FAILED:
            raise SourceError(
                f"Fleet {session.fleet_name!r} cannot be read ({name}): {source.why}",
                "`hive doctor` looks for the cause.",
            )
    return snapshot


def act(
    session: Session,
    snapshot: Snapshot,
    request: Request,
    *,
    yes: bool = False,
    quiet: bool = False,
    dry_run: bool = False,
) -> ActionResult:
    """Plan a request, ask if it is dangerous, carry it out, say what was done. With `dry_run` its plan is
    printed and nothing is done, also in read-only mode.

    Raises Refused when it is refused, also where it would be asked for and there is no terminal, and
    click.Abort when the person says no. Ends with exit code 1 when a part of it failed.
    """
    context = context_of(session)
    if dry_run:
        _print_plan(session, actions.plan(replace(context, read_only=False), snapshot, request))
        return ActionResult()
    plan = actions.plan(context, snapshot, request)
    if plan.refusal is None and plan.danger is not Danger.NONE and not yes:
        _confirm(session, plan)
    result = actions.execute(context, plan)
    if not quiet:
        for message in result.messages:
            session.say(clean_line(message))
    _complain(session, result)
    return result


def _print_plan(session: Session, plan: ActionPlan) -> None:
    """What would be done, a line each. Raises Refused when nothing would."""
    if plan.refusal is not None:
        raise Refused(actions.sentence(plan.refusal), plan.hint)
    lines = [line[: len(line) - len(line.lstrip())] + clean_line(line) for line in plan.lines()]
    session.emit({"dry_run": True, "plan": lines}, "\n".join(lines))


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm(session: Session, plan: ActionPlan) -> None:
    """Name what is at stake; Enter cancels. Raises Refused where nobody can be asked: a script that was
    meant for something else must not merge or kill by chance."""
    if not _interactive():
        raise Refused(
            f"{plan.title} asks first, and there is no terminal to ask on.",
            "-y does it without asking; --dry-run prints what it would do.",
        )
    for line in plan.lines():
        session.say(line)
    if plan.type_number:
        number = str(len(plan.targets))
        typed = click.prompt(
            f"{plan.title} {number}? Type the number to go on",
            default="",
            show_default=False,
            err=True,
        )
        if typed.strip() != number:
            raise click.Abort
        return
    click.confirm(f"{plan.title}?", default=False, abort=True, err=True)


def _complain(session: Session, result: ActionResult) -> None:
    errors = result.errors
    if not errors:
        return
    if len(errors) == 1 and not result.messages:
        raise errors[0]
    for error in errors:
        session.say(f"hive: {clean_line(error.message)}")
        if error.hint:
            session.say(clean_line(error.hint))
    refused = not result.messages and all(isinstance(error, Refused) for error in errors)
    click.get_current_context().exit(3 if refused else 1)


def configured_repos(session: Session) -> Sequence[str]:
    """The repositories that the fleet's configuration lists."""
    return [repo.name for repo in session.fleet_settings.repos]
