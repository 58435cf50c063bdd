"""The user's configuration: where it is, what it says, which fleets there are.

A parsed file is cached (by its path, size, inode and modification time), so that an ordinary command
pays for one small decode and never imports a YAML library.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from hive_tui import __version__
from hive_tui.core import settings as shape
from hive_tui.core.errors import ConfigError, unknown
from hive_tui.core.settings import FLEET_NAME, FleetSettings, Settings
from hive_tui.system.paths import Paths, paths

DEFAULT_FLEET = "local"

FLEET_FILE = "fleet.yaml"
"""In a fleet's data folder: a fleet that is no part of the user's configuration, such as the demo's."""

_RACY_NS = 20_000_000
"""A file changed less than this ago may change again within the file system's time resolution."""

Shape = TypeVar("Shape", Settings, FleetSettings)


class Configuration:
    """What the configuration says, and where it was read from. Immutable."""

    def __init__(self, settings: Settings, path: Path, folders: Paths) -> None:
        self.settings = settings
        self.path = path
        """Of `config.yaml`, which need not exist."""
        self.folders = folders

    @cached_property
    def user(self) -> str:
        """The person's login: configured, HIVE_USER, else the operating system's."""
        if name := self.settings.user or os.environ.get("HIVE_USER"):
            return name
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    @property
    def configured(self) -> Mapping[str, FleetSettings]:
        """The fleets of `config.yaml`; without any there is one, `local`."""
        return self.settings.fleets or {DEFAULT_FLEET: FleetSettings()}

    def names(self) -> list[str]:
        """All fleets, also those that are described in their own data folder."""
        try:
            own = [path.parent.name for path in (self.folders.data / "fleets").glob(f"*/{FLEET_FILE}")]
        except OSError:
            own = []
        return sorted({*self.configured, *own})

    def fleet(self, name: str) -> FleetSettings:
        """The settings of a fleet; `config.yaml` wins. Raises UsageError naming the nearest ones."""
        found = self.configured.get(name)
        if found is None and re.fullmatch(FLEET_NAME, name):
            found = _read(self.folders.fleet(name) / FLEET_FILE, FleetSettings, self.folders.cache)
        if found is None:
            raise unknown("fleet", name, self.names(), listing="hive fleet list")
        return found


def load(path: Path | None = None) -> Configuration:
    """Read `config.yaml` (default: in hive's configuration folder). Raises ConfigError.

    A file that does not exist is an empty configuration, unless it was asked for by name.
    """
    folders = paths()
    wanted = path.expanduser().absolute() if path else folders.config_file
    settings = _read(wanted, Settings, folders.cache)
    if settings is None:
        if path is not None:
            raise ConfigError(f"There is no configuration file {wanted}.", "Check --config, or leave it out.")
        settings = Settings()
    return Configuration(settings, wanted, folders)


def _read(path: Path, kind: type[Shape], cache: Path) -> Shape | None:
    """The file's content, from the cache where that is of exactly this file; None if there is no file."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    # An editable install changes without its version; then the shape's file is newer.
    shape_time = os.stat(shape.__file__).st_mtime_ns
    key = f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\0{stat.st_ino}\0{__version__}\0{shape_time}".encode()
    entry = _entry(path, cache)
    cached = _from_cache(entry, key, kind)
    if cached is not None:
        return cached
    settings = _parse(path, kind)
    if time.time_ns() - stat.st_mtime_ns > _RACY_NS:
        _to_cache(entry, key, settings)
    return settings


def forget(path: Path, cache: Path) -> None:
    """Remove what is cached of a file that is to be removed itself."""
    _entry(path, cache).unlink(missing_ok=True)


def _entry(path: Path, cache: Path) -> Path:
    # A digest that imports nothing; the entry itself says of which file it is.
    digest = int.from_bytes(os.fsencode(path), "big") % ((1 << 61) - 1)
    return cache / "config" / f"{digest:x}.msgpack"


def _parse(path: Path, kind: type[Shape]) -> Shape:
    from hive_tui.config.parse import parse

    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return parse(content, kind, str(path))


def _from_cache(entry: Path, key: bytes, kind: type[Shape]) -> Shape | None:
    try:
        content = entry.read_bytes()
        if not content.startswith(key + b"\n"):
            return None
        return msgspec.msgpack.decode(content[len(key) + 1 :], type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _to_cache(entry: Path, key: bytes, settings: Settings | FleetSettings) -> None:
    temporary = entry.with_name(f"{entry.name}.{os.getpid()}")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(key + b"\n" + msgspec.msgpack.encode(settings))
        temporary.replace(entry)
    except OSError:
        return  # a read-only or full disk costs speed, nothing else
