"""Whole runs over a real repository and real processes; only the cluster is a fake."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from backends.clusters.local.sandbox import LocalSandbox
from hive_tui import plugins
from hive_tui.core.errors import GitError, RunEnded
from hive_tui.core.events import Note, Said
from hive_tui.core.ids import branch_name, wip_branch_name
from hive_tui.core.model import ControlKind, Phase, Step
from hive_tui.runner import agent, recover, session
from hive_tui.runner import run as runner
from hive_tui.runner.saving import NoRoom
from hive_tui.runner.steps import LEAK
from hive_tui.system import git
from tests.fakes.run_host import meanwhile, repository, running, until
from tests.fakes.stage import Stage

pytestmark = pytest.mark.e2e

BRANCH, WIP = branch_name(7, 1), wip_branch_name(7, 1)
TESTED = {"a.txt": "1\n", ".hive/config.yaml": "test: echo looking; grep 2 a.txt\n"}

Make = Callable[..., Stage]


def show(stage: Stage, what: str) -> str:
    return git.text("show", what, cwd=stage.source)


def subjects(stage: Stage, branch: str) -> list[str]:
    return git.text("log", "--format=%s", f"main..{branch}", cwd=stage.source).splitlines()


def branches(stage: Stage) -> set[str]:
    return set(git.text("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=stage.source).split())


def test_a_commit_becomes_a_branch(stage: Make) -> None:
    run = stage(TESTED)
    over = run.play('commit("a.txt", "2\\n", "Make it two"); use(1500, 40); done()')
    status = run.host.status
    assert over.phase is status.phase is Phase.SUCCEEDED
    assert status.head == git.text("rev-parse", BRANCH, cwd=run.source)
    assert subjects(run, BRANCH) == ["Make it two"]
    assert status.tests is not None
    assert status.tests.passed
    assert "looking" in status.tests.summary
    assert (status.usage.cost_micros, status.usage.tokens.output) == (1500, 40)
    assert (status.session, status.model, status.step) == ("s1", "toy-1", Step.PUBLISH)
    assert status.ended_at is not None
    assert git.text("log", "-1", "--format=%an <%ae>", BRANCH, cwd=run.source) == "Änna <anna@example.com>"
    assert branches(run) == {"main", BRANCH}
    assert git.text("status", "--porcelain", cwd=run.source) == ""


def test_the_phases_are_reported_in_order(stage: Make) -> None:
    run = stage()
    run.play('commit("a.txt", "2\\n"); done()')
    phases = list(dict.fromkeys(report.phase for report in run.host.reports))
    assert phases == [Phase.STARTING, Phase.WORKING, Phase.FINISHING, Phase.SUCCEEDED]
    assert [line.n for line in run.host.lines] == list(range(1, len(run.host.lines) + 1))


def test_a_run_is_stopped_while_its_work_tree_is_made(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage()

    def large(_: object, bare: Path, sha: str, branch: str, *, stop: Callable[[], bool]) -> None:
        run.host.order(ControlKind.STOP, "not needed")
        until(stop)
        raise GitError("git checkout was stopped.")

    monkeypatch.setattr(LocalSandbox, "clone", large)
    assert run.play("done()").phase is Phase.KILLED
    assert run.host.status.evidence == "not needed"


def test_a_mistake_of_hive_s_own_is_told_where_everybody_can_read_it(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such\x1b[31m thing\n")

    run = stage()
    monkeypatch.setitem(runner._STEPS, Step.IMPLEMENT, broken)
    over = run.play("done()")
    assert (over.phase, over.why) == (Phase.FAILED, "hive's runner failed: RuntimeError: no such thing")
    assert over.evidence == f"`hive logs {run.host.job.spec.id}` says where"
    notes = [line.event.text for line in run.host.lines if isinstance(line.event, Note)]
    (trace,) = (said for said in notes if "Traceback" in said)
    assert "in broken" in trace
    assert run.host.status.last_event is not None
    assert "Traceback" not in run.host.status.last_event.text


def test_forgotten_changes_become_a_commit(stage: Make) -> None:
    run = stage()
    run.play('commit("a.txt", "2\\n"); write("new dir/nü.txt", "x"); write("__pycache__/a.pyc", "x"); done()')
    assert subjects(run, BRANCH) == ["Work left uncommitted", "Change it"]
    assert show(run, f"{BRANCH}:new dir/nü.txt") == "x"
    assert "pycache" not in git.text("ls-tree", "-r", "--name-only", BRANCH, cwd=run.source)


def test_a_failing_test_is_repaired_in_the_same_session(stage: Make) -> None:
    run = stage(TESTED)
    script = 'commit("a.txt", "3\\n" if NEW else "2\\n"); use(100); done()'
    over = run.play(script)
    assert over.phase is Phase.SUCCEEDED
    assert run.agent.sessions == [None, "s1"]
    assert "looking" in run.agent.prompts[1]
    assert run.host.status.usage.cost_micros == 200
    assert run.host.status.round == 2
    assert next(r.tests.passed for r in run.host.reports if r.tests) is False


def test_an_agent_that_cannot_resume_gets_the_whole_story_again(stage: Make) -> None:
    run = stage(TESTED)
    script = 'commit("a.txt", "2\\n" if "findings" in PROMPT else "3\\n"); done()'
    over = run.play(script, can_resume=False)
    assert over.phase is Phase.SUCCEEDED
    assert run.agent.sessions == [None, None]
    assert "Please." in run.agent.prompts[1]
    assert "looking" in run.agent.prompts[1]


def test_what_a_test_leaves_behind_is_not_committed(stage: Make) -> None:
    run = stage({"a.txt": "1\n", ".hive/config.yaml": "test: echo x > junk; echo y >> a.txt; grep 2 a.txt\n"})
    assert run.play('commit("a.txt", "3\\n" if NEW else "2\\n"); done()').phase is Phase.SUCCEEDED
    assert show(run, f"{BRANCH}:a.txt") == "2"
    assert "junk" not in git.text("ls-tree", "--name-only", BRANCH, cwd=run.source)


def test_tests_that_never_pass_fail_the_run_and_save_the_work(stage: Make) -> None:
    run = stage(TESTED, max_rounds=2)
    over = run.play('commit("a.txt", "x" if NEW else "y"); done()')
    assert (over.phase, over.why) == (Phase.FAILED, "tests still fail after 2 rounds")
    assert branches(run) == {"main", WIP}
    assert run.host.status.wip == git.text("rev-parse", WIP, cwd=run.source)
    assert run.host.status.tests is not None
    assert not run.host.status.tests.passed


def test_a_test_that_does_not_end_is_ended(stage: Make) -> None:
    config = "test: sleep 4711\ntest_timeout_minutes: 0.005\n"
    run = stage({"a.txt": "1\n", ".hive/config.yaml": config}, max_rounds=1)
    assert run.play('commit("a.txt", "2\\n"); done()').phase is Phase.FAILED
    assert run.host.status.tests is not None
    assert "no end after" in run.host.status.tests.summary
    assert not running("sleep\x004711")


@pytest.mark.parametrize(
    "script",
    [
        "done()",
        'git("commit", "-q", "--allow-empty", "-m", "Nothing"); done()',
        'commit("a.txt", "2\\n"); git("revert", "--no-edit", "HEAD"); done()',
    ],
)
def test_no_change_is_no_success(stage: Make, script: str) -> None:
    run = stage()
    over = run.play(script)
    assert (over.phase, over.why) == (Phase.FAILED, "the agent changed nothing")
    assert BRANCH not in branches(run)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("sys.exit(0)", "exit 0 without a result"),
        ("sys.exit(3)", "exit 3 without a result"),
        ('emit("end", ok=False, text="max_turns"); sys.exit(1)', "max_turns"),
        ("os.kill(os.getpid(), 9)", "exit -9 without a result"),
    ],
)
def test_an_agent_that_does_not_finish_fails_and_its_work_is_saved(
    stage: Make, script: str, why: str
) -> None:
    run = stage()
    over = run.play(f'write("half.txt", "x"); {script}')
    assert over.phase is Phase.FAILED
    assert why in (over.why or "")
    assert show(run, f"{WIP}:half.txt") == "x"


def test_a_stop_order_ends_everything_in_time_and_saves_the_work(stage: Make) -> None:
    run = stage()
    script = """
