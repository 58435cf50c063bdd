"""The recorded streams of real agent CLIs in tests/fixtures/corpus, with what the CLIs said they used."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import msgspec

HERE = Path(__file__).parent / "fixtures" / "corpus"


class Truth(msgspec.Struct, frozen=True):
    """Totals of a variant; token lists are input, output, cache write, cache read."""

    results: int
    subtype: str | None
    is_error: bool | None
    terminal_reason: str | None
    result_cost: Decimal | None
    transcript_tokens: tuple[int, int, int, int]
    models: dict[str, tuple[int, int, int, int]] | None = msgspec.field(default=None, name="modelUsage")

    @property
    def cost_micros(self) -> int | None:
        if self.result_cost is None:
            return None
        return int((self.result_cost * 1_000_000).to_integral_value(ROUND_HALF_UP))

    @property
    def tokens(self) -> tuple[int, int, int, int] | None:
        if self.models is None:
            return None
        sums = [sum(column) for column in zip(*self.models.values(), strict=True)] or [0, 0, 0, 0]
        return sums[0], sums[1], sums[2], sums[3]


class Variant(msgspec.Struct, frozen=True):
    """One recorded process."""

    agent: str
    name: str
    stdout: bytes
    exit_code: int
    stderr: str

    def __str__(self) -> str:
        return self.name


def variants(agent: str, root: Path = HERE) -> list[Variant]:
    return [
        Variant(
            agent,
            folder.name,
            (folder / "stdout.jsonl").read_bytes(),
            int((folder / "exit_code").read_text()),
            (folder / "stderr.txt").read_text(errors="replace") if (folder / "stderr.txt").exists() else "",
        )
        for folder in sorted((root / agent).iterdir())
        if (folder / "stdout.jsonl").exists()
    ]


def variant(agent: str, name: str) -> Variant:
    return next(found for found in variants(agent) if found.name == name)


def truths(root: Path = HERE) -> dict[str, Truth]:
    return msgspec.json.decode((root / "claude-truth.json").read_bytes(), type=dict[str, Truth])
