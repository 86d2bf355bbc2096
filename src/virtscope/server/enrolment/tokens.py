"""Invitations: tokens with which a host is enrolled once, before they expire."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from virtscope.enrolment import EnrolmentToken
from virtscope.errors import AgentRefused, BadInput, NotFound
from virtscope.server.access.registry import Registry

TTL = 1_800
"""Seconds for which a token is good, unless told otherwise."""
LONGEST_TTL = 7 * 86_400
_KEPT = 30 * 86_400
"""Seconds for which tokens that are of no use any more are still listed."""
_HINT = "'virtscope token create' on the server makes a new one."


@dataclass(frozen=True, slots=True)
class Invitation:
    """A token as the server knows it: everything but its secret. Times are Unix seconds."""

    id: str
    name: str | None
    """What the host will be called; None leaves that to the host."""
    made: float
    made_by: str
    expires: float
    used: float | None = None
    agent: str | None = None
    """Who was enrolled with it."""
    withdrawn: float | None = None

    def state(self, now: float) -> str:
        """``open``, ``used``, ``withdrawn`` or ``expired``."""
        if self.used is not None:
            return "used"
        if self.withdrawn is not None:
            return "withdrawn"
        return "open" if now < self.expires else "expired"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made just now: the only time that its secret is told."""

    token: EnrolmentToken = field(repr=False)
    invitation: Invitation


class Tokens:
    """Every invitation."""

    def __init__(self, registry: Registry, fingerprint: bytes, clock: Callable[[], float] = time.time) -> None:
        """Keep them in the registry; ``fingerprint`` is that of the authority whom hosts are to trust."""
        self._registry = registry
        self._fingerprint = fingerprint
        self._clock = clock
        registry.define(
            """CREATE TABLE IF NOT EXISTS enrolment_tokens (
                id TEXT PRIMARY KEY, secret BLOB NOT NULL UNIQUE, name TEXT, made REAL NOT NULL, made_by TEXT NOT NULL,
                expires REAL NOT NULL, used REAL, agent TEXT, key BLOB, withdrawn REAL)"""
        )

    def create(self, made_by: str, name: str | None = None, ttl: float = TTL) -> NewToken:
        """Invite one host.

        Args:
            made_by: who does so.
            name: what the host will be called; None leaves that to the host.
            ttl: seconds for which the token is good.

        Raises:
            BadInput: the name or the time makes no sense.
        """
        if not 0 < ttl <= LONGEST_TTL:
            raise BadInput(f"a token cannot be good for {ttl:g} seconds", "A minute to a week, as 30m or 2h.")
        if name is not None:
            name = checked_name(name)
        now = self._clock()
        token = EnrolmentToken.new(self._fingerprint)
        made = Invitation(secrets.token_hex(4), name, now, made_by, now + ttl)
        with self._registry.write() as connection:
            connection.execute("DELETE FROM enrolment_tokens WHERE expires < ?", (now - _KEPT,))
            connection.execute(
                "INSERT INTO enrolment_tokens (id, secret, name, made, made_by, expires) VALUES (?, ?, ?, ?, ?, ?)",
                (made.id, token.digest, name, now, made_by, made.expires),
            )
        return NewToken(token, made)

    def list(self) -> tuple[Invitation, ...]:
        """Every token, newest first."""
        query = (
            "SELECT id, name, made, made_by, expires, used, agent, withdrawn FROM enrolment_tokens ORDER BY made DESC"
        )
        return tuple(Invitation(*row) for row in self._registry.rows(query))

    def withdraw(self, token: str) -> None:
        """Make a token, named by its id, useless; one that is so already stays as it is.

        Raises:
            NotFound: there is none of this id.
        """
        with self._registry.write() as connection:
            changed = connection.execute(
                "UPDATE enrolment_tokens SET withdrawn = coalesce(withdrawn, ?) WHERE id = ?", (self._clock(), token)
            ).rowcount
        if not changed:
            raise NotFound(f"no enrolment token {token!r}", "'virtscope token list' lists them all.")

    def use(self, connection: sqlite3.Connection, text: str, key: bytes, agent: str) -> tuple[str, str | None]:
        """Use up a token within a transaction; the agent it stands for, and the name that was given to it.

        A token is good for one key. A host that did not hear the answer may ask again with the same key, and is the
        same agent then.

        Args:
            connection: the transaction.
            text: the token.
            key: the public key (DER) of the one who uses it.
            agent: the id of the agent who would be enrolled with it.

        Raises:
            AgentRefused: it is not known, was used, was withdrawn, or has expired.
        """
        try:
            secret = EnrolmentToken.parse(text).digest
        except BadInput as error:
            raise AgentRefused(str(error), error.hint) from None
        holder = hashlib.sha256(key).digest()
        now = self._clock()
        row = connection.execute(
            "SELECT id, name, expires, used, agent, key, withdrawn FROM enrolment_tokens WHERE secret = ?", (secret,)
        ).fetchone()
        if row is None:
            raise AgentRefused("the server does not know this enrolment token", _HINT)
        name, expires, used, enrolled, used_with, withdrawn = row[1:]
        if withdrawn is not None:
            raise AgentRefused("the enrolment token was withdrawn", _HINT)
        if now >= expires:
            raise AgentRefused("the enrolment token has expired", _HINT)
        if used is not None:
            if used_with != holder:
                raise AgentRefused("the enrolment token was used already: each is good for one host", _HINT)
            return enrolled, name
        connection.execute(
            "UPDATE enrolment_tokens SET used = ?, agent = ?, key = ? WHERE secret = ?", (now, agent, holder, secret)
        )
        return agent, name


def checked_name(name: str) -> str:
    """A name for an agent, without space around it.

    Raises:
        BadInput: it is empty, too long, or not a line of text.
    """
    found = name.strip()
    if not found or len(found) > 255 or not found.isprintable():
        raise BadInput("an agent's name should be a line of 1 to 255 characters", "As the host's name: kvm7")
    return found
