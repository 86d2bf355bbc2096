"""What other versions have sent and will send: read by this one, with nothing lost and nothing made up."""

from __future__ import annotations

import msgspec
import pytest

from virtscope import __version__
from virtscope.catalogue import Scope
from virtscope.ranges import Ranges
from virtscope.sample import Event, HostFacts, Link, LinkState
from virtscope.versions import mismatch
from virtscope.wire import Delivery, Frame, Loss, Receipt, Refusal, compress, decode, decompress, pack, unpack

AT = 1_800_000_000_000
DELIVERY_0_1_0 = bytes.fromhex(
    "89a473656e74cf000001a3185c5000a776657273696f6ea5302e312e30a665706f63687391cf000001a3185c5000a777616974696e6702"
    "ad77616974696e675f6279746573cd012ca66f6c64657374cf000001a3185c5000a764726f7070656403a66c6f737365739196cf000001"
    "a3185c50000709cf000001a3185c5000cf000001a3185c5000b27468652073706f6f6c207761732066756c6ca66672616d65739193cf00"
    "0001a3185c500001c5021c28b52ffd602e039510000659573d504b9b0e308906634687abc5df42f62c63d0a8115aca8a8c8b415297208d"
    "c8ad6e7bf797fd29fded02a80a22f4d14443b1fdc665b3a4182d42246b770a420048004a0092ffaebb3d3c3448fc39748a4387440efdd0"
    "7f49777ff8ffdcfde96e0e87fcafe8eebe8081eb94b005d22682a6ee44c5573bafb09868b8bf033f8e931356ba56072311e438d0d42c22"
    "82a0bbbb43264fe41137c1c000e511003a8043fe48f8e28cfe4b7477880847b1b011f2ff03dd0dc1e11e08f86ff1fff14fba1b01011014"
    "47868aba58d873c9290298976d177d9429b42c70ea6c745668d1a52e69c27661e634a9c91bdbb4d18c17157591b0d5e5cb7271d1193752"
    "786a455db0b85caf5aa9540a5471135480b4d21810ad0cb6f1494cda04192c17f3b20dd3b3e8b2841b9b9cf52ddd8b8435a32acef2e39a"
    "61686a46c2298b96e7b468137cbc91162dd3c7b5134998c1a28d266d1a682acbb5565350e94a3cb50c961b57a8415d3333c18c82922405"
    "855603a082191aab1d12801421d72a2356a0b1d6bf0379c0a18bc07b28545ad08790f677b356e5042592aa2e7dc51eeae1c9708a00b0aa"
    "c18e0d4827b8d3fd93c65b1b03c15c3ebefa9b9e7d0d7e5b9cc6e01e6bbbc7f877fc62c003bc4571da4dcbf06f9cdb07e592f29cc49ab8"
    "0541d4cf35a1f0deae5e9df1f6c0f4cbf3a6f539bc1ca51c81b437f3c392a55cca98df7d88b145b0a938688f45e690cc38cb29fcbcf0b4"
    "fe"
)
"""A delivery as version 0.1.0 has packed it: one waits behind it, three were lost, and one batch is in it."""
RECEIPT_0_1_0 = bytes.fromhex(
    "84a26174cf000001a3185c5000a573746f7265a573746f7265a673746f72656481cf000001a3185c500092920104920709a77265667573"
    "65649193cf000001a3185c500005a3776879"
)
"""A receipt as version 0.1.0 has packed it."""


def test_a_delivery_of_version_0_1_0() -> None:
    delivery = unpack(DELIVERY_0_1_0, Delivery)
    assert (delivery.sent, delivery.version, delivery.epochs) == (AT, "0.1.0", (AT,))
    assert (delivery.waiting, delivery.waiting_bytes, delivery.oldest, delivery.dropped) == (2, 300, AT, 3)
    assert delivery.losses == (Loss(AT, 7, 9, AT, AT, "the spool was full"),)
    (frame,) = delivery.frames
    batch = decode.batch("a", frame)
    assert (batch.agent, batch.epoch, batch.sequence, batch.at) == ("a", AT, 1, AT)
    assert batch.hosts == (HostFacts("h", "kvm1", "qemu:///system", cpus=4),)
    assert batch.events == (Event(AT, "h", "d", "started", "booted"),)
    assert batch.links == (Link("qemu:///system", LinkState.UP, AT, "h"),)
    (sample,) = batch.samples
    assert (sample.host, sample.at, set(sample.rows)) == ("h", AT, {Scope.HOST, Scope.VCPU})
    assert sample.rows[Scope.VCPU][0][:2] == ("d", 3)
    assert [value for value in sample.rows[Scope.VCPU][0][2:] if value is not None] == [5]
    assert all(value is None for value in sample.rows[Scope.HOST][0])


