"""kill -9 of the runner at many points, then `recover`: nothing is lost, nothing runs on, one record."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import msgspec
import pytest

from hive_tui.core.errors import RunEnded
from hive_tui.core.events import Said
from hive_tui.core.ids import branch_name, wip_branch_name
from hive_tui.core.model import ControlKind, Phase
from hive_tui.runner.flow import Over
from hive_tui.runner.recover import recover
from hive_tui.system import git, processes
from tests.fakes.offspring import offspring
from tests.fakes.run_alone import play
from tests.fakes.run_host import ToyAgent, running, until
from tests.fakes.stage import Stage

pytestmark = pytest.mark.e2e

BRANCH, WIP = branch_name(7, 1), wip_branch_name(7, 1)
FILES = {"a.txt": "1\n", ".hive/config.yaml": "test: grep 2 a.txt\n"}
WORK = 'commit("a.txt", "2\\n"); write("left.txt", "x"); use(500); emit("said", text="worked"); done()'

Make = Callable[..., Stage]


def start(stage: Stage, script: str, place: str) -> BaseProcess:
    (stage.host.home / "job.json").write_bytes(msgspec.json.encode(stage.host.job))
    runner = offspring().Process(target=play, args=(stage.host.home, script, place, dict(os.environ)))
    runner.start()
    return runner


def ended(runner: BaseProcess) -> int | None:
    """Its exit code, when it has ended by itself."""
    runner.join(60)
    return runner.exitcode


def mend(stage: Stage, script: str = "") -> Over:
    return recover(stage.host, stage.signals, load_agent=lambda name: ToyAgent(script))


def branches(stage: Stage) -> set[str]:
    return set(git.text("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=stage.source).split())


def whole(stage: Stage) -> bool:
    """The log has no gap and no double."""
    return [line.n for line in stage.host.lines] == list(range(1, len(stage.host.lines) + 1))


POINTS = [
    *(f"report:{n}" for n in (1, 2, 3, 5, 7)),
    *(f"append:{n}{when}" for n in (1, 2, 4, 6) for when in ("", ":after")),
    *("fetch:1", "fetch:1:after", "clone:1", "clone:1:after", "push:1", "push:1:after"),
    *(f"start:{n}{when}" for n in (1, 2) for when in ("", ":after")),
    *(f"stream:{n}{when}" for n in (1, 3, 4) for when in ("", ":after")),
    *(f"git:{n}" for n in range(2, 15, 3)),
    *(f"bounded:{n}" for n in range(1, 12, 2)),
    *(f"session:{n}" for n in (1, 2, 3)),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_runner_is_made_good_for(stage: Make, point: str) -> None:
    run = stage(FILES)
    code = ended(start(run, WORK, point))
    assert code in (0, -signal.SIGKILL)
    killed = code != 0
    if killed and not run.host.status.phase.final:
        over = mend(run)
        assert over.phase in (Phase.LOST, Phase.SUCCEEDED)
    status = run.host.status
    assert whole(run)
    mine = ("HIVE_RUN_HOME", str(run.host.home))  # other tests have runs of this name
    assert processes.carrying("HIVE_RUN", run.host.job.spec.id, but=mine) == []
    worked = any(isinstance(line.event, Said) for line in run.host.lines)
    if status.phase is Phase.SUCCEEDED:
        assert status.head == git.text("rev-parse", BRANCH, cwd=run.source)
        assert status.tests is not None
        assert status.tests.passed
        assert git.text("show", f"{BRANCH}:left.txt", cwd=run.source) == "x"
    else:
        assert status.phase is Phase.LOST
        assert BRANCH not in branches(run)
        if worked:
            assert git.text("show", f"{WIP}:left.txt", cwd=run.source) == "x"
            assert status.wip == git.text("rev-parse", WIP, cwd=run.source)
    if worked:
        assert status.usage.cost_micros == 500
        assert sum(isinstance(line.event, Said) for line in run.host.lines) == 1
    with pytest.raises(RunEnded):
        mend(run)


def test_what_the_agent_said_after_the_runner_died_is_not_lost(stage: Make) -> None:
    run = stage()
    script = """
use(100); emit("said", text="before"); write("flag", "")
while not os.path.exists("go"): time.sleep(.01)
use(250); commit("a.txt", "2\\n"); emit("said", text="after"); write("flag2", ""); time.sleep(4720)
"""
    runner = start(run, script, "never")
    until(lambda: "before" in run.host.log)
    runner.kill()
    runner.join()
    (run.host.home / "work" / "go").touch()
    until((run.host.home / "work" / "flag2").exists)
    over = mend(run)
    assert over.phase is Phase.LOST
    assert not running("4720")
    said = [line.event.text for line in run.host.lines if isinstance(line.event, Said)]
    assert said == ["before", "after"]
    assert run.host.status.usage.cost_micros == 250
    assert git.text("show", f"{WIP}:a.txt", cwd=run.source) == "2"
    assert whole(run)


def test_a_pending_stop_order_is_what_ended_it(stage: Make) -> None:
    run = stage()
    runner = start(run, 'write("b.txt", "x"); emit("said", text="up"); time.sleep(4721)', "never")
    until(lambda: "up" in run.host.log)
    runner.kill()
    runner.join()
    run.host.order(ControlKind.STOP)
    assert mend(run).phase is Phase.KILLED
    assert run.host.status.why == "by anna"
    assert git.text("show", f"{WIP}:b.txt", cwd=run.source) == "x"


def test_usage_of_finished_processes_is_not_counted_again(stage: Make) -> None:
    run = stage(FILES)
    runner = start(run, 'use(300); commit("a.txt", "x" if NEW else "y"); done()', "start:4")
    ended(runner)
    mend(run)
    assert run.host.status.usage.cost_micros == 600


@pytest.mark.parametrize(
    "ruin", ["nothing", "no clone", "half a clone", "no git", "no bare", "a file", "torn log"]
)
def test_ruins_are_no_error(stage: Make, ruin: str) -> None:
    run = stage(FILES)
    if ruin != "nothing":
        ended(start(run, WORK, "start:1:after"))
    home = run.host.home
    match ruin:
        case "no clone":
            shutil.rmtree(home / "work")
        case "half a clone":
            (home / "work").rename(home / "work.half")
        case "no git":
            shutil.rmtree(home / "work" / ".git")
        case "no bare":
            shutil.rmtree(home / "own.git")
        case "a file":
            shutil.rmtree(home / "work")
            (home / "work").write_text("x", encoding="ascii")
        case "torn log":
            (home / "session.json").write_text("{", encoding="ascii")
            os.truncate(home / "agent-1.out", 0)
        case _:
            pass
    assert mend(run).phase is Phase.LOST
    assert run.host.status.phase is Phase.LOST
    assert run.host.status.ended_at is not None


def test_recovery_of_an_unknown_agent_still_saves_the_work(stage: Make) -> None:
    run = stage()
    runner = start(run, 'write("b.txt", "x"); emit("said", text="up"); time.sleep(4722)', "never")
    until(lambda: "up" in run.host.log)
    runner.kill()
    runner.join()
    assert recover(run.host, run.signals).phase is Phase.LOST
    assert git.text("show", f"{WIP}:b.txt", cwd=run.source) == "x"
