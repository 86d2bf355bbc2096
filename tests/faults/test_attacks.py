"""Attacks on the agents' port by somebody who has a certificate: each costs only its agent, and never a 500."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.emitter import host_of
from tests.faults.rig import Server, sized
from tests.faults.witness import stored
from tests.synthetic import full_row, row
from virtscope.agent.enrolment.enrol import enrol
from virtscope.agent.enrolment.identity import Identity
from virtscope.catalogue import Scope
from virtscope.sample import Batch, Event, HostFacts, NetworkFacts, Sample, now_ms
from virtscope.server.quota import MOST_OBJECTS
from virtscope.wire import (
    CONTENT_TYPE,
    LARGEST_DELIVERY,
    PATH,
    Delivery,
    Frame,
    Loss,
    Receipt,
    compress,
    encode,
    pack,
    unpack,
)

MEBIBYTE = 1 << 20


@dataclass
class Attacker:
    """Somebody with an agent's certificate and a client of his own."""

    identity: Identity
    pool: urllib3.PoolManager

    @property
    def host(self) -> str:
        return host_of(self.identity.agent)

    def post(self, body: bytes | Iterator[bytes], **headers: str) -> urllib3.BaseHTTPResponse:
        """Whatever it is, as a delivery."""
        sent = {"Content-Type": CONTENT_TYPE, **headers}
        return self.pool.request("POST", self.identity.server + PATH, body=body, headers=sent)

    def deliver(self, *batches: Batch | bytes, epoch: int = 1, first: int = 1) -> urllib3.BaseHTTPResponse:
        """Batches, or what is no frame, as a good agent sends them."""
        bodies = [one if isinstance(one, bytes) else encode.frame(one) for one in batches]
        frames = tuple(Frame(epoch, number, body) for number, body in enumerate(bodies, first))
        return self.post(pack(Delivery(now_ms(), "0", (epoch,), frames=frames)))

    def batch(self, at: int | None = None, **rest: Any) -> Batch:
        """A batch of its host."""
        when = at or now_ms()
        rows = [full_row(Scope.DOMAIN, ("domain",), lambda _: 1)]
        sample = Sample(rest.pop("host", self.host), when, {Scope.HOST: [row(Scope.HOST, ())], Scope.DOMAIN: rows})
        return Batch(self.identity.agent, 0, 0, when, (sample,), **rest)


def receipt(answer: urllib3.BaseHTTPResponse) -> Receipt:
    assert answer.status == 200, answer.data
    return unpack(answer.data, Receipt)


@pytest.fixture
def intrude(standing: Server, tmp_path: Path) -> Iterator[Callable[[str], Attacker]]:
    """Enrols an attacker."""
    made: list[Attacker] = []

    def enrolled(name: str) -> Attacker:
        known = enrol(standing.agents_url, standing.token(name), name, tmp_path / name)
        made.append(Attacker(known, urllib3.PoolManager(ssl_context=known.context(), retries=False, timeout=60)))
        return made[-1]

    yield enrolled
    for one in made:
        one.pool.clear()


Intrude = Callable[[str], Attacker]


def test_bodies_without_end(standing: Server, intrude: Intrude) -> None:
    """Too large by its own word, or without one: refused, and never held in memory."""
    one = intrude("endless")
    before = standing.memory()
    assert one.post(b"", **{"Content-Length": str(LARGEST_DELIVERY + 1)}).status == 413
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(4_096):
            sent += MEBIBYTE
            yield bytes(MEBIBYTE)

    status = 0
    with suppress(urllib3.exceptions.HTTPError, OSError):  # answered and closed, while we write still
        status = one.post(chunks(), **{"Transfer-Encoding": "chunked"}).status
    assert status in (0, 413)
    assert sent < 64 * MEBIBYTE
    assert standing.memory() - before < 128 * MEBIBYTE
    receipt(intrude("after").deliver())


