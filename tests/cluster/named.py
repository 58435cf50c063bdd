"""The one cluster that tests may touch: it is named for them. Whatever else a person's kubeconfig leads to, a
production cluster say, no test ever asks for anything."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

import yaml

VARIABLE = "HIVE_TEST_KUBECONFIG"
CONTEXT = "hive-test"
"""What the current context is called in a kubeconfig that is for tests; any other is somebody's own."""

HOW = f"{VARIABLE} names the kubeconfig of one where tests may do everything; `.ci/run` starts one if it can"


class NoCluster(Exception):
    """Why there is none for tests, and how to get one."""


def kubeconfig() -> Path:
    """The kubeconfig of the cluster that is named for tests. Raises NoCluster."""
    found = os.environ.get(VARIABLE, "")
    if not found:
        raise NoCluster(f"no cluster is named for tests: {HOW}")
    if not Path(found).is_file():
        raise NoCluster(f"{VARIABLE} is {found}, which is no file: {HOW}")
    return Path(found)


def settle(environ: MutableMapping[str, str]) -> None:
    """Hold to that one from now on: `HIVE_TEST_KUBECONFIG`, else a KUBECONFIG whose current context says that
    it is for tests. What a person's own kubeconfig names is out of reach, for hive's processes, too."""
    own = environ.get("KUBECONFIG", "")
    if not environ.get(VARIABLE) and _is_for_tests(own):
        environ[VARIABLE] = own
    # Without it `~/.kube/config` would be looked at.
    environ["KUBECONFIG"] = os.devnull


def _is_for_tests(path: str) -> bool:
    try:
        said = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(said, dict) and said.get("current-context") == CONTEXT
