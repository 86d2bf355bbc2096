"""What a batch adds to the series of ``/metrics``, as a piece of a ``WriteRequest`` of Prometheus's remote write.

A sample is told once, with the time at which it was read, and each series in the order of time. A series that is told
no more ends with a stale marker (Prometheus's remote write 1.0, "stale markers"): at once where its domain is gone,
else when it has been silent for :data:`SILENT_SECONDS`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.exposition.labels import labels
from virtscope.exposition.names import Dialect
from virtscope.prometheus.messages import encoded, written
from virtscope.sample import Batch, DomainFacts, Gone, HostFacts, Link, LinkState, Sample

SILENT_SECONDS = 180.0
"""Of the slowest lane's figures, the third that is missing."""
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0002))[0]
"""Prometheus's marker: a NaN of its own."""
_OF_SCRAPES = ("virtscope_sample_age_seconds", "libvirt_domain_sample_age_seconds")
"""What says how old a scraped figure is: what is written is as old as its time."""
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class _Told:
    """A series that was told."""

    labels: bytes
    at: int


@dataclass(slots=True)
class _Host:
    facts: HostFacts
    domains: dict[str, DomainFacts] = field(default_factory=dict)
    told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    """By name and labels."""


class Telling:
    """Remembers what was told of which host."""

    def __init__(self, dialect: Dialect = Dialect.INOVEX) -> None:
        self._dialect = dialect
        self._hosts: dict[str, _Host] = {}

    def pieces(self, batch: Batch) -> bytes:
        """The pieces of a request that a batch comes to; empty where it adds nothing."""
        for facts in batch.hosts:
            self._hosts.setdefault(facts.id, _Host(facts)).facts = facts
        for domain in batch.domains:
            if domain.host in self._hosts:
                self._hosts[domain.host].domains[domain.id] = domain
        made = [piece for sample in batch.samples for piece in self._sample(sample)]
        made += [piece for gone in batch.gone for piece in self._gone(gone, batch.at)]
        made += [piece for link in batch.links for piece in self._link(link, batch.at)]
        made += [piece for host in self._hosts.values() for piece in _ended(host, batch.at)]
        return b"".join(made)

    def _sample(self, sample: Sample) -> Iterator[bytes]:
        host = self._hosts.get(sample.host)
        if host is None:
            return  # its name is told before its figures
        board = Board()
        link = Link(host.facts.uri, LinkState.UP, 0, sample.host)
        known = tuple(host.domains.values())
        board.put(Batch("", 0, 0, sample.at, (sample,), (host.facts,), known, links=(link,)))
        for family in exposition(board.view(sample.at), self._dialect).families:
            if family.name in _OF_SCRAPES:
                continue
            for text, value in family.series.items():
                if text:
                    yield from _tell(host, family.name, text, sample.at, value)

    def _link(self, link: Link, at: int) -> Iterator[bytes]:
        host = self._hosts.get(link.host or "")
        if host is not None and link.state is not LinkState.UP:
            yield from _tell(host, "libvirt_up", labels(host=host.facts.name), at, 0)

    def _gone(self, gone: Gone, at: int) -> Iterator[bytes]:
        host = self._hosts.get(gone.host)
        if host is None or host.domains.pop(gone.id, None) is None:
            return
        its = labels(uuid=gone.id)
        for key in [key for key in host.told if its in key[1]]:
            yield _stale(host.told.pop(key), at)


def _tell(host: _Host, name: str, text: str, at: int, value: float) -> Iterator[bytes]:
    """One value of a series; none where something newer was told of it already."""
    told = host.told.get((name, text))
    if told is None:
        pairs = {label: re.sub(r"\\(.)", r"\1", value) for label, value in _LABEL.findall(text)}
        told = host.told[name, text] = _Told(encoded({"__name__": name, **pairs}), -1)
    if at > told.at:
        told.at = at
        yield written(told.labels, [(at, value)])


def _ended(host: _Host, now: int) -> Iterator[bytes]:
    """The ends of series that have been silent for long."""
    limit = now - round(SILENT_SECONDS * 1000)
    for key in [key for key, told in host.told.items() if told.at < limit]:
        yield _stale(host.told.pop(key), now)


def _stale(told: _Told, at: int) -> bytes:
    return written(told.labels, [(max(at, told.at + 1), STALE)])
