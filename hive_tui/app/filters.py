"""What is typed behind `/`, and what it is compared with; pure, and nothing that is typed is an error.

Words stand for themselves, in upper or lower case, and all of them have to be found. `!word` must not
be found, `"two words"` are found together, and `repo:` `state:` `agent:` `label:` look in one place only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from hive_tui.core import text as texts

FIELDS = ("repo", "state", "agent", "label")

LONGEST = 200
"""Characters of a filter that are read."""

BETWEEN = "  "

_WORDS = re.compile(r'!?(?:[a-z]+:)?"[^"]*"?|\S+', re.IGNORECASE)


def fold(text: str) -> str:
    """Text as it is compared: harmless, in one case and one spelling."""
    text = texts.clean(text, limit=4_096)
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


class Facts(NamedTuple):
    """What a filter can find in one row, all of it folded."""

    text: str
    """What a plain word is looked for in; between its parts are two blanks, which no word has."""
    repo: str = ""
    state: str = ""
    agent: str = ""
    label: str = ""


def facts(
    *text: str,
    repo: str = "",
    state: Iterable[str] = (),
    agent: Iterable[str] = (),
    labels: Iterable[str] = (),
) -> Facts:
    """What can be found: words of the text, also those of the state and the agent."""
    state, agent = tuple(state), tuple(agent)
    return Facts(
        fold(BETWEEN.join((*text, *state, *agent))),
        fold(repo),
        fold(BETWEEN.join(state)),
        fold(BETWEEN.join(agent)),
        fold(BETWEEN.join(labels)),
    )


class Term(NamedTuple):
    """One word of a filter."""

    field: int
    """Where it is looked for: the index of one of `Facts`."""
    text: str
    inverted: bool = False


class Query(NamedTuple):
    """A filter that was understood; an empty one lets everything pass."""

    terms: tuple[Term, ...] = ()
    shown: str = ""
    """As it was typed, without what a terminal must not get."""

    def matches(self, facts: Facts) -> bool:
        for field, text, inverted in self.terms:  # noqa: SIM110 - a generator doubles the time per row
            if (text in facts[field]) is inverted:
                return False
        return True

    def narrows(self, other: Query) -> bool:
        """Whether all that this one lets pass passes the other one, too, as when a letter is added."""
        return all(
            any(
                (new.field, new.inverted) == (old.field, old.inverted)
                and (new.text in old.text if old.inverted else old.text in new.text)
                for new in self.terms
            )
            for old in other.terms
        )

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What stands out in the rows that pass."""
        words = {re.escape(term.text) for term in self.terms if not term.inverted and not term.field}
        if not words:
            return None
        return re.compile("|".join(sorted(words, key=len, reverse=True)), re.IGNORECASE)


def parse(typed: str) -> Query:
    """Understand what was typed, also while it is still being typed."""
    shown = " ".join(texts.clean(typed[: 4 * LONGEST], limit=LONGEST).split())
    terms = [term for word in _WORDS.findall(shown) if (term := _term(word)) is not None]
    return Query(tuple(dict.fromkeys(terms)), shown)


def _term(word: str) -> Term | None:
    inverted = word.startswith("!")
    word = word[1:] if inverted else word
    name, colon, value = word.partition(":")
    field = 0
    if colon and name.lower() in FIELDS:
        field, word = FIELDS.index(name.lower()) + 1, value
    text = fold(word.replace('"', "") if word.startswith('"') else word)
    return Term(field, text, inverted) if text else None
