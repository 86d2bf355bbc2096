"""The read-only connection: what exists on a host, and its figures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from virtscope.agent import domain_xml, infrastructure_xml, nwfilter_xml
from virtscope.agent.hypervisor import events
from virtscope.agent.hypervisor.events import HypervisorEvent
from virtscope.agent.hypervisor.library import (
    library_version,
    libvirt,
    start_event_loop,
    translated,
    unreachable,
    version,
)
from virtscope.agent.uri import ConnectionUri
from virtscope.catalogue import Group
from virtscope.errors import HypervisorError
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts, HostFacts, Lease, NetworkFacts, PoolFacts
from virtscope.xml_document import Unreadable, read, whole

T = TypeVar("T")

_GROUPS = {
    Group.STATE: libvirt.VIR_DOMAIN_STATS_STATE,
    Group.CPU_TOTAL: libvirt.VIR_DOMAIN_STATS_CPU_TOTAL,
    Group.BALLOON: libvirt.VIR_DOMAIN_STATS_BALLOON,
    Group.VCPU: libvirt.VIR_DOMAIN_STATS_VCPU,
    Group.INTERFACE: libvirt.VIR_DOMAIN_STATS_INTERFACE,
    Group.BLOCK: libvirt.VIR_DOMAIN_STATS_BLOCK,
    Group.IOTHREAD: libvirt.VIR_DOMAIN_STATS_IOTHREAD,
    Group.DIRTY_RATE: libvirt.VIR_DOMAIN_STATS_DIRTYRATE,
    Group.PERF: libvirt.VIR_DOMAIN_STATS_PERF,
}

_HUGE_PAGES = frozenset({"2048", "1048576"})
"""Sizes in KiB: the two that the catalogue has."""

KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 3
"""A connection whose other end is silent for 5 s x 3 is closed."""


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """One domain in libvirt's answer: by UUID, with the fields of the groups that were asked for."""

    id: str
    handle: Any
    """What its own connection calls it; of no use to another connection."""
    fields: Mapping[str, Any]
    """Fields that libvirt cannot tell without waiting for a busy domain are absent."""


