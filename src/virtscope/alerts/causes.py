"""Likely causes: who uses most of what an alert lacks, on the same host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from virtscope.alerts.evaluate import Subject
from virtscope.alerts.observe import Item, World
from virtscope.alerts.rule import Condition
from virtscope.catalogue import Unit

MOST = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """A domain that may be the reason, and how much it uses of what is short."""

    domain: str
    """Its UUID."""
    name: str
    what: str
    value: float
    unit: Unit


@dataclass(frozen=True, slots=True)
class _Use:
    """What is looked at for figures whose names have one of these words."""

    words: tuple[str, ...]
    what: str
    figures: tuple[str, ...]
    """Of a domain; added up."""
    unit: Unit


_USES: Sequence[_Use] = (
    _Use(("latency", "io", "iowait", "read", "write"), "disk", ("disk_read", "disk_write"), Unit.BYTES_PER_SECOND),
    _Use(("memory", "swap"), "memory", ("memory_rss",), Unit.BYTES),
    _Use(
        ("net", "receive", "transmit", "errors", "drops"),
        "network",
        ("net_receive", "net_transmit"),
        Unit.BYTES_PER_SECOND,
    ),
    _Use(("steal", "cpu", "load1", "load5", "load15"), "CPU", ("cpu_cores",), Unit.CORES),
)
"""The first that fits counts."""


def causes(condition: Condition, subject: Subject, world: World) -> list[Cause]:
    """The three domains on the subject's host, other than itself, that use most of what it lacks."""
    use = _use(condition)
    if use is None or not subject.host:
        return []
    found = [
        Cause(domain["id"], domain["name"], use.what, used, use.unit)
        for domain in world.domains_by_host.get(subject.host, ())
        if domain["id"] != subject.domain and (used := _sum(domain["figures"], use.figures)) > 0
    ]
    return sorted(found, key=lambda cause: (-cause.value, cause.name))[:MOST]


def _use(condition: Condition) -> _Use | None:
    shown = condition.shown
    if shown is None:
        return None
    words = set(shown.name.split("_"))
    return next((use for use in _USES if words & set(use.words)), None)


def _sum(figures: Mapping[str, float | None] | Item, names: Sequence[str]) -> float:
    return sum(figures.get(name) or 0.0 for name in names)
