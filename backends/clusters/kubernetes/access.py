"""Where a cluster is and who one is there: kubeconfig files of every kind, or the account of the pod.

The `kubernetes` package reads them, merges them and brings certificates where the transport can have them.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from backends.clusters.kubernetes import exec_plugin
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.session import Session
from hive_tui.core.errors import ConfigError, unknown
from hive_tui.core.text import clean_line
from hive_tui.core.worker_template import KubernetesSettings

if TYPE_CHECKING:
    from kubernetes.config.kube_config import KubeConfigMerger

_Part = TypeVar("_Part", bound=msgspec.Struct)

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own."""

TOKEN_SECONDS = 60.0
"""How long a token that was read from a file is used: its file is replaced while it is still good."""

_SKEW = 30.0
"""Seconds before their end that credentials are renewed."""


class _Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    proxy_url: str | None = None


class _User(msgspec.Struct, frozen=True, rename="kebab"):
    exec: exec_plugin.Plugin | None = None
    token: str | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    username: str | None = None
    as_: str | None = msgspec.field(default=None, name="as")
    as_groups: tuple[str, ...] | None = None
    as_uid: str | None = None
    as_user_extra: dict[str, tuple[str, ...]] | None = None


class _Context(msgspec.Struct, frozen=True):
    cluster: str
    user: str = ""
    namespace: str | None = None


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


