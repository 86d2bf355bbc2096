"""The inventory of one host: what exists there, read when it may have changed, and told when it has.

Domains are described again by event, when their statistics name an interface that is not known, and now and then all of
them: some changes (a link set down, a disk resized) raise no event. Filters, bindings, networks and pools are looked at
now and then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from virtscope.agent import domstats
from virtscope.agent.slices import Fields
from virtscope.changes import changes
from virtscope.sample import (
    KINDS,
    DomainFacts,
    Event,
    Gone,
    Other,
    Whole,
    now_ms,
)


@dataclass(frozen=True, slots=True)
class News:
    """What has changed."""

    domains: tuple[DomainFacts, ...] = ()
    others: tuple[Other, ...] = ()
    gone: tuple[Gone, ...] = ()
    events: tuple[Event, ...] = ()
    whole: tuple[Whole, ...] = ()
    """The kinds that were looked at for the first time."""


class Inventory:
    """What is known of one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.domains: dict[str, DomainFacts] = {}
        self._others: dict[tuple[str, str], Other] = {}
        self._looked_at: set[str] = set()

    def stale(self, seen: Iterable[tuple[str, Fields]], changed: set[str], *, all_of_them: bool) -> list[str]:
        """The domains whose description may not be true any more."""
        return [
            domain
            for domain, fields in seen
            if all_of_them or domain in changed or self._lacks(domain, domstats.interface_names(fields))
        ]

    def update_domains(self, described: Iterable[DomainFacts], present: set[str]) -> News:
        """Take in descriptions, and forget the domains that are not there any more."""
        news, events = [], []
        for facts in described:
            old = self.domains.get(facts.id)
            if facts == old or (old is not None and _only_ballooned(old, facts)):
                continue
            if old is not None and (what := changes(old, facts)):
                detail = "; ".join(what)
                events.append(Event(now_ms(), self.host, facts.id, "configuration changed", detail))
            self.domains[facts.id] = facts
            news.append(facts)
        gone = [domain for domain in self.domains if domain not in present]
        for domain in gone:
            del self.domains[domain]
        left = tuple(Gone(self.host, KINDS[DomainFacts], domain) for domain in gone)
        return News(domains=tuple(news), gone=left, events=tuple(events))

    def update_others(self, found: Mapping[type[Other], Sequence[Other]]) -> News:
        """Take in everything that exists of these kinds."""
        now = {(KINDS[kind], facts.id): facts for kind, all_facts in found.items() for facts in all_facts}
        news, events = [], []
        for key, facts in now.items():
            old = self._others.get(key)
            if facts == old:
                continue
            if old is not None and (what := changes(old, facts)):
                name = getattr(facts, "name", facts.id)
                events.append(Event(now_ms(), self.host, None, f"{key[0]} changed", f"{name}: {'; '.join(what)}"))
            news.append(facts)
        looked_at = {KINDS[kind] for kind in found}
        gone = [key for key in self._others if key[0] in looked_at and key not in now]
        self._others = {key: facts for key, facts in self._others.items() if key not in gone} | now
        left = tuple(Gone(self.host, kind, id) for kind, id in gone)  # noqa: A001
        whole = tuple(Whole(self.host, kind) for kind in sorted(looked_at - self._looked_at))
        self._looked_at |= looked_at
        return News(others=tuple(news), gone=left, events=tuple(events), whole=whole)

    def _lacks(self, domain: str, interfaces: set[str]) -> bool:
        """Whether what is known of a domain does not cover what its statistics name."""
        facts = self.domains.get(domain)
        return facts is None or (facts.problem is None and not interfaces <= {nic.target for nic in facts.nics})


_CURRENT_MEMORY = re.compile(r"<currentMemory[^>]*>[^<]*</currentMemory>")


def _only_ballooned(old: DomainFacts, new: DomainFacts) -> bool:
    """Whether nothing but the balloon of a running domain has moved: a figure, told as one."""
    is_running = new.persistent_xml is not None or not new.persistent
    memory = replace(old.resources, memory_bytes=new.resources.memory_bytes)
    return (
        is_running
        and replace(old, xml=new.xml, resources=memory) == new
        and _CURRENT_MEMORY.sub("", old.xml) == _CURRENT_MEMORY.sub("", new.xml)
    )
