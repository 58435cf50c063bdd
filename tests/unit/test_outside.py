"""What leaves the console: the clipboard's tools and the person's browser."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hive_tui.system import browser, clipboard


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    for name in ("tmux", "wl-copy", "xclip", "xsel"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\ncat >"{tmp_path}/{name}.got"\n')
        tool.chmod(stat.S_IRWXU)
    return tmp_path


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, None),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "wl-copy"),
        ({"DISPLAY": ":0"}, "xclip"),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, None),
        ({"TMUX": "/tmp/x,1,0", "SSH_CONNECTION": "1 2 3 4"}, "tmux"),
    ],
)
def test_the_tool_is_one_that_reaches_the_person(
    tools: Path, env: dict[str, str], wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    found = clipboard.tool({**env, "PATH": str(tools)})
    assert (found and found[0]) == wanted


def test_a_tool_gets_the_text_and_one_that_fails_is_told(tools: Path, tmp_path: Path) -> None:
    env_path = str(tools / "xclip")
    assert clipboard.put((env_path,), "héllo\nthere")
    assert (tools / "xclip.got").read_text() == "héllo\nthere"
    assert not clipboard.put((str(tmp_path / "missing"),), "x")
    assert not clipboard.put(("false",), "x")
    assert not clipboard.put((env_path,), "x" * (clipboard.LARGEST + 1))


@pytest.mark.parametrize("url", ["https://example.org/a/b?c=1#d", "http://localhost:3000/x"])
def test_pages_are_opened(url: str) -> None:
    assert browser.is_page(url)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "javascript:alert(1)", "-new-window https://x.org", "ftp://x.org/a", ""),
        *("https://x.org/a b", "https://x.org/\x1b[2J", "https://x.org/`id`", "https://", "https://x.org/\n"),
    ],
)
def test_nothing_else_is_opened(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "true")
    assert not browser.is_page(url)
    assert not browser.open_page(url)


def test_without_a_display_there_is_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert not browser.reachable({"PATH": "/usr/bin"})
    assert browser.reachable({"DISPLAY": ":0"})
    monkeypatch.setattr("sys.platform", "darwin")
    assert browser.reachable({})
    assert not browser.reachable({"SSH_CONNECTION": "1 2 3 4"})


def test_the_persons_own_browser_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "browse"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" >"{tmp_path}/page"\n')
    script.chmod(stat.S_IRWXU)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    assert browser.open_page("https://example.org/42")
    assert (tmp_path / "page").read_text() == "https://example.org/42"
