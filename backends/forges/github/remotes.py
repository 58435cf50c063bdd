"""How git gets to a repository: its URL, and the call that hands git the right. No secret is in any of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from backends.forges.github.auth import Credentials
from backends.forges.github.site import site
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import TRACKER_TOKEN, Remote
from hive_tui.core.settings import GitHubSettings

LARGE_KB = 1 << 20
"""A repository of at least so many kilobytes, by GitHub's count, is fetched without old versions of files."""


def remote(settings: GitHubSettings, repo: RepoName, *, base: str, size_kb: int | None = None) -> Remote:
    """How git reaches `repo`. Asks nobody; raises ConfigError for a site that a token must not go to."""
    where = site(settings)
    helper = ("-P", "-m", "backends.forges.github.credential", "--repo", repo, "--settings")
    # Elsewhere nothing of this machine is there: neither its files nor gh. Somebody put a token there.
    elsewhere = GitHubSettings(url=settings.url, api=settings.api, token_env=TRACKER_TOKEN)
    return Remote(
        source=where.clone(repo),
        base=base,
        credential=(sys.executable, *helper, _reference(settings)),
        variables=Credentials(settings).variables,
        certificates=_absolute(where.certificates),
        large=size_kb is not None and size_kb >= LARGE_KB,
        portable=("python3", *helper, _reference(elsewhere)),
    )


def _reference(settings: GitHubSettings) -> str:
    """Where the token is, as the helper reads it, from whatever folder git is called in."""
    app = settings.app
    plain: dict[str, Any] = {"url": settings.url, "api": settings.api, "token_env": settings.token_env}
    plain |= {"token_file": _absolute(settings.token_file), "ca_file": _absolute(settings.ca_file)}
    if app is not None:
        plain["app"] = msgspec.structs.replace(app, key_file=_absolute(app.key_file) or app.key_file)
    return msgspec.json.encode({key: value for key, value in plain.items() if value is not None}).decode()


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())
