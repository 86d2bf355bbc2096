"""The dashboards: fleet, host, domain, contention; each for the series of any exporter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.grafana.asking import INFO, STAT_HEIGHT, STAT_WIDTH, Asked, row
from deploy.grafana.panels import Panel, Query, Row
from deploy.limits import Limit
from virtscope import codes
from virtscope.catalogue import Gauge, Scope, Total
from virtscope.exposition.promql import VIRTSCOPE, Exporter, query, series

HOST, CELL, POOL, DOMAIN = Scope.HOST, Scope.CELL, Scope.POOL, Scope.DOMAIN
VCPU, DISK, NIC, IOTHREAD, JOB, FILESYSTEM = (
    *(Scope.VCPU, Scope.DISK, Scope.NIC, Scope.IOTHREAD),
    *(Scope.JOB, Scope.FILESYSTEM),
)
_COLORS = ("gray", "green", "blue", "yellow", "orange", "gray", "red", "purple")
STATES = {code: (word, _COLORS[code]) for code, word in enumerate(codes.STATES)}
UP = {1: ("up", "green"), 0: ("down", "red")}
_TOP = 10


@dataclass(frozen=True, slots=True)
class Variable:
    """What can be chosen above a dashboard: the values of a label."""

    name: str
    label: str
    query: str
    many: bool
    """Whether several may be chosen, or all."""
    everything: str = ".+"
    """What all is, as a regular expression."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard in our words."""

    name: str
    title: str
    help: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def dashboards(exporter: Exporter) -> tuple[Dashboard, ...]:
    """All of them, for the series of one exporter."""
    made: tuple[Callable[[Exporter], Dashboard], ...] = (_fleet, _host, _domain, _contention)
    return tuple(one(exporter) for one in made)


def uid(exporter: Exporter, name: str) -> str:
    """By which a dashboard is linked to."""
    return f"{exporter.name}-{name}"


def _asked(exporter: Exporter, host: str, *, by_project: bool = False, domain: str = "") -> Asked:
    matchers = f'{exporter.host}{host}"$host"'
    to_host = f"/d/{uid(exporter, 'host')}?${{__url_time_range}}&var-host={{{exporter.host}}}"
    to_domain = f"/d/{uid(exporter, 'domain')}?${{__url_time_range}}&var-host={{{exporter.host}}}&var-domain={{domain}}"
    return Asked(
        exporter,
        f"{matchers},{domain}" if domain else matchers,
        joined=f'{INFO},{matchers},project_name=~"$project"}}' if by_project else "",
        link_to_host=to_host if host == "=~" else "",
        link_to_domain="" if domain else to_domain,
    )


def _hosts(exporter: Exporter, *, many: bool = True) -> Variable:
    return Variable("host", "Host", f"label_values(libvirt_up, {exporter.host})", many)


def _projects(exporter: Exporter) -> Variable:
    asked = f'label_values(libvirt_domain_openstack_info{{{exporter.host}=~"$host"}}, project_name)'
    return Variable("project", "Project", asked, many=True, everything=".*")


def _domains(exporter: Exporter) -> Variable:
    asked = f'label_values({INFO},{exporter.host}=~"$host",project_name=~"$project"}}, domain)'
    return Variable("domain", "Domain", asked, many=False)


def _stat(
    title: str,
    expression: str,
    unit: str = "short",
    *,
    limit: Limit | None = None,
    words: Mapping[int, tuple[str, str]] | None = None,
) -> Panel:
    one = (Query(expression, ""),)
    return Panel(title, unit, one, kind="stat", width=STAT_WIDTH, height=STAT_HEIGHT, limit=limit, words=words)


