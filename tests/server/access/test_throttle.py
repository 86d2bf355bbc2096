"""The throttle: exponential, forgetful, and of bounded memory."""

from __future__ import annotations

import pytest

from tests.server.access.serving import Clock
from virtscope.errors import TooOften
from virtscope.server.access import throttle
from virtscope.server.access.throttle import Throttle, network


def waits(limiter: Throttle, name: str, address: str) -> float:
    try:
        limiter.check(name, address)
    except TooOften as error:
        return error.seconds
    return 0.0


def test_each_failure_waits_twice_as_long_up_to_a_minute() -> None:
    clock = Clock()
    limiter = Throttle(clock)
    found = []
    for number in range(14):
        limiter.failed("ana", f"192.0.2.{number}")
        found.append(waits(limiter, "ana", "198.51.100.1"))
        clock.now += found[-1]
    assert found == pytest.approx([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60], abs=1e-3)
    assert waits(limiter, "bea", "198.51.100.1") == 0
    clock.now += throttle.FORGOTTEN_SECONDS
    assert waits(limiter, "ana", "198.51.100.1") == 0


def test_an_address_that_tries_many_names_waits_too() -> None:
    limiter = Throttle(Clock())
    for number in range(30):
        limiter.failed(f"user-{number}", "2001:db8::1")
    assert waits(limiter, "ana", "2001:db8::ffff") > 500, "one customer's network is one address"
    assert waits(limiter, "ana", "2001:db8:0:1::1") == 0
    limiter.succeeded("user-1")
    assert waits(limiter, "ana", "2001:db8::1") > 500, "an account of one's own does not buy more guesses"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEPT", 100)
    limiter = Throttle(Clock())
    for number in range(1_000):
        limiter.failed(f"user-{number}", f"10.0.{number // 256}.{number % 256}")
    assert [len(kept) for kept in limiter._failed.values()] == [100, 100]


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("the server's own socket", "the server's own socket"),
    ],
)
def test_whose_address_it_is(address: str, whose: str) -> None:
    assert network(address) == whose
