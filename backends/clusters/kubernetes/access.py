"""Where a cluster is and who one is there: kubeconfig files of every kind, or the account of the pod.

The `kubernetes` package reads them, merges them and brings certificates where the transport can have them.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from backends.clusters.kubernetes import exec_plugin
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.errors import Unauthorized
from backends.clusters.kubernetes.kubeconfig import Chosen, User, harmless
from backends.clusters.kubernetes.session import Session, configured, direct
from hive_tui.core.errors import ConfigError
from hive_tui.core.text import clean_line
from hive_tui.core.worker_template import KubernetesSettings

if TYPE_CHECKING:
    from kubernetes.client import Configuration

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own."""

TOKEN_SECONDS = 60.0
"""How long a token that was read from a file is used: its file is replaced while it is still good."""

_SKEW = 30.0
"""Seconds before their end that credentials are renewed."""


def connect(settings: KubernetesSettings, *, environ: Mapping[str, str] | None = None) -> Api:
    """The cluster of these settings; nothing is opened yet. Raises ConfigError and UsageError."""
    environ = os.environ if environ is None else environ
    paths = _paths(settings, environ)
    if paths:
        return Api(Kubeconfig(paths, settings.context, settings.namespace, environ))
    if environ.get("KUBERNETES_SERVICE_HOST") and settings.context is None:
        return Api(InCluster(settings.namespace, environ))
    raise ConfigError(
        "There is no kubeconfig: neither KUBECONFIG nor ~/.kube/config names a cluster.",
        "Log in to your cluster so that `kubectl get namespaces` works, or set `kubernetes.kubeconfig`.",
    )


def _paths(settings: KubernetesSettings, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The kubeconfig files that are there, in the order in which they count."""
    if settings.kubeconfig is not None:
        path = Path(settings.kubeconfig).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"There is no kubeconfig {path}.", "Correct `kubernetes.kubeconfig` of the fleet's settings."
            )
        return (path,)
    named = [Path(each).expanduser() for each in environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    if named:
        found = tuple(path for path in named if path.is_file())
        if not found:
            raise ConfigError(
                f"KUBECONFIG names {', '.join(map(str, named))}: there is no such file.",
                "Correct it, or unset it to use ~/.kube/config.",
            )
        return found
    usual = Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"
    return (usual,) if usual.is_file() else ()


class Kubeconfig:
    """A context of kubeconfig files."""

    def __init__(
        self,
        paths: tuple[Path, ...],
        context: str | None,
        namespace: str | None,
        environ: Mapping[str, str],
    ) -> None:
        self._paths = paths
        self._environ = environ
        self._read: Chosen | None = Chosen(paths, context)
        self.context: str | None = self._read.name
        self.namespace = namespace or self._read.context.namespace or "default"
        self.server = self._read.cluster.server.rstrip("/")

    def open(self, seconds: float | None = None) -> Session:
        """The files are read anew each time but the first: a login may have changed them."""
        chosen, self._read = self._read or Chosen(self._paths, self.context), None
        found = self._credentials(chosen, seconds)
        if chosen.context.user:
            chosen.set_user(found.user)
        configuration = _configuration(chosen)

        def configured_authorization() -> str | None:
            settings: Any = configuration.auth_settings()
            return next((each["value"] for each in settings.values() if each["in"] == "header"), None)

        return Session(
            str(configuration.host).rstrip("/"),
            configured(configuration),
            found.authorization or configured_authorization,
            headers=_impersonation(chosen.user),
            expires=found.expires,
        )

    def _credentials(self, chosen: Chosen, seconds: float | None) -> _Credentials:
        values = chosen.user_values()
        plugin, token_file = chosen.user.exec, chosen.user.token_file
        values.pop("exec", None)
        values.pop("tokenFile", None)
        if token_file is not None:
            path = chosen.folder("users", chosen.context.user) / token_file
            return _Credentials(values, TokenFile(path))
        if plugin is None or chosen.user.token or chosen.user.username:
            return _Credentials(values)
        credential = exec_plugin.run(
            plugin,
            folder=chosen.folder("users", chosen.context.user),
            cluster=chosen.cluster_values,
            environ=self._environ,
            seconds=seconds,
        )
        if credential.token:
            values["token"] = credential.token
        if credential.client_certificate_data and credential.client_key_data:
            values["client-certificate-data"] = _base64(credential.client_certificate_data)
            values["client-key-data"] = _base64(credential.client_key_data)
        end = credential.expiration_timestamp
        return _Credentials(values, expires=None if end is None else _renew_at(end.timestamp()))


class _Credentials(NamedTuple):
    """What a kubeconfig's user comes to."""

    user: dict[str, Any]
    """For the `kubernetes` package: without what is done here."""
    authorization: Callable[[], str | None] | None = None
    expires: float | None = None


def _configuration(chosen: Chosen) -> Configuration:
    """Raises ConfigError, or Unauthorized where a login was to be renewed and was not."""
    import requests
    import urllib3
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, kube_config

    configuration = Configuration()
    package: Any = kube_config  # has no types
    try:
        package.KubeConfigLoader(
            config_dict=chosen.merged.config,
            active_context=chosen.name,
            config_base_path=None,
            config_persister=chosen.merged.save_changes,
        ).load_and_set(configuration)
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        package.oauthlib.oauth2.OAuth2Error,
    ) as error:
        raise Unauthorized(
            f"The login of {chosen.context.user} cannot be renewed: {harmless(error)}.",
            f"Log in anew; `kubectl get namespaces --context {chosen.name}` shows whether that worked.",
        ) from None
    except (ConfigException, TypeError, KeyError, AttributeError, ValueError, OSError) as error:
        raise chosen.malformed(error) from None
    if chosen.cluster.proxy_url:
        # NO_PROXY is about the environment's proxy, not about one that the cluster's entry names.
        configuration.no_proxy = None
    return configuration