deaf = "import signal as s, time; s.signal(2, s.SIG_IGN); s.signal(15, s.SIG_IGN); time.sleep(4712)"
subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
subprocess.Popen(["env", "-i", "/bin/sleep", "4713"])
for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)
commit("a.txt", "2\\n"); write("b.txt", "uncommitted")
emit("tool", name="Bash", argument="long", id="t"); time.sleep(4714)
"""
    times: list[float] = []

    def stop() -> None:
        until(lambda: any("Bash long" in line for line in run.host.log))
        run.host.order(ControlKind.STOP, "not needed")
        run.signals.woken = True
        times.append(time.monotonic())

    beside = meanwhile(stop)
    over = run.play(script)
    assert time.monotonic() - times[0] < 10
    beside.join()
    assert (over.phase, over.why) == (Phase.KILLED, "by anna")
    assert show(run, f"{WIP}:b.txt") == "uncommitted"
    assert BRANCH not in branches(run)
    assert not running("4712")
    assert not running("4713")
    assert not running("4714")


def test_the_deadline_ends_a_run(stage: Make) -> None:
    run = stage(deadline_seconds=1.0)
    over = run.play('write("b.txt", "x"); emit("said", text="still here"); time.sleep(4715)')
    assert (over.phase, over.why) == (Phase.FAILED, "deadline")
    assert show(run, f"{WIP}:b.txt") == "x"
    assert not running("4715")


def test_the_budget_ends_a_run(stage: Make) -> None:
    run = stage(budget_micros=1_000_000)
    over = run.play('write("b.txt", "x"); use(400_000); use(1_100_000, 200); time.sleep(60)')
    assert (over.phase, over.why) == (Phase.FAILED, "budget of $1.00 used")
    assert run.host.status.usage.cost_micros == 1_100_000
    assert show(run, f"{WIP}:b.txt") == "x"


def test_a_signal_without_an_order_ends_the_run_but_saves_the_work(stage: Make) -> None:
    run = stage()

    def end() -> None:
        until(lambda: "waiting" in run.host.log)
        run.signals._end(signal.SIGTERM, None)

    beside = meanwhile(end)
    over = run.play('write("b.txt", "x"); emit("said", text="waiting"); time.sleep(60)')
    beside.join()
    assert (over.phase, over.why) == (Phase.LOST, "ended from outside by SIGTERM")
    assert show(run, f"{WIP}:b.txt") == "x"


def test_a_limit_lets_the_run_wait_and_the_session_go_on(stage: Make) -> None:
    run = stage()
    until_ = datetime(2030, 1, 1, tzinfo=UTC)
    limit = f'emit("limit", text="usage limit", until="{until_.isoformat()}"); sys.exit(1)'
    over = run.play(f'use(700); commit("a.txt", "2\\n"); write("b.txt", "x"); {limit}')
    status = run.host.status
    assert over.phase is status.phase is Phase.WAITING
    assert (status.until, status.agent_problem, status.session) == (until_, "usage limit", "s1")
    assert status.parked
    assert status.ended_at is None
    assert show(run, f"{WIP}:b.txt") == "x"
    before = len(run.host.lines)
    over = run.play('assert os.path.exists("b.txt"); use(300); commit("a.txt", "3\\n"); done()')
    assert over.phase is Phase.SUCCEEDED
    assert run.agent.sessions == ["s1"]
    assert run.host.status.usage.cost_micros == 1000
    assert (run.host.status.agent_problem, run.host.status.until) == (None, None)
    assert subjects(run, BRANCH) == ["Change it", "Change it"]
    assert [line.n for line in run.host.lines] == list(range(1, len(run.host.lines) + 1))
    assert len(run.host.lines) > before


def forget(run: Stage) -> None:
    """Leave nothing of a run where it was at work, as when it goes on in another pod."""
    for path in run.host.home.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "status.json":
            path.unlink()


def test_a_run_whose_folder_is_gone_goes_on_from_what_it_had_saved(stage: Make) -> None:
    run = stage()
    limit = 'emit("limit", text="usage limit", until="2030-01-01T00:00:00Z"); sys.exit(1)'
    run.play(f'use(700); commit("a.txt", "2\\n"); write("b.txt", "x"); {limit}')
    base = run.host.status.base_sha
    forget(run)
    git.run("commit", "--quiet", "--allow-empty", "-m", "Others go on", cwd=run.source)
    run.host.order(ControlKind.MESSAGE, "use tabs")
    over = run.play('assert os.path.exists("b.txt"); use(300); commit("a.txt", "3\\n"); done()')
    assert over.phase is Phase.SUCCEEDED
    assert run.host.status.base_sha == base
    assert show(run, f"{BRANCH}:b.txt") == "x"
    assert git.text("merge-base", BRANCH, "main", cwd=run.source) == base
    assert run.agent.sessions == [None], "the session went with the folder"
    assert "already holds work" in run.agent.prompts[0]
    assert run.host.status.usage.cost_micros == 1000


def test_a_run_whose_folder_and_saved_work_are_gone_begins_anew(stage: Make) -> None:
    run = stage()
    run.play('commit("a.txt", "2\\n"); emit("limit", text="usage limit"); sys.exit(1)')
    forget(run)
    git.run("update-ref", "-d", f"refs/heads/{WIP}", cwd=run.source)
    git.run("gc", "--quiet", "--prune=now", cwd=run.source)
    over = run.play('assert open("a.txt").read() == "1\\n"; commit("a.txt", "3\\n"); done()')
    assert over.phase is Phase.SUCCEEDED
    assert "already holds work" not in run.agent.prompts[0]
    assert any("is not there any more" in line for line in run.host.log)


def test_a_signal_ends_a_fetch_that_takes_long(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage()

    def fetch(*_: object, stop: Callable[[], bool], **__: object) -> str:
        run.signals._end(signal.SIGTERM, None)
        until(stop)
        raise GitError("git was stopped.")

    monkeypatch.setattr(run.host, "fetch", fetch)
    assert run.play("").why == "ended from outside by SIGTERM"


def test_no_credit_waits_for_a_person(stage: Make) -> None:
    run = stage()
    run.play('emit("limit", text="credit is gone", billing=True); sys.exit(1)')
    assert (run.host.status.phase, run.host.status.until) == (Phase.WAITING, None)
    assert run.host.status.agent_problem == "credit is gone"


def test_an_agent_that_cannot_work_is_no_fault_of_the_issue(stage: Make) -> None:
    run = stage()
    assert run.play("sys.exit(69)").phase is Phase.FAILED
    assert run.host.status.agent_problem


def test_a_missing_command_says_what_to_do(stage: Make) -> None:
    run = stage(command="/nowhere/toy")
    assert run.play("").phase is Phase.FAILED
    assert "/nowhere/toy cannot be started" in (run.host.status.agent_problem or "")
    assert "Install it" in (run.host.status.why or "")


def test_a_question_waits_for_its_answer(stage: Make) -> None:
    run = stage()

    def answer() -> None:
        until(lambda: run.host.status.phase is Phase.WAITING)
        assert run.host.status.why == "asks: red or blue?"
        assert not run.host.status.parked
        run.host.order(ControlKind.MESSAGE, "blue")
        run.signals.woken = True

    beside = meanwhile(answer)
    over = run.play('emit("question", text="red or blue?"); commit("a.txt", listen()["message"]); done()')
    beside.join()
    assert over.phase is Phase.SUCCEEDED
    assert show(run, f"{BRANCH}:a.txt") == "blue"
    assert "anna says: blue" in run.host.log


def test_a_message_that_nobody_heard_is_in_the_next_prompt(stage: Make) -> None:
    run = stage()
    run.host.order(ControlKind.MESSAGE, "use tabs")
    run.signals.woken = True
    run.play('commit("a.txt", "2\\n"); done()')
    heard = "use tabs" in run.agent.prompts[0]
    assert heard or any("anna says" in line for line in run.host.log)


def test_a_stalled_agent_is_seen_and_goes_on(stage: Make) -> None:
    run = stage(stalled_after_seconds=0.3)
    run.play('time.sleep(1.2); commit("a.txt", "2\\n"); emit("said", text="awake"); time.sleep(.2); done()')
    phases = [report.phase for report in run.host.reports]
    assert Phase.STALLED in phases
    assert run.host.status.phase is Phase.SUCCEEDED


def test_hostile_output_does_no_harm(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "very-secret-value")
    run = stage()
    script = r"""
