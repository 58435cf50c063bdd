"""Where a GitHub is: its host, its APIs, its git. Only what the configuration says, nothing asked.

Whatever could send a token elsewhere is refused here: another scheme than https (but for a server on this
machine), an API on a host of its own that the site does not name, a user in a URL.
"""

from __future__ import annotations

import os
from urllib.parse import SplitResult, urlsplit

import msgspec

from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import GitHubSettings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Site(msgspec.Struct, frozen=True):
    """One GitHub. URLs have no slash at their end."""

    url: str
    """Of the site, for people and for git: `https://github.com`."""
    host: str
    """Lower case, with its port if that is not the usual one: `github.com`."""
    api: str
    """Base URL of REST calls: `https://api.github.com`."""
    graphql: str
    """URL of GraphQL calls: `https://api.github.com/graphql`."""
    certificates: str | None = None
    """File of the certificate authority; None for the system's."""

    @property
    def is_cloud(self) -> bool:
        """github.com, or a company's part of it below ghe.com: GITHUB_TOKEN is for these."""
        return self.host == "github.com" or self.host.endswith(".ghe.com")

    @property
    def authorities(self) -> str | bool:
        """What HTTP calls hold the server's certificate against: a file, or True for what everybody trusts.

        Unlike git and most others, `requests` does not heed SSL_CERT_FILE, only variables of its own.
        """
        if self.certificates is not None:
            return self.certificates
        theirs = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        file = os.environ.get("SSL_CERT_FILE")
        return file if file and not theirs and os.path.isfile(file) else True

    def repository(self, name: str) -> str:
        """The page of `owner/name`."""
        return f"{self.url}/{name}"

    def clone(self, name: str) -> str:
        """What git fetches `owner/name` from and pushes it to; holds no credential."""
        return f"{self.url}/{name}.git"


def site(settings: GitHubSettings) -> Site:
    """The GitHub that the configuration names. Raises ConfigError for one that a token must not go to."""
    url = _checked("url", settings.url)
    host = url.netloc.lower()
    base = f"{url.scheme}://{host}{url.path.rstrip('/')}"
    if settings.api is not None:
        api_url = _checked("api", settings.api)
        if not _belongs(api_url.hostname or "", url.hostname or ""):
            raise ConfigError(
                f"github.api is on {api_url.hostname}, github.url on {url.hostname}: the token of one "
                "must not reach the other.",
                "Name the API of that site, or leave it out.",
            )
        api = f"{api_url.scheme}://{api_url.netloc.lower()}{api_url.path.rstrip('/')}"
    elif host == "github.com" or host.endswith(".ghe.com"):
        api = f"https://api.{host}"
    else:
        api = f"{base}/api/v3"
    # An Enterprise server has both below /api; github.com has a host for them.
    root = api.removesuffix("/v3") if api.endswith("/api/v3") else api
    certificates = os.path.expanduser(settings.ca_file) if settings.ca_file is not None else None
    return Site(base, host, api, f"{root}/graphql", certificates)


def _checked(key: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"github.{key} is no URL: {error}.", "It looks like https://github.com.") from error
    if not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"github.{key} is no URL of a site.", "It looks like https://github.com.")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"github.{key} holds a user or a password.", "Leave them out; see `token_file` and `token_env`."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigError(
            f"github.{key} is not https, so that everybody on the way could read the token.",
            "Write https://, also for an Enterprise server.",
        )
    if (parts.scheme, port) in (("https", 443), ("http", 80)):
        parts = parts._replace(netloc=parts.netloc.rpartition(":")[0])
    return parts


def _belongs(api: str, host: str) -> bool:
    """Whether an API's host is the site's, or below it (`api.github.com`)."""
    return api == host or api.endswith(f".{host}")
