"""The present: the fleet's inventory joined with its newest figures, as the API answers it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, Protocol

from virtscope import codes
from virtscope.catalogue import Scope
from virtscope.sample import DiskFacts, DomainFacts, Event, NicFacts
from virtscope.server import answers
from virtscope.server.fleet import Fleet, Host
from virtscope.store import Latest


class Newest(Protocol):
    """What can tell the newest figures: a store, or two samples just taken."""

    def latest(self, scope: Scope) -> list[Latest]:
        """Every object that is in its host's newest sample, with all quantities and states of its scope."""


class Present:
    """Answers about now. The newest figures are computed once for each commit, whoever asks."""

    def __init__(self, newest: Newest, fleet: Fleet) -> None:
        self._newest = newest
        self._fleet = fleet
        self._guard = threading.Lock()
        self._commit = 0
        self._at = 0
        self._latest: dict[Scope, Mapping[tuple[Any, ...], Latest]] = {}

    @property
    def commit(self) -> int:
        """The number of the newest transaction."""
        return self._commit

    @property
    def at(self) -> float:
        """When that was, Unix seconds."""
        return self._at / 1000

    def committed(self, commit: int, at: int) -> None:
        """There is something newer."""
        with self._guard:
            self._commit, self._at, self._latest = commit, at, {}

    def latest(self, scope: Scope) -> Mapping[tuple[Any, ...], Latest]:
        """The newest figures of every object of a scope, by its keys."""
        with self._guard:
            if scope not in self._latest:
                self._latest[scope] = {tuple(row.object.values()): row for row in self._newest.latest(scope)}
            return self._latest[scope]

    def hosts(self) -> list[answers.HostAnswer]:
        """Every host."""
        counts = self._counts()
        return [self._host(host, counts) for host in self._fleet.hosts()]

    def host(self, name: str) -> answers.HostAnswer:
        """One host by id, name or URI; NotFound or Ambiguous otherwise."""
        return self._host(self._fleet.host(name), self._counts())

    def domains(self) -> list[answers.DomainAnswer]:
        """Every domain once, by name: where it is active, else where it was seen last."""
        families: dict[str, list[DomainFacts]] = {}
        for facts in self._fleet.domains():
            families.setdefault(facts.id, []).append(facts)
        hosts = {host.id: host for host in self._fleet.hosts()}
        found = [self._domain(self._current(family), hosts) for family in families.values()]
        return sorted(found, key=lambda domain: (domain.name, domain.id))

    def domain(self, name: str) -> answers.DomainDetail:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""
        facts = self._current(self._fleet.domain(name))
        domain = self._domain(facts, {host.id: host for host in self._fleet.hosts()})
        owner = (facts.host, facts.id)
        return answers.DomainDetail(
            **{field.name: getattr(domain, field.name) for field in fields(domain)},
            vcpus=[
                answers.VcpuAnswer(int(key[2]), dict(row.values))
                for key, row in sorted(self.latest(Scope.VCPU).items())
                if key[:2] == owner
            ],
            disks=[answers.DiskAnswer(**self._disk(facts, disk)) for disk in facts.disks],
            nics=[answers.NicAnswer(**self._nic(facts, nic)) for nic in facts.nics],
            xml=facts.xml,
        )

    def disks(self) -> list[answers.OwnedDisk]:
        """Every disk of every domain."""
        return [
            answers.OwnedDisk(**self._disk(facts, disk), **owner)
            for facts, owner in self._owners()
            for disk in facts.disks
        ]

    def nics(self) -> list[answers.OwnedNic]:
        """Every network interface of every domain."""
        return [
            answers.OwnedNic(**self._nic(facts, nic), **owner) for facts, owner in self._owners() for nic in facts.nics
        ]

    def events(self, events: Iterable[Event]) -> list[answers.EventAnswer]:
        """Events with the names of what they happened to."""
        hosts = {host.id: host.name for host in self._fleet.hosts()}
        domains = {domain.id: domain.name for domain in self._fleet.domains()}
        return [
            answers.EventAnswer(
                at=event.at / 1000,
                host=event.host,
                host_name=hosts.get(event.host, event.host),
                domain=event.domain,
                domain_name=domains.get(event.domain, event.domain) if event.domain else None,
                kind=event.kind,
                detail=event.detail,
            )
            for event in events
        ]

    def _host(self, host: Host, counts: Mapping[str, answers.DomainCount]) -> answers.HostAnswer:
        facts = host.facts
        return answers.HostAnswer(
            id=host.id,
            name=host.name,
            uri=host.uri,
            state=host.link.state.value,
            since=host.link.since / 1000 if host.link.since else None,
            reason=host.link.reason,
            last_seen=None if host.last_seen is None else host.last_seen / 1000,
            interval=host.link.interval,
            facts=None
            if facts is None
            else answers.HostDescription(
                facts.cpus, facts.memory_bytes, facts.cpu_model, facts.hypervisor, facts.libvirt
            ),
            domains=counts.get(host.id, answers.DomainCount(0, 0)),
            figures=self._figures(Scope.HOST, host.id),
        )

    def _counts(self) -> dict[str, answers.DomainCount]:
        domains = self._fleet.domains()
        total = Counter(domain.host for domain in domains)
        running = Counter(domain.host for domain in domains if self._is_active(domain))
        return {host: answers.DomainCount(total[host], running[host]) for host in total}

    def _current(self, family: list[DomainFacts]) -> DomainFacts:
        """Of what several hosts say of one domain, what the one says that runs it; else the newest."""
        return max(family, key=lambda facts: (self._is_active(facts), self._sampled(facts)))

    def _domain(self, facts: DomainFacts, hosts: Mapping[str, Host]) -> answers.DomainAnswer:
        row = self.latest(Scope.DOMAIN).get((facts.host, facts.id))
        state = row.states.get("state") if row else None
        reason = row.states.get("state_reason") if row else None
        host = hosts.get(facts.host)
        return answers.DomainAnswer(
            id=facts.id,
            name=facts.name,
            title=facts.title,
            host=facts.host,
            host_name=host.name if host else facts.host,
            state=codes.state(state),
            state_reason=codes.reason(state, reason),
            stale=not (host and host.is_up),
            sampled=row.at / 1000 if row else None,
            interval=row.seconds if row else None,
            facts=answers.DomainDescription(
                os_type=facts.os_type,
                arch=facts.arch,
                machine=facts.machine,
                instance_name=facts.instance_name,
                flavor=facts.flavor,
                project=facts.project,
                owner=facts.owner,
                persistent=facts.persistent,
                problem=facts.problem,
            ),
            figures=self._figures(Scope.DOMAIN, facts.host, facts.id),
        )

    def _owners(self) -> list[tuple[DomainFacts, dict[str, Any]]]:
        """Every domain's facts, with what its devices say of their owner."""
        facts = {(domain.host, domain.id): domain for domain in self._fleet.domains()}
        return [
            (
                facts[domain.host, domain.id],
                {
                    "domain": domain.id,
                    "domain_name": domain.name,
                    "host": domain.host,
                    "host_name": domain.host_name,
                },
            )
            for domain in self.domains()
            if (domain.host, domain.id) in facts
        ]

    def _disk(self, owner: DomainFacts, disk: DiskFacts) -> dict[str, Any]:
        return asdict(disk) | {"figures": self._figures(Scope.DISK, owner.host, owner.id, disk.target)}

    def _nic(self, owner: DomainFacts, nic: NicFacts) -> dict[str, Any]:
        return asdict(nic) | {"figures": self._figures(Scope.NIC, owner.host, owner.id, nic.mac, nic.target)}

    def _is_active(self, facts: DomainFacts) -> bool:
        row = self.latest(Scope.DOMAIN).get((facts.host, facts.id))
        return row is not None and row.states.get("state") in codes.ACTIVE_STATES

    def _sampled(self, facts: DomainFacts) -> int:
        row = self.latest(Scope.DOMAIN).get((facts.host, facts.id))
        return row.at if row else 0

    def _figures(self, scope: Scope, *key: str) -> answers.Figures:
        row = self.latest(scope).get(key)
        return dict(row.values) if row else {}
