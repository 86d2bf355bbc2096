"""Batches into frames, on the agent: nanoarrow writes Arrow with a twentieth of the memory that pyarrow takes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import nanoarrow as na
from nanoarrow.ipc import StreamWriter

from virtscope.catalogue import Scope
from virtscope.sample import Batch, Row, Sample
from virtscope.schema import columns
from virtscope.wire import VERSION, compress
from virtscope.wire.envelope import Envelope, Others, Tables

_encoder = msgspec.msgpack.Encoder()


def frame(batch: Batch) -> bytes:
    """A batch as it travels and lies in the spool: everything but its name."""
    envelope = Envelope(
        VERSION,
        batch.at,
        tuple(_tables(sample) for sample in batch.samples),
        batch.hosts,
        batch.domains,
        Others.of(batch.others),
        batch.gone,
        batch.events,
        batch.links,
        batch.whole,
    )
    return compress(_encoder.encode(envelope))


def _tables(sample: Sample) -> Tables:
    streams = {scope.value: stream(scope, rows) for scope, rows in sample.rows.items()}
    return Tables(sample.host, sample.at, streams)


def stream(scope: Scope, rows: Sequence[Row]) -> bytes:
    """The rows of a scope as an Arrow IPC stream. Columns in which nothing is known are left out."""
    names, types = _layout(scope)
    known = [
        (name, kind, values)
        for name, kind, values in zip(names, types, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
        if any(value is not None for value in values)
    ]
    schema = na.struct({name: kind for name, kind, _ in known})
    children = [na.c_array(_as_list(values), kind) for _, kind, values in known]
    array = na.c_array_from_buffers(schema, len(rows), buffers=[None], children=children)
    written = io.BytesIO()
    with StreamWriter.from_writable(written) as writer:
        writer.write_array(array)
    return written.getvalue()


def _as_list(values: Sequence[Any]) -> list[Any]:
    return list(values)


@cache
def _layout(scope: Scope) -> tuple[list[str], list[Any]]:
    """Names and types of a scope's row: its table without time and host, which are the sample's."""
    types = {"VARCHAR": na.string(), "INTEGER": na.int32(), "BIGINT": na.int64()}
    kept = columns(scope)[2:]
    return [column.name for column in kept], [types[column.type] for column in kept]
