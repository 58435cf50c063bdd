"""Credentials from a program that the kubeconfig names (aws, gke-gcloud-auth-plugin, kubelogin, …).

The `kubernetes` package has this too, but lets the program talk to the terminal that the console draws on,
waits for it without end, runs it for each request when its tokens are short-lived, and goes on as nobody when
it fails.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from backends import typed
from backends.clusters.kubernetes.errors import Unauthorized
from hive_tui.core.errors import ConfigError, GitError, WorkRejected
from hive_tui.core.text import Redactor, clean_line
from hive_tui.system import bounded

SECONDS = 60.0
"""How long a program may take: some ask a server far away."""

_LIMIT = 1024 * 1024
"""Bytes that it may print."""


class Variable(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class Plugin(msgspec.Struct, frozen=True, rename="camel"):
    """`exec` of a kubeconfig's user."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: tuple[str, ...] | None = None
    env: tuple[Variable, ...] | None = None
    install_hint: str | None = None
    provide_cluster_info: bool = False


class Credential(msgspec.Struct, frozen=True, rename="camel"):
    """What it prints: a token, a client certificate, or both, and until when they are good."""

    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _Printed(msgspec.Struct, frozen=True):
    status: Credential


def run(
    plugin: Plugin,
    *,
    folder: Path,
    cluster: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> Credential:
    """Run it, for so long at most; `folder` is the kubeconfig's.

    Raises ConfigError, or Unauthorized with what it said.
    """
    environ = os.environ if environ is None else environ
    env = {**environ, **{each.name: each.value for each in plugin.env or ()}}
    info: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        info["cluster"] = _told(cluster)
    request = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": info}
    env["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(request).decode()
    # As kubectl has it: a name is looked up on PATH, a path is relative to the kubeconfig.
    command = plugin.command if os.sep not in plugin.command else str(folder / plugin.command)
    name = clean_line(plugin.command, limit=100)
    import shutil  # only where there is a program to look for

    if shutil.which(command, path=env.get("PATH")) is None:
        hint = clean_line(plugin.install_hint, limit=400) if plugin.install_hint else None
        raise ConfigError(
            f"Your kubeconfig gets its credentials from {name}, which is not there.",
            hint or f"Install {name}, or name another context.",
        )
    login = f"Run `kubectl get namespaces` with the same context once: it lets {name} ask you."
    try:
        done = bounded.run(
            (command, *(plugin.args or ())),
            cwd=folder,
            env=env,
            limit=_LIMIT,
            timeout=SECONDS if seconds is None else min(seconds, SECONDS),
        )
    except (GitError, WorkRejected) as error:
        raise Unauthorized(f"No credentials came from {name}: {error.message}", login) from None
    said = clean_line(Redactor()(done.stderr.decode("utf-8", "replace")), limit=400)
    if done.code != 0:
        raise Unauthorized(f"{name} gives no credentials ({said or f'exit status {done.code}'}).", login)
    try:
        credential = typed.decode(done.stdout, _Printed).status
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unauthorized(f"What {name} prints are no credentials.", login) from None
    if not credential.token and not (credential.client_certificate_data and credential.client_key_data):
        raise Unauthorized(f"{name} prints neither a token nor a certificate with its key.", login)
    return credential


def _told(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster as programs that want to know it are told."""
    kept = (
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority-data",
        "proxy-url",
    )
    told = {name: cluster[name] for name in kept if name in cluster}
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            told["config"] = extension.get("extension")
    return told
