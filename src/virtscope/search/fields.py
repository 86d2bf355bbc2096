"""What hosts, domains, disks and interfaces can be searched and sorted by: their texts, and every quantity there is.

An item is what the API answers: an object of JSON, as in ``server/answers/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from virtscope.catalogue import Scope, Unit, quantities_of

Item: TypeAlias = Mapping[str, Any]
Value: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """Something that an item may be asked for."""

    name: str
    value: Value
    """The value in base units; None: not known."""
    help: str
    unit: Unit | None = None
    """Of a number; None: a text."""
    is_name: bool = False
    """Whether bare words are looked for here."""
    is_of_owner: bool = False
    """Whether it is the domain's whose device the item is: only an item that was ``owned`` tells it."""
    order: Value | None = None
    """What it is sorted by, where that is not its value."""


def at(*path: str) -> Value:
    """The value at a path into nested objects; None where it ends early."""

    def value(item: Item) -> Any:
        found: Any = item
        for name in path:
            found = found.get(name) if found is not None else None
        return found

    return value


def sum_of(*figures: str) -> Value:
    """Figures added up; None where none of them is known."""

    def value(item: Item) -> Any:
        known = [figure for name in figures if (figure := item["figures"].get(name)) is not None]
        return sum(known) if known else None

    return value


def _yes(*path: str) -> Value:
    found = at(*path)
    return lambda item: None if (value := found(item)) is None else "yes" if value else "no"


def _distance(*path: str) -> Value:
    found = at(*path)
    return lambda item: None if (value := found(item)) is None else abs(value)


def _list(*path: str) -> Value:
    found = at(*path)
    return lambda item: ", ".join(str(part) for part in found(item) or ()) or None


def _severity(*path: str) -> Field:
    severity, known = at(*path), ("ok", "info", "warning", "critical")
    ranks = {name: rank for rank, name in enumerate(known)}
    return Field("severity", severity, f"{', '.join(known)}.", order=lambda item: ranks.get(severity(item)))


def _name(name: str, value: Value, help_text: str) -> Field:
    return Field(name, value, help_text, is_name=True)


_DOMAINS = (
    _name("name", at("name"), "The domain's name."),
    _name("id", at("id"), "Its UUID."),
    _name("title", at("title"), "Its title."),
    _name("host", at("host_name"), "The host it is on."),
    _name("project", at("facts", "project"), "Its project (OpenStack)."),
    _name("instance", at("facts", "instance_name"), "What OpenStack calls it."),
    Field("flavor", at("facts", "flavor"), "Its flavor (OpenStack)."),
    Field("owner", at("facts", "owner"), "Whose it is (OpenStack)."),
    Field("state", at("state"), "Its state, as virsh calls it."),
    Field("reason", at("state_reason"), "Why it is in this state."),
    Field("stale", _yes("stale"), "Whether its host is not up: yes, no."),
    Field("hung", _yes("timed_out"), "Whether its emulator does not answer: yes, no."),
    Field("os", at("facts", "os_type"), "hvm, xen, exe."),
    Field("arch", at("facts", "arch"), "Its architecture."),
    Field("machine", at("facts", "machine"), "Its machine type."),
    Field("persistent", _yes("facts", "persistent"), "Whether it outlives its stop: yes, no."),
    Field("hugepages", _yes("facts", "hugepages"), "Whether huge pages are its memory: yes, no."),
    Field("passthrough", _list("facts", "passthrough"), "Devices of the host that it has for itself."),
    Field("problem", at("facts", "problem"), "Why its XML could not be read."),
    Field("host_id", at("host"), "The host's UUID."),
    Field(
        "errors",
        sum_of("net_receive_errors", "net_transmit_errors"),
        "Packets that failed, both ways.",
        Unit.PER_SECOND,
    ),
    Field("drops", sum_of("net_receive_drops", "net_transmit_drops"), "Packets dropped, both ways.", Unit.PER_SECOND),
)
_HOSTS = (
    _name("name", at("name"), "The host's name."),
    _name("id", at("id"), "Its UUID."),
    _name("uri", at("uri"), "How it is connected to."),
    _name("agent", at("agent"), "The agent that watches it."),
    Field("state", at("state"), "up, down, connecting."),
    Field("reason", at("reason"), "Why it is not up."),
    Field("model", at("facts", "cpu_model"), "The model of its CPUs."),
    Field("hypervisor", at("facts", "hypervisor"), "The hypervisor with its version."),
    Field("libvirt", at("facts", "libvirt"), "The version of its libvirt daemon."),
    Field("running", at("domains", "running"), "Domains that run there.", Unit.COUNT),
    Field("domains", at("domains", "total"), "Domains that it defines.", Unit.COUNT),
)
_DEVICE = (
    _name("domain", at("domain_name"), "The domain's name."),
    _name("domain_id", at("domain"), "The domain's UUID."),
    _name("host", at("host_name"), "The host it is on."),
    _name("target", at("target"), "The device's name on the host or in the guest."),
    _name("source", at("source"), "Where it leads: an image, a bridge, a network."),
)
_DISKS = (
    *_DEVICE,
    Field("device", at("device"), "disk, cdrom, floppy, lun."),
    Field("type", at("type"), "file, block, network."),
    Field("protocol", at("protocol"), "rbd, nbd, iscsi…"),
    Field("bus", at("bus"), "virtio, scsi, sata…"),
    Field("driver", at("driver"), "What serves it."),
    Field("format", at("format"), "qcow2, raw…"),
    Field("cache", at("cache"), "The cache's mode."),
    Field("io", at("io"), "native, threads, io_uring."),
    _name("serial", at("serial"), "Its serial number: the volume's id in OpenStack."),
    Field("readonly", _yes("readonly"), "yes, no."),
)
_NICS = (
    *_DEVICE,
    _name("mac", at("mac"), "Its address."),
    Field("type", at("type"), "network, bridge, direct…"),
    Field("model", at("model"), "virtio, e1000e…"),
    Field("link", at("link"), "up or down, where the XML sets it."),
    Field("port", at("port_id"), "The id of its port."),
    Field("vlan", _list("vlans"), "Its VLANs."),
    Field("filter", at("filter"), "Its network filter."),
    Field("errors", sum_of("receive_errors", "transmit_errors"), "Packets that failed, both ways.", Unit.PER_SECOND),
    Field("drops", sum_of("receive_drops", "transmit_drops"), "Packets dropped, both ways.", Unit.PER_SECOND),
)

