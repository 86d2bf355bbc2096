"""Samples into Arrow tables: all hosts' rows of a scope in one table, ready for one insert."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat

import pyarrow as pa

from virtscope.catalogue import Scope
from virtscope.sample import Sample
from virtscope.schema import columns

_TYPES = {"TIMESTAMP_MS": pa.timestamp("ms"), "VARCHAR": pa.string(), "INTEGER": pa.int32(), "BIGINT": pa.int64()}


def arrow_schema(scope: Scope) -> pa.Schema:
    """The Arrow schema of a scope's table."""
    return pa.schema(
        [pa.field(column.name, _TYPES[column.type], nullable=column.nullable) for column in columns(scope)]
    )


def table(scope: Scope, samples: Iterable[Sample]) -> pa.Table:
    """All rows of one scope in these samples."""
    filled = [sample for sample in samples if sample.rows.get(scope)]
    times = chain.from_iterable(repeat(sample.at, len(sample.rows[scope])) for sample in filled)
    hosts = chain.from_iterable(repeat(sample.host, len(sample.rows[scope])) for sample in filled)
    width = len(columns(scope)) - 2
    rest = zip(*chain.from_iterable(sample.rows[scope] for sample in filled), strict=True) if filled else [()] * width
    schema = arrow_schema(scope)
    data = [list(times), list(hosts), *rest]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(data, schema, strict=True)], schema=schema
    )