def _fleet(exporter: Exporter) -> Dashboard:
    chosen = _asked(exporter, "=~", by_project=True)
    where = f"{{{chosen.matchers}}}"
    state = chosen.expression(DOMAIN, Gauge("state"))
    vcpus = _ratio(chosen, "vcpus", "cpus") if exporter is VIRTSCOPE else None
    memory = _ratio(chosen, "memory_current", "memory_total") if exporter is VIRTSCOPE else None
    return Dashboard(
        "fleet",
        "Fleet",
        "Every host and its domains at a glance.",
        (_hosts(exporter), _projects(exporter)),
        (
            row(
                "Now",
                _stat("Hosts that answer", f"sum(libvirt_up{where})"),
                _stat("Hosts that do not", f"count(libvirt_up{where}) - sum(libvirt_up{where})", limit=Limit(1, 2)),
                _stat("Domains", f"count({state})"),
                _stat("Domains that run", f"count(({state}) == 1)"),
                _stat("vCPUs per CPU", vcpus, limit=Limit(4, 8)) if vcpus else None,
                _stat("Domain memory per memory", memory, "percentunit", limit=Limit(1, 1.5)) if memory else None,
            ),
            row(
                "Hosts",
                chosen.table(
                    HOST,
                    "Hosts",
                    *("cpus", "cpu_ratio", "guests_cpu_cores", "steal_cores", "memory_total", "memory_used_ratio"),
                    *("guests_memory", "vcpu_overcommit", "memory_overcommit"),
                    first=(
                        Query(f"max by ({exporter.host}) (libvirt_up{where})", "Up"),
                        Query(f"max by ({exporter.host}) (libvirt_domains{where})", "Domains"),
                    ),
                ),
                chosen.panel(HOST, "cpu_ratio", maximum=1),
                chosen.panel(HOST, "memory_used_ratio", maximum=1),
                chosen.panel(HOST, "guests_cpu_cores", stacked=True),
                chosen.panel(HOST, "steal_cores", stacked=True),
                chosen.panel(HOST, "guests_memory", stacked=True),
                Panel(
                    "Domains by state",
                    "short",
                    (Query(f"count by (state_desc) ({state})", "{{state_desc}}"),),
                    stacked=True,
                ),
            ),
            row(
                "Busiest domains",
                chosen.panel(DOMAIN, "cpu_cores", top=_TOP),
                chosen.panel(DOMAIN, "memory_used", top=_TOP),
                chosen.panel(DOMAIN, "disk_read", "disk_write", top=_TOP, title="Disk throughput"),
                chosen.panel(DOMAIN, "net_receive", "net_transmit", top=_TOP, title="Network throughput"),
            ),
            row(
                "Storage",
                chosen.panel(POOL, "used_ratio", kind="bargauge", title="Pools, used"),
                chosen.panel(POOL, "available", title="Pools, available"),
            ),
        ),
    )


def _ratio(chosen: Asked, of: str, by: str) -> str:
    """What the domains of all chosen hosts have together, by what the hosts have."""
    above = query(Total(DOMAIN, Gauge(of)), HOST, chosen.exporter, chosen.matchers)
    below = query(Gauge(by), HOST, chosen.exporter, chosen.matchers)
    return f"sum({above}) / sum({below})"