_AGENTS = (
    _name("name", at("name"), "The agent's name."),
    _name("id", at("id"), "Its id."),
    Field("state", at("state"), "enrolled, expired, revoked."),
    Field("version", at("version"), "The version that it runs."),
    Field("lag", at("status", "lag_seconds"), "How old its newest stored sample is.", Unit.SECONDS),
    Field("backlog", at("status", "backlog_batches"), "Batches that wait on its host.", Unit.COUNT),
    Field("clock", _distance("status", "clock_offset_seconds"), "How far its clock is off, either way.", Unit.SECONDS),
    Field("dropped", at("status", "dropped_batches"), "Batches that it had to give up.", Unit.COUNT),
    Field("problem", at("status", "problem"), "Why its last delivery was not taken."),
)

_FINDINGS = (
    Field("analysis", at("finding", "analysis"), "The analysis that found it."),
    Field("verdict", at("finding", "verdict"), "Its verdict, in the analysis's words."),
    _severity("finding", "severity"),
    Field("kind", at("finding", "subject", "kind"), "host, domain, disk, nic, pool, filter, project, fleet."),
    _name("name", at("finding", "subject", "name"), "What it speaks of."),
    _name("id", at("finding", "subject", "id"), "Its identifier."),
    _name("host", at("finding", "subject", "host_name"), "The host that it is on."),
    _name("part", at("finding", "subject", "part"), "Which disk, interface or vCPU of a domain."),
    Field("state", at("state"), "new, still."),
)

_ALERTS = (
    _name("rule", at("rule"), "The rule."),
    _severity("severity"),
    Field("state", at("state"), "pending, firing, unknown."),
    Field("silenced", _yes("silenced"), "Whether it is silenced: yes, no."),
    Field("kind", at("subject", "kind"), "hosts, domains, disks, nics, pools, agents, findings."),
    _name("name", at("subject", "name"), "What it speaks of."),
    _name("id", at("subject", "id"), "Its identifier."),
    _name("host", at("subject", "host_name"), "The host that it is or is on."),
    _name("project", at("subject", "project"), "Its project (OpenStack)."),
    _name("text", at("text"), "What the rule says of it."),
)

