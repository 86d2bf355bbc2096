"""What is not a sample: inventory with its history, events, the agents' links and how far each agent is stored.

A row of the inventory is what one thing was like from a time on; texts (XML) are kept once, by their hash, however many
rows refer to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import duckdb
import msgspec

from virtscope.changes import changes
from virtscope.sample import KINDS, Batch, Event, Facts, HostFacts, Link
from virtscope.store import Known, Version
from virtscope.store.database import Database

Key: TypeAlias = tuple[str, str, str]
"""Kind, id and host of a thing."""
Row: TypeAlias = tuple[int, str, str, str, str | None]
"""Time, kind, id, host, and the document; None where the thing is gone."""

_TYPES: Mapping[str, type] = {word: kind for kind, word in KINDS.items()}
_TEXTS = ("xml", "persistent_xml")
"""The fields of facts that are kept as texts."""
_HASH = "sha256:"
T = TypeVar("T", bound=object)


class Records:
    """The tables beside the samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._progress = self._load_progress()
        self._current = {key: document for _, key, document in self._load_current()}

    def is_stored(self, batch: Batch) -> bool:
        """Whether a batch came before: its agent's stored sequence is already there."""
        return batch.sequence <= self._progress.get((batch.agent, batch.epoch), 0)

    def stored_through(self, agent: str, epoch: int) -> int:
        """The highest sequence of an agent's epoch that is durable; 0 where there is none."""
        return self._progress.get((agent, epoch), 0)

    def write(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
        """Write these batches' records within the transaction of ``connection``."""
        texts: dict[str, str] = {}
        inventory = self._news(batches, texts)
        events = [
            (event.at, event.host, event.domain, event.kind, event.detail)
            for batch in batches
            for event in batch.events
        ]
        links = {link.uri: _encode(link) for batch in batches for link in batch.links}
        _insert(connection, "INSERT OR IGNORE INTO texts SELECT c0, c1", list(texts.items()))
        _insert(connection, "INSERT INTO inventory SELECT make_timestamp_ms(c0), c1, c2, c3, c4", inventory)
        _insert(connection, "INSERT INTO events SELECT make_timestamp_ms(c0), c1, c2, c3, c4", events)
        _insert(connection, "INSERT OR REPLACE INTO links SELECT c0, c1", list(links.items()))
        progress = [(*name, sequence) for name, sequence in _highest(batches).items()]
        _insert(connection, "INSERT OR REPLACE INTO progress SELECT c0, c1, c2", progress)

    def committed(self, batches: Sequence[Batch]) -> None:
        """Take note that these batches are durable."""
        self._progress |= _highest(batches)
        for _, kind, id, host, document in self._news(batches, {}):  # noqa: A001
            self._current[kind, id, host] = document

    def known(self) -> Known:
        """Everything as last reported, oldest first; what is gone is left out."""
        cursor = self._database.cursor()
        try:
            texts = _Texts(cursor)
            facts = [
                texts.decode(kind, document)
                for _, (kind, _, _), document in self._load_current()
                if document is not None and kind in _TYPES
            ]
            links = cursor.execute("SELECT document FROM links").fetchall()
        finally:
            cursor.close()
        return Known(tuple(facts), tuple(msgspec.json.decode(row[0], type=Link) for row in links))

    def history(self, kind: str, id: str, limit: int = 500) -> list[Version]:  # noqa: A002
        """How a thing was described, oldest first: the newest ``limit`` versions of it."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(ts), host, document FROM inventory WHERE kind = ? AND id = ?
                   ORDER BY ts DESC, rowid DESC LIMIT ?""",
                [kind, id, limit],
            ).fetchall()
            texts = _Texts(cursor)
            found = [Version(at, host, texts.decode(kind, text) if text else None) for at, host, text in rows[::-1]]
        finally:
            cursor.close()
        return list(_with_changes(found))

    def events(  # what may be asked of a table
        self,
        since: int,
        until: int,
        host: str | None = None,
        domain: str | None = None,
        kind: str | None = None,
        limit: int = 200,
        *,
        domains: Sequence[str] | None = None,
    ) -> list[Event]:
        """Events between two times (Unix ms), newest first; ``domains``: of none but these."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(ts), host, domain, kind, detail FROM events
                   WHERE ts >= epoch_ms($since::BIGINT) AND ts < epoch_ms($until::BIGINT)
                     AND ($host IS NULL OR host = $host) AND ($domain IS NULL OR domain = $domain)
                     AND ($kind IS NULL OR kind = $kind)
                     AND ($domains::VARCHAR[] IS NULL OR list_contains($domains::VARCHAR[], domain))
                   ORDER BY ts DESC LIMIT $limit""",
                {
                    "since": since,
                    "until": until,
                    "host": host,
                    "domain": domain,
                    "kind": kind,
                    "limit": limit,
                    "domains": None if domains is None else list(domains),
                },
            ).fetchall()
        finally:
            cursor.close()
        return [Event(*row) for row in rows]

    def _news(self, batches: Sequence[Batch], texts: dict[str, str]) -> list[Row]:
        """What these batches say that is not what is known already; their texts are put into ``texts``."""
        current = dict(self._current)
        rows = []
        for at, kind, id, host, document in (row for batch in batches for row in _inventory(batch, texts)):  # noqa: A001
            if current.get((kind, id, host)) != document:
                current[kind, id, host] = document
                rows.append((at, kind, id, host, document))
        return rows

    def _load_current(self) -> list[tuple[int, Key, str | None]]:
        """The newest row of each thing, oldest first."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(max(ts)) AS newest, kind, id, host, arg_max_null(document, row(ts, rowid))
                   FROM inventory
                   GROUP BY kind, id, host ORDER BY newest"""
            ).fetchall()
        finally:
            cursor.close()
        return [(at, (kind, id, host), document) for at, kind, id, host, document in rows]  # noqa: A001

    def _load_progress(self) -> dict[tuple[str, int], int]:
        cursor = self._database.cursor()
        try:
            rows = cursor.execute("SELECT agent, epoch, sequence FROM progress").fetchall()
        finally:
            cursor.close()
        return {(agent, epoch): sequence for agent, epoch, sequence in rows}


