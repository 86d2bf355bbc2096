"""Time to full, noisy neighbours, anomalies and change correlation as verdicts, out of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import ArrayLike

from tests.analysis.fleet import NOW, analysed, domain, figure, fleet, host, nothing
from virtscope.analysis import tables
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Severity
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope
from virtscope.store import Range

DAY = 86_400_000
GIB = float(1 << 30)


def stepped(given: Tables, step: int, series: Mapping[Scope, Sequence[Mapping[str, Any]]], steps: int) -> Tables:
    """Tables of so many steps (ms), with a row of lists for each object."""
    over = Range(NOW - steps * step, NOW, step)
    found = {}
    for scope, objects in series.items():
        parts = [
            pl.DataFrame(
                {
                    name: value if isinstance(value, str) else pl.Series(value, dtype=pl.Float64)
                    for name, value in one.items()
                }
                | {"time": pl.Series(list(over.times), dtype=pl.Int64)}
            )
            for one in objects
        ]
        found[scope] = pl.concat(parts) if parts else pl.DataFrame()
    return replace(given, over=over, series=found)


def filled(used: ArrayLike, size: float = 100 * GIB, steps: int = 120) -> Tables:
    pool = {
        "host": "h1",
        "pool": "fast",
        "allocation": [None if np.isnan(value) else float(value) for value in np.asarray(used, dtype=np.float64)],
        "capacity": [size] * steps,
    }
    made = stepped(fleet([domain("a")], [host()]), DAY // 4, {Scope.POOL: [pool]}, steps)
    schema = {"domain": pl.String, "mountpoint": pl.String, "time": pl.Int64, "used": pl.Float64, "size": pl.Float64}
    return replace(made, series={**made.series, Scope.FILESYSTEM: pl.DataFrame(schema=schema)})


def test_a_pool_that_fills_is_told_with_its_day() -> None:
    noise = np.random.default_rng(1).normal(0, GIB / 5, 120)
    used = 50 * GIB + np.arange(120) * GIB / 4 + noise  # a GiB a day; 80 after a month
    found = analysed("time-to-full", filled(used))["h1/fast"]
    assert (found.subject.kind, found.verdict, found.severity) == ("pool", "filling", Severity.WARNING)
    assert (figure(found, "full in") or 0) / 86_400 == pytest.approx(20, abs=1)
    assert (figure(found, "full in, soonest (5 %)") or 0) < (figure(found, "full in") or 0)
    assert found.confidence > 0.5


def test_full_within_a_week_is_critical_and_full_is_now() -> None:
    used = 50 * GIB + np.arange(120) * GIB / 2.5
    assert analysed("time-to-full", filled(used))["h1/fast"].severity is Severity.CRITICAL
    full = analysed("time-to-full", filled(np.full(120, 100 * GIB)))["h1/fast"]
    assert (full.severity, figure(full, "full in")) == (Severity.CRITICAL, 0)


def test_what_stands_still_is_not_foretold() -> None:
    found = analysed("time-to-full", filled(np.full(120, 50 * GIB)))["h1/fast"]
    assert found.verdict == NOTHING
    assert "stays as it is" in found.reason


@pytest.mark.parametrize(
    "used",
    [
        [np.nan] * 120,
        [np.nan] * 100 + [GIB] * 20,
        [np.nan] * 118 + [GIB] * 2,
    ],
)
def test_a_young_pool_is_not_foretold(used: list[float]) -> None:
    assert analysed("time-to-full", filled(used))["h1/fast"].verdict == INSUFFICIENT


def test_a_pool_of_unknown_size_is_not_foretold() -> None:
    assert analysed("time-to-full", filled(np.arange(120) * GIB, size=0.0))["h1/fast"].verdict == INSUFFICIENT


def neighbours(bully: float, steal: float, steps: int = 240) -> Tables:
    random = np.random.default_rng(2)
    late = np.zeros(steps)
    late[-30:-6] = np.tile([1.0, 1.0, 0.0], 8)
    rows = []
    for name in ("a", "b", "c", "d"):
        cores = 1 + random.normal(0, 0.1, steps) + (bully * late if name == "b" else 0)
        waits = np.abs(random.normal(0.002, 0.002, steps)) + (steal * late if name == "a" else 0)
        row: dict[str, Any] = {"domain": name, "cpu_cores": cores, "steal_ratio": waits}
        for quantity in ("disk_read_latency", "disk_write_latency", "disk_read", "disk_write"):
            row[quantity] = np.abs(random.normal(0.001, 0.0002, steps))
        rows.append(row)
    domains = [domain("a"), domain("b"), domain("c"), domain("d", host="h2", host_name="kvm2")]
    return stepped(fleet(domains, [host(), host("h2")]), 30_000, {Scope.DOMAIN: rows}, steps)


def test_the_bully_is_named() -> None:
    found = analysed("noisy-neighbour", neighbours(4.0, 0.3))
    assert found["a"].verdict == "disturbed"
    assert "name of b on the same host is suspect" in found["a"].reason
    assert figure(found["a"], "suspects") == 1
    assert {name: found[name].verdict for name in "bcd"} == dict.fromkeys("bcd", NOTHING)


def test_a_victim_whose_neighbours_do_nothing_new_is_told_so() -> None:
    found = analysed("noisy-neighbour", neighbours(0.0, 0.3))["a"]
    assert found.verdict == "disturbed, by whom is not known"
    assert "look at the host" in found.reason


def test_a_quiet_host_has_no_victims() -> None:
    assert {one.verdict for one in analysed("noisy-neighbour", neighbours(4.0, 0.0)).values()} == {NOTHING}


def test_what_leaves_its_past_is_anomalous() -> None:
    random = np.random.default_rng(3)
    steps = 294
    rows = []
    for name in ("a", "b"):
        values = {quantity: 1 + random.normal(0, 0.05, steps) for quantity in _QUANTITIES}
        if name == "a":
            values["net_transmit"][-4:] += 5
        rows.append({"domain": name, **values})
    given = stepped(fleet([domain("a"), domain("b"), domain("c")], [host()]), 600_000, {Scope.DOMAIN: rows}, steps)
    found = analysed("anomalies", given)
    assert (found["a"].verdict, found["b"].verdict, found["c"].verdict) == ("anomalous", NOTHING, INSUFFICIENT)
    assert "network out" in found["a"].reason
    assert found["a"].evidence.series[0].quantity == "net_transmit"


_QUANTITIES = ("cpu_cores", "net_receive", "net_transmit", "disk_read", "disk_write")


def happened(jump: float, at: int, domain_id: str | None = "a") -> Tables:
    random = np.random.default_rng(4)
    rows = []
    for name in ("a", "b"):
        values = {quantity: 1 + random.normal(0, 0.02, 288) for quantity in (*_QUANTITIES, "memory_used")}
        if name == "a":
            values["cpu_cores"][100:] += jump
        rows.append({"domain": name, **values})
    event = {"at": NOW - (288 - at) * 300_000, "host": "h1", "domain": domain_id}
    event |= {"kind": "configuration changed", "detail": "vcpus: 2 to 4"}
    given = stepped(fleet([domain("a"), domain("b")], [host()]), 300_000, {Scope.DOMAIN: rows}, 288)
    return replace(given, events=pl.DataFrame([event], schema=tables.EVENTS))


def test_the_event_behind_a_jump_is_found() -> None:
    found = analysed("change-correlation", happened(2.0, 100))
    assert found["a"].verdict == "changed"
    assert "configuration changed: vcpus: 2 to 4" in found["a"].reason
    assert (figure(found["a"], "chance of an accident") or 1) < 0.02
    assert found["b"].verdict == NOTHING


def test_an_event_of_the_host_counts_for_all_its_domains() -> None:
    assert analysed("change-correlation", happened(2.0, 101, None))["a"].verdict == "changed"


@pytest.mark.parametrize(("jump", "at"), [(0.0, 100), (2.0, 200)])
def test_what_does_not_stand_beside_an_event_is_not_blamed_on_it(jump: float, at: int) -> None:
    assert analysed("change-correlation", happened(jump, at))["a"].verdict == NOTHING


@pytest.mark.parametrize("name", ["noisy-neighbour", "anomalies"])
def test_without_any_figure_nothing_is_said(name: str) -> None:
    assert analysed(name, nothing(name, [domain("a")], [host()]))["a"].verdict == INSUFFICIENT
    assert analysed(name, nothing(name))[""].verdict == INSUFFICIENT


def test_without_any_pool_nothing_is_foretold() -> None:
    assert analysed("time-to-full", nothing("time-to-full", [domain("a")], [host()]))[""].verdict == INSUFFICIENT


def test_events_beside_nothing_known_explain_nothing() -> None:
    events = happened(0.0, 100).events
    given = nothing("change-correlation", [domain("a")], [host()], events=events)
    assert analysed("change-correlation", given)["a"].verdict == INSUFFICIENT
