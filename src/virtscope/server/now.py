"""One moment: the fleet's inventory joined with its newest figures, as the API answers it."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from virtscope import codes, filter_tree
from virtscope.analysis import spoofing
from virtscope.catalogue import Scope
from virtscope.errors import Ambiguous, NotFound
from virtscope.sample import (
    BindingFacts,
    DiskFacts,
    DomainFacts,
    Event,
    FilterFacts,
    GuestFacts,
    NetworkFacts,
    NicFacts,
    Nova,
    PoolFacts,
)
from virtscope.server import answers
from virtscope.server.fleet import Directory, Host
from virtscope.store import Latest, Version

_UUID = re.compile(r"\s*<uuid>[^<]*</uuid>")


class Now:
    """Answers about one moment: all of them rest on the same figures, which are computed when first asked for."""

    def __init__(
        self, commit: int, at: int, fleet: Directory, latest: Callable[[Scope], Iterable[Latest]] = lambda _scope: ()
    ) -> None:
        """Begin.

        Args:
            commit: the number of the newest transaction.
            at: when that was, Unix ms.
            fleet: what there is.
            latest: the newest figures of every object of a scope, with all its quantities and states.
        """
        self.commit = commit
        self.at = at / 1000
        self.cost = 0.0
        """Seconds that computing the figures has taken so far."""
        self._fleet = fleet
        self._compute = latest
        self._guard = threading.Lock()
        self._latest: dict[Scope, Mapping[tuple[Any, ...], Latest]] = {}
        self._owned: dict[Scope, Mapping[tuple[str, str], list[tuple[Any, Latest]]]] = {}

    def latest(self, scope: Scope) -> Mapping[tuple[Any, ...], Latest]:
        """The newest figures of every object of a scope, by its keys."""
        found = self._latest.get(scope)
        if found is None:
            with self._guard:
                found = self._latest.get(scope)
                if found is None:
                    began = time.monotonic()
                    found = {tuple(row.object.values()): row for row in self._compute(scope)}
                    self.cost += time.monotonic() - began
                    self._latest[scope] = found
        return found

    def hosts(self) -> list[answers.HostAnswer]:
        """Every host."""
        counts = self._counts()
        return [self._host(host, counts) for host in self._fleet.hosts()]

    def host(self, name: str) -> answers.HostDetail:
        """One host by id, name or URI, with its NUMA nodes; NotFound or Ambiguous otherwise."""
        host = self._host(self._fleet.host(name), self._counts())
        return answers.HostDetail(
            **{field.name: getattr(host, field.name) for field in fields(host)},
            cells=[
                answers.CellAnswer(int(key[1]), dict(row.values))
                for key, row in sorted(self.latest(Scope.CELL).items())
                if key[0] == host.id
            ],
        )

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
            description=facts.description,
            firmware=facts.firmware,
            resources=facts.resources,
            nova=facts.nova,
            metadata=dict(facts.metadata),
            vcpus=[answers.VcpuAnswer(int(part), found) for part, found in self._parts(Scope.VCPU, owner)],
            disks=[answers.DiskAnswer(**self._disk(facts, disk)) for disk in facts.disks],
            nics=[answers.NicAnswer(**self._nic(facts, nic)) for nic in facts.nics],
            iothreads=[answers.IothreadAnswer(int(part), found) for part, found in self._parts(Scope.IOTHREAD, owner)],
            perf=[answers.PerfAnswer(str(part), found) for part, found in self._parts(Scope.PERF, owner)],
            jobs=[answers.JobAnswer(str(part), found) for part, found in self._parts(Scope.JOB, owner)],
            filesystems=[
                answers.FilesystemAnswer(str(part), found) for part, found in self._parts(Scope.FILESYSTEM, owner)
            ],
            guest=self._guest(facts),
            xml=facts.xml,
            persistent_xml=facts.persistent_xml,
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

    def filters(self) -> list[answers.FilterAnswer]:
        """Every network filter of every host, by host and name."""
        used = Counter((facts.host, nic.filter) for facts in self._fleet.domains() for nic in facts.nics if nic.filter)
        names = self._host_names()
        found = [_filter(facts, names, used[facts.host, facts.name]) for facts in self._fleet.others(FilterFacts)]
        return sorted(found, key=lambda one: (one.host_name, one.name))

    def filter(self, name: str, host: str | None, history: Sequence[Version]) -> answers.FilterDetail:
        """A network filter as ``filter_named`` finds it, with all it includes."""
        facts = self.filter_named(name, host)
        used = sum(
            nic.filter == facts.name for one in self._fleet.domains() if one.host == facts.host for nic in one.nics
        )
        answer = _filter(facts, self._host_names(), used)
        return answers.FilterDetail(
            **{field.name: getattr(answer, field.name) for field in fields(answer)},
            xml=facts.xml,
            tree=filter_tree.tree(facts.name, self._filters_of(facts.host)),
            history=self.versions([version for version in history if version.host == facts.host]),
        )

    def filter_named(self, name: str, host: str | None) -> FilterFacts:
        """The filter of this name or UUID; NotFound or Ambiguous otherwise."""
        found = [
            facts
            for facts in self._fleet.others(FilterFacts)
            if name in (facts.name, facts.id) and (host is None or facts.host == host)
        ]
        if not found:
            raise NotFound(f"no network filter {name!r}", "'virtscope filters list' names them all.")
        if len({_UUID.sub("", facts.xml) for facts in found}) > 1:  # each libvirtd gives its filters other ones
            hosts = ", ".join(sorted(self._host_names().get(facts.host, facts.host) for facts in found))
            raise Ambiguous(
                f"{len(found)} hosts have filters named {name!r}, and they differ", f"Name the host too: {hosts}"
            )
        return found[0]

    def guards(self, name: str) -> answers.GuardsAnswer:
        """The filters of a domain's interfaces, resolved; NotFound or Ambiguous where there is no such domain."""
        facts = self._current(self._fleet.domain(name))
        filters = self._filters_of(facts.host)
        bindings = [binding for binding in self._fleet.others(BindingFacts) if binding.host == facts.host]
        return answers.GuardsAnswer(
            facts.id,
            facts.name,
            facts.host,
            self._host_names().get(facts.host, facts.host),
            [_guard(filter_tree.guard(nic, filters, bindings)) for nic in facts.nics],
        )

    def networks(self) -> list[answers.NetworkAnswer]:
        """Every virtual network of every host."""
        names = self._host_names()
        found = [
            answers.NetworkAnswer(
                id=facts.id,
                name=facts.name,
                host=facts.host,
                host_name=names.get(facts.host, facts.host),
                active=facts.active,
                autostart=facts.autostart,
                bridge=facts.bridge,
                forward=facts.forward,
                leases=[
                    answers.LeaseAnswer(lease.mac, lease.address, lease.hostname, lease.expires)
                    for lease in facts.leases
                ],
                xml=facts.xml,
                problem=facts.problem,
            )
            for facts in self._fleet.others(NetworkFacts)
        ]
        return sorted(found, key=lambda one: (one.host_name, one.name))

    def pools(self) -> list[answers.PoolAnswer]:
        """Every storage pool of every host, with its volumes."""
        names = self._host_names()
        found = []
        for facts in self._fleet.others(PoolFacts):
            row = self.latest(Scope.POOL).get((facts.host, facts.name))
            found.append(
                answers.PoolAnswer(
                    id=facts.id,
                    name=facts.name,
                    host=facts.host,
                    host_name=names.get(facts.host, facts.host),
                    type=facts.type,
                    target=facts.target,
                    active=facts.active,
                    autostart=facts.autostart,
                    state=codes.pool_state(row.states.get("state") if row else None),
                    figures=dict(row.values) if row else {},
                    volumes=[
                        answers.VolumeAnswer(str(part), figures)
                        for part, figures in self._parts(Scope.VOLUME, (facts.host, facts.name))
                    ],
                    xml=facts.xml,
                    problem=facts.problem,
                )
            )
        return sorted(found, key=lambda one: (one.host_name, one.name))

    def versions(self, history: Iterable[Version]) -> list[answers.VersionAnswer]:
        """Versions of something, with the names of their hosts."""
        names = self._host_names()
        return [
            answers.VersionAnswer(
                at=version.at / 1000,
                host=version.host,
                host_name=names.get(version.host, version.host),
                defined=version.facts is not None,
                changes=list(version.changes),
                xml=getattr(version.facts, "xml", None),
                persistent_xml=getattr(version.facts, "persistent_xml", None),
            )
            for version in history
        ]

    def events(self, events: Iterable[Event]) -> list[answers.EventAnswer]:
        """Events with the names of what they happened to."""
        events = list(events)
        if not events:
            return []  # as of most commits: the names of tens of thousands of domains are not looked up for nothing
        hosts = self._host_names()
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
            agent=host.agent,
            facts=None
            if facts is None
            else answers.HostDescription(
                facts.cpus,
                facts.memory_bytes,
                facts.cpu_model,
                facts.topology,
                facts.hypervisor,
                facts.libvirt,
                facts.library,
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
        nova = facts.nova or Nova()
        return answers.DomainAnswer(
            id=facts.id,
            name=facts.name,
            title=facts.title,
            host=facts.host,
            host_name=host.name if host else facts.host,
            state=codes.state(state),
            state_reason=codes.reason(state, reason),
            stale=not (host and host.is_up),
            timed_out=bool(row and row.states.get("timed_out")),
            sampled=row.at / 1000 if row else None,
            interval=row.seconds if row else None,
            facts=answers.DomainDescription(
                os_type=facts.os_type,
                arch=facts.arch,
                machine=facts.machine,
                instance_name=nova.instance,
                flavor=nova.flavor,
                project=nova.project,
                owner=nova.user,
                persistent=facts.persistent,
                vcpus_maximum=facts.resources.vcpus_maximum,
                memory_maximum_bytes=facts.resources.memory_maximum_bytes,
                hugepages=facts.resources.hugepages,
                passthrough=list(facts.resources.passthrough),
                balloon_period=facts.resources.balloon_period,
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

    def _guest(self, facts: DomainFacts) -> answers.GuestAnswer | None:
        told = [guest for guest in self._fleet.others(GuestFacts) if (guest.host, guest.id) == (facts.host, facts.id)]
        if not told:
            return None
        guest = told[0]
        return answers.GuestAnswer(
            guest.hostname, guest.os, guest.kernel, guest.timezone, list(guest.users), guest.problem
        )

    def _parts(self, scope: Scope, owner: tuple[str, str]) -> list[tuple[Any, answers.Figures]]:
        """The last key and the figures of everything of a narrower scope that belongs to an owner."""
        owned = self._owned.get(scope)
        if owned is None:  # gone through once, and not for each owner; two who do it at once come to the same
            made: dict[tuple[str, str], list[tuple[Any, Latest]]] = {}
            for key, row in self.latest(scope).items():
                made.setdefault((key[0], key[1]), []).append((key[-1], row))
            owned = self._owned[scope] = made
        found = [(part, dict(row.values)) for part, row in owned.get(owner, ())]
        return sorted(found, key=lambda part: str(part[0]).zfill(9))

    def _filters_of(self, host: str) -> dict[str, FilterFacts]:
        return {facts.name: facts for facts in self._fleet.others(FilterFacts) if facts.host == host}

    def _host_names(self) -> dict[str, str]:
        return {host.id: host.name for host in self._fleet.hosts()}

    def _is_active(self, facts: DomainFacts) -> bool:
        row = self.latest(Scope.DOMAIN).get((facts.host, facts.id))
        return row is not None and row.states.get("state") in codes.ACTIVE_STATES

    def _sampled(self, facts: DomainFacts) -> int:
        row = self.latest(Scope.DOMAIN).get((facts.host, facts.id))
        return row.at if row else 0

    def _figures(self, scope: Scope, *key: str) -> answers.Figures:
        row = self.latest(scope).get(key)
        return dict(row.values) if row else {}


def _guard(guard: filter_tree.Guard) -> answers.GuardAnswer:
    """A guard with what gets past it."""
    forgeries = spoofing.forgeries(guard.mac, guard.parameters.get("IP"))
    tried = [_tried(guard.tree, forgery) for forgery in forgeries] if guard.tree else []
    return answers.GuardAnswer(**{one.name: getattr(guard, one.name) for one in fields(guard)}, forgeries=tried)


def _tried(tree: filter_tree.Node, forgery: spoofing.Forgery) -> answers.ForgeryAnswer:
    way = spoofing.way(tree, forgery.frame)
    found = spoofing.place(tree, way.rule) if way.rule else None
    place, number = (list(found[0]), found[1]) if found else (None, None)
    return answers.ForgeryAnswer(forgery.name, way.passes, place, number)


def _filter(facts: FilterFacts, hosts: Mapping[str, str], used: int) -> answers.FilterAnswer:
    return answers.FilterAnswer(
        id=facts.id,
        name=facts.name,
        host=facts.host,
        host_name=hosts.get(facts.host, facts.host),
        chain=facts.chain,
        priority=facts.priority,
        references=list(facts.references),
        rules=facts.rules,
        interfaces=used,
        problem=facts.problem,
    )
