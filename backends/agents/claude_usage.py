"""What a Claude Code process used: live from its messages, in the end from its result.

The rules are those of the CLI's own figures:
* every content block repeats its message's usage, so messages count once by id, the largest figure wins;
* `output_tokens` of a message is a placeholder until its `message_delta` or the result tells the truth;
* `modelUsage` and `total_cost_usd` of a result are totals of the session, over its results and (2.1.329,
  not yet 2.1.197) over `--resume`; they include sub-agents and compaction, which the messages do not;
* `model_usage_since_last_result` (2.1.329) says how much of the first result's totals is this process's;
* before there was `modelUsage`, `total_cost_usd` was of the process, and `usage` of the turn's main thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from backends.agents.claude_wire import MessageUsage, ModelUsage
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.usage import add


def micros(dollars: float | None) -> int | None:
    """Dollars as the CLI prints them, in micro-dollars, half up."""
    if dollars is None or not math.isfinite(dollars) or not 0 <= dollars < 1e9:
        return None
    return int((Decimal(repr(dollars)) * 1_000_000).to_integral_value(ROUND_HALF_UP))


class _Figures:
    """A sum of messages; `output` counts only messages whose output is known."""

    def __init__(self) -> None:
        self.input = self.cache_read = self.cache_write = self.output = self.messages = self.finished = 0

    def add(self, old: _MessageFigures | None, new: _MessageFigures) -> None:
        before = old or _NOTHING
        self.input += new.input - before.input
        self.cache_read += new.cache_read - before.cache_read
        self.cache_write += new.cache_write - before.cache_write
        self.output += (new.output or 0) - (before.output or 0)
        self.finished += (new.output is not None) - (before.output is not None)
        self.messages += old is None


class _MessageFigures:
    __slots__ = ("cache_read", "cache_write", "input", "number", "output")

    def __init__(
        self, number: int, input_: int, cache_read: int, cache_write: int, output: int | None
    ) -> None:
        self.number = number
        self.input, self.cache_read, self.cache_write, self.output = input_, cache_read, cache_write, output

    def same(self, other: _MessageFigures) -> bool:
        return (self.input, self.cache_read, self.cache_write, self.output) == (
            other.input,
            other.cache_read,
            other.cache_write,
            other.output,
        )


_NOTHING = _MessageFigures(0, 0, 0, 0, None)


class UsageCounter:
    """Adds up one process; `before` is all that its session had used before this process."""

    def __init__(self, before: Usage | None = None) -> None:
        self._before = before
        self._seen: dict[str, _MessageFigures] = {}
        self._own = _Figures()
        self._since_result = _Figures()
        self._in_result = 0
        """The first so many messages are in the last result's totals."""
        self._result: Usage | None = None
        self._baseline: Usage | None = None
        """What the totals of this process's results carry from earlier ones."""
        self._models: dict[str, Usage] = {}
        """What the last result has of each model."""
        self._carried_models: dict[str, Usage] | None = {}
        """What of that is from before this process; None where nobody can tell."""

    def message(self, id_: str, usage: MessageUsage, *, final: bool) -> bool:
        """Count a message's usage; `final` means that its output is no placeholder. True for a change."""
        old = self._seen.get(id_)
        known = old or _NOTHING
        output = usage.output_tokens if final else None
        new = _MessageFigures(
            old.number if old else len(self._seen) + 1,
            max(known.input, usage.input_tokens or 0),
            max(known.cache_read, usage.cache_read_input_tokens or 0),
            max(known.cache_write, usage.cache_creation_input_tokens or 0),
            known.output if output is None else max(known.output or 0, output),
        )
        if old is not None and old.same(new):
            return False
        self._seen[id_] = new
        self._own.add(old, new)
        if new.number <= self._in_result:
            return False
        self._since_result.add(old, new)
        return True

    def result(
        self,
        models: Mapping[str, ModelUsage] | None,
        since: Mapping[str, ModelUsage] | None,
        turn: MessageUsage | None,
        dollars: float | None,
    ) -> None:
        """Take over a result's totals (`models`), of which `since` is new since the last result."""
        cost = micros(dollars)
        if models:
            total = Usage(_sum(models), cost)
            if self._baseline is None:
                self._baseline = self._carried(total, since)
                self._carried_models = self._models_carried(models, since)
            self._result = _less(total, self._baseline)
            self._models = _by_model(models)
        elif models is None and cost and self._baseline is None:
            self._result = self._without_models(turn, cost)
        elif self._result is None and turn is not None and self._own.messages == 0:
            # Nothing was asked of a model; the zeros of `usage` are the truth.
            self._result = Usage(_turn(turn), cost, estimated=bool(turn.output_tokens))
        else:
            return
        self._in_result = len(self._seen)
        self._since_result = _Figures()

    def _without_models(self, turn: MessageUsage | None, cost: int) -> Usage:
        """The agent's own cost, with the tokens of its turns: they leave sub-agents out, whose messages count
        where they prove more."""
        own, told = self._own, self._result or Usage()
        tokens = add(told, Usage(_turn(turn))).tokens if turn is not None else told.tokens
        output = max(tokens.output or 0, own.output) if own.finished else tokens.output
        return Usage(
            Tokens(
                max(tokens.input or 0, own.input),
                output,
                max(tokens.cache_read or 0, own.cache_read),
                max(tokens.cache_write or 0, own.cache_write),
            ),
            max(cost, told.cost_micros or 0),
        )

    def _carried(self, total: Usage, since: Mapping[str, ModelUsage] | None) -> Usage:
        """What a process's first totals carry from before it. Where the CLI does not say, they carry
        nothing if the difference would be less than what this process's own messages prove."""
        if self._before is None:
            return _NONE
        if since is not None:
            dollars = sum(model.dollars or 0.0 for model in since.values())
            return _less(total, Usage(_sum(since), micros(dollars)))
        own = self._own
        proven = (own.input, own.output, own.cache_read, own.cache_write)
        counts = zip(_counts(total.tokens), _counts(self._before.tokens), proven, strict=True)
        fits = all(whole - carried >= least for whole, carried, least in counts)
        return self._before if fits else _NONE

    def _models_carried(
        self, models: Mapping[str, ModelUsage], since: Mapping[str, ModelUsage] | None
    ) -> dict[str, Usage] | None:
        if self._baseline in (_NONE, None):
            return {}
        if since is None:
            return None
        fresh = _by_model(since)
        return {name: _less(usage, fresh.get(name, _NONE)) for name, usage in _by_model(models).items()}

    @property
    def models(self) -> dict[str, Usage]:
        """`usage` by model; empty where the CLI does not say, or something was used since it did."""
        carried, result = self._carried_models, self._result
        if carried is None or result is None or self._since_result.messages:
            return {}
        used = {name: _less(usage, carried.get(name, _NONE)) for name, usage in self._models.items()}
        used = {name: usage for name, usage in used.items() if usage != _NONE}
        costs = {name: usage.cost_micros for name, usage in used.items() if usage.cost_micros is not None}
        if not used or result.cost_micros is None or len(costs) < len(used):
            return {}
        # Each was rounded by itself: the costliest takes what the sum differs by.
        dearest = max(costs, key=lambda name: costs[name])
        rest = result.cost_micros - sum(costs.values())
        exact = max(0, costs[dearest] + rest)
        used[dearest] = Usage(used[dearest].tokens, exact)
        return used

    @property
    def usage(self) -> Usage:
        """Of this process so far. After a result it is the CLI's own figure; with messages since then,
        or without any result, it is marked as estimated, the output being at least what is given."""
        since, known = self._since_result, self._result
        if not since.messages:
            return known or Usage()
        base = known.tokens if known else Tokens()
        output = (base.output or 0) + since.output if since.finished or base.output is not None else None
        return Usage(
            Tokens(
                input=(base.input or 0) + since.input,
                output=output,
                cache_read=(base.cache_read or 0) + since.cache_read,
                cache_write=(base.cache_write or 0) + since.cache_write,
            ),
            known.cost_micros if known else None,
            estimated=True,
        )


