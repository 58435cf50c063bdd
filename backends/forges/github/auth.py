"""Tokens: from where the configuration says, never shown. Nothing here writes one anywhere.

A token is a `Secret`: text that does not show itself in a repr, so that no traceback, log or dataclass has
it by accident.
"""

from __future__ import annotations

import enum
import os
import re
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backends.forges.github.site import Site, site
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import GitHubSettings

if TYPE_CHECKING:
    from backends.forges.github.app import App

GH_SECONDS = 10.0
"""How long `gh auth token` may take: a locked keyring asks a person and waits for ever."""

_LARGEST = 64 * 1024
"""Bytes of a token's or key's file."""

_TOKEN = re.compile(r"[\x21-\x7e]{8,512}")

_CLOUD_VARIABLES = ("GITHUB_TOKEN", "GH_TOKEN")
_ENTERPRISE_VARIABLES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")

_GH_VARIABLES = ("GH_CONFIG_DIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""What `gh` needs besides PATH and HOME to find its settings and the keyring."""


class Secret(str):
    """A value that reprs, and with them tracebacks and logs of structures, do not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(•••)"


class TokenKind(enum.Enum):
    """What a token is, as its prefix says."""

    CLASSIC = "classic personal access token"
    FINE_GRAINED = "fine-grained personal access token"
    OAUTH = "token of a login (gh)"
    APP_USER = "token of a person through an App"
    INSTALLATION = "installation token of an App"
    UNKNOWN = "token of an unknown kind"


_KINDS = {
    "ghp_": TokenKind.CLASSIC,
    "github_pat_": TokenKind.FINE_GRAINED,
    "gho_": TokenKind.OAUTH,
    "ghu_": TokenKind.APP_USER,
    "ghs_": TokenKind.INSTALLATION,
}


def kind(token: str) -> TokenKind:
    """What a token is."""
    found = (kind for prefix, kind in _KINDS.items() if token.startswith(prefix))
    return next(found, TokenKind.UNKNOWN)


class Credentials:
    """Hands out tokens. Thread-safe; remembers what is expensive to get, in memory only.

    `environ` and `monotonic` are the process's own unless a test says otherwise.
    """

    def __init__(
        self,
        settings: GitHubSettings,
        *,
        environ: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._environ = os.environ if environ is None else environ
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._gh: Secret | None = None
        self._app: App | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.source})"

    @property
    def site(self) -> Site:
        """The GitHub that the tokens are for. Raises ConfigError."""
        return site(self._settings)

    @property
    def is_app(self) -> bool:
        return self._settings.app is not None

    @property
    def source(self) -> str:
        """Where tokens come from, in words for a person."""
        settings = self._settings
        if settings.app is not None:
            return f"GitHub App {settings.app.id}"
        if settings.token_file is not None:
            return settings.token_file
        if settings.token_env is not None:
            return f"${settings.token_env}"
        named = next((name for name in self._usual() if self._environ.get(name)), None)
        return f"${named}" if named else "gh auth token"

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that another process needs to get the same tokens."""
        settings = self._settings
        if settings.app is not None or settings.token_file is not None:
            return ()
        if settings.token_env is not None:
            return (settings.token_env,)
        return (*self._usual(), *_GH_VARIABLES)

    def scope(self, repo: RepoName) -> str:
        """Repositories of one scope can be asked for in one request: their token is the same."""
        return repo.partition("/")[0].lower() if self.is_app else ""

    def token(self, repo: RepoName | None = None, *, write: bool) -> Secret:
        """The token for requests about `repo`, or about nothing in particular.

        An App's is that of the installation on the repository's owner, with all that it was granted.
        `write` says what it is wanted for; all sources of today have one token for both.
        Raises SourceError, with the next step, when there is none.
        """
        app = self._as_app()
        if app is not None:
            return app.token(repo)
        settings = self._settings
        if settings.token_file is not None:
            return _checked(read_private(settings.token_file), settings.token_file)
        if settings.token_env is not None:
            value = self._environ.get(settings.token_env, "")
            if not value.strip():
                raise SourceError(
                    f"The environment has no {settings.token_env}, which is to hold the token.",
                    "Export it, start the dispatcher again (`hive dispatcher stop`, then `start`), or change "
                    "`github.token_env`.",
                )
            return _checked(value, f"${settings.token_env}")
        for name in self._usual():
            if self._environ.get(name, "").strip():
                return _checked(self._environ[name], f"${name}")
        return self._from_gh()

    def git_token(self, repo: RepoName) -> Secret:
        """The token for git alone: an App's is narrowed to this repository and to its contents."""
        app = self._as_app()
        return self.token(repo, write=True) if app is None else app.narrow_token(repo)

    def forget(self) -> None:
        """Ask anew: a token was refused."""
        with self._lock:
            self._gh = None
            app = self._app
        if app is not None:
            app.forget()

    def _usual(self) -> tuple[str, ...]:
        # By gh's own convention: github.com's token is never offered to somebody else's server.
        return _CLOUD_VARIABLES if self.site.is_cloud else _ENTERPRISE_VARIABLES

    def _as_app(self) -> App | None:
        settings = self._settings.app
        if settings is None:
            return None
        with self._lock:
            if self._app is None:
                from backends.forges.github.app import App  # requests and cryptography: only for an App

                self._app = App(settings, self.site, monotonic=self._monotonic)
            return self._app

    def _from_gh(self) -> Secret:
        with self._lock:
            if self._gh is None:
                self._gh = self._ask_gh()
            return self._gh

    def _ask_gh(self) -> Secret:
        host = self.site.host
        names = " or ".join(self._usual())
        none = f"There is no token for {host}."
        hint = (
            f"`gh auth login --hostname {host}`, or set {names}, or `hive init --token-file`: docs/github.md."
        )
        # With its own variables only: gh would otherwise answer with a token that is for another host.
        wanted = {"PATH", "HOME", "USER", "LANG", "XDG_CONFIG_HOME", *_GH_VARIABLES}
        env = {name: value for name, value in self._environ.items() if name in wanted}
        try:
            done = subprocess.run(
                ["gh", "auth", "token", "--hostname", host],
                env={**env, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=GH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            # Not chained: the exception holds what gh said so far.
            raise SourceError(
                f"`gh auth token` did not answer within {GH_SECONDS:.0f} s.",
                "Unlock the keyring, or use `token_file` (docs/github.md).",
            ) from None
        except OSError:
            raise SourceError(none, hint) from None
        if done.returncode or not done.stdout.strip():
            raise SourceError(none, hint)
        return _checked(done.stdout.decode("utf-8", "replace"), "gh auth token")


def read_private(name: str) -> str:
    """The text of a file with a secret. Raises SourceError unless it is a file that you alone can read."""
    path = Path(name).expanduser()
    try:
        # A pipe in its place would block here for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise SourceError(f"{path} is no file.", "Name the file that holds the secret.")
            if found.st_uid not in (os.getuid(), 0):
                raise SourceError(f"{path} belongs to another user.", "Make a file of your own.")
            if found.st_mode & 0o077:
                raise SourceError(f"Others may read {path}, which holds a secret.", f"`chmod 600 {path}`.")
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}.", "It is to hold the secret that the fleet works with."
        ) from None
    if len(data) > _LARGEST:
        raise SourceError(f"{path} is too large for a secret.", "Name the file that holds the secret alone.")
    return data.decode("utf-8", "replace")


def _checked(value: str, source: str) -> Secret:
    token = value.strip()
    # It goes into a header and into git's credential protocol: a line break would start something else.
    if not _TOKEN.fullmatch(token):
        plain = re.fullmatch(r"[\x21-\x7e]+", token) is not None
        why = "too short or too long" if plain else "not one word of plain characters" if token else "empty"
        raise SourceError(
            f"What {source} has is no token: it is {why}.",
            "Make a new one on GitHub under Settings → Developer settings.",
        )
    return Secret(token)