_SHORT: Mapping[str, Mapping[str, str]] = {
    "hosts": {
        "host": "name",
        "cpu": "cpu_ratio",
        "used": "memory_used_ratio",
        "memory": "memory_total",
        "load": "load1",
        "steal": "steal_cores",
        "cores": "cpu_cores",
        "iowait": "iowait_ratio",
        "overcommit": "vcpu_overcommit",
    },
    "domains": {
        "domain": "name",
        "uuid": "id",
        "cpu": "cpu_ratio",
        "cores": "cpu_cores",
        "steal": "steal_ratio",
        "memory": "memory_current",
        "used": "memory_used_ratio",
        "rss": "memory_rss",
        "read": "disk_read",
        "write": "disk_write",
        "in": "net_receive",
        "out": "net_transmit",
    },
    "alerts": {"object": "name", "notes": "text"},
    "disks": {"name": "target", "reads": "read_requests", "writes": "write_requests", "allocated": "allocation"},
    "nics": {"name": "target", "in": "receive", "out": "transmit", "network": "source"},
    "pools": {"used": "used_ratio", "promised": "volumes_capacity"},
}
"""Short names for what people ask most."""
_SCOPES = {"hosts": Scope.HOST, "domains": Scope.DOMAIN, "disks": Scope.DISK, "nics": Scope.NIC, "pools": Scope.POOL}
_PLACED = (
    _name("name", at("name"), "Its name."),
    _name("id", at("id"), "Its UUID."),
    _name("host", at("host_name"), "The host it is on."),
    Field("problem", at("problem"), "Why its XML could not be read."),
)
_TEXTS: Mapping[str, tuple[Field, ...]] = {
    "agents": _AGENTS,
    "alerts": _ALERTS,
    "findings": _FINDINGS,
    "hosts": _HOSTS,
    "domains": _DOMAINS,
    "disks": _DISKS,
    "nics": _NICS,
    "filters": (
        *_PLACED,
        Field("chain", at("chain"), "The chain it belongs to."),
        Field("priority", at("priority"), "Its priority.", Unit.COUNT),
        Field("rules", at("rules"), "How many rules of its own it has.", Unit.COUNT),
        Field("interfaces", at("interfaces"), "How many interfaces name it.", Unit.COUNT),
        _name("includes", _list("references"), "The filters that it includes."),
    ),
    "networks": (
        *_PLACED,
        Field("active", _yes("active"), "yes, no."),
        Field("autostart", _yes("autostart"), "yes, no."),
        Field("forward", at("forward"), "nat, route, bridge…"),
        _name("bridge", at("bridge"), "Its bridge."),
    ),
    "pools": (
        *_PLACED,
        Field("state", at("state"), "Its state."),
        Field("type", at("type"), "dir, logical, rbd…"),
        Field("target", at("target"), "Where it is mounted."),
    ),
    "events": (
        _name("host", at("host_name"), "The host."),
        _name("domain", at("domain_name"), "The domain's name."),
        _name("domain_id", at("domain"), "The domain's UUID."),
        _name("kind", at("kind"), "What happened."),
        _name("detail", at("detail"), "More of it."),
    ),
}


@cache
def fields_of(kind: str) -> Mapping[str, Field]:
    """Every field of a kind of items (``hosts``, ``domains``…, as the API's paths have it), by name and short name."""
    texts = {field.name: field for field in _TEXTS[kind]}
    scope = _SCOPES.get(kind)
    figures = {
        quantity.name: Field(quantity.name, at("figures", quantity.name), quantity.help, quantity.unit)
        for quantity in (quantities_of(scope) if scope else ())
    }
    owner: dict[str, Field] = {}
    if kind in ("disks", "nics"):
        owner = {
            field.name: replace(field, value=_of_owner(field.value), is_name=field.name == "project", is_of_owner=True)
            for field in _DOMAINS
            if field.name in ("project", "instance", "flavor", "owner", "state", "stale", "hung")
        }
    found = {**owner, **figures, **texts}
    return found | {short: found[whole] for short, whole in _SHORT.get(kind, {}).items() if short not in found}


def named(fields: Iterable[Field]) -> dict[str, Field]:
    """Fields by their names."""
    return {field.name: field for field in fields}


def owned(items: Iterable[Mapping[str, Any]], domains: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Devices, each with its domain (``owner``), so that they can be searched by what only the domain knows."""
    by_id = {domain["id"]: domain for domain in domains}
    return [{**item, "owner": by_id.get(item["domain"])} for item in items]


def _of_owner(value: Value) -> Value:
    return lambda item: value(item["owner"]) if item.get("owner") else None