class Hypervisor:
    """One read-only connection. Every method may block: call it through a lane with a deadline."""

    def __init__(self, uri: ConnectionUri, on_event: Callable[[HypervisorEvent], None] | None = None) -> None:
        """Connect; ``on_event`` hears what happens, in libvirt's own thread.

        Raises:
            Unreachable: there is no such hypervisor, or it lets us not in.
        """
        start_event_loop()
        self._uri = uri
        self._stats_flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        try:
            self._connection = libvirt.openReadOnly(uri.text)
        except libvirt.libvirtError as error:
            raise unreachable(uri, error) from None
        try:
            if uri.driver != "test":
                self._connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            if on_event is not None:
                events.register(self._connection, on_event)
        except libvirt.libvirtError:
            # A driver without keep-alive or events is read all the same: the slow resync finds its changes.
            pass

    @property
    def alive(self) -> bool:
        """Whether the connection is still open."""
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection; one that is broken already is no error."""
        try:
            self._connection.close()
        except libvirt.libvirtError:
            return

    def facts(self) -> HostFacts:
        """Who the host is. Asked once for each connection: the host's name may need a slow look-up."""
        with translated(self._uri):
            name = self._connection.getHostname()
            model, memory_mib, cpus, _, nodes, sockets, cores, threads = self._connection.getInfo()
            # getInfo() sums NUMA cells, which a host inside a virtual machine may describe wrongly.
            memory_kib = self.node_memory().get("total", memory_mib * 1024)
            return HostFacts(
                id=self._host_uuid(name),
                name=name,
                uri=self._uri.text,
                cpus=cpus,
                memory_bytes=memory_kib * 1024,
                cpu_model=model,
                topology=f"{nodes} nodes, {sockets} sockets, {cores} cores, {threads} threads",
                hypervisor=f"{self._connection.getType()} {version(self._connection.getVersion())}",
                libvirt=version(self._connection.getLibVersion()),
                library=library_version(),
            )

    def domains(self, groups: Iterable[Group]) -> list[DomainRecord]:
        """Every domain, active or not, with its statistics of these groups, in one call."""
        return self._bulk(self._connection.getAllDomainStats, groups)

    def statistics(self, domains: Sequence[DomainRecord], groups: Iterable[Group]) -> list[DomainRecord]:
        """These domains, found by this same connection, likewise; those that are gone meanwhile are left out."""
        handles = [domain.handle for domain in domains]
        if not handles:
            return []
        return self._bulk(lambda mask, flags: self._connection.domainListGetStats(handles, mask, flags), groups)

    def _bulk(self, call: Callable[[int, int], Any], groups: Iterable[Group]) -> list[DomainRecord]:
        # Never 0, which means all groups: those that nobody asked for cost monitor commands.
        mask = sum(_GROUPS[group] for group in groups)
        with translated(self._uri):
            try:
                records = call(mask, self._stats_flags)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG or not self._stats_flags:
                    raise
                self._stats_flags = 0  # a driver that does not know NOWAIT
                records = call(mask, 0)
        return [DomainRecord(domain.UUIDString(), domain, fields) for domain, fields in records]

    def node_cpu(self) -> Mapping[str, int]:
        """The host's CPU times in ns since its start: kernel, user, idle, iowait. Empty where the driver has none."""
        try:
            times: Mapping[str, int] = self._connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)
        except libvirt.libvirtError:
            return {}
        return times

    def node_memory(self) -> Mapping[str, int]:
        """The host's memory in KiB: total, free, buffers, cached. Empty where the driver has none."""
        try:
            figures: Mapping[str, int] = self._connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
        except libvirt.libvirtError:
            return {}
        return figures

    def describe(self, domain: str, host: str) -> DomainFacts | None:
        """A domain by its XML, without secrets; None where it is gone."""
        with translated(self._uri):
            try:
                found = self._connection.lookupByUUIDString(domain)
                persistent, active = bool(found.isPersistent()), bool(found.isActive())
                live = found.XMLDesc(0)
                inactive = found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if persistent and active else None
                return domain_xml.facts(domain, found.name(), host, persistent, live, inactive)
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return None
                raise

    def filters(self, host: str) -> list[FilterFacts]:
        """Every network filter; none where the driver has none."""
        return self._each(
            self._connection.listAllNWFilters,
            lambda found, xml: nwfilter_xml.filter_facts(found.UUIDString(), found.name(), host, xml),
        )

    def bindings(self, host: str) -> list[BindingFacts]:
        """Every network filter at work."""
        return self._each(
            self._connection.listAllNWFilterBindings,
            lambda found, xml: nwfilter_xml.binding_facts(found.portDev(), host, xml),
        )

    def networks(self, host: str) -> list[NetworkFacts]:
        """Every virtual network with its leases."""
        return self._each(
            self._connection.listAllNetworks,
            lambda found, xml: infrastructure_xml.network_facts(
                found.UUIDString(),
                found.name(),
                host,
                xml,
                active=bool(found.isActive()),
                autostart=bool(found.autostart()),
                leases=self._leases(found),
            ),
        )

    def pools(self, host: str) -> list[PoolFacts]:
        """Every storage pool, as libvirt knows it without looking at the storage again."""
        return self._each(
            self._connection.listAllStoragePools,
            lambda found, xml: infrastructure_xml.pool_facts(
                found.UUIDString(),
                found.name(),
                host,
                xml,
                active=bool(found.isActive()),
                autostart=bool(found.autostart()),
            ),
        )

    def storage(self) -> Iterator[tuple[str, Mapping[str, int], Sequence[tuple[str, Mapping[str, int]]]]]:
        """Each pool's name, its figures, and its volumes' names and figures. Never refreshes a pool."""
        for pool in self._list(self._connection.listAllStoragePools):
            # Deleted meanwhile, or its storage fails: its own figures are unknown.
            with suppress(libvirt.libvirtError, HypervisorError):
                state, capacity, allocation, available = pool.info()
                figures = {"state": state, "capacity": capacity, "allocation": allocation, "available": available}
                yield pool.name(), figures, list(self._volumes(pool)) if pool.isActive() else []

    def cells(self) -> Iterator[tuple[int, Mapping[str, int]]]:
        """Each NUMA node's number, its memory in KiB and its huge pages by their size in KiB (``2048.free``)."""
        for cell, sizes in self._numa_cells().items():
            with suppress(libvirt.libvirtError):
                memory = self._connection.getMemoryStats(cell)
                free = self._connection.getFreePages(list(sizes), cell, 1)[cell] if sizes else {}
                yield (
                    cell,
                    {"total": memory.get("total"), "free": memory.get("free")}
                    | {f"{size}.total": number for size, number in sizes.items()}
                    | {f"{size}.free": number for size, number in free.items()},
                )

    def jobs(self, domain: DomainRecord, disks: Sequence[str]) -> Iterator[tuple[str, Mapping[str, int]]]:
        """A domain's migration (or saving) and its disks' jobs, while there are any: name and progress.

        Only for domains that answer: libvirt waits for the domain's lock.
        """
        with suppress(libvirt.libvirtError):
            progress = domain.handle.jobStats()
            if progress.get("type", 0) not in (0, 3, 4, 5):  # none, completed, failed, cancelled
                yield "migration", progress
        for disk in disks:
            with suppress(libvirt.libvirtError):
                job = domain.handle.blockJobInfo(disk)
                if job:
                    yield disk, _block_job(job)

    def _each(self, call: Callable[[], Any], facts: Callable[[Any, str], T]) -> list[T]:
        """The facts of every object of a kind, from it and its XML; one that goes meanwhile is left out."""
        told = []
        for found in self._list(call):
            with suppress(libvirt.libvirtError):
                told.append(facts(found, found.XMLDesc(0)))
        return told

    def _list(self, call: Callable[[], Any]) -> Sequence[Any]:
        """Objects of a kind; none where the driver does not know them."""
        with translated(self._uri):
            try:
                return call() or ()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                    return ()  # any other error is not "none": what is there would count as gone
                raise

    def _leases(self, network: Any) -> tuple[Lease, ...]:
        try:
            leases = network.DHCPLeases() if network.isActive() else ()
        except libvirt.libvirtError:
            return ()
        return tuple(
            Lease(str(lease["mac"]), str(lease["ipaddr"]), lease["hostname"], int(lease["expirytime"]))
            for lease in leases
            if lease.get("mac") and lease.get("ipaddr")
        )

    def _volumes(self, pool: Any) -> Iterator[tuple[str, Mapping[str, int]]]:
        """Its volumes; none where they cannot be listed: the pool's own figures are told all the same."""
        with suppress(HypervisorError):
            for volume in self._list(pool.listAllVolumes):
                with suppress(libvirt.libvirtError):
                    _, capacity, allocation = volume.info()
                    yield volume.name(), {"capacity": capacity, "allocation": allocation}

    def _numa_cells(self) -> Mapping[int, Mapping[int, int]]:
        """Each NUMA node's huge pages: their size in KiB and how many are set aside."""
        try:
            root = read(self._connection.getCapabilities())
        except (libvirt.libvirtError, Unreadable):
            return {}
        return {
            int(cell.get("id", "0")): {
                int(pages.get("size", "0")): whole(pages.text) or 0
                for pages in cell.findall("pages")
                if pages.get("size") in _HUGE_PAGES
            }
            for cell in root.findall("host/topology/cells/cell")
        }

    def _host_uuid(self, name: str) -> str:
        try:
            text = read(self._connection.getCapabilities()).findtext("host/uuid")
        except (libvirt.libvirtError, Unreadable):
            text = None
        # Drivers without a host UUID (test) get one that is the same at every start.
        return text or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._uri.driver}://{name}"))


def _block_job(job: Mapping[str, int]) -> Mapping[str, int]:
    """A disk's job in the words of a domain's."""
    return {
        "type": job.get("type", 0),
        "data_total": job.get("end", 0),
        "data_processed": job.get("cur", 0),
        "data_remaining": job.get("end", 0) - job.get("cur", 0),
    }