out = sys.stdout.buffer
out.write(b"\x1b]52;c;ZXZpbA==\x07 \xff\xfe\x00 not json\n" + b"x" * 1_000_000 + b"\n")
out.write(b'{"kind":"said","text":"\\u001b[31mred\\u202e\\u0000 [bold]"}\n'); out.flush()
emit("said", text="key " + os.environ["TOY_KEY"]); print("no newline", end="", flush=True)
print(os.environ["TOY_KEY"], file=sys.stderr)
commit("a.txt", "2\n"); print(); done()
"""
    assert run.play(script).phase is Phase.SUCCEEDED
    stored = (run.host.home / "events.jsonl").read_bytes() + (run.host.home / "status.json").read_bytes()
    assert b"very-secret" not in stored
    for bad in (b"\x1b", b"\\u001b", b"\\u0000", "\u202e".encode(), b"\x00"):
        assert bad not in stored
    said = [line.event.text for line in run.host.lines if isinstance(line.event, Said)]
    assert said == ["red [bold]", "key •••"]


def test_the_agent_sees_no_token_and_no_remote(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "SSH_AUTH_SOCK",
        "KUBECONFIG",
        "AWS_SECRET_ACCESS_KEY",
        "GIT_DIR",
    ):
        monkeypatch.setenv(name, "secret-of-the-user")
    monkeypatch.setenv("TOY_KEY", "key-of-the-agent")
    run = stage()
    run.play("""
