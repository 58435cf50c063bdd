from __future__ import annotations

from pathlib import Path

from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import RunStatus, Step, StepUse, Tokens, Usage
from hive_tui.core.usage import add
from hive_tui.runner.session import Session, load, restore, save


def result(cost: int, session: str = "s1") -> AgentResult:
    return AgentResult(Outcome.SUCCEEDED, "completed", Usage(Tokens(output=1), cost), session)


def test_a_session_that_goes_on_knows_what_it_used(tmp_path: Path) -> None:
    state = load(tmp_path).begun(afresh=True).ended(result(100), 1, "opus")
    state = state.begun(afresh=False)
    assert state.before is not None
    assert (state.before.session, state.before.usage.cost_micros) == ("s1", 100)
    assert state.running
    state = state.ended(result(50), 2, "opus")
    assert (state.used.cost_micros, state.run_used.cost_micros, state.processes) == (150, 150, 2)
    assert [(part.round, part.usage.cost_micros, part.session) for part in state.parts] == [
        (1, 100, "s1"),
        (2, 50, "s1"),
    ]
    assert not state.running
    save(tmp_path, state)
    assert load(tmp_path) == state


def test_a_new_session_starts_from_nothing_but_the_run_goes_on() -> None:
    state = Session().begun(afresh=True).ended(result(100), 1, "opus").begun(afresh=True)
    assert state.before is None
    state = state.ended(result(7, "s2"), 1, "haiku")
    assert (state.id, state.used.cost_micros, state.run_used.cost_micros) == ("s2", 7, 107)
    assert [(part.model, part.session) for part in state.parts] == [("opus", "s1"), ("haiku", "s2")]


def test_a_result_that_tells_models_apart_is_a_part_for_each() -> None:
    models = {"opus": Usage(Tokens(output=3), 70), "haiku": Usage(Tokens(output=2), 5)}
    told = AgentResult(
        Outcome.SUCCEEDED, "completed", Usage(Tokens(output=5), 75), "s1", "opus", models=models
    )
    state = Session().begun(afresh=True).ended(told, 1, None)
    assert {part.model: part.usage for part in state.parts} == models
    assert state.run_used.cost_micros == 75


def test_what_is_known_of_a_lost_folder_is_one_part_of_an_older_hive_and_all_parts_of_this_one(
    tmp_path: Path,
) -> None:
    before = RunStatus(round=2, usage=Usage(Tokens(output=9), 30), session="s", model="opus")
    part = StepUse(Step.IMPLEMENT, 2, before.usage, "opus", "s")
    assert restore(tmp_path, before).parts == (part,)
    parts = (part, StepUse(Step.IMPLEMENT, 1, Usage(Tokens(output=1), 1)))
    (tmp_path / "session.json").unlink()
    assert restore(tmp_path, RunStatus(usage=before.usage, used=parts)).parts == parts


def test_what_nobody_knows_stays_unknown() -> None:
    assert add(Usage(), Usage()) == Usage()
    assert add(Usage(Tokens(input=3)), Usage(estimated=True)) == Usage(Tokens(input=3), None, True)


def test_a_torn_file_is_an_empty_session(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_bytes(b'{"id":')
    assert load(tmp_path) == Session()
