"""A view as families of series: what is exposed, whatever the format.

No series is there twice: a family is a mapping from labels to values, what tells equal things apart is in the labels,
and what is left of equals (nobody can rule it out of foreign names) is dropped and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from virtscope.catalogue import Metric, Scope, metrics_of
from virtscope.exposition.board import HostView, Key, Reading, View
from virtscope.exposition.labels import labels, visible
from virtscope.exposition.names import LANES, LIMITS, SHARED_HELP, STATES, Dialect, is_counter, names
from virtscope.sample import DiskFacts, DomainFacts, HostFacts, NicFacts, Nova, Value

Number: TypeAlias = int | float
Pair: TypeAlias = tuple[str, Number]
"""The labels of a series, as text, and its value."""
_POSITION = {(scope, metric.name): position for scope in Scope for position, metric in enumerate(metrics_of(scope))}


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one name."""

    name: str
    kind: str
    """``counter`` or ``gauge``."""
    help: str
    series: Mapping[str, Number]
    """Values by labels."""


@dataclass(frozen=True, slots=True)
class Exposition:
    """Everything that is exposed at one moment."""

    families: tuple[Family, ...]
    dropped: int
    """Series that were left out because another one had the same labels, ever since."""


def exposition(view: View, dialect: Dialect = Dialect.INOVEX, dropped_before: int = 0) -> Exposition:
    """Everything that a view shows, in a dialect."""
    shelf = _Shelf()
    known = [_Host(host, label, dialect) for host, label in _labelled(view.hosts)]
    shelf.add(
        "libvirt_up",
        "Whether the host's libvirt answers.",
        [*((host.labels, int(host.view.up)) for host in known), *((labels(host=uri), 0) for uri in view.unreached)],
    )
    _about_hosts(shelf, known, view.at)
    _catalogue(shelf, known, dialect)
    _about_domains(shelf, known, view.at)
    (_tinkoff_infos if dialect is Dialect.TINKOFF else _inovex_infos)(shelf, known)
    _limits(shelf, known)
    dropped = dropped_before + shelf.dropped
    shelf.add(
        "virtscope_duplicate_series_dropped_total",
        "Series left out because another one had the same labels.",
        [("", dropped)],
        counter=True,
    )
    return Exposition(shelf.families(), dropped)


