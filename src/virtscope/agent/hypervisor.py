"""The connection to one hypervisor: read-only, kept open, and the only place that imports libvirt."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from virtscope import codes
from virtscope.agent import domain_xml, infrastructure_xml, nwfilter_xml
from virtscope.agent.uri import ConnectionUri
from virtscope.catalogue import Group
from virtscope.errors import HypervisorError, Unreachable
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts, HostFacts, Lease, NetworkFacts, PoolFacts, now_ms
from virtscope.xml_document import Unreadable, attribute, read, whole

try:
    import libvirt
except ImportError as missing:
    raise HypervisorError(
        f"the libvirt library cannot be loaded: {missing}",
        "Install libvirt's client library (Debian and Ubuntu: libvirt0), then libvirt-python.",
    ) from None

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
class HypervisorEvent:
    """Something libvirt told by itself."""

    at: int
    """When we heard of it, Unix ms: libvirt does not say when it happened."""
    domain: str
    kind: str
    detail: str


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
        _start_event_loop()
        self._uri = uri
        self._stats_flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        try:
            self._connection = libvirt.openReadOnly(uri.text)
        except libvirt.libvirtError as error:
            raise _unreachable(uri, error) from None
        try:
            if uri.driver != "test":
                self._connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            if on_event is not None:
                self._register(on_event)
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
        with _translated(self._uri):
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
                hypervisor=f"{self._connection.getType()} {_version(self._connection.getVersion())}",
                libvirt=_version(self._connection.getLibVersion()),
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
        with _translated(self._uri):
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
        with _translated(self._uri):
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
        with _translated(self._uri):
            try:
                return call() or ()
            except libvirt.libvirtError as error:
                if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INTERNAL_ERROR):
                    return ()
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

    def _register(self, on_event: Callable[[HypervisorEvent], None]) -> None:
        def tell(domain: Any, kind: str, detail: str) -> None:
            on_event(HypervisorEvent(now_ms(), domain.UUIDString(), kind, detail))

        def lifecycle(_connection: object, domain: Any, event: int, detail: int, _opaque: object) -> None:
            tell(domain, *codes.lifecycle(event, detail))

        def other(_connection: object, domain: Any, *details: Any) -> None:
            *found, (kind, describe) = details
            tell(domain, kind, describe(*found))

        register = self._connection.domainEventRegisterAny
        register(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
        for event, meaning in _EVENTS.items():
            # A driver that does not raise this one is read all the same.
            with suppress(libvirt.libvirtError):
                register(None, event, other, meaning)


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A file system, as the guest's agent tells it; bytes."""

    mountpoint: str
    size: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a guest's agent has told."""

    hostname: str | None
    os: str | None
    kernel: str | None
    timezone: str | None
    users: tuple[str, ...]
    filesystems: tuple[Filesystem, ...]


@dataclass(frozen=True, slots=True)
class Guest:
    """A running domain, and what its XML says of balloon and agent."""

    id: str
    handle: Any
    stats_period: int | None
    """Seconds; 0 where it is unset, None where there is no balloon that could tell."""
    has_agent: bool
    """Whether the agent's channel is there and somebody in the guest has opened it."""


