"""The palette: what can be done, what there is to go to, and themes, found by a few letters of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from hive_tui.core import actions, text
from hive_tui.core.targets import Target

if TYPE_CHECKING:
    from hive_tui.app.app import HiveApp

MOST = 60
"""Things that one search offers."""


class Offer(NamedTuple):
    """Something that the palette can do."""

    words: str
    help: str
    do: Callable[[], object]


class Palette(CommandPalette):
    """Knows what could be done on the screen that it was opened on."""

    CSS_PATH = Path(__file__).parent / "screens" / "palette.tcss"

    def __init__(self, reasons: Mapping[str, str | None]) -> None:
        super().__init__(
            providers=[ActionProvider, ThingProvider, ThemeProvider], placeholder="Find anything …"
        )
        self.reasons = reasons


def palette(reasons: Mapping[str, str | None]) -> Palette:
    """The palette over the screen on top; `reasons` has its actions, and why one cannot be done now."""
    return Palette(reasons)


class OfferProvider(Provider):
    """Offers found by their words, the best match first."""

    def offers(self, wanted: str) -> Iterator[Offer]:
        """What there is; `wanted` is empty before anything is typed."""
        raise NotImplementedError

    @property
    def console(self) -> HiveApp:
        from hive_tui.app.app import HiveApp

        assert isinstance(self.app, HiveApp)
        return self.app

    async def discover(self) -> Hits:
        for offer in self.offers(""):
            yield DiscoveryHit(Content(offer.words), offer.do, text=offer.words, help=offer.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for offer in self.offers(query):
            score = matcher.match(offer.words)
            if score > 0:
                words = matcher.highlight(offer.words)
                yield Hit(score, words, offer.do, text=offer.words, help=offer.help)


class ActionProvider(OfferProvider):
    """Every action of the registry, with its keys, and the reason where it cannot be done now."""

    def offers(self, wanted: str) -> Iterator[Offer]:
        app = self.console
        palette = app.screen
        reasons = palette.reasons if isinstance(palette, Palette) else app.reasons()
        for action in actions.REGISTRY:
            if action.scope is actions.Scope.LIST or action.id not in reasons or action.id == "palette":
                continue
            reason, keys = reasons[action.id], app.keymap.label(action.id)
            words = f"{action.title}  {keys}" if keys else action.title
            note = f"Not now: {reason}. {action.help}" if reason else action.help
            yield Offer(words, note, partial(app.do, action.id))


class ThingProvider(OfferProvider):
    """Issues, runs and pull requests by number and title."""

    def offers(self, wanted: str) -> Iterator[Offer]:
        if not wanted:
            return
        app = self.console
        letters = [word.casefold() for word in wanted.split()]
        offered = 0
        for words, target in _things(app):
            if not all(letter in words.casefold() for letter in letters):
                continue
            yield Offer(words, "Look at it closely.", partial(app.open_detail, target))
            offered += 1
            if offered >= MOST:
                return


def _things(app: HiveApp) -> Iterator[tuple[str, Target]]:
    """What there is to go to, with the words it is found by."""
    view = app.view
    for name in view.runs:
        if (run := view.snapshot.runs.get(name)) is not None and run.live:
            words = f"{run.spec.worker} #{run.spec.issue} {run.spec.title}"
            yield text.clean_line(words), view.target_of_run(name)
    for pull_key in view.pulls:
        if (pull := view.snapshot.pulls.get(pull_key)) is not None:
            yield text.clean_line(f"!{pull.number} {pull.title}"), view.target_of_pull(pull_key)
    for key in view.issues:
        if (issue := view.snapshot.issues.get(key)) is not None:
            number = str(key) if view.many else f"#{key.number}"
            yield text.clean_line(f"{number} {issue.title}"), view.target_of_issue(key)


class ThemeProvider(OfferProvider):
    """Themes, tried on at once."""

    def offers(self, wanted: str) -> Iterator[Offer]:
        if not wanted:
            return
        app = self.console
        for name in sorted(app.available_themes):
            yield Offer(f"Theme {name}", "Other colours.", partial(app.choose_theme, name))
