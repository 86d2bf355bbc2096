"""A fleet out of thin air, and a store to keep it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtscope.catalogue import Kind, Scope, metrics_of
from virtscope.sample import Batch, Sample, Value
from virtscope.store.archive import Archive
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.levels import Retention
from virtscope.store.records import Records


def row(scope: Scope, key: Sequence[str | int], **values: int) -> tuple[str | int | None, ...]:
    """A row of a scope in which only these metrics are known."""
    return (*key, *(values.get(metric.name) for metric in metrics_of(scope)))


def full_row(scope: Scope, key: Sequence[str | int], value: Callable[[str], Value]) -> tuple[str | int | None, ...]:
    """A row of a scope with every metric."""
    codes = {metric.name for metric in metrics_of(scope) if metric.kind is Kind.STATE}
    return (*key, *(1 if metric.name in codes else value(metric.name) for metric in metrics_of(scope)))


def sample(host: str, at: int, rows: Mapping[Scope, Sequence[tuple[str | int | None, ...]]]) -> Sample:
    """A sample that always has its host's own row."""
    return Sample(host, at, {Scope.HOST: [row(Scope.HOST, ())], **rows})


def batch(sequence: int, *samples: Sample, agent: str = "agent", epoch: int = 1, **rest: Any) -> Batch:
    """A batch of samples."""
    return Batch(agent, epoch, sequence, samples[-1].at if samples else 0, tuple(samples), **rest)


@dataclass
class Opened:
    """A store and what it is made of."""

    database: Database
    records: Records
    store: DuckdbStore
    archive: Archive


@contextmanager
def opened(folder: Path, retention: Retention | None = None) -> Iterator[Opened]:
    """The store of a data folder, open for a while."""
    database = Database(folder)
    try:
        records = Records(database)
        archive = Archive(database, retention or Retention())
        yield Opened(database, records, DuckdbStore(database, records), archive)
    finally:
        database.close()
