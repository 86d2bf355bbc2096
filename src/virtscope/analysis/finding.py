"""The finding: the one type that every analysis answers in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


INSUFFICIENT = "insufficient data"
"""The verdict where the evidence is too thin for any other: never a confident number."""
NOTHING = "nothing to do"
"""The verdict where all is well."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding speaks of."""

    kind: str
    """``host``, ``domain``, ``disk``, ``nic``, ``pool``, ``filter``, ``project`` or ``fleet``."""
    id: str
    """The UUID of the host or domain, else the object's own identifier; empty for the fleet."""
    name: str
    """As people know it. Of a domain it is its tenant's to choose: hostile, to be escaped wherever it is shown."""
    host: str = ""
    """The UUID of the host that it is on; empty where it is on none."""
    part: str = ""
    """Which disk (target), NIC (MAC) or vCPU of a domain; empty for the whole of it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a finding rests on or leads to."""

    name: str
    value: float | None
    unit: str
    """As in the catalogue: ``cores``, ``ratio``, ``bytes``, ``bytes/s``, ``s``…; empty for a count."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A series to look at."""

    quantity: str
    """Its name in the catalogue."""
    object: str
    """The UUID of the host or domain that it belongs to."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on."""

    start: int
    """Of the window looked at, Unix ms."""
    end: int
    samples: int
    """Steps with a value."""
    coverage: float
    """The share of the window's steps that have a value, 0 to 1."""
    series: tuple[Pointer, ...] = ()
    notes: tuple[str, ...] = ()
    """Facts beside figures: a chain of filters, a list of suspects, the steps of a plan."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict on one subject, and why."""

    analysis: str
    """The name of the analysis, as in ``virtscope analyze NAME``."""
    subject: Subject
    verdict: str
    """In the analysis's own words (``oversized``, ``contended``…), or INSUFFICIENT or NOTHING."""
    severity: Severity
    reason: str
    """One sentence with the figures that decide."""
    evidence: Evidence
    confidence: float
    """0 to 1: how sure the verdict is, by coverage and by margin; 0 for INSUFFICIENT."""
    figures: tuple[Figure, ...] = ()
    effect: Mapping[str, float] | None = None
    """What acting on it frees (positive) or costs (negative), by unit: ``vcpus``, ``bytes``, ``hosts``."""
    action: str = ""
    """A command that the operator may run himself (``virsh setvcpus …``); never run by us. Empty: there is none."""
