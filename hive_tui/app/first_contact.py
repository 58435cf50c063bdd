"""`hive top` where no fleet serves a repository yet: what is here, and what can be done about it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from hive_tui.app import contact_lines
from hive_tui.app.contact_lines import Choice, Doing, Found, Trouble
from hive_tui.app.line.child import Said, shown
from hive_tui.app.shell import Shell
from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.probing import AgentFound, Checkout, Kubeconfig
from widgets.key_bar import Hint, KeyBar
from widgets.sheet import Sheet

DEMO = ("demo", "start")
INIT = ("init",)
DEMO_FLEET = "demo"


class Probes(NamedTuple):
    """How to find out what is here. Each may block; it is called in a thread of its own."""

    checkout: Callable[[], Checkout]
    agents: Mapping[str, Callable[[], AgentFound]]
    kubeconfig: Callable[[], Kubeconfig | None]


class Call(Protocol):
    """Carries out a call of `hive`. Raises HiveError when it cannot."""

    def __call__(self, words: Sequence[str], *, columns: int) -> Awaitable[Said]: ...


class FirstContact(Shell):
    """Ends with `next_fleet`, the fleet to show; None is none."""

    TITLE = "hive"
    CSS_PATH = Path(__file__).parent / "screens" / "contact.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "demo", "demo"),
        Binding("i", "init", "init"),
        Binding("enter", "look", "look"),
        Binding("r", "retry", "look again"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(
        self,
        found: Found,
        probes: Probes,
        call: Call,
        *,
        read_only: bool = False,
        theme: str | None = None,
    ) -> None:
        super().__init__(wished_theme=theme)
        self.found = found
        self.doing: Doing | None = None
        """What is being done, or how it went."""
        self.next_fleet: str | None = None
        self._probes = probes
        self._call = call
        self._read_only = read_only
        self._busy = False
        self._sheet = Sheet()
        self._bar = KeyBar()

    def compose(self) -> ComposeResult:
        panel = Vertical(id="contact")
        panel.border_title = Content("hive")
        with panel:
            yield self._sheet
        yield self._bar

    def on_mount(self) -> None:
        self._sheet.focus()
        self._paint()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self._look_around()

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    # What is found

    def _look_around(self) -> None:
        """Every probe in a thread that nobody waits for, since an agent's CLI may take its time."""
        self._learn(checkout=None, kubeconfig=None, agents={name: None for name in self._probes.agents})
        self._probe(self._probes.checkout, lambda answer: self._learn(checkout=answer))
        for name, ask in self._probes.agents.items():
            self._probe(ask, partial(self._learn_agent, name))
        self._probe(self._kubeconfig, lambda answer: self._learn(kubeconfig=answer))

    def _kubeconfig(self) -> Kubeconfig | Trouble:
        return self._probes.kubeconfig() or Trouble("no kubeconfig")

    def _probe(self, ask: Callable[[], Any], tell: Callable[[Any], object]) -> None:
        def work() -> None:
            try:
                answer = ask()
            except HiveError as error:
                answer = Trouble(error.message, error.hint or "")
            except Exception as error:  # a thread's edge: it becomes what is shown
                answer = Trouble(f"{type(error).__name__}: {error}")
            self.call_later(tell, answer)

        threading.Thread(target=work, name="probe", daemon=True).start()

    def _learn_agent(self, name: str, answer: AgentFound | Trouble) -> None:
        if isinstance(answer, Trouble):
            answer = AgentFound(name, False, problem=answer.words, hint=answer.hint)
        self._learn(agents={**self.found.agents, name: answer})

    def _learn(self, **facts: Any) -> None:
        self.found = msgspec.structs.replace(self.found, **facts)
        self._paint()

    # What is shown

    @property
    def ready(self) -> bool:
        """`init` is done: Enter opens the fleet."""
        return self.found.serves is not None

    @property
    def choices(self) -> list[Choice]:
        """What can be done from here."""
        fleet, where = self.found.fleet, self.found.checkout
        closed = "hive is in read-only mode." if self._read_only else None
        init, no_init = f"Let fleet {fleet} work on the repository you are in.", closed
        if self.ready:
            no_init = "it is done."
        elif isinstance(where, Checkout):
            init = f"Let fleet {fleet} work on {where.name}. The checkout itself is not touched."
        elif isinstance(where, Trouble):
            no_init = closed or where.words
        look = "Open the fleet." if self.ready else "Look at the empty fleet."
        found = [
            Choice(
                "d",
                "demo",
                "A fleet of scripted agents at work; no model is called, nothing is paid.",
                closed,
            ),
            Choice("i", "init", init, no_init),
            Choice("Enter", "look", look),
            Choice("r", "again", "Look around once more."),
            Choice("q", "quit", "Leave; nothing was changed." if not self.ready else "Leave."),
        ]
        return [found[2], *found[:2], *found[3:]] if self.ready else found

    def _paint(self) -> None:
        found, choices, doing = self.found, self.choices, self.doing
        self._sheet.show(lambda width: contact_lines.lines(found, choices, doing, width))
        self._sheet.styles.height = max(1, len(self._sheet.lines))
        keys = {"Enter": "enter"}
        self._bar.hints = tuple(
            Hint(choice.key, choice.title, keys.get(choice.key, choice.key))
            for choice in choices
            if choice.reason is None
        )

    def on_key_bar_pressed(self, message: KeyBar.Pressed) -> None:
        self.simulate_key(message.key)

    def _say(self, doing: Doing | None) -> None:
        self.doing = doing
        self._paint()
        self.call_after_refresh(self._sheet.scroll_end, animate=False)

    # What is done

    def action_look(self) -> None:
        """Open the fleet as it is."""
        if not self._busy:
            self._open(self.found.fleet)

    def action_retry(self) -> None:
        """Look around once more."""
        if not self._busy:
            self._say(None)
            self._look_around()

    def action_demo(self) -> None:
        """Start the demo, then show it."""
        self._do("d", DEMO, "Building the demo …" if not self.found.demo else "Starting the demo …")

    def action_init(self) -> None:
        """Let the fleet work on the repository here."""
        self._do("i", INIT, "Adding the repository …")

    def _do(self, key: str, words: Sequence[str], saying: str) -> None:
        choice = next(choice for choice in self.choices if choice.key == key)
        if self._busy:
            return
        if choice.reason is not None:
            self._say(Doing(f"{choice.title}: {choice.reason}", failed=True))
            return
        self._busy = True
        self._say(Doing(saying))
        self.run_worker(self._carry_out(words), group="call", exit_on_error=False)

    async def _carry_out(self, words: Sequence[str]) -> None:
        try:
            said = await self._call(words, columns=max(40, self.size.width - 12))
        except HiveError as error:
            self._say(Doing(text.clean_line(error.words), failed=True))
            return
        finally:
            self._busy = False
        if said.code:
            key = "d" if words == DEMO else "i"
            self._say(Doing(f"`{shown(words)}` failed; {key} tries it again.", said.lines, failed=True))
        elif words == DEMO:
            self._open(DEMO_FLEET)
        else:
            where = self.found.checkout
            name = where.name if isinstance(where, Checkout) else "this repository"
            self.found = msgspec.structs.replace(self.found, serves=name)
            self._say(Doing("Done. Enter opens the fleet.", said.lines))

    def _open(self, fleet: str) -> None:
        self.next_fleet = fleet
        self.exit()