def _host(exporter: Exporter) -> Dashboard:
    one = _asked(exporter, "=")
    where = f"{{{one.matchers}}}"
    age = Query(f"max by (scope) (virtscope_sample_age_seconds{where})", "{{scope}}")
    errors = Query(f"rate(virtscope_collect_errors_total{where}[$__rate_interval])", "errors")
    ours = exporter is VIRTSCOPE
    return Dashboard(
        "host",
        "Host",
        "One host: what it has, what its domains take of it, and what it lacks.",
        (_hosts(exporter, many=False),),
        (
            row(
                "Now",
                _stat("libvirt", f"max(libvirt_up{where})", words=UP),
                _stat("Domains", f"max(libvirt_domains{where})"),
                one.stat(HOST, "cpus"),
                one.stat(HOST, "memory_total"),
                one.stat(HOST, "vcpu_overcommit", "short"),
                one.stat(HOST, "memory_overcommit"),
            ),
            row(
                "CPU",
                one.panel(HOST, "cpu_user", "cpu_system", "cpu_iowait", title="CPU", stacked=True),
                one.panel(HOST, "load1", "load5", "load15", title="Load"),
                one.panel(DOMAIN, "cpu_cores", top=_TOP, title="CPU used, by domain", stacked=True),
                one.panel(DOMAIN, "steal_ratio", top=_TOP, title="Steal, by domain"),
            ),
            row(
                "Memory",
                one.panel(HOST, "memory_total", "memory_used", "guests_memory", title="Memory"),
                one.panel(HOST, "swap_used"),
                one.panel(DOMAIN, "memory_rss", top=_TOP, title="Resident, by domain", stacked=True),
                one.panel(DOMAIN, "memory_used_ratio", top=_TOP, title="Memory used, by domain"),
                one.panel(CELL, "memory_free", title="Free, by NUMA node"),
                one.panel(CELL, "hugepages_2m_free", "hugepages_1g_free", title="Huge pages free, by NUMA node"),
            ),
            row(
                "Pressure",
                one.panel(HOST, "pressure_cpu_some", "pressure_cpu_full", title="CPU pressure", width=8),
                one.panel(HOST, "pressure_memory_full", "pressure_memory_some", title="Memory pressure", width=8),
                one.panel(HOST, "pressure_io_full", "pressure_io_some", title="I/O pressure", width=8),
            ),
            row(
                "Disks and interfaces",
                one.panel(DOMAIN, "disk_read", "disk_write", top=_TOP, title="Disk throughput, by domain"),
                one.panel(DOMAIN, "disk_read_latency", "disk_write_latency", top=_TOP, title="Disk latency, by domain"),
                one.panel(DOMAIN, "net_receive", "net_transmit", top=_TOP, title="Network throughput, by domain"),
                one.panel(POOL, "used_ratio", kind="bargauge", title="Pools, used"),
            ),
            row(
                "How it is watched",
                Panel("Age of the figures", "s", (age,), "Since each was last read.") if ours else None,
                one.panel(HOST, "collect_time", "kernel_time", title="How long reading takes"),
                Panel("Readings that failed", "cps", (errors,)) if ours else None,
                one.panel(HOST, "timed_out_domains", "stuck_calls"),
            )
            if ours
            else row("How it is watched", _domains_that_do_not_answer(exporter, where)),
        ),
    )


def _domains_that_do_not_answer(exporter: Exporter, where: str) -> Panel:
    asked = f"sum by ({exporter.host}) ({series(DOMAIN, 'timed_out')}{where})"
    return Panel("Domains that do not answer", "short", (Query(asked, f"{{{{{exporter.host}}}}}"),))


