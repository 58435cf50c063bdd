"""What sessions come to: order, folders, contexts, limits, and looks that cost what is new."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.core import ids as core_ids
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RepoName
from hive_tui.costs import files, growing, live, periods, sessions, windows
from hive_tui.costs import session_words as words
from hive_tui.costs.files import Found, Root
from hive_tui.costs.index import Index
from hive_tui.costs.live import Process
from hive_tui.costs.session_sources import Sources
from hive_tui.costs.sessions import Session, main_transcripts, overview
from hive_tui.costs.sums import Dimension, Sum
from hive_tui.costs.tails import Share, Tail, Tails
from hive_tui.transcripts import parsers
from tests.corpus import HERE

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)


def at(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


def used(session: str, ago: timedelta, *, project: str = "/src/app", model: str = "opus") -> Sum:
    when = at(NOW - ago)
    return Sum(1, 0, 10, 5, 0, 0, 0, 5, when, when, session=session, project=project, model=model,
               agent="claude")  # fmt: skip


def found(path: str, ago: timedelta = timedelta(hours=1), agent: str = "claude") -> Found:
    return Found(agent, path, 1, abs(hash(path)), 10, at(NOW - ago) * 1_000_000)


def of(*sums: Sum, live: tuple[Process, ...] = (), files: tuple[Found, ...] = ()) -> tuple[Session, ...]:
    return overview(sums, live, main_transcripts(files), {}, None, (), NOW).sessions


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_those_at_work_come_first_each_part_by_its_last_activity() -> None:
    process = Process("claude", 7, "quiet", "/src/app")
    seen = of(used("old", 3 * HOUR), used("new", MINUTE), used("quiet", 9 * HOUR), live=(process,))
    assert [each.id for each in seen] == ["quiet", "new", "old"]
    assert seen[0].process is process


def test_a_session_is_there_from_the_start_of_its_process() -> None:
    (one,) = of(live=(Process("codex", 7, "fresh", "/src/app", told_at=NOW - MINUTE),))
    assert (one.id, one.project, one.last) == ("fresh", "/src/app", NOW - MINUTE)
    assert (words.cost(one), words.tokens(one), words.context(one)[0]) == ("–", "–", "–")


def test_activity_is_never_later_than_now() -> None:
    (one,) = of(used("s", HOUR), files=(found("/p/-src-app/s.jsonl", -48 * HOUR),))
    assert one.last == NOW
    assert words.age(one, NOW) == "0s"


def test_a_file_of_no_time_at_all_does_no_harm() -> None:
    for modified in (-1 << 62, 1 << 62):
        file = Found("claude", "/p/-src-app/s.jsonl", 1, 1, 10, modified)
        (one,) = of(used("s", HOUR), files=(file,))
        assert one.last in (NOW, NOW - HOUR)


_VALUES: st.SearchStrategy[object] = (
    st.none() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=9) | st.just([])
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "input_tokens",
                    "used_percent",
                    "window_minutes",
                    "resets_at",
                    "cwd",
                    "model_context_window",
                ]
            ),
            _VALUES,
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["claude", "codex"]),
)
def test_no_line_of_a_future_version_stops_the_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, object]], agent: str
) -> None:
    path = tmp_path_factory.mktemp("tail") / "s.jsonl"
    with path.open("w") as file:
        for one in values:
            span = {"primary": one, "secondary": one}
            limits = {"type": "token_count", "info": {**one, "last_token_usage": one}, "rate_limits": span}
            usage = {"type": "assistant", "message": {"model": "m", "usage": one}, **one}
            file.write(json.dumps({"type": "event_msg", "payload": limits}) + "\n")
            file.write(json.dumps(usage, separators=(",", ":")) + "\n")
    tails, _ = Tails(parsers()).read(
        [Found(agent, str(path), 1, 1, path.stat().st_size, at(NOW) * 1_000_000)]
    )
    seen = overview((), (), {(agent, "s"): Found(agent, str(path), 1, 1, 10, 0)}, tails, None, (), NOW)
    shown = [words.share(share) for share in seen.shares]
    shown += [words.context(each)[0] for each in seen.sessions]
    assert all(text.isprintable() for text in shown)


def test_a_session_belongs_where_it_was_begun() -> None:
    moved = (used("s", 3 * HOUR, project="/elsewhere"), used("s", HOUR, project="/src/my_app"))
    (one,) = of(*moved, files=(found("/p/-src-my-app/s.jsonl"),))
    assert one.project == "/src/my_app"
    (one,) = of(*moved)
    assert one.project == "/elsewhere"


def test_a_thread_belongs_where_its_rollout_says_not_where_the_server_was_begun() -> None:
    file = found("/c/rollout-1-01a1fbb6-1327-71e0-8e33-f18e1a49a7a1.jsonl", agent="codex")
    thread = "01a1fbb6-1327-71e0-8e33-f18e1a49a7a1"
    server = Process("codex", 7, thread, "/begun/anywhere", live.LOADED)
    tails = {file.path: Tail(project="/src/app", words="hello")}
    (one,) = overview((), (server,), main_transcripts((file,)), tails, None, (), NOW).sessions
    assert one.project == "/src/app"
    assert words.mark(one).word == "loaded"


def test_sub_agents_and_copies_have_no_transcripts_of_their_own() -> None:
    named = main_transcripts(
        (
            found("/p/-a/s.jsonl", 2 * HOUR),
            found("/p/-b/s.jsonl", HOUR),
            found("/p/-b/s/subagents/agent-1.jsonl"),
            found("/c/2026/11/21/rollout-2026-11-21T01-26-16-01a1fbb6-1327-71e0-8e33-f18e1a49a7a1.jsonl",
                  agent="codex"),
            found("/c/odd.jsonl", agent="codex"),
        )
    )  # fmt: skip
    assert named[("claude", "s")].path == "/p/-b/s.jsonl"
    assert set(named) == {
        ("claude", "s"), ("codex", "01a1fbb6-1327-71e0-8e33-f18e1a49a7a1"), ("codex", "odd"),
    }  # fmt: skip


def resume(session: str, project: str | None, agent: str = "claude") -> str | None:
    return Session(agent, session, project=project, transcript=found("/p/x.jsonl")).resume


def test_a_session_of_a_run_is_told_by_its_issue() -> None:
    run = core_ids.run_id("local", RepoName("me/the-app"), 41, 2)
    one = Session("claude", "s", project=f"/home/me/.local/share/hive/fleets/local/runs/{run}/work")
    assert one.run == run
    assert (words.project_name(one), words.project(one, "/home/me")) == ("the-app#41", f"run {run}")
    other = Session("claude", "s", project="/home/me/fleets/x/runs/mine/work")
    assert (other.run, words.project_name(other)) == (None, "work")


def test_the_command_that_resumes_is_safe_in_a_shell() -> None:
    assert resume("a1", "/src/app") == "cd /src/app && claude --resume a1"
    assert resume("a1", "/src/it's $(rm -rf ~)") == "cd '/src/it'\"'\"'s $(rm -rf ~)' && claude --resume a1"
    assert resume("a1", None, "codex") == "codex resume a1"
    for bad in ("--dangerously-skip-permissions", "a;b", "a b", "", "a\n", "$(x)"):
        assert resume(bad, "/src") is None
    assert resume("a1", "/src\nrm -rf ~") is None
    assert resume("a1", "/src\x1b[2J") is None
    assert Session("claude", "a1", project="/src").resume is None  # its transcript is gone


def test_a_fill_that_cannot_be_is_unknown() -> None:
    assert windows.fill(50, 200) == 0.25
    assert windows.fill(250, 200) is None
    assert windows.fill(None, 200) is None
    assert windows.fill(5, None) is None
    over = Session("claude", "s", context=250_000, window=200_000)
    assert words.context(over)[0] == "250k"


def test_sizes_of_contexts_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "windows.json"
    known = windows.Windows(path)
    assert known.of("claude-opus-5-5") == 1_000_000
    assert known.of("no-such-model") is None
    path.with_name("windows.json.1").write_text("left by another")
    with monkeypatch.context() as patch:
        patch.setattr(windows, "published", lambda model: pytest.fail("looked up again"))
        again = windows.Windows(path)
        assert (again.of("claude-opus-5-5"), again.of("no-such-model")) == (1_000_000, None)
    monkeypatch.setattr(windows, "_source", lambda: "another release")
    monkeypatch.setattr(windows, "published", lambda model: 5)
    assert windows.Windows(path).of("claude-opus-5-5") == 5
    path.write_text('{"source":')
    assert windows.Windows(path).of("claude-opus-5-5") == 5
    assert windows.Windows(tmp_path / "none" / "windows.json").of("x") == 5


def test_limits_are_the_newest_of_each_span_that_still_runs() -> None:
    def share(minutes: int, percent: float, resets: timedelta, said: timedelta) -> Share:
        return Share(minutes, percent, at(NOW + resets), at(NOW - said))

    tails = {
        "a": Tail(shares=(share(300, 10, HOUR, 2 * HOUR), share(10_080, 40, 48 * HOUR, HOUR))),
        "b": Tail(shares=(share(300, 12.5, HOUR, HOUR), share(1_440, 99, -HOUR, HOUR))),
    }
    shares = overview((), (), {}, tails, None, (), NOW).shares
    assert [(each.minutes, each.percent) for each in shares] == [(300, 12.5), (10_080, 40)]
    assert words.share(shares[0]).startswith("5h limit 12% used, new at")
    assert words.share(shares[1]).startswith("week limit 40% used")


# From files


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(HERE / "claude" / "success" / "claude-home", tmp_path / "claude")
    shutil.copytree(HERE / "codex" / "success" / "codex-home", tmp_path / "codex")
    return tmp_path


def roots(home: Path) -> tuple[Root, ...]:
    return files.roots({"CLAUDE_CONFIG_DIR": str(home / "claude"), "CODEX_HOME": str(home / "codex")}, home)


def sources(home: Path, **more: object) -> Sources:
    return Sources(Index(home / "cache"), roots(home), parsers=parsers(), now=lambda: NOW, **more)  # type: ignore[arg-type]


def test_an_overview_of_recorded_sessions(home: Path) -> None:
    seen = sources(home).look()
    by_agent = {each.agent: each for each in seen.sessions}
    claude, codex = by_agent["claude"], by_agent["codex"]
    assert (claude.project, claude.model, words.cost(claude)) == (
        "/workspaces/success",
        "claude-opus-5-5",
        "$0.08",
    )
    assert claude.context is not None
    assert claude.window == 1_000_000
    assert claude.words == "Done: added hello.py and committed."
    assert (codex.context, codex.window) == (14_516, 258_400)  # as Codex itself recorded it
    assert codex.words == "Done: added hello.py and committed."
    assert [each.percent for each in seen.shares] == [12.5, 40]
    assert seen.live == 0
    assert seen.block is not None
    assert seen.block.use.calls == 10


def test_the_last_call_counts_not_that_of_a_sub_agent_or_of_the_cli(home: Path) -> None:
    (path,) = (home / "claude" / "projects").rglob("*.jsonl")
    usage = {"input_tokens": 2, "cache_read_input_tokens": 30_000, "cache_creation_input_tokens": 8}
    lines = (
        {"type": "assistant", "message": {"model": "claude-haiku-4-5", "usage": usage}},
        {"type": "assistant", "isSidechain": True, "message": {"model": "x", "usage": {"input_tokens": 9}}},
        {"type": "assistant", "message": {"model": "<synthetic>", "usage": {"input_tokens": 0}}},
        {"type": "assistant", "message": {"model": "x", "usage": {"input_tokens": "many"}}},
    )
    with path.open("a") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        file.write('{"type":"assistant","message":{"model":"y","usa')
    facts = path.stat()
    transcript = Found("claude", str(path), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    tail, whole = Tails({}).read([transcript])
    assert whole
    assert (tail[str(path)].context, tail[str(path)].model) == (30_010, "claude-haiku-4-5")


def test_only_the_end_of_a_large_transcript_is_read(home: Path) -> None:
    path = home / "large.jsonl"
    call = b'{"type":"assistant","message":{"model":"m","usage":{"input_tokens":7}}}\n'
    with path.open("wb") as file:
        file.write(call)
        file.truncate(1 << 32)  # a hole of four gigabytes
        file.seek(1 << 32)
        file.write(b"\n" + call + b'{"type":"user","message":{"content":"' + b"x" * 200_000 + b'"}}\n')
    facts = path.stat()
    transcript = Found("claude", str(path), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    tails, _ = Tails(parsers()).read([transcript])
    assert tails[str(path)].context == 7


@pytest.mark.parametrize(("agent", "variant"), [("claude", "auth401"), ("codex", "auth401")])
def test_a_session_that_never_reached_its_model_is_there_to_be_resumed(
    tmp_path: Path, agent: str, variant: str
) -> None:
    shutil.copytree(HERE / agent / variant / f"{agent}-home", tmp_path / agent)
    (one,) = sources(tmp_path).look().sessions
    assert one.use.calls == 0
    assert (words.cost(one), one.context) == ("–", None)
    assert one.words
    assert one.project is not None
    assert one.project.startswith("/workspaces/")
    assert one.resume is not None


def test_a_second_look_is_the_first_where_nothing_is_new(home: Path) -> None:
    looks = sources(home)
    first = looks.look()
    assert looks.look() is first
    assert not looks.stirred


def test_a_line_that_was_appended_is_seen(home: Path) -> None:
    looks = sources(home)
    before = {each.agent: each.use.calls for each in looks.look().sessions}
    (path,) = (home / "claude" / "projects").rglob("*.jsonl")
    line = json.loads(next(line for line in path.read_text().splitlines() if '"usage":{' in line))
    line["message"]["id"], line["requestId"] = "msg_new", "req_new"
    with path.open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")
    assert looks.stirred
    after = {each.agent: each.use.calls for each in looks.look(processes=False).sessions}
    assert after == {**before, "claude": before["claude"] + 1}


def test_ends_are_read_a_few_at_a_time_where_somebody_waits(home: Path) -> None:
    looks = sources(home, seconds=0.0)
    first, second = looks.look(), looks.look()
    assert (first.sessions, first.whole) == ((), False)  # nothing was known yet
    assert [each.context for each in second.sessions] == [None, None]
    assert (second.whole, looks.stirred) == (False, True)  # there is more to read
    whole = sources(home, seconds=60.0)
    assert len(whole.look().sessions) == 2  # as the index has them
    assert all(each.context is not None for each in whole.look().sessions)
    assert not whole.stirred


def test_ends_of_sessions_that_nobody_asked_for_are_not_read(home: Path) -> None:
    (path,) = (home / "claude" / "projects").rglob("*.jsonl")
    os.utime(path, (NOW.timestamp() - 7_200,) * 2)
    seen = {each.agent: each for each in sources(home, since=NOW - HOUR).look().sessions}
    assert seen["claude"].context is None
    assert seen["codex"].context is not None


def test_a_block_that_began_long_ago_is_cut_where_it_was(home: Path) -> None:
    """Use without a pause of five hours, further back than is looked at first."""
    (path,) = (home / "claude" / "projects").rglob("*.jsonl")
    line = json.loads(next(line for line in path.read_text().splitlines() if '"usage":{' in line))
    with path.open("a") as file:
        for hours in range(1, 100):
            line["message"]["id"] = f"msg_{hours}"
            line["timestamp"] = (NOW - hours * HOUR).isoformat()
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    looks = sources(home)
    block = looks.look().block
    every = looks._growing.index.sums([Dimension.QUARTER])
    assert block is not None
    assert block == periods.blocks(every, NOW)[-1]


def test_loops_of_links_and_missing_folders_do_no_harm(home: Path) -> None:
    projects = home / "claude" / "projects"
    (projects / "loop").symlink_to(projects)
    assert len(sources(home).look().sessions) == 2
    shutil.rmtree(home / "codex")
    assert len(Sources(Index(home / "other"), roots(home), parsers=parsers()).look().sessions) == 1
    assert sessions.Overview() == Sources(Index(home / "third"), (), parsers={}).look()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(home: Path) -> None:
    (home / "codex" / "sessions").chmod(0)
    (problem,) = sources(home).look().problems
    assert str(home / "codex" / "sessions") in problem


def test_folders_that_may_not_be_read_are_named_whoever_one_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: "codex" not in str(path))
    (problem,) = growing.problems(roots(home))
    assert problem.startswith(f"{home}/codex/sessions cannot be read")


def test_a_cache_that_cannot_be_written_says_so(home: Path) -> None:
    (home / "cache").write_text("a file")
    with pytest.raises(SourceError, match="cache"):
        sources(home).look()


def test_processes_are_looked_for_only_when_they_shall_be(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = sources(home)
    looks.look()
    monkeypatch.setattr(live, "find", lambda roots: pytest.fail("looked for"))
    looks.look(processes=False)


def test_words_of_hostile_sessions_are_harmless() -> None:
    bad = "\x1b[2J\u202eevil\n"
    one = Session("claude", bad, Process("claude", 1, bad, bad, "busy"), bad, bad)
    shown = (words.short_id(one), words.project(one, "/x"), words.project_name(one), words.model(one))
    assert all(text.isprintable() for text in shown)
