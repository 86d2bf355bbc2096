"""The watcher: looks at every source again and again, and starts and stops hosts as they come and go.

One thread for each source. A source that fails keeps the hosts of its last good list: an inventory that is down must
not blind the fleet. Only a good list takes hosts away, were it an empty one.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from virtscope.agent.discovery import Source
from virtscope.agent.lane import Lane
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import VirtscopeError

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How long a look may take, whatever the source's own limits."""
LONGEST_PAUSE_SECONDS = 60.0
"""A source that fails is looked at more and more seldom, but no more seldom than this, or than its own interval."""

Stop: TypeAlias = Callable[[], None]


class Watcher:
    """Watches the hosts that are given, and those that sources find."""

    def __init__(
        self, sources: Sequence[Source], fixed: Sequence[ConnectionUri], start: Callable[[ConnectionUri], Stop]
    ) -> None:
        """Start the given hosts, then look for others.

        ``start`` begins to watch a host and answers with what ends that. It is called by one thread at a time, as is
        what it answers with; others wait meanwhile, so neither should take long.
        """
        self._fixed = tuple(fixed)
        self._start = start
        self._found: list[Sequence[ConnectionUri]] = [()] * len(sources)
        self._running: dict[ConnectionUri, Stop] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._settle()
        for number, source in enumerate(sources):
            threading.Thread(
                target=self._follow, args=(number, source), name=f"discovery {source.name}", daemon=True
            ).start()

    @property
    def watched(self) -> tuple[ConnectionUri, ...]:
        """Every host that is watched now."""
        with self._lock:
            return tuple(self._running)

    def stop(self) -> None:
        """Stop every host, and look no more. A look that goes on has no effect any more."""
        self._stopped.set()
        self._settle()

    def _follow(self, number: int, source: Source) -> None:
        """Look at one source until stopped."""
        lane = Lane(f"discovery {source.name}")
        failures, said = 0, ""
        while not self._stopped.is_set():
            try:
                found = lane.call(source.hosts, LOOK_SECONDS)
            except Exception as error:
                # Whatever a source's answer makes us stumble over, the next look tries anew.
                failures, reason = failures + 1, _reason(source, error)
                if reason != said:
                    log.warning("%s Its last list stays (%d hosts).", reason, len(self._found[number]))
                    log.debug("%s: the look failed", source.name, exc_info=True)
                said = reason
            else:
                if failures:
                    log.info("%s answers again", source.name)
                failures, said = 0, ""
                self._take(number, found)
            self._stopped.wait(pause(source.interval, failures) * random.uniform(0.9, 1.1))
        lane.close()

    def _take(self, number: int, found: Sequence[ConnectionUri]) -> None:
        with self._lock:
            self._found[number] = tuple(found)
        self._settle()

    def _settle(self) -> None:
        """Stop what is not wanted any more, start what is new."""
        with self._lock:
            wanted = () if self._stopped.is_set() else merged(self._fixed, self._found)
            for uri in self._running.keys() - set(wanted):
                self._end(uri)
            for uri in wanted:
                if uri not in self._running and not self._stopped.is_set():
                    self._begin(uri)

    def _begin(self, uri: ConnectionUri) -> None:
        try:
            self._running[uri] = self._start(uri)
        except Exception:
            log.exception("BUG: %s cannot be watched; the next look tries again. Please report it.", uri.text)
        else:
            log.info("%s is watched", uri.text)

    def _end(self, uri: ConnectionUri) -> None:
        stop = self._running.pop(uri)
        try:
            stop()
        except Exception:
            log.exception("BUG: watching %s did not end. Please report it.", uri.text)
        else:
            if not self._stopped.is_set():
                log.info("%s is not watched any more", uri.text)


def merged(fixed: Sequence[ConnectionUri], found: Iterable[Sequence[ConnectionUri]]) -> tuple[ConnectionUri, ...]:
    """Each host once: all that are given, then those found that are not among them yet, however they are connected to.

    That two *given* URIs lead to one address is the operator's will: they may be told apart by a socket.
    """
    places = {_place(uri) for uri in fixed}
    wanted = dict.fromkeys(fixed)
    for uris in found:
        for uri in uris:
            if _place(uri) not in places:
                places.add(_place(uri))
                wanted[uri] = None
    return tuple(wanted)


def pause(interval: float, failures: int) -> float:
    """Seconds until the next look, after so many failures in a row."""
    return min(interval * 2.0 ** min(failures, 16), max(interval, LONGEST_PAUSE_SECONDS))


def _place(uri: ConnectionUri) -> tuple[str, str, int | None, str]:
    """Which libvirtd a URI leads to, as far as it can be told."""
    return uri.driver, uri.host, uri.port, uri.path if uri.host else uri.text


def _reason(source: Source, error: Exception) -> str:
    if not isinstance(error, VirtscopeError):
        return f"BUG: {source.name}: the look failed: {error!r}. Please report it."
    return f"{error}. {error.hint}" if error.hint else f"{error}."
