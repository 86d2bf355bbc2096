"""The guest lane: what only a read-write connection may ask, where the operator has allowed it for this host.

``stats-period`` sets how often a guest's balloon tells its memory figures, where that is unset; ``guest-agent`` asks
the guest's own agent for its name, system, users and file systems. Nothing else is ever written. It has a connection
and a thread of its own; a guest whose agent does not answer costs its own turn and is asked again in the next round.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from virtscope.agent.hypervisor import Guest, WriteConnection
from virtscope.agent.lane import Call, Lane, close_after
from virtscope.agent.settings import Write
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import HypervisorError, Late
from virtscope.sample import GuestFacts, Row

STATS_PERIOD_SECONDS = 10
"""What an unset balloon stats period is set to."""
ANSWER_SECONDS = 3
"""How long a guest's agent may take."""


@dataclass(frozen=True, slots=True)
class GuestReading:
    """What one round has brought."""

    guests: Sequence[GuestFacts]
    filesystems: Sequence[Row]
    """Rows of the scope FILESYSTEM."""


class GuestLane:
    """Rounds through all guests of a host, one at a time."""

    def __init__(self, uri: ConnectionUri, host: str, allowed: frozenset[Write]) -> None:
        self._uri = uri
        self._host = host
        self._allowed = allowed
        self._lane = Lane(f"libvirt guests {uri.text}")
        self._connection: WriteConnection | None = None
        self._round: Call[GuestReading] | None = None

    def start(self, domains: Collection[str]) -> None:
        """Begin a round through these domains, unless the last one is still on its way."""
        with suppress(Late):
            self._round = self._lane.start(lambda: self._read(domains))

    def result(self) -> GuestReading | None:
        """What the last round has brought, once; None while there is nothing new.

        Raises:
            HypervisorError: it failed: there is no read-write connection to be had, mostly.
        """
        if self._round is None or not self._round.is_done:
            return None
        finished, self._round = self._round, None
        return finished.result(0)

    def close(self) -> None:
        """Close the connection once the lane is idle."""
        close_after([self._lane], self._disconnect)

    def _read(self, domains: Collection[str]) -> GuestReading:
        connection = self._open()
        guests: list[GuestFacts] = []
        filesystems: list[Row] = []
        for guest in connection.running():
            if guest.id not in domains:
                continue
            if Write.STATS_PERIOD in self._allowed and guest.stats_period == 0:
                connection.set_stats_period(guest, STATS_PERIOD_SECONDS)
            if Write.GUEST_AGENT in self._allowed and guest.has_agent:
                facts, rows = self._ask(connection, guest)
                guests.append(facts)
                filesystems.extend(rows)
        return GuestReading(guests, filesystems)

    def _ask(self, connection: WriteConnection, guest: Guest) -> tuple[GuestFacts, Sequence[Row]]:
        try:
            told = connection.ask(guest, ANSWER_SECONDS)
        except HypervisorError as error:
            return GuestFacts(guest.id, self._host, problem=str(error)), ()
        rows: list[Row] = [(guest.id, fs.mountpoint, fs.size, fs.used) for fs in told.filesystems]
        facts = GuestFacts(guest.id, self._host, told.hostname, told.os, told.kernel, told.timezone, told.users)
        return facts, rows

    def _open(self) -> WriteConnection:
        if self._connection is None or not self._connection.alive:
            self._connection = WriteConnection(self._uri)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