seen = {k: "its own" if v == "key-of-the-agent" else v for k, v in os.environ.items()}
write("env.txt", "\\n".join(f"{k}={v}" for k, v in seen.items()))
write("remote.txt", subprocess.run(["git", "remote"], capture_output=True, text=True).stdout)
commit("a.txt", "2\\n"); done()
""")
    seen = show(run, f"{BRANCH}:env.txt")
    assert "secret-of-the-user" not in seen
    assert "TOY_KEY=its own" in seen
    assert f"HIVE_RUN={run.host.job.spec.id}" in seen
    assert show(run, f"{BRANCH}:remote.txt") == ""


def test_a_protected_path_needs_a_person(stage: Make) -> None:
    run = stage()
    over = run.play('commit(".github/workflows/ci.yml", "on: push"); done()')
    assert over.phase is Phase.NEEDS_HUMAN
    assert over.why == ".github/workflows/ci.yml is protected"
    assert branches(run) == {"main", WIP}


def test_a_protected_path_does_not_reach_a_forge_that_would_run_it(stage: Make) -> None:
    run = stage()
    repo = msgspec.structs.replace(run.host.job.repo, source=f"file://{run.source}")
    run.host.job = msgspec.structs.replace(run.host.job, repo=repo)
    assert run.play('commit(".github/workflows/ci.yml", "on: push"); done()').phase is Phase.NEEDS_HUMAN
    assert branches(run) == {"main"}
    assert any("the work is kept in" in line for line in run.host.log)


def test_protection_is_read_from_the_base(stage: Make) -> None:
    run = stage({"a.txt": "1\n", ".hive/config.yaml": "protected: [secret/]\ntest: grep 1 a.txt\n"})
    script = (
        'write(".hive/config.yaml", "test: x"); write("secret/x", "y"); commit("a.txt", "1\\n2\\n"); done()'
    )
    assert run.play(script).phase is Phase.NEEDS_HUMAN
    assert run.host.status.tests is not None
    assert run.host.status.tests.command == "grep 1 a.txt"


def test_malformed_settings_need_a_person(stage: Make) -> None:
    run = stage({".hive/config.yaml": "tset: x\n"})
    over = run.play("done()")
    assert over.phase is Phase.NEEDS_HUMAN
    assert "unknown key" in (over.why or "")
    assert "tset" in (over.why or "")
    assert run.agent.prompts == []


def test_the_fleets_test_command_stands_in(stage: Make) -> None:
    run = stage()
    repo = msgspec.structs.replace(run.host.job.repo, test="grep 2 a.txt")
    run.host.job = msgspec.structs.replace(run.host.job, repo=repo)
    run.play('commit("a.txt", "2\\n"); done()')
    assert run.host.status.tests is not None
    assert run.host.status.tests.command == "grep 2 a.txt"


HOSTILE = r"""
trap, log = os.path.join(FOLDER, "trap.sh"), os.path.join(FOLDER, "sprung")
write(trap, "#!/bin/sh\nenv >> '" + log + "'\ncat\n")
os.chmod(trap, 0o755)
for hook in ("pre-commit", "post-commit", "reference-transaction", "pre-push", "post-index-change"):
    os.symlink(trap, os.path.join(FOLDER, hook))
