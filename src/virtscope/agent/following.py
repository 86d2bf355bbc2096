"""Collectors of many hypervisors: begun and ended together, and as hypervisors come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from virtscope.agent import discovery, processes
from virtscope.agent.batches import Sink
from virtscope.agent.collector import Collector
from virtscope.agent.discovery.template import DEFAULT
from virtscope.agent.discovery.watcher import Watcher
from virtscope.agent.pace import Pace
from virtscope.agent.settings import Watching, Write
from virtscope.agent.uri import ConnectionUri
from virtscope.pulse import Pulse

STOP_SECONDS = 5.0
"""How long a collector may take to end before it is left to itself."""


class Told(Protocol):
    """Who hears which hypervisors are watched."""

    def watch(self, uri: str) -> None:
        """It is watched from now on."""

    def leave(self, uri: str) -> None:
        """It is not watched any more."""


def watch(uris: Sequence[ConnectionUri], sink: Sink, pace: Pace) -> Callable[[], None]:
    """Start a collector for each URI, each in its own thread; the answer stops them all and waits for them."""
    stops = [start(uri, sink, pace) for uri in uris]

    def stop() -> None:
        # All are told before any is waited for.
        with ThreadPoolExecutor(max(1, len(stops))) as pool:
            list(pool.map(lambda one: one(), stops))

    return stop


def start(uri: ConnectionUri, sink: Sink, pace: Pace, allowed: frozenset[Write] = frozenset()) -> Callable[[], None]:
    """Start one collector in a thread of its own; the answer stops it and waits for it.

    Args:
        uri: the hypervisor.
        sink: where batches go.
        pace: how often it is read.
        allowed: what may be written there.
    """
    collector, thread = _started(uri, sink, pace, allowed)

    def stop() -> None:
        collector.stop()
        thread.join(STOP_SECONDS)

    return stop


def _started(
    uri: ConnectionUri, sink: Sink, pace: Pace, allowed: frozenset[Write], pulse: Pulse | None = None
) -> tuple[Collector, threading.Thread]:
    collector = Collector(uri, sink, pace, allowed, pulse)
    thread = threading.Thread(target=collector.run, name=f"collector {uri.text}", daemon=True)
    thread.start()
    return collector, thread


@dataclass(frozen=True, slots=True)
class Following:
    """Hypervisors that are being watched."""

    stop: Callable[[], None]
    """End it, and wait for all collectors."""
    resend: Callable[[], None]
    """Have every collector tell anew what exists."""


def follow(watching: Watching, sink: Sink, told: Told | None = None, pulse: Pulse | None = None) -> Following:
    """Watch the hypervisors that are given and those that sources find, as they come and go.

    Args:
        watching: which, and how.
        sink: where batches go.
        told: hears of each hypervisor that is watched from now on, or no more.
        pulse: hears when each collector will come round again.

    Raises:
        BadInput: a source makes no sense.
    """
    processes.allow_descriptors()
    template = watching.template or DEFAULT
    sources = [discovery.parse(text, template, allow_no_verify=watching.allow_no_verify) for text in watching.sources]

    running: set[Collector] = set()
    ending: list[float] = []

    def begin(uri: ConnectionUri) -> Callable[[], None]:
        if told is not None:
            told.watch(uri.text)
        collector, thread = _started(uri, sink, watching.pace, watching.allowed_on(uri.text), pulse)
        running.add(collector)

        def end() -> None:
            collector.stop()
            thread.join(max(0.0, ending[0] - time.monotonic()) if ending else STOP_SECONDS)
            running.discard(collector)
            if told is not None and not ending:
                told.leave(uri.text)

        return end

    watcher = Watcher(sources, watching.uris, begin)

    def stop() -> None:
        # All are told before any is waited for: hosts that hang take as long together as one.
        ending.append(time.monotonic() + STOP_SECONDS)
        for collector in list(running):
            collector.stop()
        watcher.stop()

    def resend() -> None:
        for collector in list(running):
            collector.resend()

    return Following(stop, resend)