def _domain(exporter: Exporter) -> Dashboard:
    one = _asked(exporter, "=~", domain='domain="$domain"')
    where = f"{{{one.matchers}}}"
    labels = ", ".join((exporter.host, *exporter.domain))
    state = f"max by ({labels}) ({series(DOMAIN, 'state')}{where})"
    return Dashboard(
        "domain",
        "Domain",
        "One domain, on whichever host it runs.",
        (_hosts(exporter), _projects(exporter), _domains(exporter)),
        (
            row(
                "Now",
                _stat("State", f"max({series(DOMAIN, 'state')}{where})", words=STATES),
                one.stat(DOMAIN, "vcpus"),
                one.stat(DOMAIN, "memory_current"),
                one.stat(DOMAIN, "cpu_ratio"),
                one.stat(DOMAIN, "steal_ratio"),
                one.stat(DOMAIN, "memory_used_ratio"),
                Panel(
                    *("State", "short", (Query(state, f"{{{{{exporter.host}}}}}"),)),
                    kind="state-timeline",
                    width=24,
                    height=4,
                    words=STATES,
                ),
            ),
            row(
                "CPU",
                one.panel(DOMAIN, "cpu_cores", "cpu_demand", title="CPU used and wanted"),
                one.panel(VCPU, "usage", title="Each vCPU"),
                one.panel(VCPU, "steal", title="Steal of each vCPU"),
                one.panel(VCPU, "wait", title="I/O wait of each vCPU"),
            ),
            row(
                "Memory",
                one.panel(
                    DOMAIN,
                    *("memory_current", "memory_maximum", "memory_used", "memory_cache", "memory_rss"),
                    title="Memory",
                ),
                one.panel(DOMAIN, "swap_in", "swap_out", title="Guest swap"),
                one.panel(DOMAIN, "major_faults"),
                one.panel(DOMAIN, "dirty_rate"),
            ),
            row(
                "Disks",
                one.panel(DISK, "read", "write", title="Throughput"),
                one.panel(DISK, "read_requests", "write_requests", "flush_requests", title="Requests"),
                one.panel(DISK, "read_latency", "write_latency", "flush_latency", title="Latency"),
                one.panel(DISK, "capacity", "allocation", "physical", title="Size"),
                one.panel(IOTHREAD, "usage", "steal", title="I/O threads"),
                one.panel(FILESYSTEM, "used_ratio", title="Guest file systems, used", kind="bargauge"),
            ),
            row(
                "Interfaces",
                one.panel(NIC, "receive", "transmit", title="Throughput"),
                one.panel(NIC, "receive_packets", "transmit_packets", title="Packets"),
                one.panel(NIC, "receive_errors", "transmit_errors", title="Errors"),
                one.panel(NIC, "receive_drops", "transmit_drops", title="Drops"),
            ),
            row("Jobs", one.panel(JOB, "progress"), one.panel(JOB, "data_remaining")),
        ),
    )


def _contention(exporter: Exporter) -> Dashboard:
    chosen = _asked(exporter, "=~", by_project=True)
    return Dashboard(
        "contention",
        "Contention",
        "Who waits, for what, and which host has too little of it.",
        (_hosts(exporter), _projects(exporter)),
        (
            row(
                "CPU",
                chosen.panel(DOMAIN, "steal_ratio", top=_TOP, title="Domains that wait for a CPU"),
                chosen.panel(HOST, "steal_cores", title="CPUs that hosts lack"),
                chosen.panel(VCPU, "steal", top=_TOP, title="vCPUs that wait for a CPU"),
                chosen.panel(DOMAIN, "cpu_demand", top=_TOP),
                chosen.panel(HOST, "pressure_cpu_some"),
                chosen.panel(HOST, "vcpu_overcommit", unit="short"),
            ),
            row(
                "Memory",
                chosen.panel(HOST, "pressure_memory_full"),
                chosen.panel(HOST, "memory_overcommit"),
                chosen.panel(DOMAIN, "memory_used_ratio", top=_TOP, title="Domains with the least memory left"),
                chosen.panel(DOMAIN, "swap_in", "swap_out", top=_TOP, title="Domains that swap"),
                chosen.panel(DOMAIN, "major_faults", top=_TOP),
                chosen.panel(HOST, "swap_used"),
            ),
            row(
                "Disks",
                chosen.panel(DISK, "read_latency", top=_TOP, title="Disks that are slow to read"),
                chosen.panel(DISK, "write_latency", top=_TOP, title="Disks that are slow to write"),
                chosen.panel(DOMAIN, "disk_read_requests", "disk_write_requests", top=_TOP, title="Most requests"),
                chosen.panel(VCPU, "wait", top=_TOP, title="vCPUs that wait for I/O"),
                chosen.panel(HOST, "pressure_io_full"),
                chosen.panel(IOTHREAD, "steal", top=_TOP, title="I/O threads that wait for a CPU"),
            ),
            row(
                "Interfaces",
                chosen.panel(DOMAIN, "net_receive_drops", "net_transmit_drops", top=_TOP, title="Most drops"),
                chosen.panel(DOMAIN, "net_receive_packets", "net_transmit_packets", top=_TOP, title="Most packets"),
            ),
        ),
    )
