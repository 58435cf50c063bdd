"""What the screen of the first contact says; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.probing import AgentFound, Checkout, Kubeconfig
from widgets.cells import Cell, Line
from widgets.lines import wrapped

LABEL = 14

_LABELLED = re.compile(r" *(?:\S+ {2,})?")

ON_A_CLUSTER = "hive init --cluster kubernetes --repo OWNER/NAME"

LOOKING = (Cell("◌ ", Tone.QUIET), Cell("looking …", Tone.QUIET))


class Trouble(msgspec.Struct, frozen=True):
    """What was found instead of what was looked for, and the next step."""

    words: str
    hint: str = ""


class Choice(msgspec.Struct, frozen=True):
    """Something that can be done from here."""

    key: str
    title: str
    about: str
    reason: str | None = None
    """Why it cannot be done."""


class Found(msgspec.Struct, frozen=True):
    """What is known so far; None of a thing is not known yet."""

    fleet: str
    config: str
    configured: bool
    """Whether there is a configuration file."""
    serves: str | None = None
    """The repository that the fleet works on since it was added from here."""
    demo: bool = False
    checkout: Checkout | Trouble | None = None
    agents: Mapping[str, AgentFound | None] = {}
    kubeconfig: Kubeconfig | Trouble | None = None


class Doing(msgspec.Struct, frozen=True):
    """What is being done, or how it went."""

    words: str
    lines: Sequence[str] = ()
    failed: bool = False


def lines(found: Found, choices: Sequence[Choice], doing: Doing | None, width: int) -> list[Line]:
    """The whole screen within `width` cells."""
    made: list[Line] = [(Cell(part),) for part in wrapped(_how_it_stands(found), width, lines=3)]
    made += [(), (Cell("What is here", Tone.TITLE),)]
    made += _fact("repository", _checkout(found.checkout), width)
    for name, agent in found.agents.items():
        made += _fact(name, _agent(agent), width)
    made += _fact("kubernetes", _kubeconfig(found.kubeconfig), width)
    if isinstance(found.kubeconfig, Kubeconfig):
        made.append((Cell(" " * (LABEL + 2)), Cell(f"`{ON_A_CLUSTER}`", Tone.QUIET)))
    made += _fact("demo", _demo(found.demo), width)
    made += _fact("configuration", (Cell(found.config, Tone.QUIET),), width)
    made += [(), (Cell("What you can do", Tone.TITLE),)]
    for choice in choices:
        made += _choice(choice, width)
    if doing is not None:
        made.append(())
        tone = Tone.BROKEN if doing.failed else Tone.TITLE
        made += [(Cell(part, tone),) for part in wrapped(doing.words, width, lines=4)]
        made += [part for line in doing.lines for part in _said(line, width)]
    return made


def _how_it_stands(found: Found) -> str:
    if found.serves is not None:
        return f"Fleet {found.fleet} works on {found.serves}."
    what = f"Fleet {found.fleet} has no repository to work on yet."
    return what if found.configured else f"{what} There is no configuration, and none is needed to begin."


def _said(line: str, width: int) -> list[Line]:
    """A line of a command; what does not fit goes on below, under what stands behind its label."""
    label = _LABELLED.match(line)
    lead = label.group() if label is not None else ""
    parts = wrapped(line[len(lead) :], max(10, width - 2 - text.width(lead)), lines=4)
    if not parts:
        return [()]
    indent = " " * text.width(lead)
    return [(Cell(f"  {indent if index else lead}{part}"),) for index, part in enumerate(parts)]


def _fact(label: str, cells: Line, width: int) -> list[Line]:
    """A fact behind its label; what does not fit goes on below."""
    first, room = cells[0], max(10, width - LABEL)
    if len(cells) == 2:
        lead, words = cells
        parts = wrapped(words.text, max(10, room - len(lead.text)), lines=4) or [""]
        indent = Cell(" " * (LABEL + len(lead.text)))
        head: Line = (Cell(f"{text.truncate(label, LABEL - 1):<{LABEL}}", Tone.QUIET), lead)
        return [
            (*head, Cell(parts[0], words.tone)),
            *((indent, Cell(part, words.tone)) for part in parts[1:]),
        ]
    return [(Cell(f"{label:<{LABEL}}", Tone.QUIET), first)]


def _checkout(found: Checkout | Trouble | None) -> Line:
    if found is None:
        return LOOKING
    if isinstance(found, Trouble):
        return _trouble(found)
    remote = f" · origin {found.remote}" if found.remote else " · no remote"
    return (Cell("● ", Tone.GOOD), Cell(f"{found.path} · branch {found.branch}{remote}"))


def _agent(found: AgentFound | None) -> Line:
    if found is None:
        return LOOKING
    if not found.found:
        return (Cell("– ", Tone.QUIET), Cell(_words(found.problem or "not found", found.hint), Tone.QUIET))
    version = found.version or "version unknown"
    if found.problem or found.logged_in is False:
        words = f"{version} · {found.problem or 'not logged in'}"
        return (Cell("! ", Tone.SOON), Cell(_words(words, found.hint), Tone.SOON))
    login = "logged in" if found.logged_in else "whether it is logged in shows with the first run"
    return (Cell("● ", Tone.GOOD), Cell(f"{version} · {login}"))


def _kubeconfig(found: Kubeconfig | Trouble | None) -> Line:
    if found is None:
        return LOOKING
    if isinstance(found, Trouble):
        return _trouble(found)
    context = f"context {found.context}" if found.context else "no current context"
    return (Cell("● ", Tone.GOOD), Cell(f"{context} · {found.path} · nothing was asked"))


def _demo(there: bool) -> Line:
    if there:
        return (Cell("● ", Tone.GOOD), Cell("there is one; it goes on where it was"))
    return (Cell("– ", Tone.QUIET), Cell("none yet; it is built in a few seconds", Tone.QUIET))


def _trouble(found: Trouble) -> Line:
    return (Cell("– ", Tone.QUIET), Cell(_words(found.words, found.hint), Tone.QUIET))


def _words(words: str, hint: str | None) -> str:
    return f"{words} {hint}" if hint and words.endswith(".") else f"{words}. {hint}" if hint else words


def _choice(choice: Choice, width: int) -> list[Line]:
    tone = Tone.QUIET if choice.reason else Tone.TITLE
    head: Line = (Cell(f"{choice.key:<7}", tone), Cell(f"{choice.title:<7}", tone))
    words = f"{choice.about} Not now: {choice.reason}" if choice.reason else choice.about
    parts = wrapped(words, max(10, width - LABEL), lines=4) or [""]
    rest = Tone.QUIET if choice.reason else Tone.PLAIN
    return [
        (*head, Cell(parts[0], rest)),
        *((Cell(" " * LABEL), Cell(part, rest)) for part in parts[1:]),
    ]
