"""The tables of samples, derived from the catalogue: columns, their types, and DuckDB's DDL.

A row is one object at one time: ``ts`` (UTC, milliseconds), the keys of its scope, then every metric of the scope as
a nullable 64-bit integer in the metric's stored unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from virtscope.catalogue import METRICS, Metric, Scope, metrics_of

_KEY_TYPES = {"vcpu": "INTEGER", "cell": "INTEGER", "iothread": "INTEGER"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its DuckDB type."""

    name: str
    type: str
    nullable: bool


def columns(scope: Scope, metrics: Iterable[Metric] = METRICS) -> tuple[Column, ...]:
    """The columns of a scope's table, in order: time, keys, metrics."""
    return (
        Column("ts", "TIMESTAMP_MS", nullable=False),
        *(Column(key, _KEY_TYPES.get(key, "VARCHAR"), nullable=False) for key in scope.keys),
        *(Column(metric.name, "BIGINT", nullable=True) for metric in metrics_of(scope, tuple(metrics))),
    )


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def ddl(scope: Scope, metrics: Iterable[Metric] = METRICS) -> str:
    """The statement that makes a scope's table."""
    lines = (
        f"    {column.name} {column.type}{'' if column.nullable else ' NOT NULL'}" for column in columns(scope, metrics)
    )
    return f"CREATE TABLE IF NOT EXISTS {scope.value} (\n" + ",\n".join(lines) + "\n)"
