"""The part of kubeconfig files that a context names, checked before anybody relies on it.

The `kubernetes` package reads the files and merges them; what is wrong in them it says in words that carry
whole items, with their tokens and keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from backends.clusters.kubernetes import exec_plugin
from hive_tui.core.errors import ConfigError, unknown
from hive_tui.core.text import Redactor, clean_line

if TYPE_CHECKING:
    from kubernetes.config.kube_config import KubeConfigMerger

_Part = TypeVar("_Part", bound=msgspec.Struct)


class Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    proxy_url: str | None = None


class Provider(msgspec.Struct, frozen=True):
    name: str


class User(msgspec.Struct, frozen=True, rename="kebab"):
    exec: exec_plugin.Plugin | None = None
    token: str | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    username: str | None = None
    auth_provider: Provider | None = None
    as_: str | None = msgspec.field(default=None, name="as")
    as_groups: tuple[str, ...] | None = None
    as_uid: str | None = None
    as_user_extra: dict[str, tuple[str, ...]] | None = None


class Context(msgspec.Struct, frozen=True):
    cluster: str
    user: str = ""
    namespace: str | None = None


class Chosen:
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
        self.context = self._part("contexts", self.name, "context", Context)
        self.cluster_values = self._values("clusters", self.context.cluster, "cluster")
        self.cluster = self._part("clusters", self.context.cluster, "cluster", Cluster)
        if not self.cluster.server.startswith(("https://", "http://")):
            raise self.malformed(
                f"the cluster {self.context.cluster} has no server that begins with https:// or http://"
            )
        self.user = User()
        if self.context.user:
            self.user = self._part("users", self.context.user, "user", User)
        provider = self.user.auth_provider
        if provider is not None and provider.name != "oidc":
            raise ConfigError(
                f"The user {self.context.user} of {self._files} logs in by the auth provider"
                f" {clean_line(provider.name, limit=40)}, which Kubernetes has removed.",
                "Have the kubeconfig written anew by your provider's tool, as for kubectl 1.26 and newer.",
            )

    def malformed(self, why: object) -> ConfigError:
        # Where the package names an item, it puts all of it there.
        words = harmless(str(why).partition("/{")[0])
        return ConfigError(
            f"{self._files} is no usable kubeconfig: {words}.",
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
        except (TypeError, AttributeError):
            raise self.malformed("it is not laid out as one") from None
        except (ConfigException, yaml.YAMLError, KeyError, ValueError) as error:
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
        except (TypeError, KeyError, AttributeError):
            raise self.malformed(f"one of its {kind} has no name") from None

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


def harmless(why: object) -> str:
    return clean_line(Redactor()(str(why)), limit=300)
