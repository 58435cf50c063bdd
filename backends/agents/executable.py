"""Finding an agent's CLI on this machine and asking it for its version."""

from __future__ import annotations

import shutil

from backends.agents import said
from hive_tui.core.ports import AgentProbe

NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables by which every agent reaches the network."""

_SECONDS = 20.0
"""For `--version`; a cold start of these CLIs reads hundreds of megabytes."""


def probe(command: str, *, install: str, logged_in: bool | None, login: str) -> AgentProbe:
    """What can be told without a call to any server; it never raises."""
    import subprocess

    path = shutil.which(command)
    if path is None:
        return AgentProbe(found=False, problem=f"{command} is not there, or cannot be run.", hint=install)
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return AgentProbe(found=False, problem=f"{command} --version: {said.line(str(error))}", hint=install)
    printed = said.line((done.stdout or done.stderr).decode("utf-8", "replace"), 120)
    if done.returncode != 0:
        problem = f"{command} --version ends with {done.returncode}: {printed}"
        return AgentProbe(found=False, problem=problem, hint=install)
    if logged_in is False:
        return AgentProbe(True, printed, False, f"{command} is not logged in.", login)
    return AgentProbe(True, printed, logged_in)
