"""The fleet at this moment: which hosts and domains exist, in memory, kept up by every stored batch."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from virtscope.catalogue import Scope
from virtscope.errors import Ambiguous, NotFound
from virtscope.sample import (
    KINDS,
    Batch,
    BindingFacts,
    DomainFacts,
    Event,
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
    now_ms,
)
from virtscope.store import Known

T = TypeVar("T", FilterFacts, BindingFacts, NetworkFacts, PoolFacts, GuestFacts)


SILENT_INTERVALS = 3
"""After so many intervals without a word of its agent, nothing is known of a host."""
SILENT_SECONDS = 30.0
"""But never before so long."""

_Way: TypeAlias = tuple[str, str]
"""Agent and URI: how a host is watched. The agent is empty for a collector in this process."""


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
    agent: str | None = None
    """Name of the agent that watches it; None: this process does."""

    @property
    def is_up(self) -> bool:
        """Whether it answers."""
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
        return self.domains_named([name])[0]

    def domains_named(self, names: Sequence[str]) -> list[list[DomainFacts]]:
        """The domain with each of these UUIDs or names, as ``domain`` finds it; the fleet is gone through once.

        Raises:
            NotFound: there is none of one of them.
            Ambiguous: several domains have one of them.
        """
        wanted = frozenset(names)
        by_id: dict[str, list[DomainFacts]] = {}
        by_name: dict[str, list[DomainFacts]] = {}
        for domain in self.domains() if wanted else ():
            if domain.id in wanted:
                by_id.setdefault(domain.id, []).append(domain)
            for name in wanted.intersection((domain.name, domain.nova.instance if domain.nova else None)):
                by_name.setdefault(name, []).append(domain)
        return [_only(name, by_id.get(name) or by_name.get(name, [])) for name in names]


def _only(name: str, found: list[DomainFacts]) -> list[DomainFacts]:
    """What was found by a name, where it is one domain."""
    if not found:
        raise NotFound(f"no domain {name!r}", "'virtscope list domains' names them all.")
    if len({domain.id for domain in found}) > 1:
        raise Ambiguous(f"{len(found)} domains have the name {name!r}", "Use the domain's UUID instead.")
    return found


_OTHERS: Mapping[str, type[Other]] = {
    word: kind for kind, word in KINDS.items() if kind not in (HostFacts, DomainFacts)
}


class _Remembered:
    """What the records know, by whose it is: a thousand agents are admitted one by one."""

    def __init__(self, known: Known) -> None:
        self.links: dict[str, list[Link]] = {}
        self.hosts: dict[str, list[HostFacts]] = {}
        self.parts: dict[str, list[DomainFacts | Other]] = {}
        """By host."""
        for link in known.links:
            self.links.setdefault(link.agent, []).append(link)
        for facts in known.facts:
            if isinstance(facts, HostFacts):
                self.hosts.setdefault(facts.agent, []).append(facts)
            else:
                self.parts.setdefault(facts.host, []).append(facts)


class Fleet(Directory):
    """Hosts and domains as they were last described. For any thread.

    A host belongs to whoever watches it: a collector in this process (``watch``), or an agent (``admit``). What others
    say of it is not listened to.
    """

    def __init__(
        self, uris: Iterable[str], known: Known, last_seen: dict[str, int], clock: Callable[[], int] = now_ms
    ) -> None:
        """Begin with what the records know of these hypervisors."""
        self._guard = threading.Lock()
        self._clock = clock
        self._remembered = _Remembered(known)
        self._links: dict[_Way, Link] = {}
        self._agents: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        self._silent: frozenset[str] = frozenset()
        self._hosts: dict[str, HostFacts] = {}
        self._hosts_of: dict[str, dict[str, HostFacts]] = {}
        """The same by agent, for those with a thousand of them."""
        self._domains: dict[str, dict[str, DomainFacts]] = {}
        """By host, then by UUID: every sample of a host is compared with what is known there."""
        self._others: dict[tuple[type[Other], str, str], Other] = {}
        self._early: dict[tuple[str, str], dict[tuple[type, str], DomainFacts | Other]] = {}
        """By agent and host: what was told of a host before the host itself, as newest batches come first."""
        self._last_seen = dict(last_seen)
        for uri in uris:
            self._links["", uri] = Link(uri, LinkState.CONNECTING, since=0)
        self._recall("")

    def watch(self, uri: str) -> None:
        """A hypervisor is watched by this process from now on."""
        with self._guard:
            self._links.setdefault(("", uri), Link(uri, LinkState.CONNECTING, since=0))

    def leave(self, uri: str) -> None:
        """A hypervisor is not watched any more: its history stays in the store and is not shown."""
        with self._guard:
            self._drop(("", uri))

    def admit(self, agent: str, name: str) -> None:
        """An agent may tell of its hosts from now on, or has another name."""
        with self._guard:
            is_new = agent not in self._agents
            self._agents[agent] = name
            self._heard.setdefault(agent, self._clock())
            if is_new:
                self._recall(agent)

    def dismiss(self, agent: str) -> None:
        """An agent may not tell any more: its hosts' history stays in the store and is not shown."""
        with self._guard:
            self._agents.pop(agent, None)
            self._heard.pop(agent, None)
            for way in [way for way in self._links if way[0] == agent]:
                self._drop(way)
            for key in [key for key in self._early if key[0] == agent]:
                del self._early[key]

    def owner(self, host: str) -> str | None:
        """Whose a host is: an agent's id, empty for this process; None where nobody has told of it."""
        with self._guard:
            facts = self._hosts.get(host)
            return facts.agent if facts else None

    def agents(self) -> dict[str, str]:
        """The agents that may tell of their hosts: names by id."""
        with self._guard:
            return dict(self._agents)

    def is_agent(self, agent: str) -> bool:
        """Whether this is the id of an agent that may tell of its hosts."""
        return agent in self._agents

    def last_seen(self, host: str) -> int | None:
        """When a host's newest sample was taken, Unix ms."""
        return self._last_seen.get(host)

    def agent_name(self, agent: str) -> str:
        """An agent's name; its id where it is not admitted."""
        return self._agents.get(agent, agent)

    def turns(self) -> tuple[Event, ...]:
        """Which agents have fallen silent since this was last asked, and which are back: an event on each host."""
        with self._guard:
            links = {way: self._heard_of(link) for way, link in self._links.items() if link.agent and link.host}
            silent = frozenset(way[0] for way, link in links.items() if link is not self._links[way])
            before, self._silent = self._silent, silent
            now = self._clock()
            return tuple(
                Event(now, link.host, None, f"agent {word}", self._agents.get(agent, agent))
                for word, agents in (("silent", silent - before), ("back", (before - silent) & self._agents.keys()))
                for (agent, _), link in links.items()
                if agent in agents and link.host
            )

    def hosts_of(self, agent: str) -> list[HostFacts]:
        """The hosts that an agent watches."""
        with self._guard:
            return list(self._hosts_of.get(agent, {}).values())

    def interval_of(self, agent: str) -> float | None:
        """Seconds between two readings of the one of an agent's hosts that is read most seldom; None without hosts."""
        with self._guard:
            ways = ((agent, facts.uri) for facts in self._hosts_of.get(agent, {}).values())
            return max((self._links[way].interval for way in ways if way in self._links), default=None)

    def apply(self, batches: Sequence[Batch]) -> None:
        """Take in what batches say, once they are stored."""
        with self._guard:
            for batch in batches:
                if batch.agent in self._agents:
                    self._heard[batch.agent] = self._clock()
                self._apply_inventory(batch)
                for sample in batch.samples:
                    if sample.at >= self._last_seen.get(sample.host, 0):  # one that comes late says nothing of now
                        self._last_seen[sample.host] = sample.at
                        self._keep_only(sample)

    def hosts(self) -> list[Host]:
        """Every host by name, those never reached under their URI."""
        with self._guard:
            owners = {(facts.agent, facts.uri): facts for facts in self._hosts.values()}
            found = [self._host(self._heard_of(link), owners.get(way)) for way, link in self._links.items()]
        return sorted(found, key=lambda host: (host.name, host.id))

    def domains(self) -> list[DomainFacts]:
        """Every domain of every host. One that two hosts define, as after a migration, is there twice."""
        with self._guard:
            return [facts for of_host in self._domains.values() for facts in of_host.values()]

    def others(self, kind: type[T]) -> list[T]:
        """Everything of a kind that the hosts define: filters, networks, pools and so on."""
        with self._guard:
            return [facts for facts in self._others.values() if isinstance(facts, kind)]

    def _apply_inventory(self, batch: Batch) -> None:
        for host in batch.hosts:
            if self._is_watched((host.agent, host.uri)):
                self._add_host(host)
        for link in batch.links:
            if self._is_watched((link.agent, link.uri)):  # else the last word of one that is not watched now
                self._links[link.agent, link.uri] = link
        for facts in (*batch.domains, *batch.others):
            if facts.host in self._hosts:
                self._add(facts)
            elif batch.agent in self._agents:
                self._early.setdefault((batch.agent, facts.host), {})[type(facts), facts.id] = facts
        for gone in batch.gone:
            self._forget(gone)
            for key in [key for key in self._early.get((batch.agent, gone.host), ()) if key[1] == gone.id]:
                del self._early[batch.agent, gone.host][key]

    def _keep_only(self, sample: Sample) -> None:
        """Forget the host's domains that its sample has no row of: they went while nobody watched."""
        if Scope.DOMAIN not in sample.rows:
            return
        known = self._domains.get(sample.host, {})
        for domain in known.keys() - {row[0] for row in sample.rows[Scope.DOMAIN]}:
            del known[str(domain)]

    def _add(self, facts: DomainFacts | Other) -> None:
        if isinstance(facts, DomainFacts):
            self._domains.setdefault(facts.host, {})[facts.id] = facts
        else:
            self._others[type(facts), facts.host, facts.id] = facts

    def _forget(self, gone: Gone) -> None:
        kind = _OTHERS.get(gone.kind)
        if kind is not None:
            self._others.pop((kind, gone.host, gone.id), None)
        elif gone.kind == KINDS[DomainFacts]:
            self._domains.get(gone.host, {}).pop(gone.id, None)

    def _recall(self, agent: str) -> None:
        """Take over what the records know of the hosts of an agent, or of this process."""
        for link in self._remembered.links.get(agent, ()):
            if agent or (agent, link.uri) in self._links:
                self._links[agent, link.uri] = link
        told = [host for host in self._remembered.hosts.get(agent, ()) if (agent, host.uri) in self._links]
        for host in told:
            self._add_host(host)
        for host in told:
            if host.id in self._hosts:  # else its way leads to another one since
                for facts in self._remembered.parts.get(host.id, ()):
                    self._add(facts)

    def _is_watched(self, way: _Way) -> bool:
        return way[0] in self._agents if way[0] else way in self._links

    def _heard_of(self, link: Link) -> Link:
        """A link as it is known to be now: an agent that is silent does not know itself that it is."""
        if not link.agent:
            return link
        heard = self._heard.get(link.agent, 0)
        if self._clock() - heard <= 1000 * max(SILENT_INTERVALS * link.interval, SILENT_SECONDS):
            return link
        name = self._agents.get(link.agent, link.agent)
        return replace(link, state=LinkState.DOWN, since=heard, reason=f"its agent {name} is not heard of")

    def _add_host(self, facts: HostFacts) -> None:
        """A way leads to one host: another that it led to before is not watched any more."""
        of_agent = self._hosts_of.setdefault(facts.agent, {})
        for other in [one.id for one in of_agent.values() if one.uri == facts.uri and one.id != facts.id]:
            self._drop_host(other)
        if (before := self._hosts.get(facts.id)) is not None:
            self._hosts_of[before.agent].pop(facts.id, None)
        self._hosts[facts.id] = of_agent[facts.id] = facts
        for early in self._early.pop((facts.agent, facts.id), {}).values():
            self._add(early)

    def _drop(self, way: _Way) -> None:
        self._links.pop(way, None)
        for host in [facts.id for facts in self._hosts_of.get(way[0], {}).values() if facts.uri == way[1]]:
            self._drop_host(host)

    def _drop_host(self, host: str) -> None:
        del self._hosts_of[self._hosts.pop(host).agent][host]
        self._domains.pop(host, None)
        self._others = {key: facts for key, facts in self._others.items() if key[1] != host}

    def _host(self, link: Link, facts: HostFacts | None) -> Host:
        agent = self._agents.get(link.agent, link.agent) if link.agent else None
        if facts is None:
            way = f"{link.agent}\n{link.uri}" if link.agent else link.uri
            name = f"uri-{hashlib.sha256(way.encode()).hexdigest()[:12]}"
            shown = f"{link.uri} of {agent}" if agent else link.uri
            return Host(name, shown, link.uri, link, None, None, agent)
        return Host(facts.id, facts.name, link.uri, link, facts, self._last_seen.get(facts.id), agent)