class _Shelf:
    """Families in the making."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str, dict[str, Number]]] = {}
        self.dropped = 0

    def add(self, name: str, help_: str, pairs: Iterable[Pair], *, counter: bool = False) -> None:
        """Series of a family; of those with equal labels the first one stays."""
        _, _, series = self._families.setdefault(name, ("counter" if counter else "gauge", help_, {}))
        for text, value in pairs:
            if text in series:
                self.dropped += 1
            else:
                series[text] = value

    def families(self) -> tuple[Family, ...]:
        return tuple(
            Family(name, kind, help_, series) for name, (kind, help_, series) in self._families.items() if series
        )


@dataclass(slots=True)
class _Host:
    """One host with the labels of everything on it."""

    view: HostView
    name: str
    dialect: Dialect
    labels: str = field(init=False)
    domains: dict[str, tuple[str, DomainFacts | None]] = field(init=False)
    """By UUID: the labels of each domain that is shown, and its facts where they are known."""

    def __post_init__(self) -> None:
        self.labels = labels(host=self.name)
        facts = self.view.facts(DomainFacts)
        self.domains = {}
        for (uuid,) in self.view.tables.get(Scope.DOMAIN, {}):
            id_ = str(uuid)
            found = facts.get(id_)
            name = found.name if found else id_
            self.domains[id_] = (labels(domain=name, host=self.name, uuid=id_), found)

    def objects(self, scope: Scope) -> Iterator[tuple[str, Reading]]:
        """Everything of a scope: its labels and what is known of it."""
        table = self.view.tables.get(scope, {})
        label = self._labeller(scope, table)
        return ((label(key), reading) for key, reading in table.items())

    def _labeller(self, scope: Scope, keys: Iterable[Key]) -> Callable[[Key], str]:
        match scope:
            case Scope.HOST:
                return lambda _key: self.labels
            case Scope.DOMAIN:
                return self._domain
            case Scope.POOL | Scope.VOLUME:
                return self._pool_labeller()
            case Scope.NIC:
                targets = nic_targets([(str(key[0]), str(key[1]), str(key[2])) for key in keys])
                return lambda key: f"{self._domain(key)},{labels(target_device=targets[key])}"
            case Scope.DISK:
                return lambda key: f"{self._domain(key)},{labels(target_device=key[1])}"
        last = scope.keys[-1]
        if scope.is_of_domain:
            return lambda key: f"{self._domain(key)},{labels(**{last: key[-1]})}"
        return lambda key: f"{self.labels},{labels(**{last: key[-1]})}"

    def _domain(self, key: Key) -> str:
        return self.domains[str(key[0])][0]

    def _pool_labeller(self) -> Callable[[Key], str]:
        word = "pool" if self.dialect is Dialect.TINKOFF else "storage_pool"

        def label(key: Key) -> str:
            volume = {"volume": key[1]} if len(key) > 1 else {}
            return f"{self.labels},{labels(**{word: key[0]}, **volume)}"

        return label


def nic_targets(keys: Iterable[tuple[str, str, str]]) -> dict[Key, str]:
    """By (domain, MAC, target), the name of each interface that tells it from the others of its domain.

    That is its target; of SR-IOV devices, which have none, and of equal targets it is target and MAC.
    """
    found = list(keys)
    seen = Counter((domain, target) for domain, _, target in found)
    return {
        (domain, mac, target): target if target and seen[domain, target] == 1 else f"{target} {mac}".strip()
        for domain, mac, target in found
    }


def _labelled(hosts: Iterable[HostView]) -> Iterator[tuple[HostView, str]]:
    """Each host with the name in its label; hosts of equal names are told apart by their ids."""
    found = [(host, facts.name if (facts := host.facts(HostFacts).get(host.id)) else host.id) for host in hosts]
    seen = Counter(visible(name) for _, name in found)
    for host, name in found:
        yield host, name if seen[visible(name)] == 1 else f"{host.id} {name}"


def _about_hosts(shelf: _Shelf, hosts: list[_Host], now: int) -> None:
    shelf.add(
        "libvirt_domains",
        "Domains of the host, running or not.",
        [(host.labels, len(host.domains)) for host in hosts if Scope.DOMAIN in host.view.tables],
    )
    versions = [(host.labels, facts) for host in hosts if (facts := host.view.facts(HostFacts).get(host.view.id))]
    shelf.add(
        "libvirt_versions_info",
        "Versions of the hypervisor, of the host's libvirt and of the library that asks it.",
        [
            (
                text
                + ","
                + labels(
                    hypervisor_running=(facts.hypervisor or "").rpartition(" ")[2],
                    libvirtd_running=facts.libvirt,
                    libvirt_library=facts.library,
                ),
                1,
            )
            for text, facts in versions
        ],
    )
    shelf.add(
        "virtscope_sample_age_seconds",
        "Time since the host's figures were last read, by what they describe.",
        [
            (f"{host.labels},{labels(scope=scope.value)}", _seconds(now - at))
            for host in hosts
            for scope, at in host.view.read_at.items()
        ],
    )


def _catalogue(shelf: _Shelf, hosts: list[_Host], dialect: Dialect) -> None:
    """Every metric of the catalogue."""
    for scope in Scope:
        objects = [(text, reading.values) for host in hosts for text, reading in host.objects(scope)]
        for position, metric in enumerate(metrics_of(scope)):
            to_base = _to_base_units(metric)
            known = [(text, value) for text, values in objects if (value := values[position]) is not None]
            pairs: Iterable[Pair] = [(text, to_base(value)) for text, value in known] if to_base else known
            for name in names(metric, dialect):
                help_ = SHARED_HELP.get(name, metric.help)
                shelf.add(name, help_, _specified(metric, name, pairs), counter=is_counter(metric, name))


def _specified(metric: Metric, name: str, pairs: Iterable[Pair]) -> Iterable[Pair]:
    """With the labels that a few names have on top of their scope's."""
    if name == "libvirt_domain_info_state":
        return [(f"{text},{labels(state_desc=_state(int(code)))}", code) for text, code in pairs]
    if metric.scope is Scope.HOST and metric.name in LANES:
        return [(f"{text},{labels(lane=LANES[metric.name])}", value) for text, value in pairs]
    return pairs


def _state(code: int) -> str:
    return STATES[code] if 0 <= code < len(STATES) else f"state {code}"


def _to_base_units(metric: Metric) -> Callable[[int], Number] | None:
    """Exact in integers upwards, and rounded once where it is divided: 0.3 s is not 0.30000000000000004."""
    if metric.scale == 1:
        return None
    if metric.scale > 1:
        factor = round(metric.scale)
        return lambda value: value * factor
    divisor = round(1 / metric.scale)
    return lambda value: value / divisor


def _about_domains(shelf: _Shelf, hosts: list[_Host], now: int) -> None:
    rows = [pair for host in hosts for pair in host.objects(Scope.DOMAIN)]
    shelf.add(
        "libvirt_domain_sample_age_seconds",
        "Time since the domain's figures were last read.",
        [(text, _seconds(now - reading.newest)) for text, reading in rows],
    )
    shelf.add(
        "libvirt_domain_memory_stats_used_percent",
        "Share of the guest's memory that it cannot give to new programs without swapping, 0 to 100.",
        [(text, percent) for text, reading in rows if (percent := _used_percent(reading.values)) is not None],
    )


def _used_percent(values: tuple[Value, ...]) -> float | None:
    available = values[_POSITION[Scope.DOMAIN, "memory_available"]]
    usable = values[_POSITION[Scope.DOMAIN, "memory_usable"]]
    return None if not available or usable is None else 100 * (available - usable) / available


def _domains(hosts: list[_Host]) -> list[tuple[str, DomainFacts]]:
    return [(text, facts) for host in hosts for text, facts in host.domains.values() if facts is not None]


