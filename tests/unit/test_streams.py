"""Standard error of a process that nobody watches."""

from __future__ import annotations

import io
import sys

import pytest

from hive_tui.system import streams


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    streams.let_errors_be_lost()
    print("trouble", file=sys.stderr, flush=True)


def test_what_can_be_written_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    streams.let_errors_be_lost()
    print("trouble", file=sys.stderr, flush=True)
    assert file.getvalue() == "trouble\n"
