"""The console on a cluster of several machines: its rights, what it is, its own words of a run, shells."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive_tui.app.commander import Commands
from hive_tui.app.line.child import Caller
from hive_tui.app.screens.confirm import ConfirmScreen
from hive_tui.app.screens.detail import DetailScreen
from hive_tui.app.screens.log import LogScreen
from hive_tui.cli.commands import COMMANDS
from hive_tui.core.cluster_facts import Denied, Right
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.events import LogLine, Said
from hive_tui.core.model import Fleet, Run
from hive_tui.core.ports import Capability, Section
from tests.console.conftest import Console, Open
from tests.console.test_commands import bar, write
from tests.console.test_orders import said, told
from tests.fakes import cluster_fleet, scene
from tests.fakes.sources import ScriptedCluster, ScriptedFleet

pytestmark = pytest.mark.timeout(60)

SECTIONS = (
    Section("Pod", "trial-app-i37-a2 on worker-1\nQoS: Burstable"),
    Section("Events", "3m  Scheduled  assigned to worker-1\n\x1b[2Jhostile"),
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_HOME", str(tmp_path))


class _Pods(ScriptedCluster):
    capabilities = ScriptedCluster.capabilities | {
        Capability.ATTACH,
        Capability.PREVIOUS,
        Capability.DESCRIBE,
    }


class Terminal:
    """Stands for the program that has the terminal."""

    def __init__(self) -> None:
        self.given: list[tuple[Sequence[str], str]] = []

    def __call__(self, app: object, argv: Sequence[str], *, name: str) -> int:
        self.given.append((argv, name))
        return 0


@asynccontextmanager
async def opened(
    console: Open, *denied: Denied, restarts: int = 0, cluster: Fleet | None = None, **options: Any
) -> AsyncIterator[tuple[Console, _Pods, Terminal]]:
    fleet = ScriptedFleet(cluster_fleet.SETTINGS)
    pods, terminal = _Pods(), Terminal()
    fleet.agents_side = pods
    known = cluster or cluster_fleet.fleet(denied=denied)
    runs = tuple(cluster_fleet.placed(run, restarts=restarts) for run in scene.RUNS)
    fleet.list_all(known, *runs, *scene.ISSUES, *scene.PULLS)

    def commands() -> Commands:
        return Commands(Caller("trial"), tuple(COMMANDS), foreground=terminal)

    async with console(fleet, commands=commands, **options) as c:
        await c.until(lambda: c.app.main.agents.table.keys and c.app.main.pulls.table.keys)
        await c.until(lambda: c.app.orders.able(Capability.ATTACH), "what the backends can do")
        yield c, pods, terminal


def first() -> Run:
    return next(run for run in scene.RUNS if run.id == scene.FIRST_RUN)


# What it is


async def test_every_layout_names_the_cluster(console: Open) -> None:
    for size in ((160, 48), (100, 30), (80, 24)):
        async with opened(console, size=size) as (c, _, _):
            await c.press("1")
            await c.until(c.shows("kind-dev · agents", "v1.34.1", "! worker-3: kubelet"), str(size))
            await c.until(c.shows("2/3 nodes ready · 8 cores"), str(size))


async def test_nodes_stand_beside_their_runs_where_there_is_room(console: Open) -> None:
    async with opened(console, restarts=2) as (c, _, _):
        await c.until(c.shows("worker-1 ↻2"))
    async with opened(console, size=(80, 24)) as (c, _, _):
        await c.press("3")
        assert "worker-1" not in c.text


# Rights


async def test_a_viewer_s_console_says_so_and_changes_nothing(console: Open) -> None:
    async with opened(console, *cluster_fleet.VIEWER) as (c, pods, terminal):
        await c.until(c.shows("[RO] viewer", "you may only look: you may"))
        await c.until(lambda: "/ filter" in bar(c) and "x kill" not in bar(c), "no orders")
        for key, why in (
            ("p", "patch fleets.hive.dev"),
            ("x", "agentruns.hive.dev"),
            ("plus", "patch fleets.hive.dev"),
            ("e", "pods/exec"),
        ):
            await c.press(key)
            await c.until(said(c, "you may not", why), key)
        assert not isinstance(c.app.screen, ConfirmScreen)
        await c.press("5", "M")
        await c.until(said(c, "Merge", "you may not"))
        assert pods.told == [] == c.fleet.tracker.told
        assert terminal.given == []


async def test_what_one_may_do_one_does(console: Open) -> None:
    async with opened(console, *cluster_fleet.denied(Right.EXEC, Right.ORDER)) as (c, _, _):
        await c.press("x")
        await c.until(said(c, "Kill", "agentruns.hive.dev"))
        await c.press("p")
        await c.until(lambda: told(c, "paused"))
        assert "[RO]" not in c.text


async def test_rights_that_are_withdrawn_meanwhile_count_at_once(console: Open) -> None:
    async with opened(console) as (c, _, _):
        await c.until(lambda: "x kill" in bar(c))
        c.fleet.change(cluster_fleet.fleet(denied=cluster_fleet.VIEWER))
        await c.until(c.shows("[RO] viewer"))
        await c.until(lambda: "x kill" not in bar(c), "no orders")


async def test_a_log_that_one_may_not_read_says_so(console: Open) -> None:
    async with opened(console, *cluster_fleet.denied(Right.LOGS)) as (c, _, _):
        for key in ("l", "L"):
            await c.press(key)
            await c.until(said(c, "you may not get pods/log"), key)
            assert c.app.screen is c.app.main


# Describe


async def test_the_cluster_s_own_words_are_read_off_the_screen_s_thread(console: Open) -> None:
    async with opened(console) as (c, pods, _):
        pods.described[scene.FIRST_RUN] = SECTIONS
        pods.blocked = threading.Event()
        c.app.open_detail(c.app.view.target_of_run(scene.FIRST_RUN), "describe")
        await c.until(c.shows("asking the cluster", f"RUN {scene.FIRST_RUN}", "worker-1"))
        pods.blocked.set()
        await c.press("end")
        await c.until(c.shows("POD", "QoS: Burstable", "Scheduled  assigned to worker-1"))
        assert "asking the cluster" not in c.text
        assert "\x1b" not in c.text


async def test_a_cluster_that_does_not_answer_leaves_the_rest(console: Open) -> None:
    async with opened(console) as (c, pods, _):
        pods.described[scene.FIRST_RUN] = SourceError("The API server does not answer.", "r tries again.")
        c.app.open_detail(c.app.view.target_of_run(scene.FIRST_RUN), "describe")
        await c.until(c.shows("The API server does not answer", f"RUN {scene.FIRST_RUN}"))
        pods.described[scene.FIRST_RUN] = SECTIONS
        await c.press("r", "end")
        await c.until(c.shows("QoS: Burstable"))


async def test_what_is_described_is_asked_anew_when_the_run_moved_on(console: Open) -> None:
    async with opened(console) as (c, pods, _):
        pods.described[scene.FIRST_RUN] = SECTIONS
        c.app.open_detail(c.app.view.target_of_run(scene.FIRST_RUN), "describe")
        await c.press("end")
        await c.until(c.shows("QoS: Burstable"))
        pods.described[scene.FIRST_RUN] = (Section("Pod", "OOMKilled"),)
        c.fleet.change(cluster_fleet.placed(first(), restarts=3))
        await c.until(c.shows("OOMKilled"))
        assert isinstance(c.app.screen, DetailScreen)


# Logs


async def test_p_looks_at_the_container_before_where_there_is_one(console: Open) -> None:
    async with opened(console, restarts=1) as (c, pods, _):
        pods.logged[scene.FIRST_RUN] = [LogLine(1, scene.NOW, Said(text="since it was started again"))]
        pods.before[scene.FIRST_RUN] = [LogLine(1, scene.NOW, Said(text="before the end"))]
        c.app.show_log(scene.FIRST_RUN)
        await c.until(lambda: isinstance(c.app.screen, LogScreen))
        await c.until(c.shows("since it was started again"))
        await c.until(lambda: "container before" in bar(c))
        await c.press("p")
        await c.until(c.shows("before the end", "container before", "ended"))
        assert "since it was started again" not in c.text
        await c.press("p")
        await c.until(c.shows("since it was started again"))


async def test_p_stays_the_attempt_before_where_nothing_was_started_again(console: Open) -> None:
    async with opened(console) as (c, _, _):
        c.app.show_log(scene.FIRST_RUN)
        await c.until(lambda: isinstance(c.app.screen, LogScreen))
        await c.until(lambda: "attempt before" in bar(c))
        assert "container before" not in bar(c)


# Shells


async def test_e_gives_the_terminal_to_a_shell(console: Open) -> None:
    async with opened(console) as (c, pods, terminal):
        await c.until(lambda: "e shell" in bar(c))
        selected = c.app.main.agents.table.selected
        await c.press("e")
        await c.until(lambda: terminal.given)
        assert pods.shells == [(selected, ())]
        assert terminal.given == [(("shell-of", selected), f"a shell in {selected}")]


async def test_a_shell_that_cannot_be_had_says_why(console: Open) -> None:
    async with opened(console) as (c, pods, terminal):
        pods.no_shell = Refused("Its pod is not running yet.", "`hive describe` says why.")
        await c.press("e")
        await c.until(said(c, "Its pod is not running yet."))
        assert terminal.given == []


async def test_a_command_in_a_run_gets_the_terminal_too(console: Open) -> None:
    async with opened(console) as (c, _, terminal):
        await write(c, "attach claude-a -- git status")
        await c.until(lambda: terminal.given)
        argv, name = terminal.given[0]
        assert list(argv)[-5:] == ["attach", "claude-a", "--", "git", "status"]
        assert name == "hive attach claude-a -- git status"


async def test_a_local_fleet_has_no_key_for_it(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: "x kill" in bar(c))
        assert "e shell" not in bar(c)
        assert msgspec.structs.asdict(c.app.view.snapshot.fleet)["facts"] is None
