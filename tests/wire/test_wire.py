"""Frames: what goes in comes out, and whatever else comes in is refused within bounds."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synthetic import row, sample
from virtscope.catalogue import Scope, metrics_of
from virtscope.errors import Malformed, TooNew
from virtscope.sample import (
    Batch,
    BindingFacts,
    DomainFacts,
    Event,
    FilterFacts,
    Gone,
    GuestFacts,
    HostFacts,
    Lease,
    Link,
    LinkState,
    NetworkFacts,
    PoolFacts,
    Resources,
    Whole,
)
from virtscope.wire import (
    LARGEST_ENVELOPE,
    Delivery,
    Frame,
    Receipt,
    compress,
    decode,
    decompress,
    encode,
    pack,
    unpack,
)
from virtscope.wire.envelope import Envelope, Tables

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FULL = Batch(
    agent="a",
    epoch=7,
    sequence=9,
    at=1_800_000_000_000,
    samples=(
        sample("h", 1_800_000_000_000, {Scope.VCPU: [row(Scope.VCPU, ("d", 3), time=5)], Scope.POOL: []}),
        sample("h", 1_800_000_000_001, {Scope.NIC: [row(Scope.NIC, ("d", "52:54:00:00:00:01", "vnet0"))]}),
    ),
    hosts=(HostFacts("h", "kvm1", "qemu:///system", cpus=4),),
    domains=(DomainFacts("d", "\u202e<b>", "h", xml="<domain/>", resources=Resources(vcpus=2, pins={"0": "1"})),),
    others=(
        FilterFacts("f", "clean", "h", references=("x",)),
        BindingFacts("vnet0", "h", parameters={"IP": "1"}),
        NetworkFacts("n", "default", "h", leases=(Lease("m", "a", None, 3),)),
        PoolFacts("p", "pool", "h"),
        GuestFacts("d", "h", users=("root",)),
    ),
    gone=(Gone("h", "domain", "e"),),
    events=(Event(5, "h", None, "host up"),),
    links=(Link("qemu:///system", LinkState.UP, 4, "h", None, 10.0),),
    whole=(Whole("h", "pool"),),
)


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_a_batch_comes_out_as_it_went_in() -> None:
    assert decode.batch("a", Frame(7, 9, encode.frame(FULL))) == FULL


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(Scope),
    st.lists(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=60, max_size=60), max_size=5),
)
def test_every_row_survives(scope: Scope, values: list[list[int | None]]) -> None:
    if scope is Scope.HOST:
        values = values[:1]  # a host has one row; more are refused, which another test shows
    keys = [tuple(number if key in ("vcpu", "cell", "iothread") else f"k{number}" for key in scope.keys[1:])
            for number in range(len(values))]  # fmt: skip
    rows = [(*key, *line[: len(metrics_of(scope))]) for key, line in zip(keys, values, strict=True)]
    assert list(decode.table(scope, encode.stream(scope, rows))) == rows


def test_columns_of_another_version_cost_nothing() -> None:
    stream = arrow(pa.table({"domain": ["d"], "of_the_future": [1.5], "cpu_time": pa.array([4], pa.int64())}))
    (found,) = decode.table(Scope.DOMAIN, stream)
    assert found == row(Scope.DOMAIN, ("d",), cpu_time=4)
    tables = Tables("h", 1, {"domain": stream, "scope_of_the_future": b"?"})
    batch = decode.batch("a", Frame(1, 1, compress(msgspec.msgpack.encode(Envelope(1, 1, (tables,))))))
    assert list(batch.samples[0].rows) == [Scope.DOMAIN]


def test_a_newer_version_is_told_apart() -> None:
    with pytest.raises(TooNew, match="version 2"):
        decode.batch("a", Frame(1, 1, compress(msgspec.msgpack.encode({"version": 2, "anything": [1]}))))


def without_schema() -> bytes:
    """A table that begins with its rows."""
    reader = pa.ipc.MessageReader.open_stream(arrow(pa.table({"domain": ["d"]})))
    reader.read_next_message()
    return bytes(reader.read_next_message().serialize().to_pybytes())


def of_unknown_kind() -> bytes:
    """A table whose schema says that it is something else: pyarrow, asked for the schema of that, may crash."""
    stream = bytearray(arrow(pa.table({"domain": ["d"]})))
    message = bytes(stream[8:])
    kind = decode._field(message, struct.unpack_from("<I", message)[0], 1)
    assert kind is not None
    stream[8 + kind] = 77
    return bytes(stream)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"junk" * 50,
        without_schema(),
        of_unknown_kind(),
        arrow(pa.table({"domain": ["d"], "cpu_time": ["text"]})),
        arrow(pa.table({"cpu_time": [1]})),
        arrow(pa.table({"domain": pa.array([None], pa.string())})),
        arrow(pa.table({"domain": pa.array(["d"]).dictionary_encode()})),
        arrow(pa.table({"domain": ["x" * 5_000]})),
        arrow(pa.table({"domain": ["d"] * 99}), compression="zstd"),
    ],
    ids=[
        "empty",
        "junk",
        "rows first",
        "kind",
        "type",
        "no key",
        "null key",
        "dictionary",
        "long key",
        "compressed within",
    ],
)
def test_what_is_no_table_is_refused(stream: bytes) -> None:
    with pytest.raises(Malformed):
        list(decode.table(Scope.DOMAIN, stream))


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(Malformed, match="rows"):
        list(decode.table(Scope.DOMAIN, arrow(pa.table({"domain": ["d"] * 11})), most=10))


def test_rows_without_a_key_are_not_for_nothing() -> None:
    bare = pa.RecordBatch.from_struct_array(pa.array([{}] * 1_000, pa.struct([])))  # type: ignore[arg-type]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare.schema) as writer:
        writer.write_batch(bare)
    with pytest.raises(Malformed, match="rows"):
        list(decode.table(Scope.HOST, bytes(sink.getvalue())))


def test_a_bomb_is_stopped_before_it_is_large() -> None:
    bomb = zstd.compress(bytes(LARGEST_ENVELOPE + 1))
    assert len(bomb) < 10_000
    with pytest.raises(Malformed, match="more than"):
        decompress(bomb)


@pytest.mark.parametrize("body", [b"", b"junk", compress(b"x" * 100)[:-3], compress(b"x") + b"y"])
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode.batch("a", Frame(1, 1, body))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_frame_with_flipped_bytes_is_refused_or_understood(data: st.DataObject) -> None:
    body = bytearray(decompress(encode.frame(FULL)))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Malformed, TooNew):
        assert isinstance(decode.batch("a", Frame(1, 1, compress(bytes(body)))), Batch)


JSON: st.SearchStrategy[object] = st.deferred(
    lambda: (
        st.none()
        | st.integers()
        | st.text()
        | st.floats()
        | st.lists(JSON, max_size=4)
        | st.dictionaries(st.text(), JSON, max_size=4)
    )
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | JSON.map(msgspec.json.encode))
def test_no_bytes_are_more_than_malformed(body: bytes) -> None:
    for kind in (Delivery, Receipt):
        with suppress(Malformed):
            unpack(body, kind)


def test_messages_come_out_as_they_went_in() -> None:
    delivery = Delivery(sent=1, version="0", epochs=(3,), frames=(Frame(3, 1, b"x"),))
    receipt = Receipt(at=1, store="s", stored={3: ((1, 4), (6, 6))})
    assert unpack(pack(delivery), Delivery) == delivery
    assert unpack(pack(receipt), Receipt) == receipt
    assert list(receipt.ranges(3)) == [(1, 4), (6, 6)]
    assert list(receipt.ranges(4)) == []
