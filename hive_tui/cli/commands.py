"""The table of commands: what `hive --help` prints, and where each command's code is.

A command's module is imported when that command is called, so that help costs no more than click.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """One command: its section in the help, where it is (`module:attribute`), what it does."""

    section: str
    target: str
    help: str


WATCH, WORK, CONTROL, TRACKER, SET_UP = (
    "Watch",
    "Work",
    "Control",
    "Issues and pull requests",
    "Set up",
)

COMMANDS: dict[str, Entry] = {
    "top": Entry(WATCH, "top:top_command", "The console; --once prints the fleet and ends."),
    "ls": Entry(WATCH, "runs:ls_command", "Runs, the ones that need you first."),
    "logs": Entry(WATCH, "runs:logs_command", "What an agent said and did."),
    "attach": Entry(WATCH, "attach:attach_command", "A shell where the agent of a run works."),
    "events": Entry(WATCH, "runs:events_command", "What the dispatcher and people decided, and why."),
    "describe": Entry(WATCH, "describe:describe_command", "Everything about one run or issue."),
    "replay": Entry(WATCH, "replay:replay_command", "A recorded agent stream as readable events."),
    "costs": Entry(WATCH, "costs:costs_command", "What agents used on this machine, and its price."),
    "sessions": Entry(WATCH, "sessions:sessions_command", "Claude Code and Codex at work on this machine."),
    "next": Entry(WATCH, "work:next_command", "What needs you next, and what is started next."),
    "dispatch": Entry(WORK, "work:dispatch_command", "Start what is ready, now."),
    "fire": Entry(WORK, "work:fire_command", "Start one issue now."),
    "retry": Entry(WORK, "work:retry_command", "Let a failed or held issue start again."),
    "send": Entry(WORK, "work:send_command", "Tell a working agent something."),
    "pause": Entry(CONTROL, "control:pause_command", "Start nothing new."),
    "resume": Entry(CONTROL, "control:resume_command", "Start again what is ready."),
    "stop": Entry(CONTROL, "control:stop_command", "Pause, and end every run with its work saved."),
    "slots": Entry(CONTROL, "control:slots_command", "How many agents work at once."),
    "agents": Entry(CONTROL, "control:agents_command", "Enable or disable an agent."),
    "kill": Entry(CONTROL, "control:kill_command", "End a run with its work saved; it is not started again."),
    "reset": Entry(CONTROL, "control:reset_command", "Forget an issue's attempts and start afresh."),
    "gc": Entry(CONTROL, "control:gc_command", "Remove what ended runs left behind."),
    "issue": Entry(TRACKER, "issues:issue_command", "List, show, write, edit and close issues."),
    "pr": Entry(TRACKER, "pulls:pr_command", "List and show pull requests and their diffs."),
    "status": Entry(TRACKER, "issues:status_command", "Set an issue's status."),
    "labels": Entry(TRACKER, "labels:labels_command", "Make the labels that hive works with."),
    "merge": Entry(TRACKER, "pulls:merge_command", "Squash an issue's pull request onto its base branch."),
    "take": Entry(TRACKER, "pulls:take_command", "Reserve the next pull request for your review."),
    "release": Entry(TRACKER, "pulls:release_command", "Give a reserved pull request back."),
    "init": Entry(SET_UP, "init:init_command", "Let a fleet work on the repository you are in."),
    "fleet": Entry(SET_UP, "fleet:fleet_command", "List, add, remove fleets and choose the current one."),
    "config": Entry(SET_UP, "config:config_command", "Show and change the configuration."),
    "doctor": Entry(SET_UP, "doctor:doctor_command", "Check what hive needs on this machine."),
    "deploy": Entry(SET_UP, "deploy:deploy_command", "Bring what runs need into the fleet's cluster."),
    "demo": Entry(SET_UP, "demo:demo_command", "A fleet of scripted agents to look at."),
    "dispatcher": Entry(SET_UP, "dispatcher:dispatcher_command", "Start, stop and ask the dispatcher."),
    "completion": Entry(SET_UP, "about:completion_command", "Completion for bash, zsh or fish."),
    "version": Entry(SET_UP, "about:version_command", "Which hive this is."),
}


OTHER_WORDS: dict[str, list[str]] = {
    "why": ["next", "describe"],
    "explain": ["next", "describe"],
    "show": ["describe"],
    "start": ["dispatch", "fire"],
    "run": ["dispatch", "fire"],
}
"""What people call commands whose names are nothing like it."""


class CommandTable(click.Group):
    """The root group: names and help come from the table, code from the module, when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(f"hive_tui.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise unknown_command(args[0], list(COMMANDS), ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=entry.help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in COMMANDS.items():
            sections.setdefault(entry.section, []).append((name, entry.help))
        width = max(map(len, COMMANDS))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])


class Group(click.Group):
    """A command with subcommands, which names the nearest one when it is mistyped."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise unknown_command(args[0], list(self.commands), ctx)
        return super().resolve_command(ctx, args)


def unknown_command(name: str, known: list[str], ctx: click.Context) -> click.UsageError:
    """A usage error for a mistyped command, with the nearest ones."""
    import difflib

    if name in COMMANDS:
        return click.UsageError(f"No such command {name!r}. Did you mean `hive {name}`?", ctx)
    meant = [each for each in OTHER_WORDS.get(name, ()) if each in known]
    near: list[Any] = meant or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}."
    return click.UsageError(f"No such command {name!r}. {hint}", ctx)
