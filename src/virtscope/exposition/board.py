"""The board: the newest of everything that batches have told, and an immutable view of it at one moment.

Lanes read different figures at different paces, so a row is kept metric by metric, each with the time it was read.
Nothing is shown that is older than a limit, and nothing of a host that cannot be reached.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar, cast

from virtscope.catalogue import Scope, metrics_of
from virtscope.codes import ACTIVE_STATES
from virtscope.sample import KINDS, Batch, Facts, HostFacts, Link, LinkState, Sample, Value

MAX_AGE_SECONDS = 300.0
"""A figure older than this says nothing of now."""
_INTERVALS = 3
"""A host that is read seldom may miss two readings before its figures are too old."""

Key: TypeAlias = tuple[str | int | None, ...]
"""What tells an object from another of its scope on one host; the host itself is the empty key."""
F = TypeVar("F", bound=Facts)

_WIDTH = {scope: len(scope.keys) - 1 for scope in Scope}
_PARENT = {scope: Scope.DOMAIN for scope in Scope if scope.is_of_domain and scope is not Scope.DOMAIN}
_PARENT[Scope.VOLUME] = Scope.POOL
"""Whose part an object is: its key begins with that object's."""
_STATE = [metric.name for metric in metrics_of(Scope.DOMAIN)].index("state")


class Reading(NamedTuple):
    """What is known of one object: each metric with the time of its reading, Unix ms."""

    values: tuple[Value, ...]
    ats: tuple[int, ...]

    @property
    def newest(self) -> int:
        """When the newest of it was read."""
        return max(self.ats)

    def since(self, limit: int) -> Reading | None:
        """Without the metrics read before ``limit``; None where nothing is left."""
        if min(self.ats) >= limit:
            return self
        if self.newest < limit:
            return None
        return Reading(
            tuple([value if at >= limit else None for value, at in zip(self.values, self.ats, strict=True)]), self.ats
        )


Table: TypeAlias = Mapping[Key, Reading]


@dataclass(frozen=True, slots=True)
class HostView:
    """One host at the moment of the view."""

    id: str
    up: bool
    tables: Mapping[Scope, Table]
    """Every object that may be shown. Empty where the host is down."""
    read_at: Mapping[Scope, int]
    """When each scope was last read, Unix ms, shown or not."""
    inventory: Mapping[str, Mapping[str, Facts]]
    """Facts by kind, then by id."""

    def facts(self, kind: type[F]) -> Mapping[str, F]:
        """The facts of one kind, by id."""
        return cast("Mapping[str, F]", self.inventory.get(KINDS[kind], {}))


@dataclass(frozen=True, slots=True)
class View:
    """Everything at one moment."""

    at: int
    """Unix ms."""
    hosts: tuple[HostView, ...]
    """In the order of their ids."""
    unreached: tuple[str, ...]
    """URIs behind which no host was ever seen."""


@dataclass(slots=True)
class _Table:
    """A scope's rows on one host."""

    at: int = 0
    """When the newest complete reading began."""
    rows: dict[Key, Reading] = field(default_factory=dict)


@dataclass(slots=True)
class _Host:
    tables: dict[Scope, _Table] = field(default_factory=dict)
    inventory: dict[str, dict[str, Facts]] = field(default_factory=dict)


