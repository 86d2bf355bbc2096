"""Where the domains of a fleet stand: from tables to the problem that placement analyses solve.

A host has the memory that it tells, less its huge pages and the share ``reserve`` for itself. A domain takes the memory
that its XML grants it, of huge pages where it asks for them, and the p95 of the cores that it wanted (its use and its
steal). What is pinned to CPUs or NUMA nodes of the host, has a device passed through, or is left out by the settings
does not move. Hosts that are not up do not count; those in maintenance take nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from virtscope.analysis.evidence import Row
from virtscope.analysis.placement import Domain, Fleet, Host
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Steps, Tables, percentile
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Listed, Number, Text

WINDOW, STEP, COVERAGE = window(DAY), step(), coverage()
RESERVE = Setting("reserve", Number(0, 0.9, "of the memory"), 0.05, "The share of a host's memory kept for itself.")
APART: Setting[tuple[str, ...]] = Setting(
    "apart",
    Listed(Text("GLOB")),
    ("anti-affinity=*",),
    "Domains that may not share a host: those whose name fits a glob; or, as label=*, whose label has the same value.",
)
TOGETHER: Setting[tuple[str, ...]] = Setting(
    "together",
    Listed(Text("GLOB")),
    ("affinity=*",),
    "Domains that must share a host: those whose name fits a glob; or, as label=*, whose label has the same value.",
)
SETTINGS = (WINDOW, STEP, COVERAGE, RESERVE, APART, TOGETHER)
_P95 = 95.0
_HUGE = {"hugepages_2m": 2 << 20, "hugepages_1g": 1 << 30}
"""Bytes of a page."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A fleet, and what is not known of it."""

    fleet: Fleet
    hosts: Mapping[str, Row]
    domains: Mapping[str, Row]
    unknown: tuple[str, ...]
    """Domains whose CPU use is not known well enough; they count with all their vCPUs and stay where they are."""
    left_out: tuple[str, ...]
    """Hosts that do not count: their size is not known, or they are not up."""
    unsized: tuple[str, ...]
    """Domains that are on a host and whose memory is not known: no plan may rest on them."""

    @property
    def bound(self) -> frozenset[str]:
        """Domains that can run nowhere but on their host."""
        return frozenset(name for name, row in self.domains.items() if _is_bound(row))

    def domain_name(self, domain: str) -> str:
        """As people know it."""
        return str(self.domains[domain]["name"])

    def host_name(self, host: str) -> str:
        """As people know it."""
        return str(self.hosts[host]["name"])

    def share_known(self) -> float:
        """The share of domains whose CPU use is known, 0 to 1."""
        return 1 - len(self.unknown) / len(self.fleet.domains) if self.fleet.domains else 0.0

    def samples(self) -> int:
        """The fewest steps that are known of a domain that counts."""
        known = [row["cpu_demand.samples"] for name, row in self.domains.items() if name not in self.unknown]
        return min((number for number in known if number), default=0)


def needs(settings: Settings, series: Sequence[Steps] = ()) -> Needs:
    """What this needs of the store."""
    return Needs(
        settings[WINDOW],
        settings[STEP],
        (Reduced(Scope.DOMAIN, ("cpu_demand",), (_P95,)), Reduced(Scope.CELL, tuple(_HUGE))),
        tuple(series),
    )


def standing(tables: Tables, settings: Settings) -> Standing:
    """The fleet as it is at the end of the window."""
    hosts = {row["id"]: row for row in tables.hosts.to_dicts()}
    good = {name: row for name, row in hosts.items() if row["up"] and row["cpus"] and row["memory"]}
    figures = tables.summaries[Scope.DOMAIN]
    rows = tables.domains.filter("active").join(figures, left_on="id", right_on="domain", how="left")
    domains = {row["id"]: row for row in rows.to_dicts() if row["host"] in good}
    unknown = tuple(name for name, row in domains.items() if _thin(row, tables, settings))
    made = [
        _domain(row, settings, certain=name not in unknown)
        for name, row in domains.items()
        if row["memory"] is not None
    ]
    return Standing(
        Fleet(tuple(_hosts(good, tables, settings, made)), tuple(made)),
        hosts,
        domains,
        unknown,
        tuple(name for name in hosts if name not in good),
        tuple(name for name, row in domains.items() if row["memory"] is None),
    )


def _thin(row: Row, tables: Tables, settings: Settings) -> bool:
    known = row["cpu_demand.samples"] or 0
    return not known or known / max(tables.steps, 1) < settings[COVERAGE] or row[percentile("cpu_demand", _P95)] is None


def _hosts(good: Mapping[str, Row], tables: Tables, settings: Settings, domains: Sequence[Domain]) -> Iterator[Host]:
    pages: dict[str, float] = {}
    for row in tables.summaries[Scope.CELL].to_dicts():
        size = sum((row[f"{name}.average"] or 0.0) * each for name, each in _HUGE.items())
        pages[row["host"]] = pages.get(row["host"], 0.0) + size
    of_domains: dict[str, int] = {}
    for domain in domains:
        of_domains[domain.host] = of_domains.get(domain.host, 0) + domain.huge
    for name, about in good.items():
        huge = round(min(pages.get(name, 0.0), about["memory"]))  # a host that tells of more has miscounted
        # Of a host that does not tell its huge pages only those are sure that its domains have.
        taken = of_domains.get(name, 0)
        memory = max(0, round(about["memory"] * (1 - settings[RESERVE])) - max(huge, taken))
        yield Host(name, memory, float(about["cpus"]), max(huge, taken), accepts=not about["maintenance"])


def _is_bound(row: Row) -> bool:
    return bool(row["pinned"] or row["numa_bound"] or row["passthrough"])


def _domain(row: Row, settings: Settings, *, certain: bool) -> Domain:
    cpu = row[percentile("cpu_demand", _P95)] if certain else row["vcpus"]
    return Domain(
        row["id"],
        row["host"],
        0 if row["hugepages"] else row["memory"],
        float(cpu or 0.0),
        row["memory"] if row["hugepages"] else 0,
        movable=not (_is_bound(row) or row["excluded"]) and certain,
        apart=tuple(_groups(row, settings[APART])),
        together=tuple(_groups(row, settings[TOGETHER])),
    )


def _groups(row: Row, globs: Sequence[str]) -> Iterator[str]:
    for glob in globs:
        if glob.endswith("=*"):
            yield from sorted({label for label in row["labels"] or () if label.startswith(glob[:-1])})
        elif fnmatchcase(row["name"], glob):
            yield glob
