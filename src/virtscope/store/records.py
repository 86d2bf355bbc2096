"""What is not a sample: inventory with its history, events, the agents' links and how far each agent is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import duckdb
import msgspec

from virtscope.sample import Batch, DomainFacts, Event, HostFacts, Link
from virtscope.store.database import Database

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Known:
    """Everything the records say of the present."""

    hosts: tuple[HostFacts, ...]
    domains: tuple[DomainFacts, ...]
    links: tuple[Link, ...]


class Records:
    """The tables beside the samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._progress = self._load_progress()

    def is_stored(self, batch: Batch) -> bool:
        """Whether a batch came before: its agent's stored sequence is already there."""
        return batch.sequence <= self._progress.get((batch.agent, batch.epoch), 0)

    def stored_through(self, agent: str, epoch: int) -> int:
        """The highest sequence of an agent's epoch that is durable; 0 where there is none."""
        return self._progress.get((agent, epoch), 0)

    def write(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
        """Write these batches' records within the transaction of ``connection``."""
        inventory = [row for batch in batches for row in _inventory(batch)]
        if inventory:
            connection.executemany("INSERT INTO inventory VALUES (epoch_ms(?::BIGINT), ?, ?, ?, ?)", inventory)
        events = [
            (event.at, event.host, event.domain, event.kind, event.detail)
            for batch in batches
            for event in batch.events
        ]
        if events:
            connection.executemany("INSERT INTO events VALUES (epoch_ms(?::BIGINT), ?, ?, ?, ?)", events)
        links = {link.uri: link for batch in batches for link in batch.links}
        for uri, link in links.items():
            connection.execute("INSERT OR REPLACE INTO links VALUES (?, ?)", [uri, _encode(link)])
        progress = _highest(batches)
        connection.executemany(
            "INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", [(*k, v) for k, v in progress.items()]
        )

    def committed(self, batches: Sequence[Batch]) -> None:
        """Take note that these batches are durable."""
        self._progress |= _highest(batches)

    def known(self) -> Known:
        """Every host, domain and link as last reported, oldest first; what is gone is left out."""
        cursor = self._database.cursor()
        try:
            current = cursor.execute(
                """SELECT kind, arg_max_null(document, at) AS current FROM inventory
                   GROUP BY kind, id, host HAVING current IS NOT NULL ORDER BY max(at)"""
            ).fetchall()
            links = cursor.execute("SELECT document FROM links").fetchall()
        finally:
            cursor.close()
        return Known(
            hosts=tuple(_decode((text for kind, text in current if kind == "host"), HostFacts)),
            domains=tuple(_decode((text for kind, text in current if kind == "domain"), DomainFacts)),
            links=tuple(_decode((row[0] for row in links), Link)),
        )

    def events(
        self, since: int, until: int, host: str | None = None, domain: str | None = None, limit: int = 200
    ) -> list[Event]:
        """Events between two times (Unix ms), newest first."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(at), host, domain, kind, detail FROM events
                   WHERE at >= epoch_ms($since::BIGINT) AND at < epoch_ms($until::BIGINT)
                     AND ($host IS NULL OR host = $host) AND ($domain IS NULL OR domain = $domain)
                   ORDER BY at DESC LIMIT $limit""",
                {"since": since, "until": until, "host": host, "domain": domain, "limit": limit},
            ).fetchall()
        finally:
            cursor.close()
        return [Event(*row) for row in rows]

    def _load_progress(self) -> dict[tuple[str, int], int]:
        cursor = self._database.cursor()
        try:
            rows = cursor.execute("SELECT agent, epoch, sequence FROM progress").fetchall()
        finally:
            cursor.close()
        return {(agent, epoch): sequence for agent, epoch, sequence in rows}


def _inventory(batch: Batch) -> Iterable[tuple[int, str, str, str, str | None]]:
    for host in batch.hosts:
        yield batch.at, "host", host.id, host.id, _encode(host)
    for domain in batch.domains:
        yield batch.at, "domain", domain.id, domain.host, _encode(domain)
    for gone in batch.gone:
        yield batch.at, "domain", gone.domain, gone.host, None


def _highest(batches: Sequence[Batch]) -> dict[tuple[str, int], int]:
    highest: dict[tuple[str, int], int] = {}
    for batch in batches:
        name = (batch.agent, batch.epoch)
        highest[name] = max(batch.sequence, highest.get(name, 0))
    return highest


def _encode(record: object) -> str:
    return msgspec.json.encode(record).decode()


def _decode(texts: Iterable[str], kind: type[Record]) -> Iterable[Record]:
    return (msgspec.json.decode(text, type=kind) for text in texts)
