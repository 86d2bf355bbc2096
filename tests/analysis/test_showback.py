"""What projects take: the sums are whole, whatever the fleet is like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.fleet import analysed, domain, figure, fleet, host, summary
from virtscope.analysis.finding import INSUFFICIENT
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS, GIB = 288, 1 << 30


def tables(domains: list[dict[str, Any]], hosts: list[int], samples: int = STEPS) -> Tables:
    """Domains as ``vcpus``, ``gib``, ``use``, ``ran``, ``project``, on hosts with so many CPUs and 64 GiB each."""
    rows = [
        {
            "domain": f"d{n}",
            **summary("cpu_cores", one["ran"], average=one["use"]),
            **summary("vcpus", STEPS, average=float(one["vcpus"])),
            **summary("memory_current", STEPS, average=one["gib"] * float(GIB)),
        }
        for n, one in enumerate(domains)
    ]
    of_hosts = [
        {"host": f"h{n}"}
        | summary("cpus", samples, average=float(cpus))
        | summary("memory_total", samples, average=64.0 * GIB)
        for n, cpus in enumerate(hosts)
    ]
    named = [domain(f"d{n}", project=one["project"], project_id=one["project"]) for n, one in enumerate(domains)]
    return fleet(named, [host(f"h{n}") for n in range(len(hosts))], {Scope.DOMAIN: rows, Scope.HOST: of_hosts}, STEPS)


def test_known_hours() -> None:
    domains: list[dict[str, Any]] = [
        {"vcpus": 2, "gib": 4, "use": 0.5, "ran": STEPS, "project": "red"},
        {"vcpus": 4, "gib": 8, "use": 1.0, "ran": STEPS // 2, "project": "red"},
        {"vcpus": 1, "gib": 1, "use": 0.1, "ran": STEPS, "project": None},
    ]
    found = analysed("showback", tables(domains, [8]), vcpu_hour="0.1", gib_hour="0.01")
    red, nobody, rest = found["red"], found["(none)"], found[""]
    assert figure(red, "vCPU-hours") == 2 * 24 + 4 * 12
    assert figure(red, "GiB-hours") == 4 * 24 + 8 * 12
    assert figure(red, "CPU used") == 12 + 12
    assert figure(red, "cost") == pytest.approx(9.6 + 1.92)
    assert figure(nobody, "vCPU-hours") == 24
    assert figure(rest, "vCPU-hours") == 8 * 24 - 96 - 24


def test_what_is_left_out_is_in_the_sum() -> None:
    domains = [{"vcpus": 2, "gib": 4, "use": 0.5, "ran": STEPS, "project": "red"}]
    found = analysed("showback", tables(domains, [8]), exclude_projects="red")
    assert figure(found["(left out)"], "vCPU-hours") == 48


def test_hosts_that_told_nothing_have_nothing() -> None:
    domains = [{"vcpus": 2, "gib": 4, "use": 0.5, "ran": STEPS, "project": "red"}]
    assert {one.verdict for one in analysed("showback", tables(domains, [8], samples=0)).values()} == {INSUFFICIENT}
    assert {one.verdict for one in analysed("showback", tables(domains, [8], samples=5)).values()} == {INSUFFICIENT}


DOMAIN = st.fixed_dictionaries(
    {
        "vcpus": st.integers(1, 64),
        "gib": st.integers(1, 256),
        "use": st.floats(0.01, 64),
        "ran": st.integers(0, STEPS),
        "project": st.sampled_from([None, "red", "green", "blue"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(domains=st.lists(DOMAIN, min_size=1, max_size=12), hosts=st.lists(st.integers(1, 128), min_size=1, max_size=4))
def test_tenants_and_the_unallocated_are_capacity_times_time(domains: list[dict[str, Any]], hosts: list[int]) -> None:
    found = analysed("showback", tables(domains, hosts))
    found = {name: one for name, one in found.items() if one.verdict != INSUFFICIENT}  # nothing is known to have run
    for name, capacity in (("vCPU-hours", sum(hosts) * 24), ("GiB-hours", 64 * 24 * len(hosts))):
        assert sum(figure(one, name) or 0.0 for one in found.values()) == pytest.approx(capacity)
