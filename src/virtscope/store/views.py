"""What SQL may be asked of: views of the store over a range of time, written to files as somebody wants them.

``<scope>_rates`` has a row for each object and step: ``time`` (UTC), the object's keys, and a column for each quantity
of the scope. ``hosts`` and ``domains`` are what is known now, ``events`` what happened within the range, ``findings``
what scheduled analyses have found that was so at any time of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from virtscope.catalogue import Quantity, Scope, quantities_of
from virtscope.sample import DomainFacts, HostFacts
from virtscope.store import Range
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.findings import Findings
from virtscope.store.records import Records

RATES = {f"{scope.value}_rates": scope for scope in Scope}
MOST_EVENTS = 1_000_000
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("cpus", "memory_bytes"), pa.int64()),
    **dict.fromkeys(("time", "first", "last", "gone"), pa.timestamp("ms")),
    "confidence": pa.float64(),
    "dismissed": pa.bool_(),
}
_OF_FINDING = ("analysis", "verdict", "reason", "action", "confidence")
_OF_NOVA = ("project_id", "project", "user", "flavor")
_HOSTS, _DOMAINS, _EVENTS, _FINDINGS = (
    pa.schema([pa.field(name, _TYPES.get(name, pa.string())) for name in names])
    for names in (
        ("host", "name", "uri", "cpus", "memory_bytes", "cpu_model", "hypervisor", "libvirt"),
        ("domain", "name", "host", "title", *_OF_NOVA),
        ("time", "host", "domain", "kind", "detail"),
        (
            *("id", "analysis", "verdict", "severity", "kind", "subject", "name", "host", "part"),
            *("reason", "action", "confidence", "first", "last", "gone", "dismissed"),
        ),
    )
)
NAMES = (*RATES, "hosts", "domains", "events", "findings")


class Views:
    """The views of one store."""

    def __init__(self, store: DuckdbStore, records: Records, findings: Findings) -> None:
        self._store = store
        self._records = records
        self._findings = findings

    def write(self, query: str, over: Range, folder: Path, seconds: float) -> dict[str, Path]:
        """Write the views that a query may be about, with the quantities that it may name, as Parquet files.

        Which these are is seen by their names standing anywhere in the query: too many do no harm.

        Raises:
            TooLarge: that takes longer than so many seconds.
        """
        words = set(re.findall(r"\w+", query.casefold()))
        found: dict[str, Path] = {}
        for name in NAMES:
            if name not in words:
                continue
            path = found[name] = folder / f"{name}.parquet"
            if name in RATES:
                wanted = _named(RATES[name], query, words)
                self._store.write(wanted, (), over, path, "parquet", seconds)
            else:
                pq.write_table(self._table(name, over), path)
        return found

    def _table(self, name: str, over: Range) -> pa.Table:
        match name:
            case "hosts":
                return self._hosts()
            case "domains":
                return pa.Table.from_pylist(list(_domain_rows(self._records)), _DOMAINS)
            case "findings":
                return self._found(over)
            case _:
                return self._events(over)

    def _hosts(self) -> pa.Table:
        rows = [
            {"host": one.id, **{name: getattr(one, name) for name in _HOSTS.names[1:]}}
            for one in self._records.known().facts
            if isinstance(one, HostFacts)
        ]
        return pa.Table.from_pylist(rows, _HOSTS)

    def _events(self, over: Range) -> pa.Table:
        found = self._records.events(over.start, over.end, limit=MOST_EVENTS)
        rows = [
            {"time": one.at, "host": one.host, "domain": one.domain, "kind": one.kind, "detail": one.detail}
            for one in found
        ]
        return pa.Table.from_pylist(rows, _EVENTS)

    def _found(self, over: Range) -> pa.Table:
        rows = []
        for one in self._findings.all(over.end, gone_since=over.start):
            finding, subject = one.finding, one.finding.subject
            rows.append(
                {
                    **{
                        name: getattr(finding, name)
                        for name in ("analysis", "verdict", "reason", "action", "confidence")
                    },
                    **{name: getattr(subject, name) for name in ("kind", "name", "host", "part")},
                    **{name: getattr(one, name) for name in ("id", "first", "last", "gone")},
                    "subject": subject.id,
                    "severity": finding.severity.value,
                    "dismissed": one.dismissal is not None,
                }
            )
        return pa.Table.from_pylist([row for row in rows if row["first"] < over.end], _FINDINGS)


def _named(scope: Scope, query: str, words: set[str]) -> list[Quantity]:
    """The quantities that a query may name: all, where it may mean all columns."""
    quantities = quantities_of(scope)
    has_star = bool(re.search(r"(?<!count\()\*(?!\s*[\d\w(])|columns\s*\(", query.casefold()))
    named = [quantity for quantity in quantities if quantity.name in words]
    return list(quantities) if has_star or not named else named


def _domain_rows(records: Records) -> Iterator[dict[str, str | None]]:
    for one in records.known().facts:
        if isinstance(one, DomainFacts):
            yield {
                "domain": one.id,
                "name": one.name,
                "host": one.host,
                "title": one.title,
                **{name: getattr(one.nova, name, None) for name in _OF_NOVA},
            }