_NONE = Usage(Tokens(0, 0, 0, 0), 0)


def _turn(usage: MessageUsage) -> Tokens:
    return Tokens(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
    )


def _by_model(models: Mapping[str, ModelUsage]) -> dict[str, Usage]:
    return {
        name: Usage(Tokens(used.input, used.output, used.cache_read, used.cache_write), micros(used.dollars))
        for name, used in models.items()
    }


def _sum(models: Mapping[str, ModelUsage]) -> Tokens:
    return Tokens(
        input=sum(model.input for model in models.values()),
        output=sum(model.output for model in models.values()),
        cache_read=sum(model.cache_read for model in models.values()),
        cache_write=sum(model.cache_write for model in models.values()),
    )


def _counts(tokens: Tokens) -> tuple[int, int, int, int]:
    return tokens.input or 0, tokens.output or 0, tokens.cache_read or 0, tokens.cache_write or 0


def _less(total: Usage, part: Usage) -> Usage:
    fresh, output, cache_read, cache_write = (
        max(0, whole - less) for whole, less in zip(_counts(total.tokens), _counts(part.tokens), strict=True)
    )
    cost = None if total.cost_micros is None else max(0, total.cost_micros - (part.cost_micros or 0))
    return Usage(Tokens(fresh, output, cache_read, cache_write), cost)
