"""One host or domain, with everything known of it, for people to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.table import Table

from virtscope import text
from virtscope.catalogue import QUANTITY, Scope, Unit
from virtscope.cli import columns, output
from virtscope.cli.source import Item

_SHOWN: dict[Unit, Callable[[float | None], str]] = {
    Unit.SECONDS: text.duration,
    Unit.BYTES: text.size,
    Unit.COUNT: text.number,
    Unit.RATIO: text.ratio,
    Unit.CORES: text.cores,
    Unit.BYTES_PER_SECOND: text.rate,
    Unit.PER_SECOND: text.per_second,
}


def host(item: Item, domains: Sequence[Item]) -> RenderableType:
    """A host: what it is, its figures, its domains."""
    facts = item["facts"] or {}
    about = {
        "Name": item["name"],
        "Id": item["id"],
        "URI": item["uri"],
        "State": item["state"],
        "Since": text.ago(item["since"]),
        "Reason": item["reason"],
        "Seen": text.ago(item["last_seen"]),
        "CPU": f"{facts['cpus']} x {facts['cpu_model']}" if facts else None,
        "Topology": facts.get("topology"),
        "Memory": text.size(facts.get("memory_bytes")),
        "Hypervisor": facts.get("hypervisor"),
        "libvirt": facts.get("libvirt"),
    }
    return output.sections(
        ("Host", _about(about)),
        ("Figures", _figures(Scope.HOST, item)),
        *_parts("NUMA nodes", item["cells"], _CELLS),
        (f"Domains ({len(domains)})", output.Listing(domains, columns.DOMAINS)),
    )


def domain(item: Item) -> RenderableType:
    """A domain: what it is, its figures, its devices."""
    facts, told = item["facts"], item["guest"] or {}
    reason = f" ({item['state_reason']})" if item["state_reason"] else ""
    about = {
        "Name": item["name"],
        "Id": item["id"],
        "Title": item["title"],
        "Host": item["host_name"],
        "State": f"{item['state']}{reason}" + (", stale: its host is not up" if item["stale"] else ""),
        "Figures": text.ago(item["sampled"]),
        "Instance": facts["instance_name"],
        "Flavor": facts["flavor"],
        "Project": facts["project"],
        "Owner": facts["owner"],
        "Description": item["description"],
        "Guest": " ".join(told[name] for name in ("hostname", "os") if told.get(name)),
        "Machine": " ".join(facts[name] for name in ("os_type", "arch", "machine") if facts[name]),
        "Problem": facts["problem"],
    }
    return output.sections(
        ("Domain", _about(about)),
        ("Figures", _figures(Scope.DOMAIN, item)),
        (f"vCPUs ({len(item['vcpus'])})", output.Listing(item["vcpus"], _VCPUS)),
        (f"Disks ({len(item['disks'])})", output.Listing(item["disks"], columns.DISKS[1:])),
        (f"Interfaces ({len(item['nics'])})", output.Listing(item["nics"], columns.NICS[1:])),
        *_parts("I/O threads", item["iothreads"], _IOTHREADS),
        *_parts("Jobs", item["jobs"], _JOBS),
        *_parts("File systems", item["filesystems"], _FILESYSTEMS),
    )


_VCPUS = (
    columns.Column("VCPU", lambda vcpu: vcpu["vcpu"]),
    columns.Column("CPU", lambda vcpu: vcpu["figures"].get("usage"), text.ratio),
    columns.Column("STEAL", lambda vcpu: vcpu["figures"].get("steal"), text.ratio),
    columns.Column("I/O WAIT", lambda vcpu: vcpu["figures"].get("wait"), text.ratio),
)


_CELLS = (
    columns.Column("NODE", lambda cell: cell["cell"]),
    columns.Column("MEMORY", lambda cell: cell["figures"].get("memory_total"), text.size),
    columns.Column("FREE", lambda cell: cell["figures"].get("memory_free"), text.size),
    columns.Column("2 MIB PAGES", lambda cell: cell["figures"].get("hugepages_2m"), text.number),
    columns.Column("FREE", lambda cell: cell["figures"].get("hugepages_2m_free"), text.number),
    columns.Column("1 GIB PAGES", lambda cell: cell["figures"].get("hugepages_1g"), text.number),
    columns.Column("FREE", lambda cell: cell["figures"].get("hugepages_1g_free"), text.number),
)
_IOTHREADS = (
    columns.Column("THREAD", lambda thread: thread["iothread"]),
    columns.Column("CPU", lambda thread: thread["figures"].get("usage"), text.ratio),
    columns.Column("STEAL", lambda thread: thread["figures"].get("steal"), text.ratio),
)
_JOBS = (
    columns.Column("JOB", lambda job: job["job"]),
    columns.Column("PROGRESS", lambda job: job["figures"].get("progress"), text.ratio),
    columns.Column("LEFT", lambda job: job["figures"].get("data_remaining"), text.size),
    columns.Column("SPEED", lambda job: job["figures"].get("memory_speed"), text.rate),
    columns.Column("ELAPSED", lambda job: job["figures"].get("elapsed"), text.duration),
)
_FILESYSTEMS = (
    columns.Column("MOUNTPOINT", lambda found: found["mountpoint"]),
    columns.Column("SIZE", lambda found: found["figures"].get("size"), text.size),
    columns.Column("USED", lambda found: found["figures"].get("used_ratio"), text.ratio),
)


def _parts(title: str, items: Sequence[Item], shown: Sequence[columns.Column]) -> list[tuple[str, RenderableType]]:
    """A section for what not every host or domain has: none where there is nothing."""
    return [(f"{title} ({len(items)})", output.Listing(items, shown))] if items else []


def _about(facts: dict[str, str | None]) -> Table:
    return output.details([(name, text.plain(value)) for name, value in facts.items() if value])


def _figures(scope: Scope, item: Item) -> Table:
    """Every figure that is known, under its label."""
    known = [
        (QUANTITY[scope, name], value)
        for name, value in item["figures"].items()
        if value is not None and (scope, name) in QUANTITY
    ]
    return output.details([(quantity.label, _SHOWN[quantity.unit](value)) for quantity, value in known])
