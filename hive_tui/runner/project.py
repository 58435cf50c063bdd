"""A repository's own settings: `.hive/config.yaml`, always of the base commit, never of the agent's."""

from __future__ import annotations

from pathlib import Path

from hive_tui.config.parse import MAX_PROJECT, parse_project
from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import ProjectSettings
from hive_tui.system import bounded, git

PATH = ".hive/config.yaml"


def read(bare: Path, commit: str) -> ProjectSettings:
    """The settings at a commit of the runner's own directory; the defaults when there is no file.

    Raises ConfigError with the path, the key and its value for a file that cannot be used.
    """
    entry = git.text("ls-tree", commit, "--", PATH, cwd=bare).split()
    if not entry:
        return ProjectSettings()
    if entry[0] not in ("100644", "100755"):
        raise ConfigError(f"{PATH} is not an ordinary file.", "Replace the link by the file it points to.")
    shown = bounded.run(
        git.command("cat-file", "blob", entry[2]),
        cwd=bare, env=git.environment(), limit=MAX_PROJECT, timeout=30.0,
    )  # fmt: skip
    return parse(shown.stdout)


def parse(text: bytes) -> ProjectSettings:
    """The settings that a file's content means. Raises ConfigError."""
    try:
        return parse_project(text, PATH)
    except ConfigError as error:
        repair = f"Correct {PATH} on the base branch, then `hive retry`."
        raise ConfigError(error.message, f"{error.hint or ''} {repair}".strip()) from error
