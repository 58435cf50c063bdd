"""Counting tokens: with tiktoken where its vocabulary lies here, else by a rule of thumb; no network."""

from __future__ import annotations

import inspect
import os
import socket
from pathlib import Path

import pytest

from hive_tui.costs import tokens

THERE = os.environ.get("TIKTOKEN_CACHE_DIR", "")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("a", 1), ("abcd", 1), ("héllo", 2), ("\ud800" * 4, 1)]
)
def test_without_a_vocabulary_a_rule_of_thumb_has_to_do(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: int
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    found = tokens.count(text)
    assert found.tokens == expected
    assert found.by.startswith("rule of thumb, 4 bytes a token: TIKTOKEN_CACHE_DIR names no folder")


@pytest.mark.parametrize(
    ("content", "why"), [(None, "is not in"), (b"", "is damaged"), (b"YQ== 0\n", "is damaged")]
)
def test_a_vocabulary_that_is_not_whole_is_named_and_not_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    if content is not None:
        tokens.vocabulary(tmp_path).write_bytes(content)
    found = tokens.count("abcdefgh")
    assert found.tokens == 2
    assert why in found.by
    assert str(tmp_path) in found.by


def test_tiktoken_still_looks_for_the_file_that_is_looked_for_here() -> None:
    from tiktoken import load
    from tiktoken_ext import openai_public  # type: ignore[import-untyped]

    source = inspect.getsource(openai_public.o200k_base)
    assert tokens.URL in source
    assert tokens.SHA256 in source
    assert "hashlib.sha1(blobpath.encode())" in inspect.getsource(load.read_file_cached)


@pytest.mark.skipif(not THERE, reason="TIKTOKEN_CACHE_DIR names no folder with tiktoken's vocabulary")
def test_with_the_vocabulary_tiktoken_counts() -> None:
    assert tokens.count("hello world") == (2, "o200k_base")
    assert tokens.count("<|endoftext|>").tokens > 1, "what looks like a token of control is text"
    assert tokens.count("word " * 30_000).tokens == pytest.approx(30_000, rel=0.01)
