"""Carries out what is written behind `:`, by itself or as a call of `hive`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from textual.notifications import SeverityLevel

from hive_tui.app.line import child, foreground, grammar
from hive_tui.app.line.child import Caller, Said
from hive_tui.app.line.completion import Names
from hive_tui.app.line.grammar import Call, Do, Meaning, SetTheme, ShowCosts, ShowLog, ShowPane, SwitchFleet
from hive_tui.app.line.history import History
from hive_tui.core import targets
from hive_tui.core.errors import HiveError, unknown
from hive_tui.core.model import Run

if TYPE_CHECKING:
    from hive_tui.app.app import HiveApp
    from hive_tui.app.screens.confirm import ConfirmScreen

MOST_NAMES = 400
"""Issues, runs or pull requests that completion knows of each, the ones that need somebody first."""

REFUSED = 3
"""The exit code of `hive` for what it will not do."""


class Commands(msgspec.Struct, frozen=True):
    """What the console needs to call `hive`."""

    caller: Caller
    verbs: tuple[str, ...] = ()
    """The commands of `hive`."""
    fleets: Callable[[], Sequence[str]] = tuple
    """The names of all fleets; reads a folder."""
    history: Path | None = None
    """Where the lines are kept."""
    call: Callable[..., Awaitable[Said]] = child.call
    """Runs an argument vector to its end, as `child.call` does."""
    foreground: Callable[..., int] = foreground.run
    """Runs one that needs the terminal, as `foreground.run` does."""


class Commander:
    """Of one console."""

    def __init__(self, app: HiveApp, commands: Commands) -> None:
        self._app = app
        self._commands = commands
        self._history: History | None = None

    def open(self) -> None:
        """Let the person write a line."""
        from hive_tui.app.screens.command import CommandScreen  # with Textual's Input, at the first `:`

        if self._history is None:
            self._history = History(self._commands.history)
        screen = CommandScreen(self._names(), self._history.lines, self.check)
        self._app.push_screen(screen, self._given)

    def _given(self, line: str | None) -> None:
        if line is not None and line.strip():
            if self._history is not None:
                self._history.add(line)
            self.run(line)

    def check(self, line: str) -> Meaning | None:
        """What a line means. Raises UsageError for what cannot be carried out."""
        found = grammar.meaning(line, self._commands.verbs)
        match found:
            case SwitchFleet(name):
                fleets = self._commands.fleets()
                if name not in fleets:
                    raise unknown("fleet", name, fleets, listing=":fleet list")
            case SetTheme(name):
                if name not in self._app.available_themes:
                    raise unknown("theme", name, self._app.available_themes)
            case ShowLog(words) if words:
                self._run_of(words)
        return found

    def run(self, line: str) -> None:
        """Carry out a line; what is wrong with it is told."""
        try:
            found = self.check(line)
        except HiveError as error:
            self._app.say_error(error)
            return
        app = self._app
        match found:
            case Do(name):
                app.do(name)
            case ShowPane(name, wanted):
                app.show_pane(name, wanted)
            case ShowLog(words):
                app.show_log(self._run_of(words).id if words else None)
            case ShowCosts(by, scope):
                app.show_costs(by, scope)
            case SwitchFleet(name):
                app.switch_fleet(name)
            case SetTheme(name):
                app.choose_theme(name)
            case Call() if found.shows or (found.asks and not app.read_only):
                app.call_later(self._ask, found)  # when the line is gone from the screen
            case Call():
                app.run_worker(self._call(found), group="commands", exit_on_error=False)

    def _run_of(self, words: str) -> Run:
        repos = [repo.name for repo in self._app.view.settings.repos]
        return targets.find_run(self._app.view.snapshot, words, repos=repos)

    def _ask(self, call: Call) -> None:
        self.give_terminal(self._commands.caller.argv(call.argv), name=child.shown(call.argv))

    def give_terminal(self, argv: Sequence[str], *, name: str) -> None:
        """Let a program have the terminal until it ends."""
        try:
            self._commands.foreground(self._app, argv, name=name)
        except HiveError as error:
            self._app.say_error(error)

    async def _call(self, call: Call) -> None:
        if call.danger is None:
            await self._show(call, await self._start(call.argv))
            return
        tried = await self._start((*call.argv, "--dry-run"))
        if tried.code != 0:
            await self._show(call, tried)
            return
        if await self._app.push_screen_wait(_question(call, tried)):
            await self._show(call, await self._start((*call.argv, "--yes")))

    async def _start(self, words: Sequence[str]) -> Said:
        argv = self._commands.caller.argv(words, read_only=self._app.read_only)
        columns = max(40, self._app.size.width - 12)
        return await self._commands.call(argv, columns=columns, name=child.shown(words))

    async def _show(self, call: Call, said: Said) -> None:
        """A line is said in passing, more is shown to be read."""
        from hive_tui.app.screens.output import OutputScreen

        lines, title = said.lines, child.shown(call.argv)
        failed = said.code != 0
        short = len(lines) <= (2 if failed else 1)
        if not lines:
            lines = [f"{title} failed ({said.code}) and said nothing."] if failed else [f"{title}: done."]
        if short:
            severity: SeverityLevel = "error" if failed else "information"
            self._app.say(" ".join(lines), "warning" if said.code == REFUSED else severity)
        else:
            self._app.push_screen(OutputScreen(title, lines, failed=failed))

    def _names(self) -> Names:
        view = self._app.view
        many = view.many
        runs = [view.snapshot.runs[run] for run in view.runs[:MOST_NAMES] if run in view.snapshot.runs]
        return Names(
            verbs=self._commands.verbs,
            issues=tuple(str(key) if many else f"#{key.number}" for key in view.issues[:MOST_NAMES]),
            runs=tuple(
                dict.fromkeys([*(run.spec.worker for run in runs if run.live), *(run.id for run in runs)])
            ),
            pulls=tuple(str(key) if many else f"!{key.number}" for key in view.pulls[:MOST_NAMES]),
            agents=tuple(agent.name for agent in view.settings.agents),
            fleets=tuple(self._commands.fleets()),
            themes=tuple(sorted(self._app.available_themes)),
        )


def _question(call: Call, tried: Said) -> ConfirmScreen:
    """What a dry run said, to be confirmed."""
    from hive_tui.app.questions import Question, QuestionLine
    from hive_tui.app.screens.confirm import ConfirmScreen

    assert call.danger is not None
    title = call.danger.title
    lines = tuple(QuestionLine(line) for line in tried.lines[:400])
    return ConfirmScreen(Question(child.shown(call.argv), title, lines))
