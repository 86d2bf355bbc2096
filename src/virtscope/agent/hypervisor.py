"""The connection to one hypervisor: read-only, kept open, and the only place that imports libvirt."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from virtscope import codes
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import HypervisorError, Unreachable
from virtscope.sample import HostFacts, now_ms

try:
    import libvirt
except ImportError as missing:
    raise HypervisorError(
        f"the libvirt library cannot be loaded: {missing}",
        "Install libvirt's client library (Debian and Ubuntu: libvirt0), then libvirt-python.",
    ) from None

GROUPS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
"""What one bulk call asks for. Never 0, which means all groups and costs monitor commands for figures we leave out."""

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
class DomainDescription:
    """A domain's name and its XML at the moment."""

    id: str
    name: str
    persistent: bool
    xml: str


class Hypervisor:
    """One read-only connection. Every method may block: call it through a lane with a deadline."""

    def __init__(self, uri: ConnectionUri, on_event: Callable[[HypervisorEvent], None]) -> None:
        """Connect.

        Raises:
            Unreachable: there is no such hypervisor, or it lets us not in.
        """
        _start_event_loop()
        self._uri = uri
        self._on_event = on_event
        self._stats_flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        try:
            self._connection = libvirt.openReadOnly(uri.text)
        except libvirt.libvirtError as error:
            raise _unreachable(uri, error) from None
        try:
            if uri.driver != "test":
                self._connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            self._register()
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
            model, memory_mib, cpus = self._connection.getInfo()[:3]
            # getInfo() sums NUMA cells, which a host inside a virtual machine may describe wrongly.
            memory_kib = self.node_memory().get("total", memory_mib * 1024)
            return HostFacts(
                id=self._host_uuid(name),
                name=name,
                uri=self._uri.text,
                cpus=cpus,
                memory_bytes=memory_kib * 1024,
                cpu_model=model,
                hypervisor=f"{self._connection.getType()} {_version(self._connection.getVersion())}",
                libvirt=_version(self._connection.getLibVersion()),
            )

    def domain_stats(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every domain's UUID and its bulk statistics, active or not, in one call.

        Fields that libvirt cannot tell without waiting for a busy domain are absent.
        """
        with _translated(self._uri):
            try:
                records = self._connection.getAllDomainStats(GROUPS, self._stats_flags)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG or not self._stats_flags:
                    raise
                self._stats_flags = 0  # a driver that does not know NOWAIT
                records = self._connection.getAllDomainStats(GROUPS, 0)
        return [(domain.UUIDString(), statistics) for domain, statistics in records]

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

    def describe(self, domain: str) -> DomainDescription | None:
        """A domain's name and XML, without secrets; None where it is gone."""
        with _translated(self._uri):
            try:
                found = self._connection.lookupByUUIDString(domain)
                return DomainDescription(domain, found.name(), bool(found.isPersistent()), found.XMLDesc(0))
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return None
                raise

    def _host_uuid(self, name: str) -> str:
        try:
            text = fromstring(self._connection.getCapabilities()).findtext("host/uuid")
        except (libvirt.libvirtError, ParseError):
            text = None
        # Drivers without a host UUID (test) get one that is the same at every start.
        return text or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._uri.driver}://{name}"))

    def _register(self) -> None:
        register = self._connection.domainEventRegisterAny
        register(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
        for event, kind in _DETAILED_EVENTS.items():
            try:
                register(None, event, self._detailed, kind)
            except libvirt.libvirtError:
                continue  # a driver that does not raise this one

    def _lifecycle(self, _connection: object, domain: Any, event: int, detail: int, _opaque: object) -> None:
        self._tell(domain, *codes.lifecycle(event, detail))

    def _detailed(self, _connection: object, domain: Any, *details: object) -> None:
        kind = str(details[-1])
        self._tell(domain, kind, " ".join(str(detail) for detail in details[:-1] if detail not in (None, "")))

    def _tell(self, domain: Any, kind: str, detail: str) -> None:
        self._on_event(HypervisorEvent(now_ms(), domain.UUIDString(), kind, detail))


_DETAILED_EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: "rebooted",
    libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: "watchdog",
    libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: "I/O error",
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: "balloon changed",
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: "device added",
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: "device removed",
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: "metadata changed",
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
