from __future__ import annotations

from pathlib import Path

from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import Tokens, Usage
from hive_tui.runner.session import Session, add, load, save


def result(cost: int, session: str = "s1") -> AgentResult:
    return AgentResult(Outcome.SUCCEEDED, "completed", Usage(Tokens(output=1), cost), session)


def test_a_session_that_goes_on_knows_what_it_used(tmp_path: Path) -> None:
    state = load(tmp_path).begun(afresh=True).ended(result(100))
    state = state.begun(afresh=False)
    assert state.before is not None
    assert (state.before.session, state.before.usage.cost_micros) == ("s1", 100)
    assert state.running
    state = state.ended(result(50))
    assert (state.used.cost_micros, state.run_used.cost_micros, state.processes) == (150, 150, 2)
    assert not state.running
    save(tmp_path, state)
    assert load(tmp_path) == state


def test_a_new_session_starts_from_nothing_but_the_run_goes_on() -> None:
    state = Session().begun(afresh=True).ended(result(100)).begun(afresh=True)
    assert state.before is None
    state = state.ended(result(7, "s2"))
    assert (state.id, state.used.cost_micros, state.run_used.cost_micros) == ("s2", 7, 107)


def test_what_nobody_knows_stays_unknown() -> None:
    assert add(Usage(), Usage()) == Usage()
    assert add(Usage(Tokens(input=3)), Usage(estimated=True)) == Usage(Tokens(input=3), None, True)


def test_a_torn_file_is_an_empty_session(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_bytes(b'{"id":')
    assert load(tmp_path) == Session()
