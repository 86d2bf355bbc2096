"""Users: people with a role, limited to projects where that is wanted, who sign in with a password or elsewhere."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtscope.errors import BadInput, NotFound, Taken
from virtscope.server.access.registry import Registry
from virtscope.server.access.who import EVERYBODY, OWNER, Role

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TABLE = """CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, role INTEGER NOT NULL, projects TEXT, password TEXT,
    issuer TEXT, subject TEXT, email TEXT,
    version INTEGER NOT NULL DEFAULT 1, created REAL NOT NULL, signed_in REAL,
    UNIQUE (issuer, subject)) STRICT"""
_COLUMNS = "name, role, projects, issuer, subject, email, created, signed_in"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. Times are Unix seconds."""

    name: str
    role: Role
    projects: frozenset[str] | None
    """None is everything."""
    issuer: str | None
    """The provider that signs him in; None: his password does."""
    subject: str | None
    """His name there, which never changes."""
    email: str | None
    created: float
    signed_in: float | None
    """The last time."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as a provider vouches for him, with the rights that its claims bring."""

    issuer: str
    subject: str
    email: str | None
    """Only where the provider has verified it."""
    role: Role
    projects: frozenset[str] | None


class Users:
    """The users of a registry."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        registry.define(_TABLE)

    def all(self) -> list[User]:
        """Everybody, by name."""
        return [_user(row) for row in self._registry.rows(f"SELECT {_COLUMNS} FROM users ORDER BY name")]

    def named(self, name: str) -> User:
        """One of them; NotFound otherwise."""
        rows = self._registry.rows(f"SELECT {_COLUMNS} FROM users WHERE name = ?", (name,))
        if not rows:
            raise NotFound(f"no user {name!r}", "'virtscope users list' names them all.")
        return _user(rows[0])

    def password_of(self, name: str) -> str | None:
        """The hash of somebody's password; None where there is nobody, or who has none."""
        rows = self._registry.rows("SELECT password FROM users WHERE name = ?", (name,))
        found: str | None = rows[0][0] if rows else None
        return found

    def has_admin(self) -> bool:
        """Whether there is somebody who may add the others."""
        return bool(self._registry.rows("SELECT 1 FROM users WHERE role = ? LIMIT 1", (Role.ADMIN,)))

    def add(self, name: str, role: Role, projects: frozenset[str] | None, password: str) -> User:
        """Somebody new, with the hash of a password.

        Raises:
            BadInput: that is no name, or an admin is limited to projects.
            Taken: somebody has it.
        """
        with self._registry.write() as connection:
            return self._add(connection, name, role, projects, password)

    def add_first(self, name: str, password: str) -> User | None:
        """The first admin; None where somebody was faster."""
        with self._registry.write() as connection:
            return None if self.has_admin() else self._add(connection, name, Role.ADMIN, None, password)

    def set_rights(self, name: str, role: Role, projects: frozenset[str] | None) -> User:
        """Another role, other projects; whoever is signed in by this name no longer is.

        Raises:
            NotFound: there is no such user.
            BadInput: the rights come from a provider, an admin is limited, or nobody would be left to add others.
        """
        with self._registry.write() as connection:
            user = self.named(name)
            if user.issuer:
                raise BadInput(
                    f"the rights of {name!r} come from {user.issuer}", "Change the claims, or their mapping."
                )
            self._keep_an_admin(user, role)
            values = (role, limits(role, projects), name)
            connection.execute("UPDATE users SET role = ?, projects = ?, version = version + 1 WHERE name = ?", values)
            return self.named(name)

    def set_password(self, name: str, password: str) -> None:
        """The hash of another password; whoever is signed in by this name no longer is.

        Raises:
            NotFound: there is no such user.
            BadInput: a provider signs him in.
        """
        with self._registry.write() as connection:
            user = self.named(name)
            if user.issuer:
                raise BadInput(f"{name!r} signs in at {user.issuer}", "The password is changed there.")
            connection.execute("UPDATE users SET password = ?, version = version + 1 WHERE name = ?", (password, name))

    def remove(self, name: str) -> None:
        """Somebody no longer may come in: his sessions and API tokens go with him.

        Raises:
            NotFound: there is no such user.
            BadInput: nobody would be left to add others.
        """
        with self._registry.write() as connection:
            self._keep_an_admin(self.named(name), None)
            connection.execute("DELETE FROM users WHERE name = ?", (name,))

    def vouched(self, identity: Identity) -> User:
        """The user of a provider's identity, made at his first time, with the rights that it brings now.

        An identity is its issuer and subject alone. No password's user is ever taken for it, whatever e-mail it tells:
        the name has an ``@``, which no other name can have.
        """
        whose = (identity.issuer, identity.subject)
        with self._registry.write() as connection:
            known = connection.execute("SELECT name FROM users WHERE issuer = ? AND subject = ?", whose).fetchone()
            if known is None:
                name = self._free_name(identity)
                values = (name, identity.role, *whose, self._clock())
                connection.execute(
                    "INSERT INTO users (name, role, issuer, subject, created) VALUES (?, ?, ?, ?, ?)", values
                )
            else:
                name = known[0]
            rights = (identity.role, limits(identity.role, identity.projects))
            connection.execute(
                """UPDATE users SET version = version + (role IS NOT ?1 OR projects IS NOT ?2),
                   role = ?1, projects = ?2, email = ?3 WHERE name = ?4""",
                (*rights, identity.email, name),
            )
            return self.named(name)

    def signed_in(self, name: str) -> None:
        """Take note that somebody came in."""
        with self._registry.write() as connection:
            connection.execute("UPDATE users SET signed_in = ? WHERE name = ?", (self._clock(), name))

    def _add(
        self, connection: sqlite3.Connection, name: str, role: Role, projects: frozenset[str] | None, password: str
    ) -> User:
        if not _NAME.fullmatch(name) or name in (EVERYBODY.name, OWNER.name):
            raise BadInput(
                f"{name!r} cannot be a user's name",
                "Small letters, digits, '.', '_' and '-', as 'ana.silva'; 64 at most.",
            )
        if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone():
            raise Taken(f"there is a user {name!r} already", f"'virtscope users set {name}' changes it.")
        connection.execute(
            "INSERT INTO users (name, role, projects, password, created) VALUES (?, ?, ?, ?, ?)",
            (name, role, limits(role, projects), password, self._clock()),
        )
        return self.named(name)

    def _free_name(self, identity: Identity) -> str:
        host = identity.issuer.partition("://")[2].partition("/")[0]
        wanted = identity.email if identity.email and "@" in identity.email else None
        taken = self._registry.rows("SELECT 1 FROM users WHERE name = ?", (wanted,))
        return wanted if wanted and not taken else f"{identity.subject}@{host}"

    def _keep_an_admin(self, user: User, role: Role | None) -> None:
        others = self._registry.rows("SELECT 1 FROM users WHERE role = ? AND name <> ?", (Role.ADMIN, user.name))
        if user.role is Role.ADMIN and role is not Role.ADMIN and not others:
            raise BadInput(f"{user.name!r} is the last admin", "Make somebody else an admin first.")


def as_text(projects: frozenset[str] | None) -> str | None:
    """Projects as the registry keeps them."""
    return None if projects is None else json.dumps(sorted(projects))


def as_projects(text: str | None) -> frozenset[str] | None:
    """What ``as_text`` made."""
    return None if text is None else frozenset(json.loads(text))


def limits(role: Role, projects: frozenset[str] | None) -> str | None:
    """The projects that a role is limited to, as the registry keeps them.

    Raises:
        BadInput: an admin is limited: he could lift that by himself.
    """
    if role is Role.ADMIN and projects is not None:
        raise BadInput("an admin cannot be limited to projects", "Make an operator or a viewer of him.")
    return as_text(projects)


def _user(row: tuple[Any, ...]) -> User:
    name, role, projects, *rest = row
    return User(name, Role(role), as_projects(projects), *rest)