def test_a_slow_sender_waits_alone(standing: Server, intrude: Intrude) -> None:
    """Who sends byte by byte holds one place, his own; in the long form, until he is told that it took too long."""
    slow = intrude("slow")
    port = standing.port
    said = f"Host: x\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
    ended = threading.Event()
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        slow.identity.context().wrap_socket(raw, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(f"POST {PATH} HTTP/1.1\r\n{said}".encode())
        assert b" 100 " in tls.recv(4_096)  # it is let in, and read from

        def drip() -> None:
            with suppress(OSError, ssl.SSLError):
                while not ended.wait(0.5):
                    tls.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert slow.deliver(slow.batch()).status == 429
            receipt(intrude("quick").deliver())
            if sized(0, 1):
                assert b" 408 " in tls.recv(4_096)
        finally:
            ended.set()
            thread.join()


def bomb(size: int) -> bytes:
    return compress(bytes(size))


def test_bombs(standing: Server, intrude: Intrude) -> None:
    """A few kilobytes that become hundreds of megabytes: refused before they are."""
    one = intrude("bomber")
    before = standing.memory("VmHWM")
    told = receipt(one.deliver(*[bomb(256 * MEBIBYTE)] * 5, one.batch()))
    assert [refusal.sequence for refusal in told.refused] == [1, 2, 3, 4, 5]
    assert list(told.stored[1]) == [(6, 6)]
    assert standing.memory("VmHWM") - before < 160 * MEBIBYTE


def test_an_agent_tells_of_its_own_hosts_only(standing: Server, intrude: Intrude) -> None:
    victim, thief = intrude("victim"), intrude("thief")
    captured = victim.batch(hosts=(HostFacts(victim.host, "victim", "test:///default"),))
    receipt(victim.deliver(captured))
    before = stored(standing.data)
    for one in (captured, thief.batch(host=victim.host)):
        answer = thief.deliver(one)
        assert answer.status == 409
        assert b"victim" in answer.data
    assert stored(standing.data) == before
    # Of what is partly its own, that part is taken and no more.
    receipt(thief.deliver(thief.batch(events=(Event(now_ms(), victim.host, None, "forged"),))))
    before_theft, before = before, stored(standing.data)
    assert {name[0] for name in before.keys() - before_theft.keys()} == {thief.host}
    with urllib3.PoolManager(retries=False) as pool:
        events = pool.request("GET", f"{standing.url}/api/v1/events").json()["events"]
    assert "forged" not in {event["kind"] for event in events}
    lost = Loss(1, 1, 1_000, 0, 0, "never mind")
    receipt(thief.post(pack(Delivery(now_ms(), "0", (1,), losses=(lost,)))))
    receipt(victim.deliver(victim.batch(), first=2))  # whose sequences are not the thief's
    assert len(stored(standing.data).keys() - before.keys()) == 1


def test_a_captured_delivery_has_no_effect(standing: Server, intrude: Intrude) -> None:
    one = intrude("captured")
    body = pack(Delivery(now_ms(), "0", (1,), frames=(Frame(1, 1, encode.frame(one.batch())),)))
    first = receipt(one.post(body))
    before = {name: rows for name, rows in stored(standing.data).items() if name[0] == one.host}
    for _ in range(3):
        assert receipt(one.post(body)).stored == first.stored
    assert {name: rows for name, rows in stored(standing.data).items() if name[0] == one.host} == before
    assert list(before.values()) == [(1, 1)]


def test_who_shows_no_certificate_is_nobody(standing: Server, intrude: Intrude) -> None:
    one = intrude("nobody")
    anonymous = ssl.create_default_context(cadata=one.identity.authority)
    anonymous.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with urllib3.PoolManager(ssl_context=anonymous, retries=False) as pool:
        answer = pool.request("POST", one.identity.server + PATH, body=b"", headers={"Content-Type": CONTENT_TYPE})
    assert answer.status == 401
    with urllib3.PoolManager(retries=False) as pool:
        assert pool.request("DELETE", f"{standing.url}/api/v1/agents/{one.identity.agent}").status == 204
    assert one.deliver(one.batch()).status == 403


def test_a_million_names(standing: Server, intrude: Intrude) -> None:
    """More objects than one agent may tell of are refused, to it alone."""
    many, other = intrude("many"), intrude("other")
    names = [str(number) for number in range(MOST_OBJECTS - 1)]  # its run is an object as well
    for number in range(5):
        others = tuple(NetworkFacts(name, "n", many.host) for name in names[number::5])
        assert not receipt(many.deliver(many.batch(others=others), first=number + 1)).refused
    told = receipt(many.deliver(many.batch(others=(NetworkFacts("one more", "n", many.host),)), first=6))
    assert "different objects" in told.refused[0].reason
    assert not receipt(many.deliver(many.batch(), first=7)).refused
    assert not receipt(other.deliver(other.batch(others=(NetworkFacts("mine", "n", other.host),)))).refused
    long = NetworkFacts("long", "n" * 65_537, other.host)
    assert (
        "more than 65,536 characters" in receipt(other.deliver(other.batch(others=(long,)), first=2)).refused[0].reason
    )


WHOLE = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.sampled_from([0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1])
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ENVELOPES = st.fixed_dictionaries(
    {"version": st.sampled_from([0, 1, 1, 1, 1, 2]) | WHOLE, "at": WHOLE},
    optional={
        "samples": st.lists(
            st.tuples(
                st.text(max_size=8),
                WHOLE,
                st.dictionaries(st.sampled_from(["host", "domain", "x"]), st.binary(max_size=30), max_size=2),
            ),
            max_size=2,
        )
        | ANYTHING,
        "events": st.lists(
            st.tuples(
                WHOLE, st.text(max_size=8), st.none() | st.text(max_size=8), st.text(max_size=8), st.text(max_size=8)
            ).map(lambda e: dict(zip(("at", "host", "domain", "kind", "detail"), e, strict=True))),
            max_size=3,
        )
        | ANYTHING,
        "links": st.lists(
            st.fixed_dictionaries(
                {
                    "uri": st.text(max_size=9),
                    "state": st.sampled_from(["up", "down", "x"]),
                    "since": WHOLE,
                    "interval": st.floats(),
                }
            ),
            max_size=2,
        )
        | ANYTHING,
        "gone": st.lists(
            st.fixed_dictionaries(
                {"host": st.text(max_size=8), "kind": st.text(max_size=8), "id": st.text(max_size=8)}
            ),
            max_size=2,
        ),
        "hosts": st.lists(
            st.fixed_dictionaries(
                {"id": st.text(max_size=8), "name": st.text(max_size=8), "uri": st.text(max_size=8), "cpus": WHOLE}
            ),
            max_size=2,
        ),
    },
)
FRAMES = st.tuples(
    WHOLE,
    WHOLE,
    st.binary(max_size=40)
    | st.binary(max_size=40).map(compress)
    | ENVELOPES.map(lambda e: compress(msgspec.msgpack.encode(e))),
)
LOSSES = st.tuples(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, st.text(max_size=8))
DELIVERIES = st.fixed_dictionaries(
    {"sent": WHOLE, "version": st.text(max_size=8)},
    optional={
        "epochs": st.lists(WHOLE, max_size=3),
        "waiting": WHOLE,
        "oldest": WHOLE,
        "losses": st.lists(LOSSES, max_size=3),
        "frames": st.lists(FRAMES, max_size=3),
    },
)


def test_nothing_that_is_posted_is_a_500(standing: Server, intrude: Intrude) -> None:
    """Anything at all, and what comes ever nearer to a delivery: understood, or refused with a reason."""
    one = intrude("fuzzer")
    fuzz(one, sized(60, 5_000))
    told = receipt(one.deliver(one.batch(), epoch=now_ms(), first=1))
    assert not told.refused
    assert "BUG" not in standing.text
    with urllib3.PoolManager(retries=False) as pool:
        for path in ("agents", "hosts", "domains", "events", "info"):
            assert pool.request("GET", f"{standing.url}/api/v1/{path}").status == 200, path


def fuzz(one: Attacker, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200) | ANYTHING.map(msgspec.msgpack.encode) | DELIVERIES.map(msgspec.msgpack.encode))
    def post(body: bytes) -> None:
        answer = one.post(body)
        assert answer.status in (200, 400, 409, 413, 415), (answer.status, answer.data)

    post()