class _Chosen:
    """What a context of the merged files names."""

    def __init__(self, paths: tuple[Path, ...], context: str | None) -> None:
        self._files = os.pathsep.join(map(str, paths))
        self.merged = self._merge(paths)
        contexts = self._items("contexts")
        self.name = context or self._current()
        if not self.name:
            raise ConfigError(
                f"{self._files} has no current context.",
                f"Set `kubernetes.context` to one of: {', '.join(sorted(contexts)) or 'none is there'}.",
            )
        if self.name not in contexts:
            error = unknown("context", self.name, contexts, listing="kubectl config get-contexts")
            raise ConfigError(f"{error.message[:-1]} in {self._files}.", error.hint)
        self.context = self._part("contexts", self.name, "context", _Context)
        self.cluster_values = self._values("clusters", self.context.cluster, "cluster")
        self.cluster = self._part("clusters", self.context.cluster, "cluster", _Cluster)
        if not self.cluster.server.startswith(("https://", "http://")):
            raise self.malformed(
                f"the cluster {self.context.cluster} has no server that begins with https:// or http://"
            )
        self.user = _User()
        if self.context.user:
            self.user = self._part("users", self.context.user, "user", _User)

    def malformed(self, why: object) -> ConfigError:
        return ConfigError(
            f"{self._files} is no usable kubeconfig: {clean_line(str(why), limit=300)}.",
            "`kubectl config view` reads the same file and tells more.",
        )

    def folder(self, kind: str, name: str) -> Path:
        """Of the file that an item stands in: its paths are relative to it."""
        return Path(self._items(kind)[name].path).absolute().parent

    def set_user(self, values: dict[str, Any]) -> None:
        node = self._items("users")[self.context.user]
        node.value = {**node.value, "user": values}

    def user_values(self) -> dict[str, Any]:
        return dict(self._values("users", self.context.user, "user")) if self.context.user else {}

    def _merge(self, paths: tuple[Path, ...]) -> KubeConfigMerger:
        import yaml
        from kubernetes.config import ConfigException
        from kubernetes.config.kube_config import ENV_KUBECONFIG_PATH_SEPARATOR, KubeConfigMerger

        try:
            full = [str(path) for path in paths if path.stat().st_size]
            merger: Any = KubeConfigMerger  # has no types
            merged: KubeConfigMerger = merger(ENV_KUBECONFIG_PATH_SEPARATOR.join(full))
        except OSError as error:
            raise ConfigError(
                f"{self._files} cannot be read: {error.strerror}.", "Make it readable for yourself."
            ) from None
        except (
            ConfigException,
            yaml.YAMLError,
            TypeError,
            KeyError,
            AttributeError,
            ValueError,
        ) as error:
            raise self.malformed(error) from None
        if merged.config is None:
            raise ConfigError(f"{self._files} is empty.", "Log in to your cluster first.")
        return merged

    def _current(self) -> str:
        # The first file that names one counts, as for kubectl; the package takes the last.
        files = (self.merged.config_files[path] for path in self.merged.paths)
        return next((str(each["current-context"]) for each in files if each.get("current-context")), "")

    def _items(self, kind: str) -> dict[str, Any]:
        try:
            return {str(node.value["name"]): node for node in reversed(self.merged.config.value[kind])}
        except (TypeError, KeyError, AttributeError) as error:
            raise self.malformed(f"one of its {kind} has no name ({error})") from None

    def _values(self, kind: str, name: str, key: str) -> Mapping[str, Any]:
        node = self._items(kind).get(name)
        if node is None:
            raise self.malformed(f"it has no {key} {name}, which the context {self.name} names")
        values = node.value.get(key)
        if values is not None and not isinstance(values, dict):
            raise self.malformed(f"the {key} {name} is none")
        return values or {}

    def _part(self, kind: str, name: str, key: str, shape: type[_Part]) -> _Part:
        try:
            return msgspec.convert(self._values(kind, name, key), shape, strict=False)
        except msgspec.ValidationError as error:
            raise self.malformed(f"the {key} {name}: {error}") from None


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
        chosen = _Chosen(paths, context)
        self.context: str | None = chosen.name
        self.namespace = namespace or chosen.context.namespace or "default"
        self.server = chosen.cluster.server.rstrip("/")

    def open(self) -> Session:
        """Read the files anew: a login may have changed them."""
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException
        from kubernetes.config.kube_config import KubeConfigLoader

        chosen = _Chosen(self._paths, self.context)
        values = chosen.user_values()
        exec_plugin_of, token_file = chosen.user.exec, chosen.user.token_file
        values.pop("exec", None)
        values.pop("tokenFile", None)
        authorization: Callable[[], str | None] | None = None
        expires: float | None = None
        if token_file is not None:
            authorization = TokenFile(chosen.folder("users", chosen.context.user) / token_file)
        elif exec_plugin_of is not None and not chosen.user.token and not chosen.user.username:
            credential = exec_plugin.run(
                exec_plugin_of,
                folder=chosen.folder("users", chosen.context.user),
                cluster=chosen.cluster_values,
                environ=self._environ,
            )
            if credential.token:
                values["token"] = credential.token
            if credential.client_certificate_data and credential.client_key_data:
                values["client-certificate-data"] = _base64(credential.client_certificate_data)
                values["client-key-data"] = _base64(credential.client_key_data)
            if credential.expiration_timestamp is not None:
                expires = _renew_at(credential.expiration_timestamp.timestamp())
        if chosen.context.user:
            chosen.set_user(values)
        configuration = Configuration()
        try:
            loader: Any = KubeConfigLoader  # has no types
            loader(
                config_dict=chosen.merged.config,
                active_context=chosen.name,
                config_base_path=None,
                config_persister=chosen.merged.save_changes,
            ).load_and_set(configuration)
        except (ConfigException, TypeError, KeyError, AttributeError, ValueError, OSError) as error:
            raise chosen.malformed(error) from None
        if chosen.cluster.proxy_url:
            # NO_PROXY is about the environment's proxy, not about one that the cluster's entry names.
            configuration.no_proxy = None
        return Session(
            configuration,
            authorization=authorization,
            headers=_impersonation(chosen.user),
            expires=expires,
        )


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

    def open(self) -> Session:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException
        from kubernetes.config.incluster_config import InClusterConfigLoader

        configuration = Configuration()
        try:
            loader: Any = InClusterConfigLoader  # has no types
            loader(
                token_filename=str(self._account / "token"),
                cert_filename=str(self._account / "ca.crt"),
                environ=self._environ,
            ).load_and_set(configuration)
        except (ConfigException, OSError) as error:
            raise ConfigError(
                f"This pod's account cannot be used: {clean_line(str(error), limit=200)}",
                f"Mount a service account's token at {self._account}.",
            ) from None
        return Session(configuration, authorization=TokenFile(self._account / "token"))

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


def _impersonation(user: _User) -> list[tuple[str, str]]:
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
