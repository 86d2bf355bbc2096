"""Alerting rules. Two severities have one name: whoever routes may let the worse one silence the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.limits import CLOCK_SECONDS, FORECAST_DAYS, LIMITS, SILENT_SECONDS
from deploy.prometheus.recording import recorded
from virtscope.catalogue import Rate, Scope
from virtscope.exposition.promql import VIRTSCOPE, query, series

WARNING, CRITICAL = "warning", "critical"
_HOST, _DOMAIN = "{{ $labels.host }}", "{{ $labels.domain }}"
_AGENT = "{{ with $labels.agent }}{{ . }}{{ else }}{{ $labels.instance }}{{ end }}"
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    lasting: str
    severity: str
    scope: str
    """What it is about: ``host``, ``domain``, ``pool``, or ``watching``, which is virtscope itself."""
    summary: str
    help: str
    """What it means, and what to look at."""


def groups() -> list[dict[str, Any]]:
    """Every rule, in groups."""
    return [
        _group("virtscope-hosts", _hosts()),
        _group("virtscope-domains", _domains()),
        _group("virtscope-storage", _storage()),
        _group("virtscope-watching", _watching()),
    ]


def _group(name: str, alerts: Iterator[Alert]) -> dict[str, Any]:
    return {"name": name, "rules": [_rule(alert) for alert in alerts]}


def _rule(alert: Alert) -> dict[str, Any]:
    annotations = {"summary": alert.summary, "description": alert.help}
    if alert.scope == "host":
        annotations["dashboard"] = "/d/virtscope-host?var-host={{ urlquery $labels.host }}"
    elif alert.scope == "domain":
        annotations["dashboard"] = (
            "/d/virtscope-domain?var-host={{ urlquery $labels.host }}&var-domain={{ urlquery $labels.domain }}"
        )
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity, "scope": alert.scope},
        "annotations": annotations,
    }


def _limited(name: str, scope: Scope, quantity: str, lasting: str, summary: str, help_: str) -> Iterator[Alert]:
    """A warning and a critical alert, by the limits of a quantity."""
    about = "domain" if scope.is_of_domain else scope.value
    for severity, limit in LIMITS[scope, quantity]._asdict().items():
        yield Alert(name, f"{recorded(scope, quantity)} > {limit:g}", lasting, severity, about, summary, help_)


def _hosts() -> Iterator[Alert]:
    yield Alert(
        *("VirtscopeHostDown", f"min by (host) (virtscope_sample_age_seconds) > {SILENT_SECONDS}", "1m"),
        *(CRITICAL, "host", f"Nothing has been heard of host {_HOST} for {{{{ $value | humanizeDuration }}}}"),
        "Neither libvirt nor the kernel's counters could be read: the host is down, its agent is, or the network is.",
    )
    yield Alert(
        *("VirtscopeLibvirtDown", "max by (host) (libvirt_up) == 0", "2m"),
        *(CRITICAL, "host", f"libvirt of {_HOST} does not answer"),
        "Its domains may well run on; nobody can see or manage them. Look at libvirtd or virtqemud there.",
    )
    yield Alert(
        *("VirtscopeLibvirtStuck", "max by (host) (virtscope_stuck_calls) > 0", "5m"),
        *(WARNING, "host", f"{{{{ $value }}}} calls into libvirt of {_HOST} do not return"),
        "libvirt hangs, or one of its domains does. `virsh list` may hang, too.",
    )
    yield from _limited(
        *("VirtscopeHostMemoryPressure", Scope.HOST, "pressure_memory_full", "10m"),
        f"All tasks of {_HOST} stood still for memory {{{{ $value | humanizePercentage }}}} of the time",
        "The host has too little memory for its domains. Move some away, or take memory back by their balloons.",
    )
    yield from _limited(
        *("VirtscopeHostMemoryFull", Scope.HOST, "memory_used_ratio", "15m"),
        f"{{{{ $value | humanizePercentage }}}} of the memory of {_HOST} is used",
        "Soon the host will swap, or kill a domain.",
    )


def _domains() -> Iterator[Alert]:
    by_domain = ", ".join(VIRTSCOPE.labels(Scope.DOMAIN))
    yield Alert(
        *("VirtscopeDomainCrashed", f"max by ({by_domain}) ({series(Scope.DOMAIN, 'state')}) == 6", "0m"),
        *(CRITICAL, "domain", f"Domain {_DOMAIN} on {_HOST} has crashed"),
        "libvirt keeps it for somebody to look at: see its log in /var/log/libvirt/qemu.",
    )
    yield Alert(
        *("VirtscopeDomainHangs", f"max by ({by_domain}) ({series(Scope.DOMAIN, 'timed_out')}) == 1", "5m"),
        *(WARNING, "domain", f"The emulator of {_DOMAIN} on {_HOST} does not answer"),
        "It hangs, often on its storage, or a job holds its lock. The guest may have stopped, too.",
    )
    yield from _limited(
        *("VirtscopeDomainSteal", Scope.DOMAIN, "steal_ratio", "15m"),
        f"vCPUs of {_DOMAIN} on {_HOST} wait for a CPU {{{{ $value | humanizePercentage }}}} of the time",
        "The host has too few CPUs for what its domains want: the dashboard of contention shows who takes them.",
    )
    for verb in ("read", "write"):
        yield from _limited(
            *(f"VirtscopeDisk{verb.title()}Latency", Scope.DOMAIN, f"disk_{verb}_latency", "10m"),
            f"Disks of {_DOMAIN} on {_HOST} take {{{{ $value | humanizeDuration }}}} to {verb}",
            "The storage behind them is slow or overloaded, or a limit (iotune) holds them back.",
        )
    errors = query(Rate("receive_errors") + Rate("transmit_errors"), Scope.NIC, VIRTSCOPE)
    yield Alert(
        *("VirtscopeNicErrors", f"max by ({', '.join(VIRTSCOPE.labels(Scope.NIC))}) ({errors}) > 0.1", "10m"),
        *(WARNING, "domain", f"Interface {{{{ $labels.target_device }}}} of {_DOMAIN} on {_HOST} has errors"),
        "{{ $value | humanize }} packets a second fail.",
    )


def _storage() -> Iterator[Alert]:
    """What is new, and still being filled, has no forecast: it must have been there for 5 hours."""
    pool, free, size = (
        ", ".join(VIRTSCOPE.labels(Scope.POOL)),
        *(series(Scope.POOL, name) for name in ("available", "capacity")),
    )
    name = "{{ $labels.storage_pool }}"
    yield Alert(
        "VirtscopePoolFull",
        f"max by ({pool}) (predict_linear({free}[6h], {FORECAST_DAYS * _DAY}) < 0"
        f" and {free} / ({size} > 0) < 0.4 and {free} offset 5h)",
        *("1h", WARNING, "pool", f"Pool {name} of {_HOST} will be full within {FORECAST_DAYS} days"),
        "As it has grown for 6 hours. Domains whose disks cannot grow are paused.",
    )
    yield Alert(
        "VirtscopePoolFull",
        f"{recorded(Scope.POOL, 'used_ratio')} > {LIMITS[Scope.POOL, 'used_ratio'].critical:g}",
        *("5m", CRITICAL, "pool", f"Pool {name} of {_HOST} is {{{{ $value | humanizePercentage }}}} full"),
        "Domains whose disks cannot grow are paused.",
    )
    used, whole = (series(Scope.FILESYSTEM, name) for name in ("used", "size"))
    yield Alert(
        "VirtscopeFilesystemFull",
        f"max by ({', '.join(VIRTSCOPE.labels(Scope.FILESYSTEM))}) "
        f"(predict_linear({used}[6h], {FORECAST_DAYS * _DAY}) > {whole}"
        f" and {used} / ({whole} > 0) > 0.6 and {used} offset 5h)",
        *("1h", WARNING, "domain", f"{{{{ $labels.mountpoint }}}} of {_DOMAIN} will be full in {FORECAST_DAYS} days"),
        "By the guest's own word, and as it has grown for 6 hours.",
    )


def _watching() -> Iterator[Alert]:
    yield Alert(
        *("VirtscopeTargetDown", 'up{job=~"virtscope.*"} == 0', "2m", CRITICAL, "watching"),
        "Prometheus cannot scrape {{ $labels.instance }}",
        "The agent or the server there does not answer, or refuses. Nothing is known of what it watches.",
    )
    yield Alert(
        *("VirtscopeAgentBehind", f"virtscope_agent_lag_seconds > {SILENT_SECONDS}", "5m", WARNING, "watching"),
        "What the server knows from agent {{ $labels.agent }} is {{ $value | humanizeDuration }} old",
        "The agent is gone, or cannot deliver: `virtscope agents list` says when it was last heard.",
    )
    yield Alert(
        "VirtscopeSpoolWaits",
        "time() - (virtscope_spool_oldest_timestamp_seconds > 0) > 900",
        *("5m", WARNING, "watching", "The agent at {{ $labels.instance }} waits for its server"),
        "Its spool keeps {{ $value | humanizeDuration }}. When that is full, the oldest is lost.",
    )
    lost = ("virtscope_agent_dropped_batches_total", "virtscope_spool_dropped_batches_total")
    yield Alert(
        "VirtscopeSamplesLost",
        " or ".join(f"increase({counter}[15m]) > 0" for counter in lost),
        *("0m", WARNING, "watching", f"Samples were lost: {_AGENT}"),
        "{{ $value | humanize }} batches did not fit into the spool: a server was away for too long.",
    )
    offsets = ("virtscope_agent_clock_offset_seconds", "virtscope_clock_offset_seconds")
    yield Alert(
        "VirtscopeClockOff",
        " or ".join(f"abs({offset}) > {CLOCK_SECONDS}" for offset in offsets),
        *("10m", WARNING, "watching", f"The clock of {_AGENT} is off by {{{{ $value | humanizeDuration }}}}"),
        "Figures lie where they do not belong. See to its time service (chrony, systemd-timesyncd).",
    )
    yield Alert(
        *("VirtscopeNotStored", "virtscope_ingest_failing == 1 or virtscope_spool_failing == 1", "2m", CRITICAL),
        *("watching", "{{ $labels.instance }} cannot write to its disk"),
        "Its disk is full or fails. Agents keep what they can until the server takes it.",
    )
    yield Alert(
        *("VirtscopeCertificateExpires", f"virtscope_certificate_expiry_timestamp_seconds - time() < {3 * _DAY}", "1h"),
        *(WARNING, "watching", "The certificate of the agent at {{ $labels.instance }} is not renewed"),
        "It ends in {{ $value | humanizeDuration }}; then the host has to be enrolled anew.",
    )
