"""The wire: what an agent posts to its server, and what the server answers.

    POST /api/v1/ingest            Content-Type: application/vnd.virtscope.batches+msgpack; version=1
    POST /api/v1/ingest?backlog=1  old batches: they may wait when the server has much to do

The body is a ``Delivery`` in msgpack. Each of its frames is one batch: a msgpack envelope that holds an Arrow IPC
stream for each table of each sample, and inventory, events and links as they are, compressed by zstd. Frames are made
once, when a batch is spooled, and travel as they lie on the disk.

(agent, epoch, sequence) names a batch once and for all. Epoch and sequence stand beside the frame; who the agent is,
the server takes from its certificate and from nothing else. A server ignores columns and fields that it does not
know, and takes absent ones as unknown, as agents do with receipts; frames of a newer ``VERSION`` it refuses as a whole,
and the agent keeps them.

The answer is a ``Receipt``: which batches are durable, so that whatever is not may be sent again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from virtscope.errors import Malformed
from virtscope.ranges import Range, Ranges

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VERSION = 1
"""The version of frames and deliveries: it changes when an older server could not read them rightly."""
CONTENT_TYPE = f"application/vnd.virtscope.batches+msgpack; version={VERSION}"
PATH = "/api/v1/ingest"

LARGEST_DELIVERY = 8 * 1024 * 1024
"""Bytes of a whole body."""
LARGEST_FRAME = 4 * 1024 * 1024
"""Bytes of a frame as it travels."""
LARGEST_CONTENT = 64 * 1024 * 1024
"""Bytes of all frames of a delivery once they are decompressed."""
LARGEST_ENVELOPE = 32 * 1024 * 1024
"""Bytes of a frame once it is decompressed: the XML of some thousand domains."""
MOST_FRAMES = 512
"""Frames in one delivery."""
MOST_RANGES = 256
"""Ranges, losses or epochs in one delivery or receipt."""
_LEVEL = 3

T = TypeVar("T")


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """One batch as it travels."""

    epoch: int
    sequence: int
    body: bytes


class Loss(msgspec.Struct, array_like=True, frozen=True):
    """Batches of an agent that will never come, because its spool was full or damaged."""

    epoch: int
    first: int
    last: int
    since: int
    """When the first of them was made, Unix ms; 0 where that is not known."""
    until: int
    reason: str


class Delivery(msgspec.Struct, frozen=True):
    """One request of an agent. Without frames it only asks how far its batches are stored."""

    sent: int
    """The agent's clock, Unix ms."""
    version: str
    """Of the agent."""
    epochs: tuple[int, ...] = ()
    """Those that it has batches of: the receipt tells how far each is stored."""
    waiting: int = 0
    """Batches that are still to be sent, and their bytes."""
    waiting_bytes: int = 0
    oldest: int = 0
    """When the oldest of them was made, Unix ms."""
    dropped: int = 0
    """Batches that were lost since the agent's spool exists."""
    losses: tuple[Loss, ...] = ()
    """Losses that the server has not confirmed yet."""
    frames: tuple[Frame, ...] = ()
    metrics: str = ""
    """Where the agent serves ``/metrics``, as ``http://0.0.0.0:9177``; empty where only its own machine reaches it."""


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """A batch that will never be stored, and why: the agent puts it aside."""

    epoch: int
    sequence: int
    reason: str


class Receipt(msgspec.Struct, frozen=True):
    """What is durable, of the epochs that the delivery named."""

    at: int
    """The server's clock, Unix ms."""
    store: str
    """Which store this is: another one than before has no inventory yet, and the agent tells everything anew."""
    stored: Mapping[int, tuple[Range, ...]] = {}
    refused: tuple[Refusal, ...] = ()
    version: str = ""
    """Of the server; empty where it is too old to tell."""

    def ranges(self, epoch: int) -> Ranges:
        """Which batches of an epoch are durable."""
        return Ranges(self.stored.get(epoch, ()))


def pack(message: Delivery | Receipt) -> bytes:
    """A message as bytes."""
    return msgspec.msgpack.encode(message)


def unpack(body: bytes, kind: type[T]) -> T:
    """Bytes as a message.

    Raises:
        Malformed: they are none.
    """
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"the body is no {kind.__name__.lower()}: {error}") from None


def compress(envelope: bytes) -> bytes:
    """An envelope as it travels."""
    return zstd.compress(envelope, _LEVEL)


def decompress(frame: bytes, largest: int = LARGEST_ENVELOPE) -> bytes:
    """The envelope of a frame. No more is decompressed than is allowed, whatever the frame says of itself.

    Raises:
        Malformed: it is not zstd, is cut off, or holds too much.
    """
    decompressor = zstd.ZstdDecompressor()
    try:
        envelope = decompressor.decompress(frame, max_length=largest)
    except zstd.ZstdError as error:
        raise Malformed(f"a frame cannot be decompressed: {error}") from None
    if not decompressor.eof:
        too_large = len(envelope) >= largest
        raise Malformed(f"a frame holds more than {largest:,} bytes" if too_large else "a frame is cut off")
    if decompressor.unused_data:
        raise Malformed("something follows the end of a frame")
    return envelope


def receipt_ranges(ranges: Ranges) -> tuple[Range, ...]:
    """Ranges for a receipt: the newest ones, where there are too many."""
    found: Sequence[Range] = list(ranges)
    return tuple(found[-MOST_RANGES:])
