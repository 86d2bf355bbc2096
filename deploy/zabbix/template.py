"""The template: one request for ``/metrics``, and everything else taken from its answer, for Zabbix 6.0 and later.

Zabbix finds hosts, pools, domains, disks and interfaces in the series themselves (low-level discovery).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from deploy.limits import FORECAST_DAYS, LIMITS
from virtscope import codes
from virtscope.catalogue import METRIC, Kind, Scope, Unit
from virtscope.exposition.promql import VIRTSCOPE, series

Json: TypeAlias = dict[str, Any]
NAME = "virtscope by HTTP"
_GROUP = "Templates/virtscope"
_MASTER = "virtscope.metrics"
_STATES = "virDomainState"
_SHARES = ("pressure_", "delay")
"""Metrics whose seconds in a second are a share."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What Zabbix calls a problem. ``{name}`` in the expression stands for an item of the same discovery."""

    name: str
    expression: str
    priority: str


@dataclass(frozen=True, slots=True)
class Found:
    """Objects of a scope, found by the series of one metric, and what is read of each."""

    title: str
    scope: Scope
    by: str
    """The name of the series that every object has."""
    metrics: tuple[str, ...]
    triggers: tuple[Trigger, ...] = ()


def _latency(direction: str) -> Trigger:
    limit = LIMITS[Scope.DISK, f"{direction}_latency"].warning
    return Trigger(
        f"{{#DOMAIN}}: {{#TARGET_DEVICE}} is slow to {direction}",
        # Without a division: a disk without requests is not slow.
        f"avg({{{direction}_time}},10m)>{limit:g}*avg({{{direction}_requests}},10m)",
        "WARNING",
    )


_STEAL = f"{100 * LIMITS[Scope.DOMAIN, 'steal_ratio'].warning:g}"
_PRESSURE = f"{100 * LIMITS[Scope.HOST, 'pressure_memory_full'].warning:g}"
_FULL = f"{1 - LIMITS[Scope.POOL, 'used_ratio'].critical:.2g}"
FOUND = (
    Found(
        *("Hosts", Scope.HOST, "libvirt_up"),
        (
            *(
                "cpus",
                "cpu_user",
                "cpu_system",
                "cpu_iowait",
                "memory_total",
                "memory_available",
                "swap_total",
                "swap_free",
            ),
            *("load1", "pressure_cpu_some", "pressure_memory_full", "pressure_io_full", "timed_out_domains"),
        ),
        (
            Trigger("{#HOST}: libvirt does not answer", "max({up},2m)=0", "HIGH"),
            Trigger("{#HOST}: too little memory", f"min({{pressure_memory_full}},10m)>{_PRESSURE}", "WARNING"),
        ),
    ),
    Found(
        *("Pools", Scope.POOL, series(Scope.POOL, "capacity"), ("capacity", "allocation", "available")),
        (
            Trigger(
                f"{{#HOST}}: pool {{#STORAGE_POOL}} will be full within {FORECAST_DAYS} days",
                f"timeleft({{available}},6h,0)<{FORECAST_DAYS}d and last({{available}})<0.4*last({{capacity}})",
                "WARNING",
            ),
            Trigger("{#HOST}: pool {#STORAGE_POOL} is full", f"last({{available}})<{_FULL}*last({{capacity}})", "HIGH"),
        ),
    ),
    Found(
        *("Domains", Scope.DOMAIN, series(Scope.DOMAIN, "state")),
        (
            *("state", "timed_out", "cpu_time", "vcpus", "memory_current", "memory_available", "memory_usable"),
            *("memory_rss", "memory_swap_in", "memory_swap_out", "memory_major_fault"),
        ),
        (
            Trigger("{#DOMAIN}: crashed", "last({state})=6", "HIGH"),
            Trigger("{#DOMAIN}: does not answer", "min({timed_out},5m)=1", "WARNING"),
            Trigger("{#DOMAIN}: waits for a CPU", f"min({{steal}},15m)>{_STEAL}*last({{vcpus}})", "WARNING"),
        ),
    ),
    Found(
        *("Disks", Scope.DISK, series(Scope.DISK, "read_bytes")),
        ("read_bytes", "read_requests", "read_time", "write_bytes", "write_requests", "write_time"),
        (_latency("read"), _latency("write")),
    ),
    Found(
        *("Interfaces", Scope.NIC, series(Scope.NIC, "receive_bytes")),
        (
            *("receive_bytes", "receive_packets", "receive_errors", "receive_drops"),
            *("transmit_bytes", "transmit_packets", "transmit_errors", "transmit_drops"),
        ),
        (
            Trigger(
                "{#DOMAIN}: {#TARGET_DEVICE} has errors",
                "min({receive_errors},10m)>0.1 or min({transmit_errors},10m)>0.1",
                "WARNING",
            ),
        ),
    ),
    Found(
        *("File systems", Scope.FILESYSTEM, series(Scope.FILESYSTEM, "size"), ("size", "used")),
        (Trigger("{#DOMAIN}: {#MOUNTPOINT} is nearly full", "last({used})>0.95*last({size})", "WARNING"),),
    ),
)


