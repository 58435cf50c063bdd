from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.core.ledger import Certainty, Heard, Source, completed, entries
from hive_tui.core.model import USES_KEPT, Phase, Step, StepUse, Tokens, Usage
from hive_tui.core.usage import condensed, with_use
from tests.builders import run

BEGUN = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
ENDED = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)


def use(cost: int | None, round_: int = 1, model: str | None = "opus", **usage: object) -> StepUse:
    usage = {"tokens": Tokens(output=10) if cost is not None else Tokens(), **usage}
    return StepUse(Step.IMPLEMENT, round_, Usage(cost_micros=cost, **usage), model, "s")  # type: ignore[arg-type]


class TestEntries:
    def test_a_run_has_a_row_for_each_part_of_what_it_used(self) -> None:
        ended = run(
            7,
            2,
            phase=Phase.SUCCEEDED,
            started_at=BEGUN,
            ended_at=ENDED,
            usage=Usage(Tokens(output=20), 300),
            used=(use(100), use(200, 2)),
        )
        rows = entries(ended)
        assert [(row.round, row.cost_micros, row.tokens.output) for row in rows] == [
            (1, 100, 10),
            (2, 200, 10),
        ]
        row = rows[0]
        assert (row.run, row.attempt, row.key, row.agent) == (ended.id, 2, ended.key, ended.spec.agent)
        assert (row.at, row.started_at, row.model, row.session) == (ENDED, BEGUN, "opus", "s")
        assert (row.source, row.certainty) == (Source.REPORTED, Certainty.EXACT)

    def test_one_of_an_older_hive_has_one_row(self) -> None:
        (row,) = entries(run(phase=Phase.FAILED, started_at=BEGUN, usage=Usage(cost_micros=5), session="s"))
        assert (row.cost_micros, row.session, row.certainty) == (5, "s", Certainty.EXACT)

    @pytest.mark.parametrize(
        ("usage", "source", "certainty"),
        [
            (Usage(), Source.NONE, Certainty.UNACCOUNTED),
            (Usage(Tokens(input=3), None, True), Source.REPORTED, Certainty.UNACCOUNTED),
            (Usage(Tokens(input=3), 7, True), Source.REPORTED, Certainty.ESTIMATED),
            (Usage(Tokens(input=3), 0), Source.REPORTED, Certainty.EXACT),
        ],
    )
    def test_what_is_not_known_is_said(self, usage: Usage, source: Source, certainty: Certainty) -> None:
        (row,) = entries(run(phase=Phase.LOST, started_at=BEGUN, usage=usage))
        assert (row.cost_micros, row.source, row.certainty) == (usage.cost_micros, source, certainty)

    def test_an_agent_that_does_not_say_what_it_cost_is_priced_by_its_tokens(self) -> None:
        def price(model: str, tokens: Tokens, at: datetime) -> int | None:
            return {"gpt": 1_000}.get(model)

        def cost(model: str | None, usage: Usage) -> tuple[int | None, Certainty]:
            part = StepUse(Step.IMPLEMENT, 1, usage, model, "s")
            (row,) = entries(run(phase=Phase.SUCCEEDED, started_at=BEGUN, used=(part,)), price)
            return row.cost_micros, row.certainty

        whole = Tokens(5, 6, 7)
        assert cost("gpt", Usage(whole)) == (1_000, Certainty.ESTIMATED)
        assert cost("gpt", Usage(whole, 7)) == (7, Certainty.EXACT)
        assert cost("new", Usage(whole)) == (None, Certainty.UNACCOUNTED)
        assert cost(None, Usage(whole)) == (None, Certainty.UNACCOUNTED)
        # Killed, in a pod: what its stream had told by then.
        assert cost("gpt", Usage(whole, estimated=True)) == (1_000, Certainty.ESTIMATED)
        assert cost("gpt", Usage(Tokens(5))) == (None, Certainty.UNACCOUNTED)

    def test_one_that_was_never_started_has_none(self) -> None:
        assert entries(run(phase=Phase.KILLED, started_at=None)) == ()


_USES = st.lists(
    st.builds(
        StepUse,
        st.sampled_from(Step),
        st.integers(1, 40),
        st.builds(
            Usage,
            st.builds(Tokens, st.integers(0, 99), st.integers(0, 99)),
            st.none() | st.integers(0, 9),
            st.booleans(),
        ),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([None, "s", "t"]),
    ),
    max_size=2 * USES_KEPT,
)


@given(_USES)
def test_parts_are_few_and_their_sum_stays(uses: list[StepUse]) -> None:
    parts: tuple[StepUse, ...] = ()
    for each in uses:
        parts = with_use(parts, each)
    assert len(parts) <= USES_KEPT
    few = condensed(parts, 3)
    assert len(few) <= 3
    for kept in (parts, few):
        assert sum(part.usage.cost_micros or 0 for part in kept) == sum(
            part.usage.cost_micros or 0 for part in uses
        )
        assert sum(part.usage.tokens.total or 0 for part in kept) == sum(
            part.usage.tokens.total or 0 for part in uses
        )


