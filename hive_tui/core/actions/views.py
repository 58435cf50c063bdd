"""What the console does by itself: moving about, looking closer, copying. Nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence

from hive_tui.core.actions.base import Action, Scope
from hive_tui.core.cluster_facts import Right
from hive_tui.core.model import DispatcherState
from hive_tui.core.ports import Capability
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target


def _view(
    name: str,
    keys: str,
    title: str,
    text: str,
    *,
    scope: Scope = Scope.VIEW,
    command: str | None = None,
    short: str = "",
    rights: frozenset[Right] = frozenset(),
) -> Action:
    return Action(
        id=name,
        title=title,
        help=text,
        scope=scope,
        short=short,
        keys=tuple(keys.split("|")) if keys else (),
        command=command,
        rights=rights,
    )


_PANES = (
    ("fleet", "Fleet", "whether the fleet is healthy, what it may use, how old what one sees is"),
    ("issues", "Issues", "what is to be done, who is at it, and why something is not started"),
    ("agents", "Agents", "what each agent is doing right now"),
    ("log", "Log", "what the selected agent says and does, live"),
    ("pulls", "Pull requests", "what may be merged, and what stands against it"),
    ("costs", "Costs", "what the agents have cost, in all and in the last hour"),
    ("attention", "Attention", "what needs a person, the most urgent first"),
    ("events", "Events", "what the dispatcher and people decided, and why"),
)

_TABS = (
    ("log", "Log", "what its agent says and does, line by line"),
    ("transcript", "Transcript", "the conversation, to read"),
    ("diff", "Diff", "what its branch changes"),
    ("issue", "Issue", "the issue's text and comments"),
    ("cost", "Cost", "tokens and money"),
    ("describe", "Describe", "everything that is known"),
)

_SPANS = (
    ("tail", "All, from the end", "Show all lines, and follow the end."),
    ("head", "All, from the start", "Show all lines, from the first one."),
    ("minute", "Last minute", "Show only the last minute."),
    ("five", "Last 5 minutes", "Show only the last 5 minutes."),
    ("quarter", "Last 15 minutes", "Show only the last 15 minutes."),
    ("half", "Last half hour", "Show only the last 30 minutes."),
    ("hour", "Last hour", "Show only the last hour."),
)
"""How much of a log is shown, by digits."""


_HEADINGS = ("day", "week", "month", "session", "project", "model", "agent", "repo", "issue", "run")
"""What costs are summed by, by the digits 1 to 9 and 0."""


def _runs_already(snapshot: Snapshot, target: Target) -> str | None:
    fleet = snapshot.fleet
    runs = fleet is not None and fleet.dispatcher.state is DispatcherState.RUNNING
    return "it runs already" if runs else None


def _started_again(snapshot: Snapshot, targets: Sequence[Target]) -> bool:
    """Whether there is a container before the one that speaks now."""
    runs = (snapshot.runs.get(target.run) for target in targets if target.run is not None)
    return any(run is not None and run.place is not None and run.place.restarts > 0 for run in runs)


ACTIONS = (
    *(
        _view(f"list.{name}", keys, title, text, scope=Scope.LIST)
        for name, keys, title, text in (
            ("up", "up|k", "Up", "One row or line up."),
            ("down", "down|j", "Down", "One row or line down."),
            ("page-up", "pageup", "Page up", "A page up."),
            ("page-down", "pagedown", "Page down", "A page down."),
            ("half-up", "ctrl+u", "Half a page up", "Half a page up."),
            ("half-down", "ctrl+d", "Half a page down", "Half a page down."),
            ("first", "home", "First", "To the first row or line."),
            ("last", "end|G", "Last", "To the last row; in a log, follow its end."),
            ("left", "left", "Left", "To the left; in a list, fold the row."),
            ("right", "right", "Right", "To the right; in a list, unfold the row."),
        )
    ),
    _view("quit", "q", "Quit", "Leave the console; runs and the dispatcher go on."),
    _view("suspend", "ctrl+z", "Suspend", "Put the console aside; the shell's `fg` brings it back."),
    _view("refresh", "r", "Refresh", "Read every source again now."),
    *(
        _view(f"pane.{name}", str(number), title, f"{title}: {about}.")
        for number, (name, title, about) in enumerate(_PANES, 1)
    ),
    _view("pane.next", "tab", "Next pane", "Go to the next pane."),
    _view("pane.previous", "shift+tab", "Previous pane", "Go to the pane before."),
    _view(
        "attention.act",
        "a",
        "What needs you",
        "Go to what needs you most; there, do what helps.",
        short="act",
    ),
    _view("zoom", "z", "Zoom", "Let the pane fill the screen, and back."),
    _view("pane.wider", "greater_than_sign", "Wider", "Make the pane wider than its neighbours."),
    _view("pane.narrower", "less_than_sign", "Narrower", "Make the pane narrower."),
    _view("pane.taller", "right_curly_bracket", "Taller", "Make the pane taller than its neighbours."),
    _view("pane.shorter", "left_curly_bracket", "Shorter", "Make the pane shorter."),
    _view("pane.even", "equals_sign", "Even sizes", "Give every pane its own size back."),
    _view("open", "enter", "Open", "Look at the selected thing closely.", command="describe RUN|ISSUE"),
    _view("back", "escape", "Back", "Go back one step; it never quits."),
    _view(
        "filter",
        "slash",
        "Filter",
        "Show only rows that match; `!` inverts, `repo:` `state:` `agent:` `label:`.",
    ),
    _view("sort.next", "s", "Sort by the next column", "Sort the list by its next column.", short="sort"),
    _view("sort.reverse", "S", "Turn the order round", "Sort the other way round.", short="reverse"),
    _view("mark", "space", "Mark", "Mark the row for an action on many, or unmark it."),
    _view("mark.range", "V", "Mark up to here", "Mark every row from the last marked one to this one."),
    _view("mark.all", "asterisk", "Mark all", "Mark every row that is listed, or unmark them all."),
    _view("go.issue", "g i", "Go to the issue", "Go to the issue of the selected run or pull request."),
    _view("go.pull", "g p", "Go to the pull request", "Go to the pull request of the selected issue or run."),
    _view("go.log", "g l", "Go to the log", "Go to the log of the selected thing's run."),
    _view("go.first", "g g", "Go to the first row", "Go to the first row of the list."),
    _view("go.run", "g r", "Go to the agent", "Go to the run of the selected issue or pull request."),
    _view("browse", "o", "Open in the browser", "Open the selected thing's page.", short="browser"),
    _view("copy", "y", "Copy", "Copy the selected thing's name."),
    _view("copy.line", "Y", "Copy the line", "Copy the selected line."),
    _view(
        "log",
        "l",
        "Log",
        "The log of the selected run, full screen.",
        command="logs -f RUN",
        rights=frozenset({Right.LOGS}),
    ),
    _view(
        "log.wall",
        "L",
        "All logs",
        "The logs of all runs at work, side by side.",
        short="all logs",
        rights=frozenset({Right.LOGS}),
    ),
    _view("describe", "d", "Describe", "Everything that is known about it.", command="describe RUN|ISSUE"),
    _view("command", "colon", "Command line", "Give a command as on the command line.", short="command"),
    _view("palette", "ctrl+p", "Palette", "Find an action by its name."),
    _view("help", "question_mark", "Help", "What each key does, here and now.", command="--help"),
    _view("notifications", "exclamation_mark", "Notifications", "What was said before.", short="said"),
    _view("mute", "N", "Mute", "No bell and no desktop notification, and back."),
    Action(
        id="read-only",
        title="Read-only",
        help="Let the console change nothing, and back.",
        scope=Scope.VIEW,
        command="--read-only",
    ),
    Action(
        id="dispatcher.start",
        title="Start the dispatcher",
        short="start",
        help="Start the process that starts agents, on this machine.",
        scope=Scope.FLEET,
        command="dispatcher start",
        rights=frozenset({Right.DISPATCH}),
        writes=True,
        against=_runs_already,
        doing="starting the dispatcher",
        confirmed=lambda before, after, request, target: _runs_already(after, target) is not None,
    ),
    _view(
        "costs",
        "dollar_sign",
        "Costs, full screen",
        "What was used, by day, model, issue and more: this fleet's runs, or everything on this machine.",
        command="costs [--by HEADING]",
        short="costs",
    ),
    Action(
        id="budget",
        title="Budgets",
        help="Where the money went, and the limits that hold issues.",
        scope=Scope.VIEW,
        command="top --once --section costs",
    ),
    _view("log.find", "slash", "Find", "Find text in the log.", scope=Scope.LOG),
    _view("log.next", "n", "Next match", "Go to the next match.", scope=Scope.LOG),
    _view("log.previous", "N", "Match before", "Go to the match before.", scope=Scope.LOG),
    _view(
        "log.filter",
        "ampersand",
        "Only some lines",
        "Show only lines that match; `!` leaves them out.",
        scope=Scope.LOG,
        short="only",
    ),
    _view("log.wrap", "w", "Wrap", "Wrap long lines, and back.", scope=Scope.LOG),
    _view("log.time", "t", "Times", "No times, times of day, ages.", scope=Scope.LOG),
    _view("log.raw", "J", "Raw", "The line as it was recorded.", scope=Scope.LOG),
    Action(
        id="log.container",
        title="Container before",
        help="What the run said before its container was started again, and back.",
        scope=Scope.LOG,
        short="container before",
        keys=("p",),
        command="logs --previous RUN",
        needs=frozenset({Capability.PREVIOUS}),
        rights=frozenset({Right.LOGS}),
        when=_started_again,
    ),
    Action(
        id="log.attempt",
        title="Attempt before",
        help="The log of the attempt before this one.",
        scope=Scope.LOG,
        short="attempt before",
        keys=("p",),
        command="logs --previous RUN",
        when=lambda snapshot, targets: not _started_again(snapshot, targets),
    ),
    _view("log.save", "ctrl+s", "Save", "Save the log to a file.", scope=Scope.LOG),
    _view("log.copy", "y", "Copy", "Copy the line.", scope=Scope.LOG),
    _view("log.follow", "f", "Follow", "Follow the end of the log, and stop following.", scope=Scope.LOG),
    *(
        _view(f"log.{name}", str(key), title, text, scope=Scope.LOG)
        for key, (name, title, text) in enumerate(_SPANS)
    ),
    *(
        _view(f"detail.{name}", str(number), title, f"Show {what}.", scope=Scope.DETAIL)
        for number, (name, title, what) in enumerate(_TABS, 1)
    ),
    _view("detail.next", "tab|right", "Next tab", "Go to the next tab.", scope=Scope.DETAIL),
    _view("detail.previous", "shift+tab|left", "Tab before", "Go to the tab before.", scope=Scope.DETAIL),
    _view(
        "attempt.previous",
        "left_square_bracket",
        "Attempt before",
        "Look at the attempt before this one.",
        scope=Scope.DETAIL,
    ),
    _view(
        "attempt.next",
        "right_square_bracket",
        "Next attempt",
        "Look at the attempt after this one.",
        scope=Scope.DETAIL,
    ),
    _view("detail.find", "slash", "Find", "Find text in what is shown.", scope=Scope.DETAIL),
    _view("detail.unfold", "enter", "Unfold", "Show all of what is folded, and back.", scope=Scope.DETAIL),
    _view("detail.next-part", "J", "Next part", "Go to the next file, section or turn.", scope=Scope.DETAIL),
    _view("detail.previous-part", "K", "Part before", "Go to the one before.", scope=Scope.DETAIL),
    _view(
        "session.resume",
        "y",
        "Copy the resume command",
        "Copy the command that goes on with the session, in its folder.",
        scope=Scope.SESSIONS,
        short="copy resume command",
    ),
    _view(
        "session.older",
        "left_square_bracket",
        "Older part",
        "The part of the transcript before this one.",
        scope=Scope.SESSIONS,
        short="older",
    ),
    _view(
        "session.newer",
        "right_square_bracket",
        "Newer part",
        "The part of the transcript after this one; the last one grows.",
        scope=Scope.SESSIONS,
        short="newer",
    ),
    *(
        _view(
            f"costs.{name}",
            str(number % 10),
            f"By {name}",
            f"Sum by {name}.",
            scope=Scope.COSTS,
            command=f"costs --by {name}",
        )
        for number, name in enumerate(_HEADINGS, 1)
    ),
    _view(
        "costs.next",
        "right_square_bracket",
        "Next heading",
        "Sum by the next heading.",
        scope=Scope.COSTS,
        short="next heading",
    ),
    _view(
        "costs.previous",
        "left_square_bracket",
        "Heading before",
        "Sum by the heading before.",
        scope=Scope.COSTS,
        short="heading before",
    ),
    _view(
        "costs.scope",
        "w",
        "Fleet or machine",
        "Count this fleet's runs, or everything on this machine.",
        scope=Scope.COSTS,
        command="costs --scope fleet|machine",
        short="fleet or machine",
    ),
    _view("costs.part", "tab", "Next part", "Go to the days, the blocks, the table.", scope=Scope.COSTS),
    _view("costs.part-before", "shift+tab", "Part before", "Go to the part before.", scope=Scope.COSTS),
    _view("detail.next-match", "n", "Next match", "Go to the next match.", scope=Scope.DETAIL),
    _view("detail.previous-match", "N", "Match before", "Go to the match before.", scope=Scope.DETAIL),
)