class InCluster:
    """The account of the pod that this runs in."""

    def __init__(self, namespace: str | None, environ: Mapping[str, str], account: Path = ACCOUNT) -> None:
        self._environ = environ
        self._account = account
        self.context: str | None = None
        self.namespace = namespace or self._own_namespace()
        host = environ["KUBERNETES_SERVICE_HOST"]
        port = environ.get("KUBERNETES_SERVICE_PORT", "443")
        self.server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def open(self, seconds: float | None = None) -> Session:
        token = TokenFile(self._account / "token")
        try:
            token()
            pool = direct(self._account / "ca.crt")
        except (ConfigError, OSError) as error:
            why = error.message if isinstance(error, ConfigError) else str(error)
            raise ConfigError(
                f"This pod's account cannot be used: {clean_line(why, limit=200)}",
                f"Mount a service account's token at {self._account}.",
            ) from None
        return Session(self.server, pool, token)

    def _own_namespace(self) -> str:
        try:
            return (self._account / "namespace").read_text().strip() or "default"
        except OSError:
            return "default"


class TokenFile:
    """A bearer token from a file that is replaced from time to time."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._value: str | None = None
        self._read_at = 0.0

    def __call__(self) -> str:
        """Raises ConfigError where it was never there."""
        if self._value is None or self._clock() >= self._read_at + TOKEN_SECONDS:
            try:
                token = self._path.read_text().strip()
            except (OSError, UnicodeDecodeError):
                token = ""
            if token:
                self._value = f"Bearer {token}"
            elif self._value is None:
                raise ConfigError(
                    f"There is no token in {self._path}.", "Log in to your cluster anew, or correct the path."
                )
            # A file that is just being replaced: the last token is good for some time yet.
            self._read_at = self._clock()
        return self._value


def _renew_at(end: float) -> float:
    """When to renew what ends then: a little before, or halfway where there is little time."""
    left = end - time.time()
    return end - min(_SKEW, left / 2) if left > 0 else end


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _impersonation(user: User) -> list[tuple[str, str]]:
    """Headers by which the kubeconfig's user acts as another; without them one would act with more rights."""
    if not user.as_:
        return []
    uid = [("Impersonate-Uid", user.as_uid)] if user.as_uid else []
    extra = [
        (f"Impersonate-Extra-{quote(name, safe='')}", value)
        for name, values in (user.as_user_extra or {}).items()
        for value in values
    ]
    groups = [("Impersonate-Group", group) for group in user.as_groups or ()]
    return [("Impersonate-User", user.as_), *groups, *uid, *extra]
