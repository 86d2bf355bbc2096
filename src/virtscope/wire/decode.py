"""Frames into batches, on the server. Whatever a frame holds, it is refused or understood, within bounded memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa

from virtscope.catalogue import Scope
from virtscope.errors import Malformed, TooNew
from virtscope.sample import Batch, Row, Sample
from virtscope.schema import columns
from virtscope.wire import VERSION, Frame, decompress
from virtscope.wire.envelope import Envelope, Header, Tables

MOST_ROWS = 200_000
"""Rows of all tables in one frame."""
LONGEST_KEY = 4_096
"""Characters of a name in a table: longer ones have no place in a metric."""
_TYPES: Mapping[str, pa.DataType] = {"VARCHAR": pa.string(), "INTEGER": pa.int32(), "BIGINT": pa.int64()}
_SCOPES = {scope.value: scope for scope in Scope}
_header = msgspec.msgpack.Decoder(Header)
_envelope = msgspec.msgpack.Decoder(Envelope)


def batch(agent: str, frame: Frame, body: bytes | None = None) -> Batch:
    """A frame as a batch of this agent; ``body`` is its envelope, where it is decompressed already.

    Raises:
        Malformed: it is none.
        TooNew: it can only be read after an upgrade.
    """
    body = decompress(frame.body) if body is None else body
    try:
        version = _header.decode(body).version
        if version > VERSION:
            raise TooNew(
                f"the agent speaks version {version} of the wire, this server reads {VERSION} at most",
                "Upgrade the server; the agent keeps everything until then.",
            )
        envelope = _envelope.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"a frame holds no envelope: {error}") from None
    left = MOST_ROWS
    samples = []
    for tables in envelope.samples:
        sample, left = _sample(tables, left)
        samples.append(sample)
    return Batch(
        agent=agent,
        epoch=frame.epoch,
        sequence=frame.sequence,
        at=envelope.at,
        samples=tuple(samples),
        hosts=envelope.hosts,
        domains=envelope.domains,
        others=envelope.others.all(),
        gone=envelope.gone,
        events=envelope.events,
        links=envelope.links,
        whole=envelope.whole,
    )


def _sample(tables: Tables, left: int) -> tuple[Sample, int]:
    rows = {}
    for name, stream in tables.streams.items():
        if (scope := _SCOPES.get(name)) is None:
            continue  # of a newer agent: what it knows more than we do
        rows[scope] = list(table(scope, stream, left))
        left -= len(rows[scope])
    return Sample(tables.host, tables.at, rows), left


def table(scope: Scope, stream: bytes, most: int = MOST_ROWS) -> Iterator[Row]:
    """The rows of an Arrow IPC stream, in the order of the catalogue. Unknown columns are left out, absent ones None.

    Raises:
        Malformed: it is no such stream, or has more rows than ``most``.
    """
    try:
        for found in _record_batches(stream):
            # A host's own row has no key: without this, rows would cost nothing on the wire.
            if (most := most - found.num_rows) < 0 or (scope is Scope.HOST and found.num_rows > 1):
                raise Malformed(f"a frame has more than {MOST_ROWS:,} rows, or a host more than one")
            yield from _rows(scope, found)
    except (pa.ArrowException, OSError, ValueError, struct.error, IndexError) as error:
        raise Malformed(f"the table {scope.value} cannot be read: {error}") from None


def _record_batches(stream: bytes) -> Iterator[pa.RecordBatch]:
    messages = pa.ipc.MessageReader.open_stream(stream)
    schema: pa.Schema | None = None
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            if schema is None:
                raise Malformed("a table without a schema") from None
            return
        if schema is None:
            # pyarrow takes any message for a schema, and a header that is not there for one: both may end the process.
            if message.type != "schema" or _header_of(message.metadata.to_pybytes()) is None:
                raise Malformed(f"a table begins with a {message.type}, not with its schema")
            schema = pa.ipc.read_schema(message)
            continue
        if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
            # What is compressed within would be allocated by the size that it claims to have.
            raise Malformed(f"a table holds a {message.type} that has no place in it")
        found = pa.ipc.read_record_batch(message, schema)
        found.validate(full=True)
        yield found


def _rows(scope: Scope, found: pa.RecordBatch) -> Iterator[Row]:
    names, types, keys = _layout(scope)
    have = {name: position for position, name in enumerate(found.schema.names)}
    values: list[Sequence[Any]] = []
    for number, (name, kind) in enumerate(zip(names, types, strict=True)):
        position = have.get(name)
        if position is None:
            if number < keys and found.num_rows:
                raise Malformed(f"the table {scope.value} lacks {name}")
            values.append([None] * found.num_rows)
            continue
        column = found.column(position)
        if column.type != kind or (number < keys and column.null_count):
            raise Malformed(f"the column {name} of the table {scope.value} is {column.type}, not {kind}")
        cells: list[Any] = column.to_pylist()
        if kind == pa.string() and any(len(cell) > LONGEST_KEY for cell in cells):
            raise Malformed(f"a name in the table {scope.value} is longer than {LONGEST_KEY:,} characters")
        values.append(cells)
    return zip(*values, strict=True)


@cache
def _layout(scope: Scope) -> tuple[list[str], list[pa.DataType], int]:
    """Names and types of a scope's row, and how many of them are keys."""
    kept = columns(scope)[2:]
    return [one.name for one in kept], [_TYPES[one.type] for one in kept], len(scope.keys) - 1


_RECORD_BATCH_COMPRESSION = 3
"""The number of that field in the table ``RecordBatch`` of Arrow's Message.fbs; below, of ``header`` in ``Message``."""
_MESSAGE_HEADER = 2


def _is_compressed(message: bytes) -> bool:
    """Whether a record batch says that its buffers are compressed: pyarrow itself does not tell."""
    at = _header_of(message)
    if at is None:
        raise Malformed("an Arrow message without a header")
    return _field(message, at + struct.unpack_from("<I", message, at)[0], _RECORD_BATCH_COMPRESSION) is not None


def _header_of(message: bytes) -> int | None:
    """Where the offset of a message's header lies; None where it has none."""
    return _field(message, struct.unpack_from("<I", message)[0], _MESSAGE_HEADER)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffers table lies; None where it is not set."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    slot = 4 + 2 * number
    if slot + 2 > size:
        return None
    offset: int = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + offset if offset else None
