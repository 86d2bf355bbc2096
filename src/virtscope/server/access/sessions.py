"""Sessions: who is signed in on the page. The browser has a random token, the registry only its hash."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from virtscope.errors import StoreError
from virtscope.server.access.registry import Registry
from virtscope.server.access.users import as_projects
from virtscope.server.access.who import Role, Who

_TABLE = """CREATE TABLE IF NOT EXISTS sessions (
    hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users ON DELETE CASCADE, version INTEGER NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL) STRICT"""
NOTED_SECONDS = 60.0
"""How old the note of the last use may become: not every request writes."""


class Sessions:
    """The sessions of a registry. One is over when its user's password or rights have changed since."""

    def __init__(
        self, registry: Registry, idle_seconds: float, most_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._registry = registry
        self._idle, self._most = idle_seconds, most_seconds
        self._clock = clock
        registry.define(_TABLE)

    def begin(self, user: str) -> str:
        """A new session's token."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._registry.write() as connection:
            over = (now - self._idle, now - self._most)
            connection.execute("DELETE FROM sessions WHERE used <= ? OR created <= ?", over)
            connection.execute(
                "INSERT INTO sessions SELECT ?, name, version, ?, ? FROM users WHERE name = ?",
                (digest(token), now, now, user),
            )
        return token

    def find(self, token: str) -> Who | None:
        """Whose session a token is; None where it is over, or never was."""
        now = self._clock()
        rows = self._registry.rows(
            """SELECT name, role, projects, used FROM sessions JOIN users ON name = user
               WHERE hash = ? AND sessions.version = users.version AND used > ? AND sessions.created > ?""",
            (digest(token), now - self._idle, now - self._most),
        )
        if not rows:
            return None
        name, role, projects, used = rows[0]
        if now - used > NOTED_SECONDS:
            with suppress(StoreError), self._registry.write() as connection:  # a full disk keeps nobody out
                connection.execute("UPDATE sessions SET used = ? WHERE hash = ?", (now, digest(token)))
        return Who(name, Role(role), as_projects(projects))

    def end(self, token: str) -> None:
        """A session is over."""
        with self._registry.write() as connection:
            connection.execute("DELETE FROM sessions WHERE hash = ?", (digest(token),))


def digest(token: str) -> str:
    """A random token as the registry keeps it: it cannot be guessed, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
