"""How a cluster of several machines reads, and what one may not do there is refused before it is tried."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from hive_tui.app import rows as console_rows
from hive_tui.core import actions, cluster_words, description, document, report
from hive_tui.core.actions import ActionContext, Kill, Merge, Pause
from hive_tui.core.cluster_facts import STEERING, ClusterFacts, Denied, Node, Place, Right, only_looks
from hive_tui.core.columns import Line, plain
from hive_tui.core.dispatch import decide
from hive_tui.core.errors import Refused
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Actor, ActorKind, Phase, Run
from hive_tui.core.ports import Capability
from hive_tui.core.rows import Page, run_table
from hive_tui.core.targets import Target
from tests import builders as b
from tests.fakes import cluster_fleet as c
from tests.fakes.sources import ScriptedFleet
from tests.unit.test_console_fleet import fleet_text, pulse_text, view_of

ALL = frozenset(Capability)


# Words


def test_a_cluster_in_words() -> None:
    assert cluster_words.where(c.FACTS) == "kind-dev · agents · v1.34.1"
    assert cluster_words.nodes(c.FACTS) == "2/3 nodes ready"
    assert cluster_words.capacity(c.FACTS) == "8 cores · 32.0 GiB · 220 pods"
    assert cluster_words.unready(c.FACTS) == ["worker-3: kubelet stopped posting node status"]


def test_what_is_not_known_of_a_cluster_is_left_out() -> None:
    unknown = ClusterFacts(namespace="agents")
    assert cluster_words.where(unknown) == "agents"
    assert cluster_words.nodes(unknown) == "nodes are not visible to you"
    assert cluster_words.capacity(unknown) is None
    one = ClusterFacts(nodes=(Node("vm", True, "cordoned", 1000),))
    assert cluster_words.nodes(one) == "1 node ready"
    assert cluster_words.capacity(one) == "1 core"
    assert cluster_words.unready(one) == ["vm: cordoned"]


def test_a_node_s_words_are_made_harmless() -> None:
    hostile = ClusterFacts(nodes=(Node("vm", False, b.HOSTILE),))
    assert "\x1b" not in cluster_words.unready(hostile)[0]


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ((), None),
        ((Right.EXEC,), "you may not open a shell in a run: you may not create pods/exec in agents"),
        (
            (Right.SWITCH, Right.EXEC),
            "you may not switch the fleet: you may not patch fleets.hive.dev in agents",
        ),
        (tuple(STEERING), "you may only look: you may not "),
    ],
)
def test_rights_that_lack_are_named_once(rights: tuple[Right, ...], words: str | None) -> None:
    found = cluster_words.denied(c.denied(*rights))
    assert found == words or (words is not None and found is not None and found.startswith(words))


def test_whoever_may_do_one_of_the_three_does_more_than_look() -> None:
    assert only_looks(c.VIEWER) is not None
    for right in STEERING:
        assert only_looks(tuple(lack for lack in c.VIEWER if lack.right is not right)) is None


# The registry


def why(name: str, *denied: Denied) -> str | None:
    """Why an action cannot be done on a run, an issue, a pull request and an agent."""
    run = b.run(1)
    snapshot = b.snapshot(b.fleet(run, denied=denied), run, b.issue(1), b.pull(50))
    target = Target(repo=b.REPO, issue=1, pull_request=50, run=run.id, agent=AgentName("claude"))
    return actions.unavailable(
        actions.get(name), capabilities=ALL, read_only=False, snapshot=snapshot, targets=(target,)
    )


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("pause", Right.SWITCH),
        ("slots.more", Right.SWITCH),
        ("slots.fewer", Right.SWITCH),
        ("agent.disable", Right.SWITCH),
        ("stop", Right.SWITCH),
        ("stop", Right.ORDER),
        ("kill", Right.ORDER),
        ("kill", Right.CLAIM),
        ("send", Right.ORDER),
        ("fire", Right.CLAIM),
        ("retry", Right.CLAIM),
        ("reset", Right.CLAIM),
        ("dispatch", Right.CLAIM),
        ("dispatcher.start", Right.DISPATCH),
        ("gc", Right.DISPATCH),
        ("log", Right.LOGS),
        ("log.wall", Right.LOGS),
        ("attach", Right.EXEC),
    ],
)
def test_an_action_says_which_right_it_lacks(name: str, right: Right) -> None:
    assert why(name, *c.denied(right)) == c.WHY[right]
    others = tuple(other for other in Right if other is not right and other in (Right.LOGS, Right.EXEC))
    assert why(name, *c.denied(*others)) != c.WHY[right]


def test_whoever_may_only_look_changes_nothing_from_here() -> None:
    for action in actions.REGISTRY:
        if action.writes:
            found = why(action.id, *c.VIEWER)
            assert (found or "").startswith("you may not"), action.id
    assert why("log", *c.VIEWER) is None


def context(fleet: ScriptedFleet) -> ActionContext:
    ann = Actor(ActorKind.PERSON, "ann")
    return ActionContext(fleet.cluster, fleet.forge, fleet.settings, ann, lambda: b.NOW)


@pytest.mark.parametrize("request_", [Pause(), Kill((b.run(1).id,)), Merge((b.pull().key,))])
def test_a_plan_is_refused_with_the_missing_verb_and_the_next_step(request_: actions.Request) -> None:
    fleet, run = ScriptedFleet(), b.run(1)
    snapshot = b.snapshot(b.fleet(run, denied=c.VIEWER), run, b.pull())
    plan = actions.plan(context(fleet), snapshot, request_)
    assert (plan.refusal or "").startswith("You may not ")
    assert "docs/kubernetes.md" in (plan.hint or "")
    with pytest.raises(Refused) as caught:
        actions.execute(context(fleet), plan)
    assert caught.value.exit_code == 3
    assert fleet.agents_side.told == [] == fleet.tracker.told


# The fleet pane and the pulse


def test_the_fleet_pane_names_the_cluster_and_what_is_wrong_with_it() -> None:
    lines = fleet_text(view_of(c.fleet(), cluster="kubernetes")).splitlines()
    assert lines[0] == "dispatcher ● running 9m on ci-7, pid 4711"
    assert lines[1] == "node       ! worker-3: kubelet stopped posting node status"
    assert "cluster    kind-dev · agents · v1.34.1" in lines
    assert "capacity   2/3 nodes ready · 8 cores · 32.0 GiB · 220 pods" in lines


def test_a_viewer_reads_why_the_console_is_read_only() -> None:
    view = view_of(c.fleet(denied=c.VIEWER), cluster="kubernetes")
    assert view.only_looks
    assert "rights     you may only look: you may not" in fleet_text(view)
    assert "[RO] viewer" in pulse_text(view)
    assert "[RO]" in pulse_text(view, 80)
    partly = view_of(c.fleet(denied=c.denied(Right.EXEC)), cluster="kubernetes")
    assert not partly.only_looks
    assert "[RO]" not in pulse_text(partly)


# Runs


def cell(run: Run) -> str:
    columns = [column.name for column in console_rows.agent_columns(many=False, placed=True)]
    row = console_rows.agent_row(run, b.NOW, many=False, placed=True)
    return row.cells[columns.index("node")].text


def test_a_run_stands_with_its_node_and_restarts() -> None:
    assert cell(c.placed(b.run(1), restarts=0)) == "worker-1"
    assert cell(c.placed(b.run(1))) == "worker-1 ↻2"
    assert cell(c.placed(b.run(1), node=None, restarts=0)) == "–"
    assert cell(c.placed(b.run(1, phase=Phase.SUCCEEDED))) == ""
    assert len(cell(c.placed(b.run(1), node="n" * 80))) == console_rows.NODE
    assert cell(b.run(1)) == ""


def test_what_stands_in_a_pod_s_way_is_what_its_run_does_now() -> None:
    stuck = c.placed(b.run(1, phase=Phase.QUEUED), condition="0/3 nodes are available: 3 Insufficient cpu")
    row = console_rows.agent_row(stuck, b.NOW, many=False, placed=True)
    assert row.cells[-1].text.startswith("0/3 nodes are available")
    assert "0/3 nodes are available" in text_of_table(stuck)


def text_of(lines: Iterable[Line]) -> str:
    return "\n".join(map(plain, lines))


def text_of_table(*runs: Run, width: int = 180) -> str:
    docs = [document.run_doc(run) for run in runs]
    return text_of(run_table(Page(width, b.NOW), docs, ids=True))


def test_the_list_of_runs_has_a_column_of_nodes_only_where_there_are_some() -> None:
    assert "worker-1 ↻2" in text_of_table(c.placed(b.run(1)), b.run(2))
    assert "node" not in text_of_table(b.run(1))
    assert "node" not in text_of_table(c.placed(b.run(1)), width=100)


@pytest.mark.parametrize("width", [80, 90, 100, 110, 120, 130, 150, 170])
def test_the_list_of_runs_has_room_for_why_one_waits(width: int) -> None:
    stuck = c.placed(b.run(1, phase=Phase.QUEUED), condition="0/3 nodes are available: 3 Insufficient cpu")
    assert "0/3 nodes are ava" in text_of_table(stuck, b.run(2), width=width)


def test_the_list_of_runs_of_several_repositories_has_it_too() -> None:
    stuck = c.placed(b.run(1, phase=Phase.QUEUED), condition="0/3 nodes are available: 3 Insufficient cpu")
    page = Page(100, b.NOW, several_repos=True)
    assert "0/3 nodes are ava" in text_of(run_table(page, [document.run_doc(stuck)], ids=True))


def test_a_description_tells_where_a_run_is() -> None:
    run = c.placed(b.run(1), condition="OOMKilled")
    snapshot = b.snapshot(b.fleet(run), run, b.issue(1))
    plan = decide(snapshot, b.settings(), b.NOW)
    found = description.describe(snapshot, plan, b.settings(), key=run.key, run=run, attention=(), now=b.NOW)
    text = text_of(description.lines(found, width=120, now=b.NOW))
    assert "trial-app-i41-a1-x2x4z" in text
    assert "worker-1, started again 2 times" in text
    assert "OOMKilled" in text


# JSON and the report


def test_the_document_has_place_facts_and_what_is_denied() -> None:
    run = c.placed(b.run(1))
    snapshot = b.snapshot(c.fleet(denied=c.denied(Right.EXEC)), run)
    plan = decide(snapshot, c.SETTINGS, b.NOW)
    found = document.build(snapshot, plan, c.SETTINGS, b.NOW, fleet="trial")
    written = msgspec.json.decode(msgspec.json.encode(found))
    assert written["runs"][0]["place"]["node"] == "worker-1"
    assert written["fleet"]["facts"]["nodes"][2]["ready"] is False
    assert written["fleet"]["denied"] == [{"right": "exec", "why": c.WHY[Right.EXEC]}]
    assert written["fleet"]["dispatcher"]["host"] == "ci-7"
    shown = text_of(report.lines(found, width=120))
    assert "kind-dev · agents · v1.34.1" in shown
    assert "2/3 nodes ready · 8 cores" in shown
    assert "! worker-3: kubelet stopped" in shown
    assert "you may not open a shell in a run" in shown


def test_a_place_without_a_node_is_still_to_be_found() -> None:
    assert cluster_words.place(Place("pod")) == "no node yet"
    assert cluster_words.place(Place("pod", "vm", 1)) == "vm, started again once"
