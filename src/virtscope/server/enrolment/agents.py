"""Every agent, with its certificates: enrolled, recognised, renewed, revoked.

A certificate is recognised by its SHA-256, so that only the very ones that were issued here are good, whoever else the
authority may sign for. What was found is remembered; every change of ours forgets it, so that a revocation holds from
the next request on.

A renewed certificate takes over when it is first used, not when it is issued: an answer that was lost locks nobody out.
The one before is good for another day then, for connections that are open.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from virtscope.enrolment import Issued, Myself
from virtscope.errors import AgentRefused, Ambiguous, NotFound, StoreError
from virtscope.server.access.registry import Registry
from virtscope.server.enrolment import signing_request
from virtscope.server.enrolment.authority import Anchor, Authority
from virtscope.server.enrolment.tokens import Tokens, checked_name

log = logging.getLogger(__name__)

LIFETIME = 30 * 86_400
"""Seconds for which an agent's certificate is valid, unless told otherwise."""
GRACE = 86_400
"""Seconds for which a certificate is still good after its successor was first used."""
_KEPT = 90 * 86_400
"""Seconds for which an expired certificate is known as such."""
_FLUSH = 300
"""Seconds between two times that it is written down who was seen."""
_MOST_REMEMBERED = 20_000
_ENROL_AGAIN = "Enrol the host again, with a token that 'virtscope token create' makes on the server."


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """Who an agent is, by its certificate alone."""

    id: str
    """A UUID."""
    name: str


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as the registry knows it. Times are Unix seconds."""

    id: str
    name: str
    made: float
    token: str
    """The id of the token it was enrolled with."""
    serial: str
    """Of its newest certificate, in hexadecimal digits."""
    certified: float
    """When that certificate was issued."""
    expires: float
    """When that certificate does."""
    revoked: float | None
    seen: float | None
    address: str | None
    """Where it was seen from last."""
    version: str | None
    """What it ran then."""


@dataclass(frozen=True, slots=True)
class _Known:
    identity: AgentIdentity
    until: float


class Agents:
    """The registry of agents. For any thread."""

    def __init__(
        self,
        registry: Registry,
        authority: Authority,
        anchor: Anchor,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep them in the registry.

        Args:
            registry: where.
            authority: who signs their certificates.
            anchor: whom they trust in order to trust the server.
            lifetime: seconds for which a certificate is valid.
            clock: the time, in Unix seconds.
        """
        self._registry = registry
        self._authority = authority
        self.anchor = anchor
        self._lifetime = lifetime
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._seen: dict[str, tuple[float, str, str]] = {}
        self._flushed = clock()
        self._guard = threading.RLock()
        self.tokens = Tokens(registry, anchor.fingerprint, clock)
        registry.define(
            """CREATE TABLE IF NOT EXISTS agents (
                id TEXT PRIMARY KEY, name TEXT NOT NULL, made REAL NOT NULL, token TEXT NOT NULL, revoked REAL,
                seen REAL, address TEXT, version TEXT)""",
            """CREATE TABLE IF NOT EXISTS agent_certificates (
                fingerprint BLOB PRIMARY KEY, agent TEXT NOT NULL REFERENCES agents (id), serial TEXT NOT NULL,
                made REAL NOT NULL, expires REAL NOT NULL, used REAL, replaced REAL)""",
            "CREATE INDEX IF NOT EXISTS agent_certificates_of ON agent_certificates (agent)",
        )

    def enrol(self, token: str, request: str, name: str) -> Issued:
        """Make a host an agent.

        Args:
            token: its invitation.
            request: its signing request (PEM).
            name: what it calls itself, unless the invitation says what it is called.

        Raises:
            BadInput: the request or the name makes no sense; the token is not used up.
            AgentRefused: the token is no good.
        """
        key = signing_request.key_of(request)
        name = checked_name(name)
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        now = self._clock()
        with self._registry.write() as connection:
            agent, given = self.tokens.use(connection, token, der, str(uuid.uuid4()))
            connection.execute(
                "INSERT INTO agents (id, name, made, token) SELECT ?, ?, ?, id FROM enrolment_tokens WHERE agent = ?"
                " ON CONFLICT (id) DO NOTHING",
                (agent, given or name, now, agent),
            )
            known, revoked = connection.execute("SELECT name, revoked FROM agents WHERE id = ?", (agent,)).fetchone()
            if revoked is not None:
                raise AgentRefused(f"agent {known} was revoked", _ENROL_AGAIN)
            issued = self._issue(connection, key, AgentIdentity(agent, known), now)
        self._forget()
        return issued

    def renew(self, identity: AgentIdentity, request: str) -> Issued:
        """The next certificate of an agent that has shown the present one.

        Raises:
            BadInput: the request makes no sense.
        """
        key = signing_request.key_of(request)
        now = self._clock()
        with self._registry.write() as connection:
            connection.execute("DELETE FROM agent_certificates WHERE expires < ?", (now - _KEPT,))
            issued = self._issue(connection, key, identity, now)
        self._forget()
        return issued

    def identify(self, certificate: bytes | None, address: str = "", version: str = "") -> AgentIdentity:
        """Who shows a certificate.

        Args:
            certificate: DER, of a connection whose other end holds its key.
            address: where from.
            version: what it says that it runs.

        Raises:
            AgentRefused: there is no certificate, or it is not good (any more).
        """
        if certificate is None:
            raise AgentRefused(
                "an agent shows who it is by its certificate, and there is none", _ENROL_AGAIN, unknown=True
            )
        now = self._clock()
        known = self._known.get(certificate)
        if known is None or now >= known.until:
            # What is read and remembered under the guard cannot outlive a revocation in between.
            with self._guard:
                known = self._look_up(certificate, now)
        self._seen[known.identity.id] = (now, address, version)
        if now - self._flushed > _FLUSH:
            self.flush()
        return known.identity

    def myself(self, identity: AgentIdentity) -> Myself:
        """What is known of an agent, for itself."""
        return Myself(identity.id, identity.name, self.find(identity.id).expires)

    def list(self) -> tuple[Agent, ...]:
        """Every agent, by name; revoked ones too."""
        rows = self._registry.rows(
            """SELECT id, name, agents.made, token, serial, agent_certificates.made, max(expires), revoked, seen,
            address, version
            FROM agents JOIN agent_certificates ON agent = id GROUP BY id ORDER BY name, agents.made"""
        )
        return tuple(self._with_newest_sight(Agent(*row)) for row in rows)

    def find(self, name: str) -> Agent:
        """One agent, by id or name; of several with a name, the one that is not revoked.

        Raises:
            NotFound: there is none.
            Ambiguous: several fit.
        """
        agents = self.list()
        found = [agent for agent in agents if agent.id == name] or [agent for agent in agents if agent.name == name]
        found = [agent for agent in found if agent.revoked is None] or found
        if not found:
            raise NotFound(f"no agent {name!r}", "'virtscope agents list' lists them all.")
        if len(found) > 1:
            ids = ", ".join(agent.id for agent in found)
            raise Ambiguous(f"{len(found)} agents are called {name!r}", f"Say which by its id: {ids}.")
        return found[0]

    def revoke(self, name: str) -> None:
        """Let an agent, named by id or name, in no more, from its next request on.

        Raises:
            NotFound: there is none.
            Ambiguous: several fit.
        """
        agent = self.find(name)
        with self._registry.write() as connection:
            connection.execute(
                "UPDATE agents SET revoked = coalesce(revoked, ?) WHERE id = ?", (self._clock(), agent.id)
            )
        self._forget()

    def rename(self, name: str, to: str) -> None:
        """Call an agent, named by id or name, something else.

        Raises:
            NotFound: there is none.
            Ambiguous: several fit.
            BadInput: that is no name.
        """
        agent = self.find(name)
        with self._registry.write() as connection:
            connection.execute("UPDATE agents SET name = ? WHERE id = ?", (checked_name(to), agent.id))
        self._forget()

    def flush(self) -> None:
        """Write down who was seen when; called now and then, and at the end."""
        self._flushed = self._clock()
        seen = [(*sight, agent) for agent, sight in list(self._seen.items())]
        try:
            with self._registry.write() as connection:
                connection.executemany("UPDATE agents SET seen = ?, address = ?, version = ? WHERE id = ?", seen)
        except StoreError as error:
            # A disk that is full keeps no agent out; it is written down the next time.
            log.warning("cannot write down which agents were seen: %s", error)

    def _issue(
        self, connection: sqlite3.Connection, key: ec.EllipticCurvePublicKey, of: AgentIdentity, now: float
    ) -> Issued:
        certificate = self._authority.agent_certificate(key, of.id, self._lifetime)
        expires = certificate.not_valid_after_utc.timestamp()
        # Who asks again did not get, or lost, what it was answered before.
        connection.execute("DELETE FROM agent_certificates WHERE agent = ? AND used IS NULL", (of.id,))
        connection.execute(
            "INSERT INTO agent_certificates (fingerprint, agent, serial, made, expires) VALUES (?, ?, ?, ?, ?)",
            (_fingerprint(_der(certificate)), of.id, f"{certificate.serial_number:x}", now, expires),
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Issued(of.id, of.name, pem, self.anchor.pem, now, expires)

    def _look_up(self, certificate: bytes, now: float) -> _Known:
        fingerprint = _fingerprint(certificate)
        rows = self._registry.rows(
            """SELECT id, name, revoked, expires, used, replaced FROM agent_certificates JOIN agents ON agent = id
            WHERE fingerprint = ?""",
            (fingerprint,),
        )
        if not rows:
            raise AgentRefused("the server does not know this certificate", _ENROL_AGAIN)
        agent, name, revoked, expires, used, replaced = rows[0]
        if revoked is not None:
            raise AgentRefused(f"agent {name} was revoked", _ENROL_AGAIN)
        if now >= expires:
            raise AgentRefused(f"the certificate of agent {name} has expired", _ENROL_AGAIN, unknown=True)
        until = expires if replaced is None else min(expires, replaced + GRACE)
        if now >= until:
            raise AgentRefused(f"the certificate of agent {name} was replaced by a newer one", _ENROL_AGAIN)
        if used is None:
            self._take_over(agent, fingerprint, now)
        known = _Known(AgentIdentity(agent, name), until)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[certificate] = known
        return known

    def _take_over(self, agent: str, fingerprint: bytes, now: float) -> None:
        """A certificate is used for the first time: the ones before it have a day left."""
        with self._registry.write() as connection:
            connection.execute("UPDATE agent_certificates SET used = ? WHERE fingerprint = ?", (now, fingerprint))
            connection.execute(
                """UPDATE agent_certificates SET replaced = ?
                WHERE agent = ? AND fingerprint <> ? AND used IS NOT NULL AND replaced IS NULL""",
                (now, agent, fingerprint),
            )
        self._forget()

    def _forget(self) -> None:
        with self._guard:
            self._known.clear()

    def _with_newest_sight(self, agent: Agent) -> Agent:
        if agent.id not in self._seen:
            return agent
        seen, address, version = self._seen[agent.id]
        return replace(agent, seen=seen, address=address, version=version or agent.version)


def _fingerprint(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
