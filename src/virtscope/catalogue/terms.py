"""The words of the catalogue: kinds, units, scopes and groups, each spelled out once."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """How a metric behaves in time, and so what may be done with it."""

    COUNTER = "counter"
    """Only grows until it is reset: its rate is what has a meaning."""
    GAUGE = "gauge"
    """Goes up and down: may be averaged."""
    STATE = "state"
    """A code out of a list: neither averaged nor summed."""


class Unit(Enum):
    """Base units. The value is the suffix that exposition names carry."""

    SECONDS = "seconds"
    BYTES = "bytes"
    COUNT = ""
    RATIO = "ratio"
    TIMESTAMP = "timestamp_seconds"
    CORES = "cores"
    BYTES_PER_SECOND = "bytes_per_second"
    PER_SECOND = "per_second"


class Scope(Enum):
    """What one row describes: a host, a part of it, a domain, or a part of that. The value is the name of the table."""

    HOST = "host"
    CELL = "cell"
    POOL = "pool"
    VOLUME = "volume"
    DOMAIN = "domain"
    VCPU = "vcpu"
    DISK = "disk"
    NIC = "nic"
    IOTHREAD = "iothread"
    PERF = "perf"
    JOB = "job"
    FILESYSTEM = "filesystem"

    # A member is equal to itself alone. Enum's own is a function of Python's, and this is asked for at every figure.
    __hash__ = object.__hash__

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that, together with the time, identify a row."""
        return _KEYS[self]

    @property
    def is_of_domain(self) -> bool:
        """Whether it is a domain or a part of one, and so keeps its history wherever the domain runs."""
        return "domain" in self.keys

    @property
    def exposition_prefix(self) -> str:
        """How the names of this scope's metrics begin, in the dialect of the libvirt exporters."""
        return _PREFIXES[self]


_KEYS = {
    Scope.HOST: ("host",),
    Scope.CELL: ("host", "cell"),
    Scope.POOL: ("host", "pool"),
    Scope.VOLUME: ("host", "pool", "volume"),
    Scope.DOMAIN: ("host", "domain"),
    Scope.VCPU: ("host", "domain", "vcpu"),
    Scope.DISK: ("host", "domain", "target"),
    Scope.NIC: ("host", "domain", "mac", "target"),
    Scope.IOTHREAD: ("host", "domain", "iothread"),
    Scope.PERF: ("host", "domain", "event"),
    Scope.JOB: ("host", "domain", "job"),
    Scope.FILESYSTEM: ("host", "domain", "mountpoint"),
}
_PREFIXES = {
    Scope.HOST: "libvirt_host",
    Scope.CELL: "libvirt_host_numa",
    Scope.POOL: "libvirt_storage_pool",
    Scope.VOLUME: "libvirt_storage_volume",
    Scope.DOMAIN: "libvirt_domain",
    Scope.VCPU: "libvirt_domain_vcpu",
    Scope.DISK: "libvirt_domain_block_stats",
    Scope.NIC: "libvirt_domain_interface_stats",
    Scope.IOTHREAD: "libvirt_domain_iothread",
    Scope.PERF: "libvirt_domain_perf",
    Scope.JOB: "libvirt_domain_job",
    Scope.FILESYSTEM: "libvirt_domain_filesystem",
}


class Group(Enum):
    """Which reading fills a metric: a group of libvirt's bulk statistics, or another call."""

    STATE = "state"
    CPU_TOTAL = "cpu-total"
    BALLOON = "balloon"
    VCPU = "vcpu"
    INTERFACE = "interface"
    BLOCK = "block"
    IOTHREAD = "iothread"
    DIRTY_RATE = "dirtyrate"
    PERF = "perf"
    NODE = "node"
    CELL = "cell"
    STORAGE = "storage"
    JOB = "job"
    GUEST_AGENT = "guest-agent"
