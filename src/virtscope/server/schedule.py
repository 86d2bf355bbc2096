"""Scheduled analyses: one thread of low priority runs each in its turn, and keeps what it finds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from virtscope.analysis import registry
from virtscope.errors import Cancelled, VirtscopeError
from virtscope.priority import stand_back
from virtscope.sample import now_ms
from virtscope.server.analysing import Asked, run
from virtscope.server.services import Services
from virtscope.store.findings import Findings

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How often it is looked whether an analysis is due."""
FIRST_SECONDS = 120.0
"""Nothing is analysed before the server has run for so long: its hosts have to tell of themselves first."""


class Schedule:
    """Runs every analysis every so often. It holds no lock while it computes, and writes in one short transaction."""

    def __init__(
        self,
        services: Services,
        findings: Findings,
        every: float,
        given: Mapping[str, Mapping[str, str]],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Start.

        Args:
            services: the whole fleet.
            findings: where what is found goes.
            every: seconds between two runs of an analysis; 0 is never.
            given: settings of analyses, by their names.
            clock: Unix ms.
        """
        self._services = services
        self._findings = findings
        self._every = every
        self._given = given
        self._clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="analyses", daemon=True)
        if every:
            self._thread.start()

    def stop(self) -> None:
        """End; an analysis that is under way is cancelled."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def due(self) -> list[str]:
        """The analyses whose newest run is too long ago, the longest waiting first."""
        runs, now = self._findings.runs(), self._clock()
        ages = {name: now - runs[name].at if name in runs else None for name in registry.NAMES}
        waiting = [name for name, age in ages.items() if age is None or age < 0 or age >= self._every * 1000]
        return sorted(waiting, key=lambda name: -(ages[name] or 2**62))

    def run_one(self, name: str) -> None:
        """Run one analysis over the whole fleet, and keep what it finds."""
        at, began = self._clock(), time.monotonic()
        try:
            found = run(self._services, Asked(name, self._given.get(name, {})), at, self._ended.is_set)
        except Cancelled:
            return
        except VirtscopeError as error:
            log.warning("the analysis %s: %s", name, error)
            self._findings.failed(name, at, time.monotonic() - began, str(error))
        except Exception as error:
            log.exception("the analysis %s failed", name)
            reason = str(error).partition("\n")[0] or type(error).__name__
            self._findings.failed(name, at, time.monotonic() - began, reason)
        else:
            self._findings.take(name, at, time.monotonic() - began, found.findings)

    def _run(self) -> None:
        stand_back()
        pause = FIRST_SECONDS
        while not self._ended.wait(pause):
            pause = LOOK_SECONDS
            try:
                if self._services.fleet.hosts():
                    for name in self.due():
                        if self._ended.is_set():
                            return
                        self.run_one(name)
            except VirtscopeError as error:  # the store does not take it: later it will
                log.warning("findings cannot be kept: %s", error)
            except Exception:
                log.exception("findings cannot be kept")
