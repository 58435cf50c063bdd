"""git's credential helper: `python -P -m backends.forges.github.credential --repo O/N --settings JSON get`.

git starts it when a server wants to know who asks, and says for what. It prints the token for exactly the
repository that it was made for, and nothing for anything else. Its arguments say where the token is, never
what it is.
"""

from __future__ import annotations

import argparse
import sys
from typing import TextIO
from urllib.parse import urlsplit

import msgspec

from backends.forges.github.auth import Credentials
from hive_tui.core.errors import HiveError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import GitHubSettings

USER = "x-access-token"
"""What GitHub takes for the name of whoever has any kind of token."""

_LARGEST = 64 * 1024


def main(arguments: list[str] | None = None) -> int:
    """Answer one question of git's."""
    options = _parser().parse_args(arguments)
    if options.operation != "get":
        return 0  # nothing is kept, so there is nothing to store or to erase
    try:
        settings = msgspec.json.decode(options.settings, type=GitHubSettings)
        answer(Credentials(settings), RepoName(options.repo), sys.stdin, sys.stdout)
    except HiveError as error:
        print(f"hive: {error.words}", file=sys.stderr)
        return 1
    return 0


def answer(credentials: Credentials, repo: RepoName, asked: TextIO, out: TextIO) -> None:
    """Print who we are if what is `asked` for is `repo`, over the site's own protocol and on its host."""
    wanted = {}
    for line in asked.read(_LARGEST).splitlines():
        key, _, value = line.partition("=")
        wanted[key] = value
    url = urlsplit(credentials.site.clone(repo))
    ours = (url.scheme, url.netloc, url.path.lstrip("/"))
    if (wanted.get("protocol"), wanted.get("host"), wanted.get("path")) == ours:
        out.write(f"username={USER}\npassword={credentials.git_token(repo)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("backends.forges.github.credential", description="Answer git.")
    parser.add_argument("--repo", required=True, help="owner/name")
    parser.add_argument("--settings", required=True, help="GitHubSettings as JSON: where the token is")
    parser.add_argument("operation", help="what git wants: get, store or erase")
    return parser


if __name__ == "__main__":
    sys.exit(main())
