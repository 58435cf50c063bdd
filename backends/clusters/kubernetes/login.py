"""The credentials of one user at one server, renewed when they are refused or have come to their end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from hive_tui.core.errors import HiveError

if TYPE_CHECKING:
    from backends.clusters.kubernetes.session import Access, Session

RENEW_SECONDS = 5.0
"""Between two attempts to get credentials that are accepted."""


class Login:
    """Thread-safe; nothing is read or run before the first call that needs it."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._failed: HiveError | None = None
        """Why there were no credentials, the last time."""
        self._renew_after = 0.0

    def open(self, instead_of: Session | None = None, *, seconds: float | None = None) -> Session:
        """Credentials that are good, or seem to be; those that were refused are renewed, but not without end:
        that may run a program that asks a person, here for so many seconds at most."""
        with self._lock:
            session, now = self._session, time.monotonic()
            refused = session is not None and session is instead_of
            if session is not None and not session.expired() and (not refused or now < self._renew_after):
                return session
            if self._failed is not None and now < self._renew_after:
                raise self._failed.with_traceback(None)
            try:
                made = self._access.open(seconds)
            except HiveError as error:
                self._session, self._failed = None, error
                self._renew_after = time.monotonic() + RENEW_SECONDS
                raise
            self._session, self._failed = made, None
            if refused:
                self._renew_after = time.monotonic() + RENEW_SECONDS
            if session is not None:
                session.close()
            return made

    def close(self) -> None:
        """End the connections that are not in use."""
        # Without the lock: whoever has it may wait for a program for a minute.
        session, self._session = self._session, None
        if session is not None:
            session.close()