def _nics(domain: DomainFacts) -> list[tuple[str, NicFacts]]:
    """Each interface with the name in its label."""
    targets = nic_targets((domain.id, nic.mac, nic.target) for nic in domain.nics)
    return [(targets[domain.id, nic.mac, nic.target], nic) for nic in domain.nics]


def _bridge(nic: NicFacts) -> str | None:
    return nic.source if nic.type in ("bridge", "network") else None


def _inovex_infos(shelf: _Shelf, hosts: list[_Host]) -> None:
    domains = _domains(hosts)
    shelf.add(
        "libvirt_domain_info",
        "What the domain is made for.",
        _ones(domains, lambda domain: [_os(domain)]),
    )
    shelf.add(
        "libvirt_domain_openstack_info",
        "What OpenStack's nova says of the domain.",
        _ones(domains, lambda domain: [_openstack(domain, domain.nova)] if domain.nova else []),
    )
    shelf.add(
        "libvirt_domain_block_stats_info",
        "What the disk is.",
        _ones(domains, lambda domain: [_disk(disk) for disk in domain.disks]),
    )
    shelf.add(
        "libvirt_domain_interface_stats_info",
        "What the interface is.",
        _ones(domains, lambda domain: [_nic(target, nic) for target, nic in _nics(domain)]),
    )


def _os(domain: DomainFacts) -> str:
    return labels(os_type=domain.os_type, os_type_arch=domain.arch, os_type_machine=domain.machine)


def _openstack(domain: DomainFacts, nova: Nova) -> str:
    return labels(
        instance_name=nova.instance,
        instance_id=domain.id,
        flavor_name=nova.flavor,
        user_name=nova.user,
        user_id=nova.user_id,
        project_name=nova.project,
        project_id=nova.project_id,
    )


def _disk(disk: DiskFacts) -> str:
    return labels(
        disk_type=disk.type,
        target_bus=disk.bus,
        driver_name=disk.driver,
        driver_type=disk.format,
        driver_cache=disk.cache,
        driver_discard=disk.discard,
        source_file=disk.source,
        source_protocol=disk.protocol,
        target_device=disk.target,
        serial=disk.serial,
    )


def _nic(target: str, nic: NicFacts) -> str:
    return labels(
        interface_type=nic.type,
        source_bridge=_bridge(nic),
        target_device=target,
        mac_address=nic.mac,
        model_type=nic.model,
        mtu_size=nic.mtu,
    )


def _tinkoff_infos(shelf: _Shelf, hosts: list[_Host]) -> None:
    domains = _domains(hosts)
    shelf.add(
        "libvirt_domain_info_meta",
        "What OpenStack's nova says of the domain.",
        _ones(domains, lambda domain: [_meta(domain.nova or Nova())]),
    )
    shelf.add(
        "libvirt_domain_block_meta",
        "What the disk is.",
        _ones(domains, lambda domain: [_block_meta(disk) for disk in domain.disks]),
    )
    shelf.add(
        "libvirt_domain_interface_meta",
        "What the interface is.",
        _ones(domains, lambda domain: [_interface_meta(target, nic) for target, nic in _nics(domain)]),
    )


def _meta(nova: Nova) -> str:
    return labels(
        instance_name=nova.instance,
        flavor=nova.flavor,
        user_name=nova.user,
        user_uuid=nova.user_id,
        project_name=nova.project,
        project_uuid=nova.project_id,
        root_type=nova.root_type,
        root_uuid=nova.root_id,
    )


def _block_meta(disk: DiskFacts) -> str:
    return labels(
        target_device=disk.target,
        source_file=disk.source,
        serial=disk.serial,
        bus=disk.bus,
        disk_type=disk.type,
        driver_type=disk.format,
        cache=disk.cache,
        discard=disk.discard,
    )


def _interface_meta(target: str, nic: NicFacts) -> str:
    return labels(source_bridge=_bridge(nic), target_device=target, virtual_interface=nic.port_id)


def _ones(domains: list[tuple[str, DomainFacts]], of: Callable[[DomainFacts], list[str]]) -> Iterator[Pair]:
    """A series of value 1 for each set of labels that a domain yields."""
    return ((f"{text},{more}", 1) for text, domain in domains for more in of(domain))


def _limits(shelf: _Shelf, hosts: list[_Host]) -> None:
    """What ``iotune`` sets of each disk."""
    disks = [
        (f"{text},{labels(target_device=disk.target)}", disk.limits)
        for text, domain in _domains(hosts)
        for disk in domain.disks
        if disk.limits
    ]
    for iotune, (name, help_) in LIMITS.items():
        pairs = [(text, limits[iotune]) for text, limits in disks if iotune in limits]
        shelf.add(f"libvirt_domain_block_stats_{name}", f"{help_}; 0 is no limit.", pairs)


def _seconds(milliseconds: int) -> float:
    """An age; clocks may disagree, and nothing is younger than now."""
    return max(0, milliseconds) / 1000
