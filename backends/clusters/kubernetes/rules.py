"""What the cluster itself refuses, beyond shapes and bounds: CEL rules of the AgentRun and the Fleet.

Each stands at the struct, or the field, whose value it calls `self`. One that names `oldSelf` compares with
what is stored, so nobody gets past it, whatever program they write with.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from backends.clusters.kubernetes.objects import AgentRunSpec, AgentRunStatus, FleetSpec, FleetStatus
from hive_tui.core.model import Control, ControlKind, Phase
from hive_tui.core.ports import Job
from hive_tui.core.settings import FLEET_NAME
from hive_tui.core.worker_template import Toleration

AGENT_NAME = r"^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$"
WORKER_NAME = r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$"
RUN_ID = r"^[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?$"

MAX_MESSAGES = 400
"""Messages among the orders to one run: there is always room for the order to stop."""
MAX_TALK = 131_072
"""Characters of all orders to one run together; an object of more than a megabyte cannot be stored."""


class Rule(NamedTuple):
    rule: str
    message: str
    first: bool = False
    """It is asked of a value that is stored for the first time, too: `oldSelf` is then an empty optional."""

    def as_schema(self) -> dict[str, object]:
        written: dict[str, object] = {"rule": self.rule, "message": self.message}
        return {**written, "optionalOldSelf": True} if self.first else written


def _in(phases: list[Phase], phase: str) -> str:
    return f"{phase} in [{', '.join(repr(each.value) for each in phases)}]"


def _final(phase: str) -> str:
    return _in([each for each in Phase if each.final], phase)


def _keys(pattern: str, what: str) -> Rule:
    return Rule(f"self.all(name, name.matches('{pattern}'))", f"each name is {what}")


_NAMED_BY_AGENT = _keys(AGENT_NAME, "an agent's: at most 20 lower-case letters, digits and dashes")

MOMENT = Rule("self >= timestamp('1970-01-01T00:00:00Z')", "a moment after 1970, as RFC 3339 writes it")
"""Of every date: by `format: date-time` alone the API server takes lists of texts, too."""

_STATUS_STAYS = Rule("!has(oldSelf.status) || has(self.status)", "a status is never taken away")

ROOTS: dict[str, tuple[Rule, ...]] = {
    "AgentRun": (
        Rule("self.metadata.name == self.spec.work.spec.id", "metadata.name is the run's id"),
        _STATUS_STAYS,
    ),
    "Fleet": (
        Rule(
            f"self.metadata.name.matches('^{FLEET_NAME}$')",
            "metadata.name is a fleet's: at most 40 lower-case letters, digits and dashes",
        ),
        _STATUS_STAYS,
    ),
}
"""Of whole objects; of their metadata only the name can be seen here."""

STRUCTS: dict[type[msgspec.Struct], tuple[Rule, ...]] = {
    Job: (Rule("self == oldSelf", "a work order is never changed"),),
    Control: (
        Rule("self == oldSelf", "an order is never changed"),
        Rule(
            "self.actor.kind != 'person' || size(self.actor.name) > 0",
            "an order of a person has their login",
        ),
    ),
    # Where a field is left out, a rule that stands at the field is not asked.
    AgentRunSpec: (
        Rule(
            "!has(oldSelf.control) || size(oldSelf.control) == 0 || has(self.control) && self.control.filter("
            "each, each.seq <= oldSelf.control[size(oldSelf.control) - 1].seq).map(each, each.seq)"
            " == oldSelf.control.map(each, each.seq)",
            "orders are only appended, each with a higher number than those before",
        ),
    ),
    AgentRunStatus: (
        Rule(
            f"!({_final('oldSelf.phase')}) || self.phase == oldSelf.phase",
            "the run has ended; its phase does not change any more",
        ),
        Rule(f"!({_final('self.phase')}) || has(self.endedAt)", "a run that ended has endedAt"),
        Rule(
            "has(self.pod) == has(oldSelf.pod) && (!has(self.pod) || self.pod == oldSelf.pod)"
            " || oldSelf.phase == 'queued' || oldSelf.phase == 'waiting' && has(oldSelf.agentProblem)",
            "another pod is this run; a pod registers while the run is queued or parked",
        ),
        Rule("self.?starts.orValue(0) >= oldSelf.?starts.orValue(0)", "starts never decreases"),
        Rule(
            f"!self.?settled.orValue(false) || {_final('self.phase')}",
            "only a run that ended can be settled",
        ),
        Rule(
            "self.?settled.orValue(false) || !oldSelf.?settled.orValue(false)",
            "a run that is settled stays so",
        ),
    ),
    Toleration: (
        Rule(
            "has(self.key) || self.?operator.orValue('Equal') == 'Exists'",
            "a toleration of every taint has the operator Exists",
        ),
        Rule(
            "!has(self.value) || self.?operator.orValue('Equal') == 'Equal'",
            "a toleration with the operator Exists has no value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || self.?effect.orValue('') == 'NoExecute'",
            "tolerationSeconds needs the effect NoExecute",
        ),
    ),
}

FIELDS: dict[tuple[type[msgspec.Struct], str], tuple[Rule, ...]] = {
    (AgentRunSpec, "control"): (
        Rule("self.map(each, each.seq).isSorted()", "orders stand in the order of their numbers"),
        Rule(
            f"self.filter(each, each.kind == '{ControlKind.MESSAGE.value}').size() <= {MAX_MESSAGES}",
            f"a run takes {MAX_MESSAGES} messages",
        ),
        Rule(
            f"self.map(each, has(each.text) ? size(each.text) : 0).sum() <= {MAX_TALK}",
            f"the orders to a run have {MAX_TALK:,} characters together",
        ),
    ),
    (FleetSpec, "agents"): (_NAMED_BY_AGENT,),
    (FleetSpec, "workers"): (_NAMED_BY_AGENT,),
    (FleetStatus, "quotas"): (_NAMED_BY_AGENT,),
    (FleetStatus, "slots"): (
        _keys(WORKER_NAME, "a worker's: at most 40 lower-case letters, digits and dashes"),
        # All with all would cost too much with hundreds of slots, so that they are taken one at a time.
        Rule(
            "[self.filter(each, !oldSelf.hasValue() || !(each in oldSelf.value())"
            " || oldSelf.value()[each] != self[each])].all(taken, taken.size() == 0 || taken.size() == 1"
            " && self.all(each, each == taken[0] || self[each] != self[taken[0]]))",
            "slots are taken one at a time, and a run has one",
            first=True,
        ),
    ),
}