class _Texts:
    """Reads documents back, each text from the database once."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._read: dict[str, str] = {}

    def decode(self, kind: str, document: str) -> Facts:
        facts: Facts = msgspec.json.decode(document, type=_TYPES[kind])
        return _with_texts(facts, self._text)

    def _text(self, reference: str) -> str:
        name = reference.removeprefix(_HASH)
        if name not in self._read:
            row = self._cursor.execute("SELECT text FROM texts WHERE hash = ?", [name]).fetchone()
            self._read[name] = row[0] if row else ""
        return self._read[name]


def _with_changes(versions: Sequence[Version]) -> Iterator[Version]:
    before: dict[str, Facts] = {}
    for version in versions:
        old = before.get(version.host)
        if version.facts is None:
            before.pop(version.host, None)
            yield version
            continue
        before[version.host] = version.facts
        yield replace(version, changes=tuple(changes(old, version.facts))) if old is not None else version


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows by one statement: one for each row costs thirty times as much."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        lists = ", ".join(f"unnest(${position + 1}) AS c{position}" for position in range(len(columns)))
        connection.execute(f"{statement} FROM (SELECT {lists})", columns)


def _inventory(batch: Batch, texts: dict[str, str]) -> Iterable[Row]:
    for facts in (*batch.hosts, *batch.domains, *batch.others):
        host = facts.id if isinstance(facts, HostFacts) else facts.host
        yield batch.at, KINDS[type(facts)], facts.id, host, _document(facts, texts)
    for gone in batch.gone:
        yield batch.at, gone.kind, gone.id, gone.host, None


def _document(facts: Facts, texts: dict[str, str]) -> str:
    """Facts as JSON, with their texts replaced by the hashes under which ``texts`` holds them."""

    def keep(text: str) -> str:
        name = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        texts[name] = text
        return _HASH + name

    return _encode(_with_texts(facts, keep, wanted=lambda text: not text.startswith(_HASH)))


def _with_texts(facts: T, change: Callable[[str], str], wanted: Callable[[str], bool] | None = None) -> T:
    """Facts with each of their texts changed; when reading, those that are references."""
    is_wanted = wanted or (lambda text: text.startswith(_HASH))
    changed = {
        name: change(text)
        for name in _TEXTS
        if isinstance(text := getattr(facts, name, None), str) and text and is_wanted(text)
    }
    return replace(facts, **changed) if changed else facts  # type: ignore[type-var]  # all facts are dataclasses


def _highest(batches: Sequence[Batch]) -> dict[tuple[str, int], int]:
    highest: dict[tuple[str, int], int] = {}
    for batch in batches:
        name = (batch.agent, batch.epoch)
        highest[name] = max(batch.sequence, highest.get(name, 0))
    return highest


def _encode(record: object) -> str:
    return msgspec.json.encode(record).decode()
