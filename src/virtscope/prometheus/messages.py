"""Prometheus's remote read and remote write on the wire: protobuf messages in snappy blocks.

Six small messages of ``prompb/remote.proto`` and ``prompb/types.proto``; their fields are numbered here as there. What
is not known is skipped, as protobuf has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import cramjam

from virtscope.errors import BadInput

LARGEST_REQUEST = 1 << 20
Field: TypeAlias = tuple[int, int | bytes]


class Match(Enum):
    """How a matcher compares; regular expressions are RE2's and match the whole value."""

    EQUAL = 0
    UNEQUAL = 1
    FITS = 2
    FITS_NOT = 3


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a label; a label that is missing is empty."""

    how: Match
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """A range of time (Unix ms, both ends within) and what series must fulfil."""

    start: int
    end: int
    matchers: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series: its labels, and samples as (Unix ms, value), in order of time."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float]]


def read_request(body: bytes) -> list[Query]:
    """The queries of a ``ReadRequest``.

    Raises:
        BadInput: it is none.
    """
    try:
        return [_query(content) for content in _messages(_uncompressed(body), 1)]
    except (ValueError, TypeError, IndexError, OverflowError, OSError, cramjam.DecompressionError) as error:
        raise BadInput(f"that is no request of Prometheus's remote read: {error}", "See docs/prometheus.md.") from None


def read_response(results: Iterable[Iterable[Labelled]]) -> bytes:
    """A ``ReadResponse`` with a result for each query."""
    return snappy(b"".join(_message(1, b"".join(_message(1, _series(one)) for one in series)) for series in results))


def written(labels: bytes, samples: Iterable[tuple[int, float]]) -> bytes:
    """A series of a ``WriteRequest``, its labels encoded already; such pieces in a row are one request."""
    return _message(1, labels + b"".join(_sample(at, value) for at, value in samples))


def encoded(labels: Mapping[str, str]) -> bytes:
    """Labels, in their order, as a series has them."""
    pairs = sorted(labels.items())
    return b"".join(_message(1, _message(1, name.encode()) + _message(2, value.encode())) for name, value in pairs)


def snappy(content: bytes) -> bytes:
    """A message as it travels."""
    return bytes(cramjam.snappy.compress_raw(content))


def _uncompressed(body: bytes) -> bytes:
    """A snappy block begins with the size of its content."""
    size, _ = _read_varint(body, 0)
    if size > LARGEST_REQUEST:
        raise ValueError("it is too large")
    return bytes(cramjam.snappy.decompress_raw(body))


def _query(content: bytes) -> Query:
    numbers = dict(_fields(content))
    matchers = tuple(_matcher(one) for one in _messages(content, 3))
    return Query(_signed(numbers.get(1, 0)), _signed(numbers.get(2, 0)), matchers)


def _matcher(content: bytes) -> Matcher:
    fields = dict(_fields(content))
    return Matcher(Match(fields.get(1, 0)), _text(fields.get(2, b"")), _text(fields.get(3, b"")))


def _series(series: Labelled) -> bytes:
    return encoded(series.labels) + b"".join(_sample(at, value) for at, value in series.samples)


def _sample(at: int, value: float) -> bytes:
    return _message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at & (1 << 64) - 1))


def _messages(content: bytes, number: int) -> list[bytes]:
    return [value for field, value in _fields(content) if field == number and isinstance(value, bytes)]


def _fields(content: bytes) -> Iterator[Field]:
    position = 0
    while position < len(content):
        key, position = _read_varint(content, position)
        match key & 7:
            case 0:
                number, position = _read_varint(content, position)
                yield key >> 3, number
                continue
            case 1:
                length = 8
            case 2:
                length, position = _read_varint(content, position)
            case 5:
                length = 4
            case other:
                raise ValueError(f"a field is of the unknown kind {other}")
        if position + length > len(content):
            raise ValueError("a field is cut short")
        yield key >> 3, content[position : position + length]
        position += length


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = content[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number is too long")


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise TypeError("a text is a number")
    return value.decode()


def _signed(number: int | bytes) -> int:
    """A number of 64 bits as int64 has it."""
    if isinstance(number, bytes):
        raise TypeError("a time is no number")
    return number - (1 << 64) if number >> 63 else number


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
