"""How often somebody may be refused before he is not listened to for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from virtscope.errors import TooOften

_MOST_SOURCES = 10_000


class Attempts:
    """Failures by where they came from, in bounded memory. Successes cost nothing, however many there are."""

    def __init__(self, most: int = 10, seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        """Take at most so many failures of one source in so many seconds."""
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._guard = threading.Lock()

    def check(self, address: str) -> None:
        """Refuse a source that has failed too often.

        Raises:
            TooOften: it has.
        """
        now = self._clock()
        with self._guard:
            failures = self._failures.get(_source(address))
            if failures is None or len(failures) < self._most or now >= failures[0] + self._seconds:
                return
            rest = failures[0] + self._seconds - now
        raise TooOften(f"too many failed attempts from {address}", f"Try again in {rest:.0f} seconds.", rest)

    def failed(self, address: str) -> None:
        """Remember a failure."""
        source = _source(address)
        with self._guard:
            self._failures.setdefault(source, deque(maxlen=self._most)).append(self._clock())
            self._failures.move_to_end(source)
            if len(self._failures) > _MOST_SOURCES:
                self._failures.popitem(last=False)


def _source(address: str) -> str:
    """One network of IPv6 is one source: whoever has an address there has all of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(int(found) >> 64) if isinstance(found, IPv6Address) else address
