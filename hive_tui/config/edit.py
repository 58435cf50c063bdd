"""Changing `config.yaml` so that comments and order survive, and a failure leaves what was there."""

from __future__ import annotations

import io
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from hive_tui.config import Configuration
from hive_tui.config.parse import parse
from hive_tui.core.errors import ConfigError, HiveError, UsageError
from hive_tui.core.settings import Settings
from hive_tui.core.text import clean_line
from hive_tui.system import flock

_HEADER = "# hive's configuration; `hive config schema` lists every key.\n"

_PATIENCE = 10.0
"""Seconds to wait for another hive that is writing."""

Document = CommentedMap


def edit(configuration: Configuration, change: Callable[[Document], None]) -> Settings:
    """Apply `change` to the file and return what it then says.

    The result is validated before it replaces the file in one step. Raises ConfigError, and whatever
    `change` raises; the file is as it was then.
    """
    path = configuration.path.resolve()  # a symlink into somebody's dotfiles stays one
    with _alone(configuration.folders.data / "config.lock"):
        before = _read(path)
        if before.strip():
            parse(before.encode(), Settings, str(path))
        document = _document(before)
        change(document)
        after = _text(document)
        if not before.strip():
            after = _HEADER + after
        elif all(line.lstrip().startswith("#") for line in before.splitlines() if line.strip()):
            after = f"{before.rstrip()}\n{after}"  # the comments of a file without keys hang on nothing
        try:
            settings = parse(after.encode(), Settings, str(path))
        except ConfigError as error:
            raise ConfigError(error.message, f"{error.hint or ''} Nothing was changed.".strip()) from error
        if after != before:
            _replace(path, after)
        return settings


def section(document: Document, *names: str) -> Document:
    """The mapping at a path of keys, made where it is missing."""
    for name in names:
        if not isinstance(document.get(name), CommentedMap):
            document[name] = CommentedMap()
        document = document[name]
    return document


def sequence(document: Document, name: str) -> CommentedSeq:
    """The list at a key, made where it is missing."""
    if not isinstance(document.get(name), CommentedSeq):
        document[name] = CommentedSeq()
    found: CommentedSeq = document[name]
    return found


_PART = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]+)\]")


def split_key(key: str) -> list[str]:
    """`fleets.local.repos[owner/name].base` as its parts. Raises UsageError for anything else."""
    parts, at = [], 0
    while at < len(key):
        match = _PART.match(key, at)
        if match is None:
            break
        parts.append(match.group(1) or match.group(2))
        at = match.end()
    if not parts or at != len(key):
        raise UsageError(
            f"{clean_line(key)!r} is no key.", "Write it like fleets.local.slots or repos[owner/name].base."
        )
    return parts


def assign(document: Document, key: str, value: str) -> None:
    """Set a key to a value written as YAML (`3`, `true`, `text`, `[a, b]`). Raises UsageError."""
    *above, last = split_key(key)
    place: Any = document
    for part in above:
        place = _step(place, part, key)
    if isinstance(place, CommentedSeq):
        place[_index(place, last, key)] = _value(value)
    else:
        place[last] = _value(value)


def _step(place: Any, part: str, key: str) -> Any:
    if isinstance(place, CommentedSeq):
        return place[_index(place, part, key)]
    if not isinstance(place.get(part), (CommentedMap, CommentedSeq)):
        if place.get(part) is not None:
            raise UsageError(f"{part!r} in {key!r} is a value; it has nothing inside.", "Check the key.")
        place[part] = CommentedMap()
    return place[part]


def _index(items: CommentedSeq, part: str, key: str) -> int:
    """A list's item by its position or by its `name`."""
    names = [item.get("name") if isinstance(item, CommentedMap) else None for item in items]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) < len(items):
        return int(part)
    known = ", ".join(str(name) for name in names if name) or f"0 to {len(items) - 1}"
    raise UsageError(f"There is no {part!r} in {key!r}.", f"Known: {known}.")


def _value(text: str) -> Any:
    try:
        value = _yaml().load(text)
    except YAMLError as error:
        raise UsageError(f"{clean_line(text)!r} is no YAML value.", 'Quote it: "…".') from error
    return value


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _document(text: str) -> Document:
    try:
        document = _yaml().load(text)
    except YAMLError as error:
        raise ConfigError(f"The configuration cannot be changed: {clean_line(str(error))}.") from error
    return document if isinstance(document, CommentedMap) else CommentedMap()


def _text(document: Document) -> str:
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _replace(path: Path, text: str) -> None:
    """Write beside the file and rename over it, keeping its permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), mode)
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise HiveError(
            f"{path} could not be written: {error.strerror}.",
            "Nothing was changed; check disk and permissions.",
        ) from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    deadline = time.monotonic() + _PATIENCE
    try:
        while (fd := flock.hold(lock)) is None:
            if time.monotonic() > deadline:
                raise HiveError("Another hive is changing the configuration.", "Try again.")
            time.sleep(0.02)
    except OSError as error:
        raise HiveError(f"{lock} could not be written: {error.strerror}.", "See `hive doctor`.") from error
    try:
        yield
    finally:
        os.close(fd)
