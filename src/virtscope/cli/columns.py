"""Which columns a list has: what they are called, where their value is, and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from virtscope import text
from virtscope.cli.source import Item
from virtscope.cli.times import shown


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    title: str
    value: Callable[[Item], Any]
    """The value itself, in base units."""
    shown: Callable[[Any], str] = text.plain
    wide: bool = False
    """Shown only by ``-o wide`` (and by every format for machines)."""

    @property
    def is_prose(self) -> bool:
        """Whether the column holds sentences, which may take several lines."""
        return self.title in ("REASON", "DETAIL", "INCLUDES", "QUESTION", "SETTINGS", "FIGURES", "NOTES")

    @property
    def is_number(self) -> bool:
        """Whether the column is aligned to the right."""
        return self.shown is not text.plain


def at(*path: str) -> Callable[[Item], Any]:
    """The value at a path into nested objects; None where it ends early."""

    def value(item: Item) -> Any:
        found: Any = item
        for name in path:
            found = found.get(name) if found is not None else None
        return found

    return value


def _figure(name: str) -> Callable[[Item], Any]:
    return at("figures", name)


def _sum_of(first: str, second: str) -> Callable[[Item], Any]:
    def value(item: Item) -> Any:
        found = [item["figures"].get(name) for name in (first, second)]
        known = [figure for figure in found if figure is not None]
        return sum(known) if known else None

    return value


def _state(item: Item) -> str:
    state = f"{item['state']}" + (f" ({item['state_reason']})" if item.get("state_reason") == "crashed" else "")
    if item.get("timed_out"):
        state += ", does not answer"
    return f"{state}, stale" if item.get("stale") else state


_DOMAIN = Column("DOMAIN", at("domain_name"))
_HOST = Column("HOST", at("host_name"))

HOSTS = (
    Column("NAME", at("name")),
    Column("STATE", at("state")),
    Column("CPUS", at("facts", "cpus"), text.number),
    Column("CPU", _figure("cpu_ratio"), text.ratio),
    Column("MEMORY", at("facts", "memory_bytes"), text.size),
    Column("USED", _figure("memory_used_ratio"), text.ratio),
    Column("LOAD", _figure("load1"), text.number),
    Column("RUNNING", at("domains", "running"), text.number),
    Column("DOMAINS", at("domains", "total"), text.number),
    Column("REASON", at("reason")),
    Column("VCPU/CPU", _figure("vcpu_overcommit"), text.cores, wide=True),
    Column("STEAL", _figure("steal_cores"), text.cores, wide=True),
    Column("SEEN", at("last_seen"), text.ago, wide=True),
    Column("HYPERVISOR", at("facts", "hypervisor"), wide=True),
    Column("ID", at("id"), wide=True),
    Column("URI", at("uri"), wide=True),
)
DOMAINS = (
    Column("NAME", at("name")),
    Column("STATE", _state),
    _HOST,
    Column("VCPUS", _figure("vcpus"), text.number),
    Column("CPU", _figure("cpu_ratio"), text.ratio),
    Column("CORES", _figure("cpu_cores"), text.cores),
    Column("STEAL", _figure("steal_ratio"), text.ratio),
    Column("MEMORY", _figure("memory_current"), text.size),
    Column("USED", _figure("memory_used_ratio"), text.ratio),
    Column("READ", _figure("disk_read"), text.rate),
    Column("WRITE", _figure("disk_write"), text.rate),
    Column("NET IN", _figure("net_receive"), text.rate),
    Column("NET OUT", _figure("net_transmit"), text.rate),
    Column("ERRORS", _sum_of("net_receive_errors", "net_transmit_errors"), text.number, wide=True),
    Column("DROPS", _sum_of("net_receive_drops", "net_transmit_drops"), text.number, wide=True),
    Column("INSTANCE", at("facts", "instance_name"), wide=True),
    Column("FLAVOR", at("facts", "flavor"), wide=True),
    Column("PROJECT", at("facts", "project"), wide=True),
    Column("ID", at("id"), wide=True),
)
DISKS = (
    _DOMAIN,
    Column("TARGET", at("target")),
    Column("READ", _figure("read"), text.rate),
    Column("WRITE", _figure("write"), text.rate),
    Column("READS", _figure("read_requests"), text.number),
    Column("WRITES", _figure("write_requests"), text.number),
    Column("R LATENCY", _figure("read_latency"), text.duration),
    Column("W LATENCY", _figure("write_latency"), text.duration),
    Column("CAPACITY", _figure("capacity"), text.size),
    Column("ALLOCATED", _figure("allocation"), text.size),
    Column("BUS", at("bus"), wide=True),
    Column("FORMAT", at("format"), wide=True),
    Column("CACHE", at("cache"), wide=True),
    Column("SOURCE", at("source"), wide=True),
    Column("HOST", at("host_name"), wide=True),
)
NICS = (
    _DOMAIN,
    Column("MAC", at("mac")),
    Column("TARGET", at("target")),
    Column("SOURCE", at("source")),
    Column("FILTER", at("filter")),
    Column("IN", _figure("receive"), text.rate),
    Column("OUT", _figure("transmit"), text.rate),
    Column("PKTS IN", _figure("receive_packets"), text.number),
    Column("PKTS OUT", _figure("transmit_packets"), text.number),
    Column("ERRORS", _sum_of("receive_errors", "transmit_errors"), text.number),
    Column("DROPS", _sum_of("receive_drops", "transmit_drops"), text.number),
    Column("TYPE", at("type"), wide=True),
    Column("MODEL", at("model"), wide=True),
    Column("HOST", at("host_name"), wide=True),
)

FILTERS = (
    Column("NAME", at("name")),
    _HOST,
    Column("CHAIN", at("chain")),
    Column("PRIORITY", at("priority"), text.number),
    Column("RULES", at("rules"), text.number),
    Column("INTERFACES", at("interfaces"), text.number),
    Column("INCLUDES", lambda item: ", ".join(item["references"])),
    Column("PROBLEM", at("problem"), wide=True),
    Column("ID", at("id"), wide=True),
)
NETWORKS = (
    Column("NAME", at("name")),
    _HOST,
    Column("STATE", lambda item: "active" if item["active"] else "inactive"),
    Column("AUTOSTART", lambda item: "yes" if item["autostart"] else "no"),
    Column("FORWARD", at("forward")),
    Column("BRIDGE", at("bridge")),
    Column("LEASES", lambda item: len(item["leases"]), text.number),
    Column("ADDRESSES", lambda item: ", ".join(lease["address"] for lease in item["leases"]), wide=True),
    Column("ID", at("id"), wide=True),
)
POOLS = (
    Column("NAME", at("name")),
    _HOST,
    Column("STATE", at("state")),
    Column("TYPE", at("type")),
    Column("CAPACITY", _figure("capacity"), text.size),
    Column("USED", _figure("used_ratio"), text.ratio),
    Column("AVAILABLE", _figure("available"), text.size),
    Column("PROMISED", _figure("volumes_capacity"), text.size),
    Column("VOLUMES", lambda item: len(item["volumes"]), text.number),
    Column("TARGET", at("target"), wide=True),
    Column("ID", at("id"), wide=True),
)
EVENTS = (
    Column("TIME", lambda item: shown(item["at"])),
    _HOST,
    _DOMAIN,
    Column("EVENT", at("kind")),
    Column("DETAIL", at("detail")),
    Column("ID", at("domain"), wide=True),
)

AGENTS = (
    Column("NAME", at("name")),
    Column("STATE", at("state")),
    Column("HOSTS", lambda item: len(at("status", "hosts")(item) or ()), text.number),
    Column("HEARD", at("status", "last_heard"), text.ago),
    Column("LAG", at("status", "lag_seconds"), text.duration),
    Column("BACKLOG", at("status", "backlog_bytes"), text.size),
    Column("CLOCK", at("status", "clock_offset_seconds"), text.offset),
    Column("DROPPED", at("status", "dropped_batches"), text.number),
    Column("VERSION", lambda item: at("status", "version")(item) or item["version"]),
    Column("EXPIRES", at("expires"), shown),
    Column("REASON", lambda item: "; ".join(item["remarks"])),
    Column("BATCHES", at("status", "backlog_batches"), text.number, wide=True),
    Column("SEEN", at("seen"), text.ago, wide=True),
    Column("ADDRESS", at("address"), wide=True),
    Column("ENROLLED", at("made"), shown, wide=True),
    Column("REVOKED", at("revoked"), shown, wide=True),
    Column("CERTIFICATE", at("certificate"), wide=True),
    Column("ID", at("id"), wide=True),
)
TOKENS = (
    Column("ID", at("id")),
    Column("STATE", at("state")),
    Column("NAME", at("name")),
    Column("EXPIRES", at("expires"), shown),
    Column("MADE", at("made"), shown),
    Column("MADE BY", at("made_by")),
    Column("USED", at("used"), shown),
    Column("AGENT", at("agent")),
)
USERS = (
    Column("NAME", at("name")),
    Column("ROLE", at("role")),
    Column("PROJECTS", lambda user: "all" if user["projects"] is None else ", ".join(user["projects"]) or "none"),
    Column("SIGNED IN", at("signed_in"), shown),
    Column("E-MAIL", at("email")),
    Column("BY", at("issuer")),
    Column("ADDED", at("created"), shown, wide=True),
    Column("SUBJECT", at("subject"), wide=True),
)
API_TOKENS = (
    Column("ID", at("id"), str),
    Column("NAME", at("name")),
    Column("USER", at("user")),
    Column("ROLE", at("role")),
    Column("PROJECTS", lambda token: "all" if token["projects"] is None else ", ".join(token["projects"]) or "none"),
    Column("EXPIRES", at("expires"), shown),
    Column("USED", at("used"), shown),
    Column("MADE", at("created"), shown, wide=True),
)
FLAWS = (
    Column("FILE", at("path")),
    Column("REASON", at("reason")),
    Column("OUTCOME", at("outcome")),
)
STORE = (
    Column("LEVEL", at("level")),
    Column("SIZE", at("bytes"), text.size),
    Column("FILES", at("files"), text.number),
    Column("FROM", at("oldest"), shown),
    Column("TO", at("newest"), shown),
    Column("KEPT, DAYS", at("keep_days"), text.number),
)
CONTEXTS = (
    Column("NAME", at("name")),
    Column("CURRENT", lambda context: "*" if context["current"] else None),
    Column("SERVER", at("server")),
    Column("CONNECT", lambda context: ", ".join(context["connect"])),
)
FINDINGS_OF_DOCTOR = (
    Column("SUBJECT", at("subject")),
    Column("GOOD", lambda finding: {True: "yes", False: "no", None: "look"}[finding["good"]]),
    Column("DETAIL", at("detail")),
    Column("REMEDY", at("remedy")),
)

OF: Mapping[str, tuple[Column, ...]] = {
    "hosts": HOSTS,
    "domains": DOMAINS,
    "disks": DISKS,
    "nics": NICS,
    "filters": FILTERS,
    "networks": NETWORKS,
    "pools": POOLS,
}
"""The columns of what the fleet has, by kind."""
