"""What GitHub publishes is fetched once, by package name, and the reason is said when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.github import published
from tests.fakes.github.published import Description, Unavailable, fetch

WANTED = Description("@octokit/thing", "1.2.3", "package/deep/thing.json")

NPM = """#!/bin/sh
echo "$@" >>"$XDG_CACHE_HOME/calls"
mkdir -p package/deep && echo '{}' >package/deep/thing.json && tar czf octokit-thing-1.2.3.tgz package
echo octokit-thing-1.2.3.tgz
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def npm(folder: Path, script: str) -> None:
    folder.joinpath("npm").write_text(script)
    folder.joinpath("npm").chmod(0o755)


def test_it_is_fetched_once(cache: Path) -> None:
    npm(cache, NPM)
    assert fetch(WANTED)
    assert not fetch(WANTED)
    assert WANTED.path.read_text() == "{}\n"
    assert cache in WANTED.path.parents
    calls = cache.joinpath("calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["@octokit/thing@1.2.3"]


def test_without_npm_the_reason_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(Unavailable, match="npm is not here"):
        fetch(WANTED)


def test_a_failure_leaves_nothing_and_names_no_host(cache: Path) -> None:
    npm(cache, "#!/bin/sh\necho 'cannot reach https://host.example' >&2\nexit 7\n")
    with pytest.raises(Unavailable) as caught:
        fetch(WANTED)
    assert str(caught.value) == "@octokit/thing cannot be fetched: npm pack ended with 7"
    assert [path.name for path in WANTED.path.parent.iterdir()] == ["lock"]


def test_what_was_not_fetched_says_how_it_is(cache: Path) -> None:
    with pytest.raises(Unavailable, match="`make published`"):
        published.read(WANTED)