write(".gitattributes", "* filter=x diff=x\n")
write("a.txt", "2\n")
for key in ("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.external", "diff.x.textconv",
            "core.askPass", "core.sshCommand", "core.pager", "credential.helper", "gpg.program",
            "uploadpack.packObjectsHook"):
    git("config", key, trap)
git("config", "core.hooksPath", FOLDER)
git("config", "commit.gpgSign", "true")
done()
"""


def test_a_hostile_repository_executes_nothing_on_the_runners_side(stage: Make, folder: Path) -> None:
    run = stage()
    traps = folder / "traps"
    traps.mkdir()
    assert run.play(f"FOLDER = {str(traps)!r}\n{HOSTILE}").phase is Phase.SUCCEEDED
    # What ran (the filter, for the commit of what was left) ran on the agent's side: it carries the run.
    text = (traps / "sprung").read_text(encoding="utf-8")
    assert text.count("\nPATH=") + text.startswith("PATH=") == text.count("HIVE_RUN=") > 0


def test_a_submodule_is_filled_from_the_users_checkout(stage: Make, folder: Path) -> None:
    lib = repository(folder / "lib repo", {"lib.txt": "lib\n"})
    run = stage()
    for args in (("submodule", "add", "--quiet", str(lib), "vendor/lib ä"), ("commit", "-qm", "Add lib")):
        git.run("-c", "protocol.file.allow=always", *args, cwd=run.source)
    over = run.play('assert open("vendor/lib ä/lib.txt").read() == "lib\\n"; commit("a.txt", "2\\n"); done()')
    assert over.phase is Phase.SUCCEEDED
    assert git.text("diff", "--name-only", "main", BRANCH, cwd=run.source) == "a.txt"


def test_a_submodule_that_is_not_there_is_noted(stage: Make, folder: Path) -> None:
    lib = repository(folder / "lib", {"lib.txt": "lib\n"})
    run = stage()
    for args in (("submodule", "add", "--quiet", str(lib), "lib"), ("commit", "-qm", "Add lib")):
        git.run("-c", "protocol.file.allow=always", *args, cwd=run.source)
    shutil.rmtree(run.source / ".git" / "modules")
    assert run.play('commit("a.txt", "2\\n"); done()').phase is Phase.SUCCEEDED
    assert any("submodule lib" in line for line in run.host.log)


def test_a_moved_submodule_needs_a_person(stage: Make, folder: Path) -> None:
    run = stage()
    script = """
