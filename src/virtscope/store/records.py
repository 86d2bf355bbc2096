"""What is not a sample: inventory with its history, events, the agents' links and how far each agent is stored.

A row of the inventory is what one thing was like from a time on; texts (XML) are kept once, by their hash, however many
rows refer to them.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import duckdb
import msgspec

from virtscope.changes import changes
from virtscope.ranges import Ranges
from virtscope.sample import KINDS, Batch, Event, Facts, Gone, HostFacts, Link, Lost
from virtscope.store import Known, Version
from virtscope.store.database import Database

Key: TypeAlias = tuple[str, ...]
"""Kind, id and host of a thing."""
Group: TypeAlias = tuple[str, str]
"""Kind and host."""
Row: TypeAlias = tuple[int, str, str, str, str | None]
"""Time, kind, id, host, and the document; None where the thing is gone."""

_TYPES: Mapping[str, type] = {word: kind for kind, word in KINDS.items()}
_TEXTS = ("xml", "persistent_xml")
"""The fields of facts that are kept as texts."""
_HASH = "sha256:"
MOST_RANGES = 4_096
"""Of an agent's epoch. An agent fills its gaps, or says that they are lost; of one that leaves so many of them the
oldest count as lost."""
_REFERENCE = re.compile(f'"{_HASH}([0-9a-f]+)"')
_Stream: TypeAlias = tuple[str, int]
"""An agent's epoch."""
_NEVER: tuple[int, str | None] = (-(2**63), None)
T = TypeVar("T", bound=object)