def template() -> Json:
    """The template as Zabbix imports it."""
    up = _dependent("virtscope: hosts that answer", "virtscope.up", ["libvirt_up", "function", "sum"])
    up["triggers"] = [
        {
            "uuid": _id("trigger", "nodata"),
            "expression": f"nodata(/{NAME}/virtscope.up,5m)=1",
            "name": "virtscope: nothing is told any more",
            "priority": "HIGH",
        }
    ]
    return {
        "zabbix_export": {
            "version": "6.0",
            "groups": [{"uuid": _id("group"), "name": _GROUP}],
            "templates": [
                {
                    "uuid": _id("template"),
                    "template": NAME,
                    "name": NAME,
                    "description": "Hosts and domains of libvirt, from the /metrics of a virtscope server or agent.",
                    "groups": [{"name": _GROUP}],
                    "items": [_master(), up],
                    "discovery_rules": [_discovery(found) for found in FOUND],
                    "macros": [
                        _macro("URL", "http://localhost:8420", "Where virtscope is, without /metrics."),
                        {
                            **_macro("TOKEN", "", "An API token of the server's, where people have to sign in."),
                            "type": "SECRET_TEXT",
                        },
                    ],
                    "valuemaps": [_state_words()],
                }
            ],
        }
    }


def selector(found: Found) -> str:
    """The labels of one object, as Zabbix fills them in."""
    return "{" + ",".join(f'{label}="{_lld(label)}"' for label in VIRTSCOPE.labels(found.scope)) + "}"


def _lld(label: str) -> str:
    return f"{{#{label.upper()}}}"


def _master() -> Json:
    return {
        "uuid": _id("item", _MASTER),
        "name": "virtscope: metrics",
        "type": "HTTP_AGENT",
        "key": _MASTER,
        "delay": "1m",
        "history": "0",
        "trends": "0",
        "value_type": "TEXT",
        "url": "{$VIRTSCOPE.URL}/metrics",
        "timeout": "15s",
        "headers": [{"name": "Authorization", "value": "Bearer {$VIRTSCOPE.TOKEN}"}],
        "description": "Everything at once; nothing of it is kept.",
    }


def _discovery(found: Found) -> Json:
    labels = VIRTSCOPE.labels(found.scope)
    items = list(_prototypes(found))
    keys = {name: f"/{NAME}/{item['key']}" for name, item in items}
    return {
        "uuid": _id("discovery", found.title),
        "name": found.title,
        "type": "DEPENDENT",
        "key": f"virtscope.{found.scope.value}.discovery",
        "delay": "0",
        "lifetime": "7d",
        "master_item": {"key": _MASTER},
        "preprocessing": [_step("PROMETHEUS_TO_JSON", found.by)],
        "lld_macro_paths": [{"lld_macro": _lld(label), "path": f"$.labels['{label}']"} for label in labels],
        "item_prototypes": [item for _, item in items],
        "trigger_prototypes": [
            {
                "uuid": _id("trigger", found.title, trigger.name),
                "expression": _filled(trigger.expression, keys),
                "name": trigger.name,
                "priority": trigger.priority,
            }
            for trigger in found.triggers
        ],
    }