class Board:
    """Takes batches from any thread, and shows what is newest in them."""

    def __init__(self, max_age: float = MAX_AGE_SECONDS) -> None:
        self._max_age_ms = int(max_age * 1000)
        self._hosts: dict[str, _Host] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._lock = threading.Lock()

    def put(self, batch: Batch) -> None:
        """Take over what a batch tells."""
        with self._lock:
            for link in batch.links:
                self._links[link.agent, link.uri] = link
            for gone in batch.gone:
                self._remove(gone.host, gone.kind, gone.id)
            for facts in (*batch.hosts, *batch.domains, *batch.others):
                host = facts.id if isinstance(facts, HostFacts) else facts.host
                self._host(host).inventory.setdefault(KINDS[type(facts)], {})[facts.id] = facts
            for sample in batch.samples:
                self._take(sample)

    def watch(self, uri: str) -> None:
        """A hypervisor is watched from now on: until it is reached it is shown as down."""
        with self._lock:
            self._links.setdefault(("", uri), Link(uri, LinkState.CONNECTING, since=0))

    def leave(self, uri: str) -> None:
        """A hypervisor is not watched any more: nothing of it is shown."""
        with self._lock:
            link = self._links.pop(("", uri), None)
            if link is None or link.host is None or any(one.host == link.host for one in self._links.values()):
                return
            self._hosts.pop(link.host, None)

    def dismiss(self, agent: str) -> None:
        """An agent may not tell any more: nothing of its hosts is shown."""
        with self._lock:
            for way in [way for way in self._links if way[0] == agent]:
                host = self._links.pop(way).host
                if host is not None:
                    self._hosts.pop(host, None)

    def view(self, now: int) -> View:
        """Everything that is fresh at ``now``, Unix ms."""
        with self._lock:
            links = list(self._links.values())
            copies = {
                id_: (
                    {scope: dict(table.rows) for scope, table in host.tables.items()},
                    {scope: table.at for scope, table in host.tables.items()},
                    {kind: dict(facts) for kind, facts in host.inventory.items()},
                )
                for id_, host in sorted(self._hosts.items())
            }
        seen = {link.host for link in links if link.host is not None}
        return View(
            at=now,
            hosts=tuple(
                self._view(id_, [link for link in links if link.host == id_], now, *copies.get(id_, ({}, {}, {})))
                for id_ in sorted(seen | copies.keys())
            ),
            unreached=tuple(sorted(link.uri for link in links if link.host is None)),
        )

    def _view(
        self,
        id_: str,
        links: list[Link],
        now: int,
        rows: dict[Scope, dict[Key, Reading]],
        read_at: dict[Scope, int],
        inventory: dict[str, dict[str, Facts]],
    ) -> HostView:
        slowest = max((link.interval for link in links), default=0.0)
        limit = now - max(self._max_age_ms, int(slowest * 1000 * _INTERVALS))
        # Where nobody tells of a connection, or the one who told is gone, fresh samples are what shows that it is up.
        connected = not links or any(link.state is LinkState.UP for link in links)
        up = connected and max(read_at.values(), default=0) >= limit
        return HostView(id_, up, _fresh(rows, limit) if up else {}, read_at, inventory)

    def _host(self, host: str) -> _Host:
        return self._hosts.setdefault(host, _Host())

    def _remove(self, host: str, kind: str, id_: str) -> None:
        if kind == KINDS[HostFacts]:
            self._hosts.pop(id_, None)
            self._links = {way: link for way, link in self._links.items() if link.host != id_}
        elif host in self._hosts:
            found = self._hosts[host]
            found.inventory.get(kind, {}).pop(id_, None)
            for scope in (Scope.DOMAIN, Scope.POOL):
                if scope.value == kind and scope in found.tables:
                    found.tables[scope].rows.pop((id_,), None)
                    _remove_parts(found, scope, {(id_,)})

    def _take(self, sample: Sample) -> None:
        host = self._host(sample.host)
        for scope, rows in sample.rows.items():
            table = host.tables.setdefault(scope, _Table())
            found = {row[: _WIDTH[scope]]: cast("tuple[Value, ...]", row[_WIDTH[scope] :]) for row in rows}
            is_newest = sample.at >= table.at
            for key, values in found.items():
                known = table.rows.get(key)
                if known is not None:
                    table.rows[key] = _merged(scope, known, values, sample.at)
                elif is_newest:  # an object that only an older reading has is gone since
                    table.rows[key] = Reading(values, (sample.at,) * len(values))
            if is_newest:
                table.at = sample.at
                gone = table.rows.keys() - found.keys()
                for key in gone:
                    del table.rows[key]
                if gone:
                    _remove_parts(host, scope, gone)


def _merged(scope: Scope, known: Reading, values: tuple[Value, ...], at: int) -> Reading:
    """The newest value of each metric. Lanes overlap: a reading that began earlier may arrive later."""
    if min(known.ats) <= at and (None not in values or _has_ended(scope, values)):
        return Reading(values, (at,) * len(values))
    pairs = [
        (new, at) if was is None or (new is not None and at >= then) else (was, then)
        for new, was, then in zip(values, known.values, known.ats, strict=True)
    ]
    merged, ats = zip(*pairs, strict=True)
    return Reading(merged, ats)


def _has_ended(scope: Scope, values: tuple[Value, ...]) -> bool:
    """Whether it is a domain without a process: what is unknown of it now is not what it was before."""
    return scope is Scope.DOMAIN and values[_STATE] is not None and values[_STATE] not in ACTIVE_STATES


def _remove_parts(host: _Host, scope: Scope, gone: set[Key]) -> None:
    for part, parent in _PARENT.items():
        if parent is scope and part in host.tables:
            rows = host.tables[part].rows
            for key in [key for key in rows if key[:1] in gone]:
                del rows[key]


def _fresh(rows: Mapping[Scope, Mapping[Key, Reading]], limit: int) -> dict[Scope, Table]:
    """What is not too old, and no part of something that is not there."""
    shown: dict[Scope, Table] = {}
    for scope in sorted(rows, key=lambda scope: scope in _PARENT):
        parents = shown.get(_PARENT[scope], {}) if scope in _PARENT else None
        shown[scope] = {
            key: fresh
            for key, reading in rows[scope].items()
            if (parents is None or key[:1] in parents) and (fresh := reading.since(limit)) is not None
        }
    return shown