class WriteConnection:
    """A read-write connection, for the few things that take one. It can do no more than its methods."""

    def __init__(self, uri: ConnectionUri) -> None:
        """Connect.

        Raises:
            Unreachable: the hypervisor lets us not in, or not to write.
        """
        _start_event_loop()
        self._uri = uri
        try:
            self._connection = libvirt.open(uri.text)
        except libvirt.libvirtError as error:
            raise _unreachable(uri, error) from None

    @property
    def alive(self) -> bool:
        """Whether the connection is still open."""
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection; one that is broken already is no error."""
        with suppress(libvirt.libvirtError):
            self._connection.close()

    def running(self) -> Iterator[Guest]:
        """Every running domain; one whose XML cannot be read is left out."""
        with _translated(self._uri):
            domains = self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)
        for domain in domains:
            with suppress(libvirt.libvirtError, Unreadable):
                root = read(domain.XMLDesc(0))
                balloon = root.find("devices/memballoon")
                has_balloon = balloon is not None and balloon.get("model") != "none"
                period = whole(attribute(balloon, "stats", "period")) or 0 if has_balloon else None
                channels = root.findall("devices/channel/target[@name='org.qemu.guest_agent.0']")
                connected = any(channel.get("state") == "connected" for channel in channels)
                yield Guest(domain.UUIDString(), domain, period, connected)

    def set_stats_period(self, guest: Guest, seconds: int) -> None:
        """Have the guest's balloon tell its memory figures every so often, until the domain stops."""
        with suppress(libvirt.libvirtError):  # gone meanwhile: nothing is lost
            guest.handle.setMemoryStatsPeriod(seconds, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def ask(self, guest: Guest, seconds: int) -> Told:
        """What the guest's agent says.

        Raises:
            HypervisorError: it does not answer in time, or refuses.
        """
        kinds = (
            libvirt.VIR_DOMAIN_GUEST_INFO_USERS
            | libvirt.VIR_DOMAIN_GUEST_INFO_OS
            | libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE
            | libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME
            | libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM
        )
        with _translated(self._uri):
            with suppress(libvirt.libvirtError):  # an older libvirt: its own deadline holds
                guest.handle.agentSetResponseTimeout(seconds, 0)
            told = guest.handle.guestInfo(kinds, 0)
        users = (told.get(f"user.{number}.name") for number in range(told.get("user.count", 0)))
        return Told(
            hostname=told.get("hostname"),
            os=told.get("os.pretty-name") or told.get("os.name"),
            kernel=told.get("os.kernel-release"),
            timezone=told.get("timezone.name"),
            users=tuple(sorted({str(user) for user in users if user})),
            filesystems=tuple(
                Filesystem(str(mountpoint), told.get(f"fs.{number}.total-bytes"), told.get(f"fs.{number}.used-bytes"))
                for number in range(told.get("fs.count", 0))
                if (mountpoint := told.get(f"fs.{number}.mountpoint"))
            ),
        )


def _nothing(*_details: object) -> str:
    return ""


def _words(*details: object) -> str:
    return " ".join(str(detail) for detail in details if detail not in (None, ""))


GUEST_AGENT, BALLOON = "guest agent", "balloon changed"
"""The kinds of two events: a guest's agent came or went; the balloon leaves the guest another amount of memory."""

_EVENTS: Mapping[int, tuple[str, Callable[..., str]]] = {
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: ("rebooted", _nothing),
    libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: ("watchdog", codes.watchdog),
    libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: (
        "I/O error",
        lambda source, alias, action, reason: _words(alias, source, codes.io_error(action), reason),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR: ("control error", _nothing),
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: (BALLOON, lambda kib: f"{kib} KiB"),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: ("device added", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: ("device removed", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: ("device removal failed", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: ("metadata changed", lambda _kind, namespace: _words(namespace)),
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: (
        "block job",
        lambda disk, kind, status: _words(disk, *codes.block_job(kind, status)),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD: (
        "block threshold",
        lambda disk, path, threshold, excess: _words(disk, path, f"{threshold} B exceeded by {excess} B"),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE: (
        "tunable changed",
        lambda found: ", ".join(f"{name.partition('.')[2] or name} {value}" for name, value in found.items()),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: (GUEST_AGENT, codes.guest_agent),
    libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION: ("migration", lambda number: f"iteration {number}"),
    libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: ("job completed", lambda *_details: ""),
    libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE: (
        "medium changed",
        lambda old, new, alias, _reason: _words(alias, old or "nothing", "→", new or "nothing"),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND: ("suspended", lambda _reason: "by the guest, to memory"),
    libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK: ("suspended", lambda _reason: "by the guest, to disk"),
    libvirt.VIR_DOMAIN_EVENT_ID_PMWAKEUP: ("resumed", lambda _reason: "woken up"),
    libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE: (
        "memory failure",
        lambda recipient, action, _flags: _words(*codes.memory_failure(recipient, action)),
    ),
}
"""What each event is called, and how its arguments read."""


def _block_job(job: Mapping[str, int]) -> Mapping[str, int]:
    """A disk's job in the words of a domain's."""
    return {
        "type": job.get("type", 0),
        "data_total": job.get("end", 0),
        "data_processed": job.get("cur", 0),
        "data_remaining": job.get("end", 0) - job.get("cur", 0),
    }


def library_version() -> str:
    """The version of the libvirt library in this process."""
    return _version(libvirt.getVersion())


class _translated:  # noqa: N801  # reads as a word in ``with _translated(uri):``
    """Turns libvirt's errors into ours."""

    def __init__(self, uri: ConnectionUri) -> None:
        self._uri = uri

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, libvirt.libvirtError):
            raise HypervisorError(f"{self._uri.text}: {error.get_error_message()}") from None


_KEY_HINT = "Name the right key with keyfile= in the URI, and have it in authorized_keys on the host."
# The first that fits is told: a refused SSH key is "Permission denied", too.
_HINTS = {
    "publickey": _KEY_HINT,
    "PublicKey": _KEY_HINT,  # in the words of libssh2
    "Host key verification failed": "Connect once with ssh, as the same user, and accept the host's key.",
    "verify the session host key": "Add the host's key (ssh-keyscan) to the file that known_hosts= in the URI names.",
    "Cannot read CA certificate": "Put cacert.pem, clientcert.pem and clientkey.pem where pkipath= in the URI says.",
    "Our own certificate": "Have the authority of cacert.pem be the one that signed clientcert.pem.",
    "verify peer's certificate": "Have the authority of cacert.pem be the one that signed the host's certificate.",
    "TLS confirmation": "The host does not accept clientcert.pem: is it signed by the host's authority, and not over?",
    "No such file or directory": "Is libvirtd running there? 'systemctl status libvirtd' tells.",
    "Permission denied": "Add the user to the group 'libvirt', or run as one who may read libvirt's socket.",
    "Connection refused": "Is libvirtd running and listening there?",
    "authentication": "Add the user to the group 'libvirt', or give this URI credentials that the host accepts.",
    "Could not resolve": "Check the host's name.",
    "Name or service not known": "Check the host's name.",
}


def _unreachable(uri: ConnectionUri, error: Any) -> Unreachable:
    message = error.get_error_message() or str(error)
    hint = next((hint for words, hint in _HINTS.items() if words in message), "'virtscope doctor' looks closer.")
    return Unreachable(f"cannot connect to {uri.text}: {message}", hint)


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


_event_loop = threading.Lock()
_event_loop_runs = False


def _start_event_loop() -> None:
    """Start libvirt's event loop once in the process: events and keep-alive need it before the first connection."""
    global _event_loop_runs  # noqa: PLW0603  # libvirt's loop is one for the process
    with _event_loop:
        if _event_loop_runs:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised: none is printed too
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_event_loop, name="libvirt events", daemon=True).start()
        _event_loop_runs = True


def _run_event_loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
