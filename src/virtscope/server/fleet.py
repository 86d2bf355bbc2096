"""The fleet at this moment: which hosts and domains exist, in memory, kept up by every stored batch."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from virtscope.catalogue import Scope
from virtscope.errors import Ambiguous, NotFound
from virtscope.sample import (
    KINDS,
    Batch,
    BindingFacts,
    DomainFacts,
    FilterFacts,
    Gone,
    GuestFacts,
    HostFacts,
    Link,
    LinkState,
    NetworkFacts,
    Other,
    PoolFacts,
    Sample,
)
from virtscope.store import Known

T = TypeVar("T", FilterFacts, BindingFacts, NetworkFacts, PoolFacts, GuestFacts)


@dataclass(frozen=True, slots=True)
class Host:
    """A host and the connection to it."""

    id: str
    """Its UUID; ``uri-…`` where it was never reached, so that nobody knows its UUID yet."""
    name: str
    uri: str
    link: Link
    facts: HostFacts | None
    last_seen: int | None
    """Its newest sample, Unix ms."""

    @property
    def is_up(self) -> bool:
        """Whether its figures are of now."""
        return self.link.state is LinkState.UP


class Directory(ABC):
    """Which hosts and domains there are, and the one that a name means."""

    @abstractmethod
    def hosts(self) -> list[Host]:
        """Every host by name, those never reached under their URI."""

    @abstractmethod
    def domains(self) -> list[DomainFacts]:
        """Every domain of every host. One that two hosts define, as after a migration, is there twice."""

    @abstractmethod
    def others(self, kind: type[T]) -> list[T]:
        """Everything of a kind that the hosts define: filters, networks, pools and so on."""

    def host(self, name: str) -> Host:
        """The host with this id, name or URI.

        Raises:
            NotFound: there is none.
            Ambiguous: several hosts have this name.
        """
        hosts = self.hosts()
        found = [host for host in hosts if name in (host.id, host.uri)] or [host for host in hosts if name == host.name]
        if not found:
            raise NotFound(f"no host {name!r}", "'virtscope list hosts' names them all.")
        if len(found) > 1:
            raise Ambiguous(f"{len(found)} hosts have the name {name!r}", "Use the host's id instead.")
        return found[0]

    def domain(self, name: str) -> list[DomainFacts]:
        """The domain with this UUID or name: what each host that defines it says.

        Raises:
            NotFound: there is none.
            Ambiguous: several domains have this name.
        """
        domains = self.domains()
        found = [domain for domain in domains if domain.id == name] or [
            domain for domain in domains if name in (domain.name, domain.nova.instance if domain.nova else None)
        ]
        if not found:
            raise NotFound(f"no domain {name!r}", "'virtscope list domains' names them all.")
        if len({domain.id for domain in found}) > 1:
            raise Ambiguous(f"{len(found)} domains have the name {name!r}", "Use the domain's UUID instead.")
        return found


class Fleet(Directory):
    """The directory of everything. Every method is safe to call from any thread."""

    def __init__(self, uris: Iterable[str], known: Known, last_seen: dict[str, int]) -> None:
        """Begin with what the store knows of these URIs; others' history stays in the store and is not shown."""
        self._guard = threading.Lock()
        self._links = {uri: Link(uri, LinkState.CONNECTING, since=0) for uri in uris}
        self._hosts: dict[str, HostFacts] = {}
        self._domains: dict[tuple[str, str], DomainFacts] = {}
        self._others: dict[tuple[type[Other], str, str], Other] = {}
        self._last_seen = dict(last_seen)
        for link in known.links:
            if link.uri in self._links:
                self._links[link.uri] = link
        for host in known.facts:
            if isinstance(host, HostFacts) and host.uri in self._links:
                self._add_host(host)
        for facts in known.facts:
            if not isinstance(facts, HostFacts) and facts.host in self._hosts:
                self._add(facts)

    def watch(self, uri: str) -> None:
        """A hypervisor is watched from now on."""
        with self._guard:
            self._links.setdefault(uri, Link(uri, LinkState.CONNECTING, since=0))

    def leave(self, uri: str) -> None:
        """A hypervisor is not watched any more: its history stays in the store and is not shown."""
        with self._guard:
            self._links.pop(uri, None)
            for host in [facts.id for facts in self._hosts.values() if facts.uri == uri]:
                self._drop_host(host)

    def apply(self, batches: Sequence[Batch]) -> None:
        """Take in what batches say, once they are stored."""
        with self._guard:
            for batch in batches:
                for host in batch.hosts:
                    if host.uri in self._links:
                        self._add_host(host)
                for link in batch.links:
                    if link.uri in self._links:  # else the last word of one that is not watched any more
                        self._links[link.uri] = link
                for facts in (*batch.domains, *batch.others):
                    if facts.host in self._hosts:
                        self._add(facts)
                for gone in batch.gone:
                    self._forget(gone)
                for sample in batch.samples:
                    self._last_seen[sample.host] = max(sample.at, self._last_seen.get(sample.host, 0))
                    self._keep_only(sample)

    def hosts(self) -> list[Host]:
        """Every host by name, those never reached under their URI."""
        with self._guard:
            owners = {facts.uri: facts for facts in self._hosts.values()}
            found = [self._host(link, owners.get(uri)) for uri, link in self._links.items()]
        return sorted(found, key=lambda host: (host.name, host.id))

    def domains(self) -> list[DomainFacts]:
        """Every domain of every host. One that two hosts define, as after a migration, is there twice."""
        with self._guard:
            return list(self._domains.values())

    def others(self, kind: type[T]) -> list[T]:
        """Everything of a kind that the hosts define: filters, networks, pools and so on."""
        with self._guard:
            return [facts for facts in self._others.values() if isinstance(facts, kind)]

    def _keep_only(self, sample: Sample) -> None:
        """Forget the host's domains that its sample has no row of: they went while nobody watched."""
        if Scope.DOMAIN not in sample.rows:
            return
        present = {row[0] for row in sample.rows[Scope.DOMAIN]}
        for host, domain in [key for key in self._domains if key[0] == sample.host and key[1] not in present]:
            del self._domains[host, domain]

    def _add(self, facts: DomainFacts | Other) -> None:
        if isinstance(facts, DomainFacts):
            self._domains[facts.host, facts.id] = facts
        else:
            self._others[type(facts), facts.host, facts.id] = facts

    def _forget(self, gone: Gone) -> None:
        if gone.kind == KINDS[DomainFacts]:
            self._domains.pop((gone.host, gone.id), None)
        for key in [key for key in self._others if key[1:] == (gone.host, gone.id) and KINDS[key[0]] == gone.kind]:
            del self._others[key]

    def _add_host(self, facts: HostFacts) -> None:
        """A URI leads to one host: another that it led to before is not watched any more."""
        for other in [known.id for known in self._hosts.values() if known.uri == facts.uri and known.id != facts.id]:
            self._drop_host(other)
        self._hosts[facts.id] = facts

    def _drop_host(self, host: str) -> None:
        del self._hosts[host]
        self._domains = {key: domain for key, domain in self._domains.items() if key[0] != host}
        self._others = {key: facts for key, facts in self._others.items() if key[1] != host}

    def _host(self, link: Link, facts: HostFacts | None) -> Host:
        if facts is None:
            name = f"uri-{hashlib.sha256(link.uri.encode()).hexdigest()[:12]}"
            return Host(name, link.uri, link.uri, link, None, None)
        return Host(facts.id, facts.name, link.uri, link, facts, self._last_seen.get(facts.id))
