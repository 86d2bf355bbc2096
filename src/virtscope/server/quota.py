"""What one agent may put upon the server: so many objects, so long texts. One that goes beyond costs only itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields

from virtscope.catalogue import Scope
from virtscope.sample import KINDS, Batch, Facts

MOST_OBJECTS = 50_000
"""Different things that an agent may tell of in a day: domains, filters, networks, pools…"""
MOST_HOSTS = 1_000
"""Hosts that an agent may speak of in a day: it watches its own, or those that it reaches by ssh."""
MOST_DOMAINS = 10_000
"""Domains on one host at one time."""
LONGEST_TEXT = 64 * 1024
"""Characters of a name, a description, an event."""
LONGEST_XML = 2 * 1024 * 1024
MOST_TEXT = 1 << 30
"""Characters of descriptions and events that an agent may tell in a day: each that is new is kept for ever."""
LEAST_TEXT = 4 * 1024
"""A description counts as so many at least: its row, and our memory of it."""
MOST_EVENTS = 10_000
"""In one batch."""
_XML = frozenset({"xml", "persistent_xml"})
_DAY = 86_400.0


class Quota:
    """What each agent has told of today. For one thread at a time."""

    def __init__(self) -> None:
        self._seen: dict[str, set[tuple[str, str]]] = {}
        self._told: dict[str, set[int]] = {}
        """Hashes of descriptions: what is told again is not kept again."""
        self._text: dict[str, int] = {}
        self._claims: dict[str, str] = {}
        """Hosts, and the agent that spoke of each first today."""
        self._began = time.monotonic()

    def refuses(self, batch: Batch) -> str | None:
        """Why a batch is beyond what its agent may; None where it is not, and then it counts."""
        if time.monotonic() - self._began > _DAY:
            self._seen, self._told, self._text, self._claims = {}, {}, {}, {}
            self._began = time.monotonic()
        if reason := next(_excesses(batch), None):
            return reason
        seen = self._seen.setdefault(batch.agent, set())
        new = set(_objects(batch)) - seen
        if len(seen) + len(new) > MOST_OBJECTS:
            return f"the agent tells of more than {MOST_OBJECTS:,} different objects in a day"
        first = batch.about - self._claims.keys()
        if first and sum(agent == batch.agent for agent in self._claims.values()) + len(first) > MOST_HOSTS:
            return f"the agent speaks of more than {MOST_HOSTS:,} different hosts in a day"
        told = self._told.setdefault(batch.agent, set())
        texts = {hash(text): max(sum(map(len, text)), LEAST_TEXT) for text in map(_texts, _facts(batch))}
        size = self._text.get(batch.agent, 0) + sum(len(event.kind) + len(event.detail) for event in batch.events)
        size += sum(length for name, length in texts.items() if name not in told)
        if size > MOST_TEXT:
            return f"the agent tells more than {MOST_TEXT:,} characters of descriptions and events in a day"
        seen |= new
        told.update(texts)
        self._text[batch.agent] = size
        self._claims |= dict.fromkeys(first, batch.agent)
        return None

    def claimant(self, host: str) -> str | None:
        """The agent that spoke of a host first, which nobody has described yet; None where nobody did."""
        return self._claims.get(host)

    def forget(self, agent: str) -> None:
        """An agent is there no more."""
        for kept in (self._seen, self._told, self._text):
            kept.pop(agent, None)
        self._claims = {host: claimant for host, claimant in self._claims.items() if claimant != agent}


def _words(batch: Batch) -> Iterator[str]:
    """Every text of it that is no part of a description."""
    yield from batch.about
    for pair in _objects(batch):
        yield from pair
    yield from (link.reason for link in batch.links if link.reason)
    for event in batch.events:
        yield from (event.kind, event.detail)


def _facts(batch: Batch) -> tuple[Facts, ...]:
    return (*batch.hosts, *batch.domains, *batch.others)


def _objects(batch: Batch) -> Iterator[tuple[str, str]]:
    """Everything that the server would remember: kind and identifier. Of each run of an agent it does for ever."""
    yield from (("epoch", str(epoch)) for epoch in {batch.epoch, *(one.epoch for one in batch.lost)} if epoch)
    yield from ((KINDS[type(facts)], facts.id) for facts in _facts(batch))
    yield from ((gone.kind, gone.id) for gone in batch.gone)
    yield from (("link", link.uri) for link in batch.links)


def _texts(facts: Facts) -> tuple[str, ...]:
    """The texts of a description."""
    return tuple(value for field in fields(facts) if isinstance(value := getattr(facts, field.name), str))


def _excesses(batch: Batch) -> Iterator[str]:
    for sample in batch.samples:
        if len(sample.rows.get(Scope.DOMAIN, ())) > MOST_DOMAINS:
            yield f"a host has more than {MOST_DOMAINS:,} domains"
    if len(batch.events) > MOST_EVENTS:
        yield f"it has more than {MOST_EVENTS:,} events"
    for facts in _facts(batch):
        yield from _long_fields(facts)
    if max(map(len, _words(batch)), default=0) > LONGEST_TEXT:
        yield f"a name, an identifier, a reason or an event has more than {LONGEST_TEXT:,} characters"


def _long_fields(facts: Facts) -> Iterator[str]:
    for field in fields(facts):
        value = getattr(facts, field.name)
        longest = LONGEST_XML if field.name in _XML else LONGEST_TEXT
        if isinstance(value, str) and len(value) > longest:
            yield f"the {field.name} of a {KINDS[type(facts)]} has more than {longest:,} characters"
