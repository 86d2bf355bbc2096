"""What is not a sample: inventory with its history, events, the agents' links and how far each agent is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import duckdb
import msgspec

from virtscope.sample import Batch, DomainFacts, Event, HostFacts, Link
from virtscope.store import Known
from virtscope.store.database import Database

Record = TypeVar("Record")


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
        events = [
            (event.at, event.host, event.domain, event.kind, event.detail)
            for batch in batches
            for event in batch.events
        ]
        links = {link.uri: _encode(link) for batch in batches for link in batch.links}
        _insert(connection, "INSERT INTO inventory SELECT make_timestamp_ms(c0), c1, c2, c3, c4", inventory)
        _insert(connection, "INSERT INTO events SELECT make_timestamp_ms(c0), c1, c2, c3, c4", events)
        _insert(connection, "INSERT OR REPLACE INTO links SELECT c0, c1", list(links.items()))
        progress = [(*name, sequence) for name, sequence in _highest(batches).items()]
        _insert(connection, "INSERT OR REPLACE INTO progress SELECT c0, c1, c2", progress)

    def committed(self, batches: Sequence[Batch]) -> None:
        """Take note that these batches are durable."""
        self._progress |= _highest(batches)

    def known(self) -> Known:
        """Every host, domain and link as last reported, oldest first; what is gone is left out."""
        cursor = self._database.cursor()
        try:
            current = cursor.execute(
                """SELECT kind, arg_max_null(document, row(ts, rowid)) AS current FROM inventory
                   GROUP BY kind, id, host HAVING current IS NOT NULL ORDER BY max(ts)"""
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
                """SELECT epoch_ms(ts), host, domain, kind, detail FROM events
                   WHERE ts >= epoch_ms($since::BIGINT) AND ts < epoch_ms($until::BIGINT)
                     AND ($host IS NULL OR host = $host) AND ($domain IS NULL OR domain = $domain)
                   ORDER BY ts DESC LIMIT $limit""",
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


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows by one statement: one for each row costs thirty times as much."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        lists = ", ".join(f"unnest(${position + 1}) AS c{position}" for position in range(len(columns)))
        connection.execute(f"{statement} FROM (SELECT {lists})", columns)


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
