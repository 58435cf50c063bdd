"""`hive replay`: any recorded stream as events and as one object."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hive_tui.cli import root
from hive_tui.core.errors import HiveError, UsageError
from hive_tui.replay import Replay, detect
from tests import corpus
from tests.corpus import Variant

TRUTHS = corpus.truths()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_HOME", str(tmp_path / "home"))


def hive(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(root, ["replay", *args], input=stdin)


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What scripts rely on."""

    schema: str
    outcome: str
    why: str
    tokens: dict[str, int | None]
    cost_micros: int | None
    session: str | None
    model: str | None
    events: int
    agent: str
    estimated: bool
    until: str | None


def replay_json(path: Path, *args: str) -> Answer:
    result = hive(str(path), "-o", "json", *args)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout, type=Answer)


def recording(variant: Variant) -> Path:
    return corpus.HERE / variant.agent / variant.name / "stdout.jsonl"


@pytest.mark.parametrize("variant", corpus.variants("claude"), ids=str)
def test_claude(variant: Variant) -> None:
    truth = TRUTHS[variant.name]
    answer = replay_json(recording(variant))
    assert answer.schema == "hive/v1"
    assert answer.agent == "claude"
    assert answer.cost_micros == truth.cost_micros
    if truth.results == 0:
        assert answer.outcome == "unknown"
    else:
        assert answer.outcome == ("failed" if truth.is_error else "succeeded")
    if truth.tokens is not None:
        fresh, output, cache_write, cache_read = truth.tokens
        assert answer.tokens == {
            "input": fresh,
            "output": output,
            "cache_read": cache_read,
            "cache_write": cache_write,
        }
    else:
        assert answer.tokens["output"] is None
    assert set(answer.tokens) == {"input", "output", "cache_read", "cache_write"}


@pytest.mark.parametrize(
    ("name", "outcome", "total"),
    [
        ("success", "succeeded", 71097 + 423),
        ("resume_1", "succeeded", 71065 + 423),
        ("quota", "failed", None),
        ("auth401", "failed", None),
        ("slow", "unknown", None),
    ],
)
def test_codex(name: str, outcome: str, total: int | None) -> None:
    answer = replay_json(recording(corpus.variant("codex", name)))
    assert (answer.agent, answer.outcome, answer.cost_micros, answer.model) == ("codex", outcome, None, None)
    known = [count for count in answer.tokens.values() if count is not None]
    assert (sum(known) if known else None) == total


def test_a_limit_says_so() -> None:
    assert replay_json(recording(corpus.variant("claude", "credit"))).why.startswith("limit: ")
    assert replay_json(recording(corpus.variant("codex", "quota"))).why.startswith("limit: ")


def test_the_exit_code_is_evidence_where_it_is_known() -> None:
    path = recording(corpus.variant("claude", "sigterm_stream"))
    assert replay_json(path).why == "the stream ends without a result"
    assert replay_json(path, "--exit-code", "143").why == "exit 143 without a result"


def test_text_is_readable() -> None:
    variant = corpus.variant("claude", "success")
    result = hive("-", stdin=variant.stdout)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "● I'll look at the repo." in lines
    assert "▸ Write hello.py +1" in lines
    assert "Σ 65k tokens · $0.08" in lines
    assert "■ done: Done: added hello.py and committed." in lines
    assert "outcome  succeeded: completed" in lines


def test_every_kind_of_event_has_a_line() -> None:
    for variant in (*corpus.variants("claude"), *corpus.variants("codex")):
        result = hive(str(recording(variant)))
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.stdout


def test_a_file_that_ends_within_a_line() -> None:
    stdout = corpus.variant("claude", "success").stdout
    whole = list(Replay([stdout]).events())
    assert list(Replay([stdout.rstrip(b"\n")]).events()) == whole
    cut = Replay([stdout[:-200]])
    assert len(list(cut.events())) == len(whole) - 1
    assert cut.summary().outcome == "unknown"


def test_whose_stream_it_is() -> None:
    assert detect(b'not json\n{"type":"thread.started"}\n') == "codex"
    assert detect(b'{"broken\n{"type":"assistant"}\n') == "claude"
    assert detect(b"") == "claude"
    answer = replay_json(recording(corpus.variant("codex", "success")), "--agent", "claude")
    assert (answer.agent, answer.outcome) == ("claude", "unknown")


def test_what_is_no_recording(tmp_path: Path) -> None:
    missing = hive(str(tmp_path / "none.jsonl"))
    assert isinstance(missing.exception, HiveError)
    assert "No such file" in missing.exception.message
    assert isinstance(hive(str(tmp_path)).exception, HiveError)
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0\0" * 100)
    binary = hive(str(tmp_path / "binary"))
    assert isinstance(binary.exception, UsageError)
    assert "binary" in binary.exception.message
    rollout = hive("-", stdin=b'{"timestamp":"2026-11-21T00:00:00Z","type":"session_meta","payload":{}}\n')
    assert isinstance(rollout.exception, UsageError)
    assert "session file of Codex" in rollout.exception.message
