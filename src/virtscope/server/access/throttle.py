"""How often somebody may try to sign in: each failure makes the next try wait twice as long."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from virtscope.errors import TooOften

MOST_KEPT = 10_000
"""Names, and as many addresses, whose failures are remembered: the ones that failed last."""
FORGOTTEN_SECONDS = 900.0
"""After so long without another failure everything is forgiven."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one kind of key is allowed."""

    free: int
    """Failures that cost nothing."""
    longest: float
    """Seconds that somebody has to wait at most: for a name few, or others could lock its owner out."""


OF_NAMES = Limit(free=5, longest=60.0)
OF_ADDRESSES = Limit(free=20, longest=FORGOTTEN_SECONDS)


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    at: float


class Throttle:
    """Remembers failures by name and by address, in bounded memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[Limit, OrderedDict[str, _Failures]] = {OF_NAMES: OrderedDict(), OF_ADDRESSES: OrderedDict()}

    def check(self, name: str, address: str) -> None:
        """Let somebody try.

        Raises:
            TooOften: not yet.
        """
        wait = max(self._wait(OF_NAMES, name), self._wait(OF_ADDRESSES, network(address)))
        if wait > 0:
            raise TooOften("too many failed attempts to sign in", f"Try again in {wait:.0f} seconds.", wait)

    def failed(self, name: str, address: str) -> None:
        """Somebody tried, in vain."""
        for limit, key in ((OF_NAMES, name), (OF_ADDRESSES, network(address))):
            kept = self._failed[limit]
            before = self._known(limit, key)
            kept[key] = _Failures((before.count if before else 0) + 1, self._clock())
            kept.move_to_end(key)
            if len(kept) > MOST_KEPT:
                kept.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Its owner is there: his own mistakes are forgiven, his address's are not."""
        self._failed[OF_NAMES].pop(name, None)

    def _wait(self, limit: Limit, key: str) -> float:
        known = self._known(limit, key)
        if known is None or known.count < limit.free:
            return 0.0
        pause = min(2.0 ** min(known.count - limit.free, 20), limit.longest)
        return known.at + pause - self._clock()

    def _known(self, limit: Limit, key: str) -> _Failures | None:
        known = self._failed[limit].get(key)
        return known if known and self._clock() - known.at < FORGOTTEN_SECONDS else None


def network(address: str) -> str:
    """An address, or of IPv6 the network that one customer has for himself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
