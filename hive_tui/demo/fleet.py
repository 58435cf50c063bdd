"""The demo's fleet: built, started, stopped, removed. All of it is in the fleet's own data folder.

`<fleet>/repository` the code · `scenarios/` what the agents play · `fleet.yaml` the settings ·
`demo.json` that the folder is ours, and the pace · beside them what every local fleet has.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import yaml

from hive_tui import config
from hive_tui.config import FLEET_FILE, Configuration
from hive_tui.core.errors import HiveError, Refused
from hive_tui.core.ids import AgentName
from hive_tui.core.settings import (
    AgentSettings,
    BackoffSettings,
    BudgetSettings,
    FleetSettings,
    RepoSettings,
)
from hive_tui.demo import attendants, repository, stock
from hive_tui.demo.names import AUTHORS, MARK, NAME, REPO, SCENARIOS
from hive_tui.detached import ensure_dispatcher, stop_dispatcher
from hive_tui.fleet import open_fleet
from hive_tui.system import flock, git

STOP_SECONDS = 5.0
"""For what is left of a run after its runner had its time to save the work."""

PATIENCE_SECONDS = 30.0
"""For another `hive demo` to end."""


class Mark(msgspec.Struct, frozen=True):
    """What tells that a folder is the demo's."""

    speed: float
    stocked: bool = False
    """The issues of the backlog are all there."""


class Started(msgspec.Struct, frozen=True):
    """What `start` found or made."""

    fleet: str
    folder: str
    speed: float
    built: bool
    """It was not there before."""


def fleet_settings(folder: Path, *, user: str, speed: float) -> FleetSettings:
    """The demo's settings; times are divided by `speed`."""
    agents = tuple(
        AgentSettings(
            AgentName(name),
            backend="scripted",
            model=model,
            options={"scenarios": str(folder / SCENARIOS), "speed": f"{speed:g}"},
        )
        for name, model in (("robin", "songbird-2"), ("wren", "songbird-2-mini"))
    )
    return FleetSettings(
        repos=(RepoSettings(REPO, path=str(folder / "repository"), base=repository.BASE),),
        slots=4,
        agents=agents,
        allowed_authors=tuple(dict.fromkeys((*AUTHORS, user))),
        max_attempts=2,
        deadline_minutes=15.0,
        budget=BudgetSettings(run=1.2, issue=1.2, day=60.0),
        backoff=BackoffSettings(first=15.0 / speed, most=60.0 / speed),
        # Short enough to be seen, and not so short that a busy machine looks like a stalled agent.
        stalled_after_minutes=max(20.0 / speed, 2.0) / 60,
    )


def start(configuration: Configuration, *, speed: float | None, now: datetime) -> Started:
    """Build what is missing, and make sure that the dispatcher and the maintainer run.

    `speed` None keeps the pace of an existing demo. Raises Refused when there is another fleet of this
    name, HiveError when something cannot be started.
    """
    folder = _folder(configuration)
    git.version()
    with _alone(folder):
        before = read_mark(folder)
        mark = before or Mark(speed=speed or 1.0)
        if speed is not None and speed != mark.speed:
            mark = msgspec.structs.replace(mark, speed=speed)
        write_mark(folder, mark)
        repository.build(folder / "repository", now)
        changed = _write_settings(folder, configuration.user, mark.speed)
        fleet = open_fleet(configuration, NAME)
        try:
            if changed and before is not None:
                stop_dispatcher(fleet)
                attendants.stop_maintainer(folder)
            if not mark.stocked:
                stock.file_backlog(fleet)
                mark = msgspec.structs.replace(mark, stocked=True)
                write_mark(folder, mark)
            attendants.resume(fleet, now)
            ensure_dispatcher(fleet)
        finally:
            fleet.close()
        attendants.start_maintainer(folder)
    return Started(NAME, str(folder), mark.speed, before is None)


def stop(configuration: Configuration, now: datetime) -> bool:
    """End the dispatcher, the maintainer, and every run with all its processes; work and data stay.

    Returns whether there is a demo. Raises HiveError when something does not end.
    """
    folder = _folder(configuration)
    if read_mark(folder) is None:
        return False
    with _alone(folder):
        fleet = open_fleet(configuration, NAME)
        try:
            stop_dispatcher(fleet)
            attendants.stop_maintainer(folder)
            attendants.stop_runs(fleet, now)
        finally:
            fleet.close()
        attendants.end_all(folder, grace=STOP_SECONDS)
    return True


def reset(configuration: Configuration) -> bool:
    """End every process at once and remove the fleet's folder and what was cached of it, whatever state
    it is in. Returns whether there was one."""
    folder = _folder(configuration)
    if read_mark(folder) is None:
        return False
    with _alone(folder):
        attendants.end_all(folder, grace=0.0)
        config.forget(folder / FLEET_FILE, configuration.folders.cache)
        # The mark goes last: a removal that was interrupted can be done again.
        for path in folder.iterdir():
            if path.name != MARK:
                _remove(path)
        _remove(folder)
    for empty in (folder.parent, folder.parent.parent):
        try:
            empty.rmdir()
        except OSError:
            break
    return True


def read_mark(folder: Path) -> Mark | None:
    """The demo's mark, None where there is no demo."""
    try:
        return msgspec.json.decode((folder / MARK).read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def write_mark(folder: Path, mark: Mark) -> None:
    _write(folder / MARK, msgspec.json.encode(mark))


def _folder(configuration: Configuration) -> Path:
    if NAME in configuration.settings.fleets:
        raise Refused(
            f"Your configuration has a fleet called {NAME!r} of its own.",
            f"Rename it in {configuration.path}; the demo never touches that file.",
        )
    folder = configuration.folders.fleet(NAME)
    if read_mark(folder) is None and (folder / FLEET_FILE).exists():
        raise Refused(f"{folder} is not the demo's.", "Move it away, then try again.")
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One `hive demo` at a time changes things; what the disk refuses is said with its path."""
    lock: int | None = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while (lock := flock.hold(folder / "demo.lock")) is None:
            if time.monotonic() > deadline:
                raise HiveError("Another `hive demo` is at work.", "Wait for it to end, then try again.")
            time.sleep(0.05)
        yield
    except OSError as error:
        where = error.filename or folder
        raise HiveError(
            f"{where}: {error.strerror}.", "Free space or mend its permissions; HIVE_HOME moves it."
        ) from error
    finally:
        if lock is not None:
            os.close(lock)


def _write(path: Path, data: bytes) -> bool:
    """Write in one step; False if it says so already."""
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    half = path.with_name(f"{path.name}.half")
    half.write_bytes(data)
    half.replace(path)
    return True


def _write_settings(folder: Path, user: str, speed: float) -> bool:
    plain = msgspec.to_builtins(fleet_settings(folder, user=user, speed=speed))
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return _write(
        folder / FLEET_FILE, f"# Written by `hive demo`; `hive demo reset` removes it.\n{text}".encode()
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
