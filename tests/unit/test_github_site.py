"""Where a GitHub is, and where its token must not go."""

from __future__ import annotations

import pytest

from backends.forges.github.site import site
from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import GitHubSettings


@pytest.mark.parametrize(
    ("url", "api", "rest", "graphql"),
    [
        ("https://github.com", None, "https://api.github.com", "https://api.github.com/graphql"),
        ("https://GitHub.com:443/", None, "https://api.github.com", "https://api.github.com/graphql"),
        ("https://acme.ghe.com", None, "https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("https://git.acme.org", None, "https://git.acme.org/api/v3", "https://git.acme.org/api/graphql"),
        (
            "https://git.acme.org",
            "https://api.git.acme.org/",
            "https://api.git.acme.org",
            "https://api.git.acme.org/graphql",
        ),
        (
            "http://127.0.0.1:8080",
            None,
            "http://127.0.0.1:8080/api/v3",
            "http://127.0.0.1:8080/api/graphql",
        ),
        (
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/graphql",
        ),
    ],
)
def test_apis_follow_from_the_site(url: str, api: str | None, rest: str, graphql: str) -> None:
    found = site(GitHubSettings(url=url, api=api))
    assert (found.api, found.graphql) == (rest, graphql)


def test_a_repository_has_a_page_and_a_remote_without_credentials() -> None:
    found = site(GitHubSettings(url="https://GitHub.com/"))
    assert found.host == "github.com"
    assert found.repository("o/n") == "https://github.com/o/n"
    assert found.clone("o/n") == "https://github.com/o/n.git"


@pytest.mark.parametrize(
    ("url", "api", "why"),
    [
        ("http://github.com", None, "not https"),
        ("http://127.0.0.1.evil.org", None, "not https"),
        ("ftp://localhost", None, "not https"),
        ("https://me:secret@github.com", None, "holds a user"),
        ("https://github.com", "https://evil.org", "must not"),
        ("https://github.com", "https://notgithub.com", "must not"),
        ("github.com", None, "no URL"),
        ("https://github.com:port", None, "no URL"),
        ("https://github.com?x", None, "no URL"),
    ],
)
def test_what_could_send_a_token_elsewhere_is_refused(url: str, api: str | None, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        site(GitHubSettings(url=url, api=api))
    assert "secret" not in caught.value.words