def test_a_part_that_lacks_a_figure_is_not_exact() -> None:
    (part,) = with_use((use(100),), use(None))
    assert (part.usage.cost_micros, part.usage.estimated) == (100, True)


class TestCompleted:
    def test_a_killed_round_is_what_the_transcript_has_beyond_the_others(self) -> None:
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(use(100), use(None, 2, None))))
        heard = {"s": [Heard("opus", Tokens(output=25), 340), Heard("haiku", Tokens(output=4), 3)]}
        found = completed(rows, heard)
        assert [(row.round, row.model, row.cost_micros, row.tokens.output) for row in found] == [
            (1, "opus", 100, 10),
            (2, "opus", 240, 15),
            (2, "haiku", 3, 4),
        ]
        assert [row.certainty for row in found] == [
            Certainty.EXACT,
            Certainty.ESTIMATED,
            Certainty.ESTIMATED,
        ]
        assert [row.source for row in found][1:] == [Source.TRANSCRIPT] * 2

    def test_what_is_exact_is_found_again_under_another_name_of_its_model(self) -> None:
        rows = entries(
            run(
                phase=Phase.KILLED,
                started_at=BEGUN,
                used=(use(100, model="opus[1m]"), use(None, 2, "opus[1m]")),
            )
        )
        found = completed(rows, {"s": [Heard("opus", Tokens(output=25), 340)]})
        assert [(row.model, row.cost_micros) for row in found] == [("opus[1m]", 100), ("opus", 240)]

    def test_where_it_is_found_under_none_of_them_only_the_sum_is_told(self) -> None:
        part = msgspec.structs.replace(use(None, 2), model=None)
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(use(100, model="alias"), part)))
        heard = [Heard("opus", Tokens(output=25), 340), Heard("haiku", Tokens(output=4), 3)]
        found = completed(rows, {"s": heard})
        assert [(row.round, row.model, row.cost_micros, row.tokens.output) for row in found] == [
            (1, "alias", 100, 10),
            (2, None, 243, 19),
        ]

    def test_rows_of_one_name_are_one_row(self) -> None:
        part = msgspec.structs.replace(use(None), model=None)
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(use(100), part)))
        (row,) = completed(rows, {"s": [Heard("opus", Tokens(output=25), 340)]})
        assert (row.round, row.model, row.cost_micros, row.tokens.output) == (1, "opus", 340, 25)
        assert (row.source, row.certainty) == (Source.TRANSCRIPT, Certainty.ESTIMATED)

    def test_a_transcript_of_exactly_what_the_agent_said_makes_the_cost_certain(self) -> None:
        said = StepUse(Step.IMPLEMENT, 1, Usage(Tokens(5, 6, 7)), None, "s")
        rows = entries(run(phase=Phase.SUCCEEDED, started_at=BEGUN, used=(said,)), lambda *_: 300)
        (row,) = completed(rows, {"s": [Heard("gpt", Tokens(5, 6, 7, 0), 340)]})
        assert (row.model, row.cost_micros, row.certainty) == ("gpt", 340, Certainty.EXACT)

    def test_one_that_was_cut_off_is_not_certain_though_they_agree(self) -> None:
        said = StepUse(Step.IMPLEMENT, 1, Usage(Tokens(5, 6, 7), estimated=True), None, "s")
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(said,)))
        (row,) = completed(rows, {"s": [Heard("gpt", Tokens(5, 6, 7, 0), 340)]})
        assert (row.cost_micros, row.certainty) == (340, Certainty.ESTIMATED)

    def test_a_model_without_a_price_stays_unaccounted(self) -> None:
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(use(None),)))
        (row,) = completed(rows, {"s": [Heard("new", Tokens(output=4), None)]})
        assert (row.certainty, row.cost_micros, row.tokens.output) == (Certainty.UNACCOUNTED, None, 4)

    def test_nothing_changes_what_is_exact_or_of_another_session(self) -> None:
        rows = entries(run(phase=Phase.FAILED, started_at=BEGUN, used=(use(100), use(200, 2))))
        assert completed(rows, {"s": [Heard("opus", Tokens(output=99), 999)]}) == rows
        lost = entries(run(phase=Phase.LOST, started_at=BEGUN, used=(use(None),)))
        assert completed(lost, {"t": [Heard("opus", Tokens(output=99), 999)]}) == lost

    def test_a_transcript_that_has_less_than_was_said_is_not_the_better_one(self) -> None:
        part = msgspec.structs.replace(use(500), usage=Usage(Tokens(output=9), 500, estimated=True))
        rows = entries(run(phase=Phase.KILLED, started_at=BEGUN, used=(part,)))
        assert completed(rows, {"s": [Heard("opus", Tokens(output=4), 40)]}) == rows