class Records:
    """The tables beside the samples. Written by one thread, read by any."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._current: dict[Key, tuple[int, str | None]] = {}
        self._present: dict[Group, set[str]] = {}
        """What is there of each kind on each host, by its id."""
        self._whole: dict[Group, int] = {}
        """When a host last told all that it has of a kind."""
        self._load()
        database.on_reopened(self._load)

    def fresh(self, batches: Sequence[Batch]) -> list[Batch]:
        """Those of these batches that are not stored yet, each once."""
        seen: dict[_Stream, Ranges] = {}
        found = []
        for batch in batches:
            stream = (batch.agent, batch.epoch)
            known = seen.setdefault(stream, self.stored(*stream))
            if batch.sequence and batch.sequence in known:
                continue
            if batch.sequence:
                known.add(batch.sequence, batch.sequence)
            found.append(batch)
        return found

    def left_out(self, batches: Sequence[Batch]) -> list[Batch]:
        """What is gone because a batch that told all there is did not tell it, in whatever order they come."""
        whole = self._newest_whole(batches)
        if not whole:
            return []
        told: dict[Group, dict[str, int]] = {}
        for group in {(one.kind, one.host) for batch in batches for one in batch.whole}:
            told[group] = dict.fromkeys(self._present.get(group, ()), 0)
        for batch in batches:
            for facts in (*batch.domains, *batch.others):
                group = (KINDS[type(facts)], facts.host)
                if group in whole:
                    known = told.setdefault(group, {})
                    known[facts.id] = max(batch.at, known.get(facts.id, 0))
        found = []
        for (kind, host), ids in told.items():
            at = whole[kind, host]
            gone = tuple(
                Gone(host, kind, one) for one, told_at in ids.items() if self._last(kind, one, host, told_at) < at
            )
            if gone:
                found.append(Batch("", 0, 0, at, gone=gone))
        return found

    def stored(self, agent: str, epoch: int) -> Ranges:
        """Which sequences of an agent's epoch are durable, or known to be lost for ever."""
        with self._guard:
            known = self._progress.get((agent, epoch))
            return known.copy() if known else Ranges()

    def write(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
        """Write these batches' records within the transaction of ``connection``."""
        texts: dict[str, str] = {}
        inventory = self._news(batches, texts)
        events = [
            (event.at, event.host, event.domain, event.kind, event.detail)
            for batch in batches
            for event in (*batch.events, *self._told_losses(batch))
        ]
        links = [(link.agent, link.uri, _encode(link)) for _, link in self._newest_links(batches).values()]
        _insert(connection, "INSERT OR IGNORE INTO texts SELECT c0, c1", list(texts.items()))
        _insert(connection, "INSERT INTO inventory SELECT make_timestamp_ms(c0), c1, c2, c3, c4", inventory)
        _insert(connection, "INSERT INTO events SELECT make_timestamp_ms(c0), c1, c2, c3, c4", events)
        _insert(connection, "INSERT OR REPLACE INTO links SELECT c0, c1, c2", links)
        self._write_progress(connection, batches)

    def committed(self, batches: Sequence[Batch]) -> list[Batch]:
        """Take note that these batches are durable; they come back without what newer ones have overtaken."""
        links = self._newest_links(batches)
        progress = self._advanced(batches)
        with self._guard:
            self._progress |= progress
            for at, *key, document in (row for batch in batches for row in _inventory(batch, {})):
                if at >= self._current.get(tuple(key), _NEVER)[0]:
                    self._note(tuple(key), at, document)
            self._links |= links
            self._whole = self._newest_whole(batches)
        return [self._without_overtaken(batch) for batch in batches]

    def known(self) -> Known:
        """Everything as last reported, oldest first; what is gone is left out."""
        cursor = self._database.cursor()
        try:
            told = [
                (kind, document)
                for _, (kind, _, _), document in self._load_current()
                if document is not None and kind in _TYPES
            ]
            texts = _Texts(cursor, (document for _, document in told))
            facts = [texts.decode(kind, document) for kind, document in told]
        finally:
            cursor.close()
        return Known(tuple(facts), tuple(self._load_links()))

    def history(self, kind: str, id: str, limit: int = 500) -> list[Version]:  # noqa: A002
        """How a thing was described, oldest first: the newest ``limit`` versions of it."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(ts), host, document FROM inventory WHERE kind = ? AND id = ?
                   ORDER BY ts DESC, rowid DESC LIMIT ?""",
                [kind, id, limit],
            ).fetchall()
            texts = _Texts(cursor, (text for _, _, text in rows if text))
            found = [Version(at, host, texts.decode(kind, text) if text else None) for at, host, text in rows[::-1]]
        finally:
            cursor.close()
        return list(_with_changes(_without_repeats(found)))

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
                     AND ($domains::VARCHAR[] IS NULL OR domain IN (SELECT unnest($domains::VARCHAR[])))
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

    def _note(self, key: Key, at: int, document: str | None) -> None:
        """Take note of what is known of a thing now."""
        self._current[key] = (at, document)
        kind, id, host = key  # noqa: A001
        if document is None:
            self._present.get((kind, host), set()).discard(id)
        else:
            self._present.setdefault((kind, host), set()).add(id)

    def _last(self, kind: str, id: str, host: str, told: int) -> int:  # noqa: A002
        """When a thing was told of last: in what is stored, or at the time ``told``."""
        return max(told, self._current.get((kind, id, host), _NEVER)[0])

    def _newest_whole(self, batches: Sequence[Batch]) -> dict[Group, int]:
        """When each host last told all that it has of a kind, Unix ms."""
        told = [(one, batch.at) for batch in batches for one in batch.whole]
        found = dict(self._whole) if told else self._whole
        for one, at in told:
            found[one.kind, one.host] = max(at, found.get((one.kind, one.host), 0))
        return found

    def _news(self, batches: Sequence[Batch], texts: dict[str, str]) -> list[Row]:
        """What these batches say that is not what is known already; their texts are put into ``texts``.

        What comes late is kept at its own time in the history, unless it says what is known.
        """
        newer: dict[Key, tuple[int, str | None]] = {}
        rows: list[Row] = []
        for row in (row for batch in batches for row in _inventory(batch, texts)):
            at, *key, document = row
            known = newer.get(tuple(key)) or self._current.get(tuple(key))
            if known is None or at >= known[0]:
                newer[tuple(key)] = (at, document)
                if known is None or known[1] != document:
                    rows.append(row)
            elif known[1] != document:
                # It was so until what is known now was told again: without that, the late word would be the newest.
                rows += [row, (known[0], row[1], row[2], row[3], known[1])]
        return rows

    def _newest_links(self, batches: Sequence[Batch]) -> dict[tuple[str, str], tuple[int, Link]]:
        """The links that these batches tell of, with their times; without those that a newer word is known of."""
        found: dict[tuple[str, str], tuple[int, Link]] = {}
        for batch in batches:
            for link in batch.links:
                key = (link.agent, link.uri)
                known = found.get(key) or self._links.get(key)
                if known is None or batch.at >= known[0]:
                    found[key] = (batch.at, link)
        return found

    def _without_overtaken(self, batch: Batch) -> Batch:
        """A batch as it counts now: what it says of the present, if something newer is known, is left out."""

        def is_newest(kind: str, id: str, host: str) -> bool:  # noqa: A002
            return batch.at >= self._current.get((kind, id, host), _NEVER)[0]

        return replace(
            batch,
            hosts=tuple(one for one in batch.hosts if is_newest(KINDS[HostFacts], one.id, one.id)),
            domains=tuple(one for one in batch.domains if is_newest(KINDS[type(one)], one.id, one.host)),
            others=tuple(one for one in batch.others if is_newest(KINDS[type(one)], one.id, one.host)),
            gone=tuple(one for one in batch.gone if is_newest(one.kind, one.id, one.host)),
            links=tuple(one for one in batch.links if batch.at >= self._links[one.agent, one.uri][0]),
        )

    def _told_losses(self, batch: Batch) -> Iterator[Event]:
        """An event on every host of the agent for what it has lost, once."""
        if not batch.lost:
            return
        hosts = sorted({link.host for _, link in self._links.values() if link.agent == batch.agent and link.host})
        for lost in batch.lost:
            count = sum(
                last - first + 1 for first, last in self.stored(batch.agent, lost.epoch).missing(lost.first, lost.last)
            )
            for host in hosts if count else ():
                yield Event(lost.until or batch.at, host, None, "data lost", _lost_words(lost, count))

    def _advanced(self, batches: Sequence[Batch]) -> dict[_Stream, Ranges]:
        """What is durable of each stream once these batches are."""
        found: dict[_Stream, Ranges] = {}

        def add(agent: str, epoch: int, first: int, last: int) -> None:
            stream = (agent, epoch)
            if stream not in found:
                found[stream] = self.stored(*stream)
            found[stream].add(first, last)

        for batch in batches:
            if batch.sequence:
                add(batch.agent, batch.epoch, batch.sequence, batch.sequence)
            for lost in batch.lost:
                add(batch.agent, lost.epoch, lost.first, lost.last)
        for ranges in found.values():
            ranges.close(MOST_RANGES)
        return found

    def _write_progress(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
        changed, absorbed = [], []
        for (agent, epoch), now in self._advanced(batches).items():
            before, after = set(self.stored(agent, epoch)), set(now)
            begins = {first for first, _ in after}
            changed += [(agent, epoch, first, last) for first, last in after - before]
            absorbed += [(agent, epoch, first) for first, _ in before if first not in begins]
        for row in absorbed:
            connection.execute("DELETE FROM progress WHERE agent = ? AND epoch = ? AND first = ?", row)
        _insert(connection, "INSERT OR REPLACE INTO progress SELECT c0, c1, c2, c3", changed)

    def _load(self) -> None:
        progress = self._load_progress()
        with self._guard:
            self._progress = progress
            self._current, self._present, self._whole = {}, {}, {}
            for at, key, document in self._load_current():
                self._note(key, at, document)
            self._links = {(link.agent, link.uri): (0, link) for link in self._load_links()}

    def _load_current(self) -> list[tuple[int, Key, str | None]]:
        """The newest row of each thing, oldest first."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT epoch_ms(max(ts)) AS newest, kind, id, host, arg_max_null(document, row(ts, rowid))
                   FROM inventory
                   GROUP BY kind, id, host ORDER BY newest, max(rowid)"""
            ).fetchall()
        finally:
            cursor.close()
        return [(at, (kind, id, host), document) for at, kind, id, host, document in rows]  # noqa: A001

    def _load_progress(self) -> dict[_Stream, Ranges]:
        cursor = self._database.cursor()
        try:
            rows = cursor.execute("SELECT agent, epoch, list([first, last]) FROM progress GROUP BY ALL").fetchall()
        finally:
            cursor.close()
        return {(agent, epoch): Ranges((first, last) for first, last in ranges) for agent, epoch, ranges in rows}

    def _load_links(self) -> list[Link]:
        cursor = self._database.cursor()
        try:
            rows = cursor.execute("SELECT document FROM links").fetchall()
        finally:
            cursor.close()
        return [msgspec.json.decode(row[0], type=Link) for row in rows]


