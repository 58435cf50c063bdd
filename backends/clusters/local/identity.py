"""What tells a fleet from every other one, on whatever machine: a number drawn once for its data folder."""

from __future__ import annotations

import os
from pathlib import Path

from hive_tui.core.errors import SourceError

_DIGITS = 8


def of_folder(home: Path) -> str:
    """The identity of the fleet in this folder, which is made if need be. Raises SourceError."""
    path = home / "identity"
    try:
        known = _read(path)
        if known is None:
            home.mkdir(parents=True, exist_ok=True)
            # Made aside and linked, so that of several that begin at once all read what one of them wrote.
            new = home / f"identity.{os.getpid()}.{_drawn()}"
            new.write_text(_drawn())
            try:
                os.link(new, path)
            except FileExistsError:
                pass
            finally:
                new.unlink()
            known = path.read_text().strip()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}.", "`hive doctor` looks at the folder.") from error
    return known


def _drawn() -> str:
    # As `secrets.token_hex` does it, whose import takes longer than all else that a first look needs here.
    return os.urandom(_DIGITS // 2).hex()


def _read(path: Path) -> str | None:
    """What is kept there; a file that a full disk left empty or cut off counts as none."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if len(text) != _DIGITS:
        path.unlink()
        return None
    return text