git("init", "-q", "sub")
git("-C", "sub", "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "x")
done()
"""
    over = run.play(script)
    assert over.phase is Phase.NEEDS_HUMAN
    assert "changes a submodule" in (over.why or "")


def test_an_ended_run_is_not_started_again(stage: Make) -> None:
    run = stage()
    run.play('commit("a.txt", "2\\n"); done()')
    with pytest.raises(RunEnded):
        run.play("done()")


def test_work_in_a_half_done_merge_with_a_locked_index_is_saved(stage: Make) -> None:
    run = stage()
    run.play("""
commit("a.txt", "2\\n"); git("checkout", "-qb", "side", "HEAD~1"); commit("a.txt", "3\\n")
subprocess.run(["git", "merge", "hive/issue-7-a1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
write(".git/index.lock", ""); write("b.txt", "x"); sys.exit(1)
""")
    assert show(run, f"{WIP}:b.txt") == "x"
    assert os.path.isdir(run.host.home / "work")


def test_an_agent_that_removes_its_clone_is_no_crash(stage: Make) -> None:
    run = stage()
    over = run.play("import shutil; shutil.rmtree('.git'); done()")
    assert over.phase is Phase.FAILED
    assert run.host.status.phase is Phase.FAILED
    assert "runner failed" not in (over.why or "")


def test_an_unknown_agent_backend_gets_a_record(stage: Make) -> None:
    run = stage()
    over = runner.execute(run.host, run.signals, load_agent=plugins.agent)
    assert over.phase is Phase.FAILED
    assert "'toy'" in (run.host.status.agent_problem or "")


def test_an_agent_that_does_not_exit_after_its_last_word(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LINGER_SECONDS", 0.2)
    run = stage()
    assert run.play('commit("a.txt", "2\\n"); emit("end", ok=True, text="done"); time.sleep(4733)').phase is (
        Phase.SUCCEEDED
    )
    assert not running("4733")


def test_a_flood_ends_the_run_in_time(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "MAX_OUTPUT", 5 << 20)
    run = stage()
    begun = time.monotonic()
    over = run.play('write("b.txt", "x")\nwhile True: print("y" * 1000)')
    assert over.why == "the agent said more than 5 MB"
    assert time.monotonic() - begun < 20
    assert show(run, f"{WIP}:b.txt") == "x"


def test_without_a_name_hive_commits(stage: Make) -> None:
    run = stage()
    for key in ("user.name", "user.email"):
        git.run("config", "--unset", key, cwd=run.source)
    assert run.play('write("b.txt", "x"); done()').phase is Phase.SUCCEEDED
    assert git.text("log", "-1", "--format=%an <%ae>", BRANCH, cwd=run.source) == "hive <hive@localhost>"


def test_what_an_earlier_process_left_is_built_upon(stage: Make) -> None:
    run = stage()
    run.play('write("b.txt", "x"); emit("limit", text="quota"); sys.exit(1)', can_resume=False)
    over = run.play('assert open("b.txt").read() == "x"; commit("a.txt", "2"); done()', can_resume=False)
    assert over.phase is Phase.SUCCEEDED
    assert "earlier session" in run.agent.prompts[0]


def test_the_agents_own_credential_is_pushed_nowhere(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "very-secret-value")
    run = stage()
    script = 'commit("k.txt", os.environ["TOY_KEY"]); commit("k.txt", "gone"); write("b.txt", "x"); done()'
    over = run.play(script)
    assert (over.phase, over.why) == (Phase.NEEDS_HUMAN, LEAK)
    assert branches(run) == {"main"}
    assert run.host.pushed == []


def test_the_trackers_token_reaches_neither_the_agent_nor_a_log_nor_a_commit(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TRACKER", "very-secret-value")
    run = stage()
    repo = msgspec.structs.replace(run.host.job.repo, variables=("MY_TRACKER",))
    run.host.job = msgspec.structs.replace(run.host.job, repo=repo)
    # As a program of the same user it can read it from where the runner has it.
    script = """
assert "MY_TRACKER" not in os.environ
emit("said", text="it is very-secret-value"); commit("k.txt", "very-secret-value"); done()
"""
    over = run.play(script)
    assert (over.phase, over.why) == (Phase.NEEDS_HUMAN, LEAK)
    assert branches(run) == {"main"}
    assert any("it is •••" in str(line) for line in run.host.lines)
    assert "very-secret" not in str(run.host.lines)


def test_on_a_full_disk_a_run_waits_for_recovery_with_its_work(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage()
    monkeypatch.setattr("hive_tui.system.disk.LEAST_FREE", 1 << 80)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "own.git")

    monkeypatch.setattr(run.host, "push", full)
    with pytest.raises(NoRoom):
        run.play('commit("a.txt", "2\\n"); done()')
    assert not run.host.status.phase.final, "recovery makes good for it"
    monkeypatch.undo()
    over = recover.recover(run.host, run.signals, load_agent=lambda name: run.agent)
    assert over.phase is Phase.SUCCEEDED
    assert show(run, f"{BRANCH}:a.txt") == "2"


def test_where_nothing_lasts_a_full_disk_is_no_reason_to_wait(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage()
    run.host.lasting = False
    monkeypatch.setattr("hive_tui.system.disk.LEAST_FREE", 1 << 80)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "own.git")

    monkeypatch.setattr(run.host, "push", full)
    assert run.play('commit("a.txt", "2\\n"); done()').phase is Phase.FAILED
    assert run.host.status.phase is Phase.FAILED
    assert any("goes with its pod" in line for line in run.host.log)


def test_what_the_machine_lacks_is_not_called_a_bug_of_hive(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "session.json")

    monkeypatch.setattr(session, "save", full)
    over = run.play('commit("a.txt", "2\\n"); done()')
    assert over.phase is Phase.FAILED
    assert over.why == "No space left on device (session.json)"
    assert "doctor" in (over.evidence or "")


LARGE = 'f = open("big [1].bin", "wb"); f.truncate(40 << 20); f.close(); write("small.txt", "kept\\n"); '


def test_a_large_file_is_the_next_rounds_to_remove(stage: Make) -> None:
    run = stage()
    run.play(f'{LARGE}os.remove("big [1].bin") if "more than 32 MB" in PROMPT else None; done()')
    assert run.host.status.phase is Phase.SUCCEEDED
    assert "big [1].bin has more than 32 MB" in run.agent.prompts[1]
    assert git.text("ls-tree", "-r", "--name-only", BRANCH, cwd=run.source).split() == ["a.txt", "small.txt"]


def test_a_large_file_that_stays_ends_the_run_and_the_rest_is_saved(stage: Make) -> None:
    run = stage(max_rounds=1)
    over = run.play(f"{LARGE}done()")
    assert over.phase is Phase.FAILED
    assert over.why == "big [1].bin has more than 32 MB after 1 round"
    assert git.text("ls-tree", "-r", "--name-only", WIP, cwd=run.source).split() == ["a.txt", "small.txt"]


def test_large_files_that_are_ignored_or_were_there_are_no_obstacle(stage: Make) -> None:
    run = stage({"a.txt": "1\n", ".gitignore": "cache/\n", "art.bin": "x" * (33 << 20)})
    run.play(
        'os.mkdir("cache"); f = open("cache/big", "wb"); f.truncate(40 << 20); f.close();'
        'write("small.txt", "kept\\n"); done()'
    )
    assert run.host.status.phase is Phase.SUCCEEDED
    assert run.host.status.changed_files == 1


def test_a_large_file_that_the_agent_committed_is_named_as_such(stage: Make) -> None:
    run = stage()
    over = run.play('commit("big.txt", "0" * (33 << 20)); done()')
    assert over.phase is Phase.NEEDS_HUMAN
    assert over.why is not None
    assert "more than" in over.why
    assert "Keep large files out of git" in (over.evidence or "")
