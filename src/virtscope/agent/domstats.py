"""libvirt's bulk statistics into rows of the catalogue.

Absent is unknown, never 0. A figure that does not fit a signed 64-bit integer (libvirt's "unknown" is 2⁶⁴-1, and a
guest may claim anything) is unknown too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import DomainFacts, Row, Value

_LARGEST = 2**63 - 1

# libvirt reports the guest's view for every type of interface except this one: the tap of an <interface
# type='ethernet'> is read as the host sees it, what the guest sends being received. We store the guest's view, always.
_HOST_VIEW = frozenset({"ethernet"})


def rows(
    statistics: Iterable[tuple[str, Mapping[str, Any]]], facts: Mapping[str, DomainFacts]
) -> dict[Scope, list[Row]]:
    """One row for each domain, vCPU, disk, interface and I/O thread that the answer of a bulk call names."""
    domains: list[Row] = []
    vcpus: list[Row] = []
    disks: list[Row] = []
    nics: list[Row] = []
    iothreads: list[Row] = []
    events: list[Row] = []
    for domain, record in statistics:
        domains.append((domain, *_values(record, _fields(Scope.DOMAIN))))
        vcpus += _vcpus(domain, record)
        disks += _disks(domain, record)
        nics += _nics(domain, record, facts.get(domain))
        iothreads += _iothreads(domain, record)
        events += [(domain, name[5:], record[name]) for name in record if name.startswith("perf.")]
    tables = {Scope.DOMAIN: domains, Scope.VCPU: vcpus, Scope.DISK: disks, Scope.NIC: nics, Scope.IOTHREAD: iothreads}
    # Hardly any domain has them, and they are not asked for at every tick: where none are told, nothing is said.
    return tables | {Scope.PERF: events} if events else tables


def interface_names(record: Mapping[str, Any]) -> set[str]:
    """The targets of the interfaces that one domain's statistics name."""
    return {record[name] for index in range(record.get("net.count", 0)) if (name := f"net.{index}.name") in record}


def _vcpus(domain: str, record: Mapping[str, Any]) -> list[Row]:
    """A row for each vCPU that is online: indexes have holes where vCPUs were taken away."""
    return [
        (domain, index, *_values(record, _fields(Scope.VCPU, index)))
        for index in range(record.get("vcpu.maximum", 0))
        if f"vcpu.{index}.state" in record
    ]


def _disks(domain: str, record: Mapping[str, Any]) -> list[Row]:
    found: dict[str, Row] = {}
    for index in range(record.get("block.count", 0)):
        target = record.get(f"block.{index}.name")
        if target and target not in found:
            found[target] = (domain, target, *_values(record, _fields(Scope.DISK, index)))
    return list(found.values())


def _nics(domain: str, record: Mapping[str, Any], facts: DomainFacts | None) -> list[Row]:
    known = {nic.target: nic for nic in facts.nics} if facts else {}
    found: dict[tuple[str, str], Row] = {}
    for index in range(record.get("net.count", 0)):
        target = record.get(f"net.{index}.name")
        if not target:
            continue
        nic = known.get(target)
        mac = nic.mac if nic else ""
        fields = _fields(Scope.NIC, index)
        values = _values(record, _swapped(fields) if nic and nic.type in _HOST_VIEW else fields)
        found.setdefault((mac, target), (domain, mac, target, *values))
    return list(found.values())


def _iothreads(domain: str, record: Mapping[str, Any]) -> list[Row]:
    """A row for each I/O thread: they are numbered as the XML says, from 1, and with holes."""
    if not record.get("iothread.count"):
        return []
    numbers = {int(name.split(".")[1]) for name in record if name.startswith("iothread.") and name != "iothread.count"}
    return [(domain, number, *_values(record, _fields(Scope.IOTHREAD, number))) for number in sorted(numbers)]


def _values(record: Mapping[str, Any], fields: tuple[str, ...]) -> list[Value]:
    return [value if value is not None and 0 <= value <= _LARGEST else None for value in map(record.get, fields)]


@cache
def _fields(scope: Scope, index: int = 0) -> tuple[str, ...]:
    return tuple(metric.source.format(index) for metric in metrics_of(scope))


@cache
def _swapped(fields: tuple[str, ...]) -> tuple[str, ...]:
    other = {"rx": "tx", "tx": "rx"}
    return tuple(".".join(other.get(word, word) for word in field.split(".")) for field in fields)
