"""The kernel lane's thread: reads at a pace of its own, fed by each answer of libvirt, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from virtscope.agent.kernel_lane import KernelLane, Watched
from virtscope.sample import HostFacts, Sample, Value

log = logging.getLogger(__name__)


class KernelThread:
    """The kernel lane in a thread of its own, fed by each answer of libvirt."""

    def __init__(
        self, host: HostFacts, interval: float, send: Callable[[Sample], None], ask_libvirt: Callable[[], None]
    ) -> None:
        self._lane = KernelLane(host.id)
        self._interval = interval
        self._send = send
        self._ask_libvirt = ask_libvirt
        self._guard = threading.Lock()
        self._figures: Mapping[str, Value] = {}
        self._running = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kernel lane {host.name}", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it reads; not before it has found every domain's process."""
        return self._running

    def follow(self, domains: Sequence[Watched], figures: Mapping[str, Value]) -> None:
        """Take over what is to be read from now on."""
        with self._guard:
            self._figures = figures
            self._running = self._lane.follow(domains)

    def pause(self) -> None:
        """Read nothing until libvirt has answered again: what is there is not known."""
        self._running = False

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(timeout=5)
        with self._guard:
            self._lane.close()

    def _tick(self) -> None:
        try:
            with self._guard:
                sample, is_whole = self._lane.read(self._figures)
            self._send(sample)
        except Exception:
            # Whatever /proc makes us stumble over: libvirt is asked for everything until the lane is tried again.
            log.exception("BUG: the kernel's counters could not be read. Please report it.")
            is_whole = self._running = False
        if not is_whole:
            self._ask_libvirt()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            if self._running:
                self._tick()
            due = max(due + self._interval, time.monotonic())
            self._stopped.wait(due - time.monotonic())