def test_a_receipt_of_version_0_1_0() -> None:
    receipt = unpack(RECEIPT_0_1_0, Receipt)
    assert (receipt.at, receipt.store, receipt.version) == (AT, "store", "")
    assert receipt.ranges(AT) == Ranges([(1, 4), (7, 9)])
    assert receipt.refused == (Refusal(AT, 5, "why"),)


@pytest.mark.parametrize(("body", "kind"), [(DELIVERY_0_1_0, Delivery), (RECEIPT_0_1_0, Receipt)])
def test_fields_of_the_future_cost_nothing(body: bytes, kind: type[Delivery | Receipt]) -> None:
    fields = msgspec.msgpack.decode(body)
    fields["of_the_future"] = {"anything": [1, None, b"x"]}
    assert unpack(msgspec.msgpack.encode(fields), kind) == unpack(body, kind)


def test_parts_of_the_future_cost_nothing() -> None:
    """Frames, losses and refusals are arrays: what comes to their end is left out."""
    delivery = msgspec.msgpack.decode(DELIVERY_0_1_0)
    for part in (*delivery["frames"], *delivery["losses"]):
        part.append("of the future")
    assert unpack(msgspec.msgpack.encode(delivery), Delivery) == unpack(DELIVERY_0_1_0, Delivery)
    receipt = msgspec.msgpack.decode(RECEIPT_0_1_0)
    receipt["refused"][0].append("of the future")
    assert unpack(msgspec.msgpack.encode(receipt), Receipt) == unpack(RECEIPT_0_1_0, Receipt)


def test_facts_of_the_future_cost_nothing() -> None:
    (frame,) = unpack(DELIVERY_0_1_0, Delivery).frames
    envelope = msgspec.msgpack.decode(decompress(frame.body))
    envelope["hosts"][0]["of_the_future"] = 1
    envelope["events"][0]["of_the_future"] = 1
    envelope["of_the_future"] = 1
    newer = Frame(frame.epoch, frame.sequence, compress(msgspec.msgpack.encode(envelope)))
    assert decode.batch("a", newer) == decode.batch("a", frame)


def test_the_least_that_can_be_said_is_enough() -> None:
    delivery = unpack(msgspec.msgpack.encode({"sent": 1, "version": "0"}), Delivery)
    assert (delivery.frames, delivery.epochs, delivery.dropped) == ((), (), 0)
    receipt = unpack(msgspec.msgpack.encode({"at": 1, "store": "s"}), Receipt)
    assert (dict(receipt.stored), receipt.refused, receipt.version) == ({}, (), "")


def test_what_is_packed_now_has_all_that_version_0_1_0_needs() -> None:
    """An older program reads fields by name and knows these."""
    for old, new in (
        (DELIVERY_0_1_0, pack(unpack(DELIVERY_0_1_0, Delivery))),
        (RECEIPT_0_1_0, pack(unpack(RECEIPT_0_1_0, Receipt))),
    ):
        before, now = msgspec.msgpack.decode(old), msgspec.msgpack.decode(new)
        assert {name: now[name] for name in before} == before


@pytest.mark.parametrize(
    ("agent", "server", "to_upgrade"),
    [
        ("0.1.0", "0.1.0", None),
        ("0.1.0", "0.3.2", None),
        ("0.1.0", "0.4.0", "agent"),
        ("0.9.0", "1.0.0", "agent"),
        ("0.1.1", "0.1.0", "server"),
        ("0.10.0", "0.9.0", "server"),
        ("1.0", "0.9.0", "server"),
        ("0.2.0.dev3", "0.2.0", None),
        ("unknown", "0.1.0", None),
        ("", "0.1.0", None),
        (None, "0.1.0", None),
        ("9" * 64, "0.1.0", None),
        ("\u0663.1.0", "0.1.0", None),
    ],
)
def test_versions_that_do_not_go_together(agent: str | None, server: str, to_upgrade: str | None) -> None:
    remark = mismatch(agent, server)
    assert (remark.rpartition(" ")[2] if remark else None) == to_upgrade
    assert mismatch(__version__, __version__) is None
