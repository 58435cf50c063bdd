"""A repository's own settings: `.hive/config.yaml`, always of the base commit, never of the agent's."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hive_tui.core.errors import ConfigError
from hive_tui.core.settings import ProjectSettings
from hive_tui.core.text import clean_line
from hive_tui.system import bounded, git

PATH = ".hive/config.yaml"
_LIMIT = 65_536


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
        cwd=bare, env=git.environment(), limit=_LIMIT, timeout=30.0,
    )  # fmt: skip
    return parse(shown.stdout)


def parse(text: bytes) -> ProjectSettings:
    """The settings that a file's content means. Raises ConfigError."""
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{PATH} is not YAML: {clean_line(str(error), limit=300)}", _repair()) from error
    if content is None:
        return ProjectSettings()
    if not isinstance(content, dict):
        raise ConfigError(f"{PATH} has to be a list of `key: value` lines.", _repair())
    known = [field.name for field in msgspec.structs.fields(ProjectSettings)]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(known)}."
            raise ConfigError(
                f"{PATH}: unknown key `{clean_line(str(key), limit=80)}`"
                f" with the value {_shown(content[key])}.", hint
            )  # fmt: skip
    try:
        return msgspec.convert(content, ProjectSettings)
    except msgspec.ValidationError as error:
        path = re.search(r"`\$\.?([^`]*)`", str(error))
        key = path[1] if path else ""
        value = content.get(re.split(r"[.\[]", key)[0]) if key else content
        words = str(error).partition(" - at")[0]
        raise ConfigError(f"{PATH}: `{key}` is {_shown(value)}: {words}.", _repair()) from error


def _shown(value: object) -> str:
    return clean_line(repr(value), limit=80)


def _repair() -> str:
    return f"Correct {PATH} on the base branch, then `hive retry`."
