"""What things in the demo are called."""

from __future__ import annotations

from hive_tui.core.ids import RepoName

NAME = "demo"
"""The fleet."""

REPO = RepoName("demo/pocket")
MAINTAINER = "maintainer"
AUTHORS = ("ada", "bo", MAINTAINER)
"""Whose issues are started, besides yours."""

MARK = "demo.json"
"""In the fleet's folder: it is the demo's, and of which pace."""

MAINTAINER_LOCK = "maintainer.lock"
MAINTAINER_LOG = "maintainer.log"

SCENARIOS = "scenarios"
"""In the fleet's folder: what the agents play."""
