"""What a shell can hand over that is no text: every call answers in its own words, none with a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fakes.workshop import Workshop

pytestmark = pytest.mark.e2e


def call(shop: Workshop, *arguments: bytes, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"hive_tui", *arguments],
        cwd=shop.repository,
        env=shop.env,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"unexpected" not in done.stderr, done.stderr
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    "arguments",
    [
        (b"--fleet", b"\xff", b"ls"),
        (b"--config", b"/nowhere/\xff", b"ls"),
        (b"ls", b"--repo", b"\xff"),
        (b"logs", b"\xff"),
        (b"issue", b"show", b"\xff"),
        (b"config", b"set", b"user", b"\xff"),
        (b"fire", b"1", b"--agent", b"\xff"),
        (b"\xff",),
    ],
    ids=lambda arguments: arguments[0].decode("ascii", "replace"),
)
def test_a_name_that_is_no_utf8_is_an_unknown_name(shop: Workshop, arguments: tuple[bytes, ...]) -> None:
    shop.init()
    assert call(shop, *arguments).returncode == 2


def test_a_body_that_is_no_text_becomes_one(shop: Workshop) -> None:
    shop.init()
    body = b"\xff\xfe before \x00 \x1b]52;c;aGk=\x07 \xe2\x80\xae after " + b"y" * 1_000_000
    assert call(shop, b"issue", b"new", b"bad \xff title", b"-F", b"-", stdin=body).returncode == 0
    shown = call(shop, b"issue", b"show", b"1").stdout
    assert b"before" in shown
    assert b"after" in shown
    assert not {b"\x00", b"\x1b", b"\x07"} & {bytes([byte]) for byte in shown}
    found = json.loads(call(shop, b"issue", b"list", b"-o", b"json").stdout)
    assert "\u202e" not in json.dumps(found, ensure_ascii=False)


@pytest.mark.parametrize("stdin", [b"\x00" * 100_000, bytes(range(256)) * 400], ids=["nul", "binary"])
def test_a_recording_that_is_none(shop: Workshop, stdin: bytes) -> None:
    assert call(shop, b"replay", b"-", stdin=stdin).returncode == 2
