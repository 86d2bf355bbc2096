"""Who waits for a CPU: known answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analysis.fleet import analysed, domain, figure, fleet, host, summary
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Severity
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

PRESSURES = [f"pressure_{resource}_{kind}" for resource in ("cpu", "memory", "io") for kind in ("some", "full")]


def vcpu(domain: str, number: int, steal: float | None, samples: int = 288, average: float = 0.01) -> dict[str, Any]:
    figures = summary("steal", samples, p95=steal, average=average, maximum=steal)
    return {"domain": domain, "vcpu": number, **figures}


def pressures(known: dict[str, float] | None = None, samples: int = 288) -> dict[str, Any]:
    row: dict[str, Any] = {"host": "h1"}
    for name in PRESSURES:
        value = (known or {}).get(name.removeprefix("pressure_"), 0.0)
        row |= summary(name, samples, p95=value if samples else None)
    return row


def busy(*vcpus: dict[str, Any], domains: Any = None, hosts: Any = None) -> Tables:
    return fleet(
        domains or [domain(name) for name in dict.fromkeys(one["domain"] for one in vcpus)],
        [host()],
        {Scope.VCPU: vcpus, Scope.HOST: hosts or [pressures()]},
    )


@pytest.mark.parametrize(
    ("steal", "verdict", "severity"),
    [
        (0.0, NOTHING, Severity.OK),
        (0.049, NOTHING, Severity.OK),
        (0.05, "contended", Severity.WARNING),
        (0.099, "contended", Severity.WARNING),
        (0.10, "contended", Severity.CRITICAL),
        (0.5, "contended", Severity.CRITICAL),
    ],
)
def test_the_worst_vcpu_decides(steal: float, verdict: str, severity: Severity) -> None:
    found = analysed("contention", busy(vcpu("a", 0, 0.0), vcpu("a", 1, steal)))["a"]
    assert (found.verdict, found.severity) == (verdict, severity)
    assert figure(found, "steal") == steal
    assert f"{steal:.1%}" in found.reason
    assert (found.evidence.samples, found.evidence.coverage) == (288, 1.0)


def test_steal_beyond_all_time_is_a_counter_that_makes_no_sense() -> None:
    found = analysed("contention", busy(vcpu("a", 0, 1.5)))["a"]
    assert (found.verdict, found.confidence) == (INSUFFICIENT, 0.0)


@pytest.mark.parametrize(("samples", "steal"), [(0, None), (100, 0.9)])
def test_half_a_window_is_not_enough(samples: int, steal: float | None) -> None:
    assert analysed("contention", busy(vcpu("a", 0, steal, samples)))["a"].verdict == INSUFFICIENT


def test_a_domain_without_a_row_is_not_taken_for_one_without_steal() -> None:
    tables = busy(vcpu("a", 0, 0.0), domains=[domain("a"), domain("b")])
    assert analysed("contention", tables)["b"].verdict == INSUFFICIENT


def test_what_does_not_run_does_not_wait() -> None:
    tables = busy(vcpu("a", 0, 0.3), domains=[domain("a", active=False, state="shut off")])
    assert list(analysed("contention", tables)) == ["h1"]


def test_limits_are_settings() -> None:
    tables = busy(vcpu("a", 0, 0.06))
    assert analysed("contention", tables, warning="0.07")["a"].verdict == NOTHING
    assert analysed("contention", tables, critical="0.055")["a"].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("known", "verdict", "severity"),
    [
        ({}, NOTHING, Severity.OK),
        ({"cpu_some": 0.2}, "short of CPU", Severity.WARNING),
        ({"memory_some": 0.3, "memory_full": 0.1}, NOTHING, Severity.OK),
        ({"memory_some": 0.3, "memory_full": 0.2}, "short of memory", Severity.CRITICAL),
        ({"io_some": 0.9, "io_full": 0.5, "cpu_some": 0.25}, "short of CPU and I/O", Severity.CRITICAL),
    ],
)
def test_a_host_is_short_by_its_pressure(known: dict[str, float], verdict: str, severity: Severity) -> None:
    found = analysed("contention", busy(vcpu("a", 0, 0.0), hosts=[pressures(known)]))["h1"]
    assert (found.verdict, found.severity) == (verdict, severity)


def test_a_host_whose_pressure_nobody_reads_is_not_called_well() -> None:
    found = analysed("contention", busy(vcpu("a", 0, 0.0), hosts=[pressures(samples=0)]))["h1"]
    assert found.verdict == INSUFFICIENT
    assert "where the agent runs" in found.reason