class _Texts:
    """Reads documents back, with all of their texts from the database at once."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, documents: Iterable[str]) -> None:
        # A name may stand elsewhere in a document, too: then a text is read for nothing.
        names = {name for document in documents for name in _REFERENCE.findall(document)}
        rows = cursor.execute(
            "SELECT hash, text FROM texts WHERE hash IN (SELECT unnest($names::VARCHAR[]))", {"names": list(names)}
        ).fetchall()
        self._read: dict[str, str] = dict(rows)

    def decode(self, kind: str, document: str) -> Facts:
        facts: Facts = msgspec.json.decode(document, type=_TYPES[kind])
        return _with_texts(facts, self._text)

    def _text(self, reference: str) -> str:
        return self._read.get(reference.removeprefix(_HASH), "")


def _without_repeats(versions: Sequence[Version]) -> Iterator[Version]:
    """What was told again without having changed is no version of its own."""
    before: dict[str, Facts | None] = {}
    for version in versions:
        if version.host not in before or before[version.host] != version.facts:
            yield version
        before[version.host] = version.facts


def _with_changes(versions: Iterable[Version]) -> Iterator[Version]:
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


def _lost_words(lost: Lost, count: int) -> str:
    batches = f"{count} batch{'es' if count > 1 else ''}"
    if not lost.since:
        return f"{batches}: {lost.reason}"
    begin, end = (
        datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (lost.since, lost.until)
    )
    return f"{batches} from {begin} to {end} UTC: {lost.reason}"


def _encode(record: object) -> str:
    return msgspec.json.encode(record).decode()