def _filled(expression: str, keys: Mapping[str, str]) -> str:
    for name, key in keys.items():
        expression = expression.replace(f"{{{name}}}", key)
    return expression


def _prototypes(found: Found) -> Iterator[tuple[str, Json]]:
    """The items of each object, by name."""
    labels = VIRTSCOPE.labels(found.scope)
    about = " ".join(_lld(label) for label in labels if label != "uuid")
    key = ",".join(f'"{_lld(label)}"' for label in labels)
    chosen = selector(found)
    if found.scope is Scope.HOST:
        pattern = [f"libvirt_up{chosen}", "value", ""]
        yield "up", _dependent(f"{about}: libvirt answers", f"virtscope.host.up[{key}]", pattern)
    for name in found.metrics:
        pattern = [f"{series(found.scope, name)}{chosen}", "value", ""]
        metric = METRIC[found.scope, name]
        item = _dependent(f"{about}: {metric.label}", f"virtscope.{found.scope.value}.{name}[{key}]", pattern)
        yield name, item | _measured(metric.kind, metric.unit, name, item["preprocessing"])
    if found.scope is Scope.DOMAIN:
        pattern = [f"{series(Scope.VCPU, 'delay')}{chosen}", "function", "sum"]
        item = _dependent(f"{about}: Steal", f"virtscope.domain.steal[{key}]", pattern)
        yield "steal", item | _measured(Kind.COUNTER, Unit.SECONDS, "delay", item["preprocessing"])


def _measured(kind: Kind, unit: Unit, name: str, steps: list[Json]) -> Json:
    """What becomes of a figure: counters are rates, shares are percent."""
    if (kind, name) == (Kind.STATE, "state"):
        return {"valuemap": {"name": _STATES}}
    is_share = name.startswith(_SHARES)
    if kind is Kind.COUNTER:
        percent = [_step("MULTIPLIER", "100")] if is_share else []
        units = "%" if is_share else {Unit.BYTES: "Bps"}.get(unit, "")
        return {"units": units, "preprocessing": [*steps, _step("CHANGE_PER_SECOND"), *percent]}
    return {"units": {Unit.BYTES: "B", Unit.SECONDS: "s"}.get(unit, "")}


def _step(kind: str, parameter: str = "") -> Json:
    return {"type": kind, "parameters": [parameter]}


def _dependent(name: str, key: str, pattern: list[str]) -> Json:
    return {
        "uuid": _id("item", key),
        "name": name,
        "type": "DEPENDENT",
        "key": key,
        "delay": "0",
        "history": "7d",
        "value_type": "FLOAT",
        "master_item": {"key": _MASTER},
        # What is not known is absent, which is no fault of the item.
        "preprocessing": [{"type": "PROMETHEUS_PATTERN", "parameters": pattern, "error_handler": "DISCARD_VALUE"}],
    }


def _macro(name: str, value: str, description: str) -> Json:
    return {"macro": f"{{$VIRTSCOPE.{name}}}", "value": value, "description": description}


def _state_words() -> Json:
    words = [{"value": str(code), "newvalue": word} for code, word in enumerate(codes.STATES)]
    return {"uuid": _id("valuemap", _STATES), "name": _STATES, "mappings": words}


def _id(*names: str) -> str:
    """A UUID of the form that Zabbix insists on, the same for the same thing."""
    return uuid.UUID(bytes=sha256("/".join((NAME, *names)).encode()).digest()[:16], version=4).hex
