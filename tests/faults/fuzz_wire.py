"""Fuzzes the reading of deliveries by coverage. To be run by hand, for as long as one likes.

    pip install atheris
    python -m tests.faults.fuzz_wire CORPUS -max_total_time=600

CORPUS is a folder for what it finds of interest; it begins with one of each kind.

Whatever comes in is a batch, or WireError. The tests do the same with hypothesis (``tests/wire``, ``test_attacks.py``).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["virtscope.wire", "virtscope.sample", "virtscope.ranges"]):
    from virtscope import wire
    from virtscope.wire import decode

from tests.synthetic import batch, full_row, sample
from virtscope.catalogue import Scope
from virtscope.errors import WireError
from virtscope.sample import DomainFacts, Event
from virtscope.wire import encode


def read(data: bytes) -> None:
    """The first byte says what the others are: a delivery, an envelope, a frame as it travels, or a table."""
    kind, rest = data[:1], data[1:]
    with suppress(WireError):
        match kind[0] % 4 if kind else 0:
            case 0:
                for frame in wire.unpack(rest, wire.Delivery).frames:
                    with suppress(WireError):
                        decode.batch("agent", frame)
            case 1:
                decode.batch("agent", wire.Frame(1, 1, b""), rest)
            case 2:
                decode.batch("agent", wire.Frame(1, 1, rest))
            case _:
                list(decode.table(Scope.DOMAIN, rest))


def seeds() -> list[bytes]:
    """One of each kind."""
    rows = {Scope.DOMAIN: [full_row(Scope.DOMAIN, ("domain",), lambda _: 7)]}
    told = batch(
        1, sample("host", 5, rows), domains=(DomainFacts("domain", "d", "host"),), events=(Event(5, "h", None, "x"),)
    )
    frame = encode.frame(told)
    delivery = wire.Delivery(1, "0", (1,), losses=(wire.Loss(1, 2, 3, 4, 5, "x"),), frames=(wire.Frame(1, 1, frame),))
    found = (wire.pack(delivery), wire.decompress(frame), frame, encode.stream(Scope.DOMAIN, rows[Scope.DOMAIN]))
    return [bytes([kind]) + data for kind, data in enumerate(found)]


def main() -> None:
    """Fuzz; the arguments are libFuzzer's."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
