"""API tokens: what programs show instead of a password. Shown once when made; the registry has only its hash."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from virtscope.errors import BadInput, NotAllowed, NotFound, StoreError, Taken
from virtscope.server.access.registry import Registry
from virtscope.server.access.sessions import NOTED_SECONDS, digest
from virtscope.server.access.users import as_projects, limits
from virtscope.server.access.who import OWNER, Role, Who

PREFIX = "vst_"
"""Every token begins so: whoever finds one in a file knows what it is, and so do secret scanners."""
LONGEST_NAME = 100
_TABLE = """CREATE TABLE IF NOT EXISTS api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    user TEXT REFERENCES users ON DELETE CASCADE, role INTEGER NOT NULL, projects TEXT,
    created REAL NOT NULL, expires REAL, used REAL) STRICT"""
_COLUMNS = """id, api_tokens.name, user, api_tokens.role, api_tokens.projects, users.role, users.projects,
    api_tokens.created, expires, used"""
_FROM = "FROM api_tokens LEFT JOIN users ON users.name = user"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is listed. Times are Unix seconds."""

    id: int
    name: str
    user: str
    """Who made it; ``owner`` where it was made through the server's own socket."""
    role: Role
    """What it may: never more than its user may now."""
    projects: frozenset[str] | None
    created: float
    expires: float | None
    used: float | None
    """The last time, to the minute."""


class ApiTokens:
    """The tokens of a registry."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        registry.define(_TABLE)

    def visible_to(self, who: Who) -> list[ApiToken]:
        """The tokens that somebody may see and revoke: an admin all, others their own, none with more rights."""
        found = [_token(row) for row in self._registry.rows(f"SELECT {_COLUMNS} {_FROM} ORDER BY user, id")]
        return [one for one in found if who.role is Role.ADMIN or _is_within(one, who)]

    def create(
        self, maker: Who, name: str, role: Role, projects: frozenset[str] | None, expires: float | None
    ) -> tuple[str, ApiToken]:
        """A new token: its text, which is not kept, and what is listed of it.

        Raises:
            BadInput: the name, or the time, makes no sense; or an admin's is limited to projects.
            NotAllowed: it would have more rights, or last longer, than what its maker has shown.
            Taken: the maker has one of this name.
        """
        now = self._clock()
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise BadInput("a token needs a name", f"Say what it is for, in {LONGEST_NAME} characters at most.")
        if expires is not None and expires <= now:
            raise BadInput("the token would have expired already", "Times are Unix seconds.")
        if not maker.covers(role, projects):
            raise NotAllowed(
                "a token cannot have more rights than its maker", f"You are {maker.role.word}; ask for that, or less."
            )
        if maker.until is not None and (expires is None or expires > maker.until):
            raise NotAllowed(
                "a token made with a token cannot outlast it", "Sign in with a password to make one that lasts longer."
            )
        kept = limits(role, projects)
        user = None if maker.name == OWNER.name else maker.name
        text = PREFIX + secrets.token_urlsafe(32)
        with self._registry.write() as connection:
            if connection.execute("SELECT 1 FROM api_tokens WHERE name = ? AND user IS ?", (name, user)).fetchone():
                raise Taken(f"there is a token {name!r} already", "Choose another name, or revoke it first.")
            made = connection.execute(
                """INSERT INTO api_tokens (hash, name, user, role, projects, created, expires)
                   VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
                (digest(text), name, user, role, kept, now, expires),
            ).fetchone()
            return text, _token(self._registry.rows(f"SELECT {_COLUMNS} {_FROM} WHERE id = ?", made)[0])

    def find(self, text: str) -> Who | None:
        """Who shows a token; None where there is none such, or no longer."""
        now = self._clock()
        rows = self._registry.rows(
            f"SELECT {_COLUMNS} {_FROM} WHERE hash = ? AND (expires IS NULL OR expires > ?)", (digest(text), now)
        )
        if not rows:
            return None
        found = _token(rows[0])
        if now - (found.used or 0) > NOTED_SECONDS:
            with suppress(StoreError), self._registry.write() as connection:  # a full disk keeps nobody out
                connection.execute("UPDATE api_tokens SET used = ? WHERE id = ?", (now, found.id))
        return Who(found.user, found.role, found.projects, found.expires)

    def revoke(self, who: Who, id: int) -> None:  # noqa: A002
        """A token is no longer worth anything; NotFound where there is none that somebody may see."""
        if all(token.id != id for token in self.visible_to(who)):
            raise NotFound(f"no API token {id}", "'virtscope api-tokens list' shows them all.")
        with self._registry.write() as connection:
            connection.execute("DELETE FROM api_tokens WHERE id = ?", (id,))


def _is_within(token: ApiToken, who: Who) -> bool:
    return token.user == who.name and who.covers(token.role, token.projects)


def _token(row: tuple[Any, ...]) -> ApiToken:
    """A row, with the rights that are left of it where its user has lost some since."""
    id, name, user, role, projects, users_role, users_projects, created, expires, used = row  # noqa: A001
    own, users = as_projects(projects), as_projects(users_projects)
    both = own if users is None else users if own is None else own & users
    most = Role.ADMIN if both is None else Role.OPERATOR  # an admin who is limited could lift that by himself
    left = Role(min(role, most if user is None else users_role, most))
    return ApiToken(id, name, user or OWNER.name, left, both, created, expires, used)
