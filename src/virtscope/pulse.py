"""Who has promised to come round again, and who is late: what a watchdog asks before it says that all is well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pulse:
    """The promises of a process's threads. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` tells seconds that only grow."""
        self._clock = clock
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    def expect(self, name: str, seconds: float) -> None:
        """It will be here again within so many seconds, or else it is late."""
        with self._lock:
            self._due[name] = self._clock() + seconds

    def forget(self, name: str) -> None:
        """It has ended as it should."""
        with self._lock:
            self._due.pop(name, None)

    def late(self) -> tuple[str, ...]:
        """Who has not come round as promised."""
        now = self._clock()
        with self._lock:
            return tuple(sorted(name for name, due in self._due.items() if due < now))
