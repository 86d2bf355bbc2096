"""N+1, rebalance and consolidation as verdicts, out of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from tests.analysis.fleet import NOW, analysed, domain, figure, fleet, host, nothing, summary
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Finding, Severity
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope
from virtscope.errors import NotFound

HOUR = 3_600_000
Row = Mapping[str, Any]


def placed(
    domains: Sequence[Row],
    hosts: Sequence[Row],
    cores: Mapping[str, float | None] | None = None,
    hours: int = 3,
    pages: Sequence[Row] = (),
) -> Tables:
    """Domains with one core each, all window long, unless told otherwise."""
    use = {row["id"]: (cores or {}).get(row["id"], 1.0) for row in domains}
    figures = [
        {"domain": name, **summary("cpu_demand", 288 if value is not None else 0, p95=value)}
        for name, value in use.items()
    ]
    cells = list(pages) or [
        {"host": None, **summary("hugepages_2m", 0, average=None), **summary("hugepages_1g", 0, average=None)}
    ]
    made = fleet(domains, hosts, {Scope.DOMAIN: figures, Scope.CELL: cells})
    rows = [
        {"domain": name, "time": NOW - (hours - at) * HOUR, "cpu_demand": value}
        for name, value in use.items()
        for at in range(hours)
    ]
    schema = {"domain": pl.String, "time": pl.Int64, "cpu_demand": pl.Float64}
    return replace(made, series={Scope.DOMAIN: pl.DataFrame(rows, schema)})


def on(host_id: str, *names: str, **known: Any) -> list[dict[str, Any]]:
    return [domain(name, host=host_id, host_name=host_id.replace("h", "kvm"), **known) for name in names]


HOSTS = [host("h1"), host("h2"), host("h3")]
"""Each with 8 CPUs and 64 GiB."""


def test_a_fleet_with_room_is_covered() -> None:
    found = analysed("n-plus-one", placed([*on("h1", "a", "b"), *on("h2", "c")], HOSTS))
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(("h1", "h2", "h3"), NOTHING)
    assert figure(found["h1"], "memory needed elsewhere") == 8 << 30
    assert figure(found["h1"], "highest load afterwards") == 0.25
    assert set(found["h1"].evidence.notes) == {"name of b would run on kvm3", "name of a would run on kvm2"}
    assert "no domain runs" in found["h3"].reason


def test_a_full_fleet_is_not_covered() -> None:
    large = [*on("h1", "a", memory=40 << 30), *on("h2", "b", memory=40 << 30), *on("h3", "c", memory=40 << 30)]
    found = analysed("n-plus-one", placed(large, HOSTS))["h2"]
    assert (found.verdict, found.severity) == ("not covered", Severity.CRITICAL)
    assert found.evidence.notes == ("name of b can run nowhere else",)


@pytest.mark.parametrize("stuck", [{"pinned": True}, {"passthrough": ["pci"]}, {"numa_bound": True}])
def test_what_is_bound_to_its_host_blocks(stuck: dict[str, Any]) -> None:
    found = analysed("n-plus-one", placed(on("h1", "a", **stuck), HOSTS))["h1"]
    assert found.verdict == "not covered"
    assert figure(found, "domains that block") == 1


def test_cpu_is_soft_but_told() -> None:
    found = analysed("n-plus-one", placed([*on("h1", "a"), *on("h2", "b")], HOSTS[:2], {"a": 6.0, "b": 4.0}))["h1"]
    assert (found.verdict, found.severity) == ("covered, but busy", Severity.WARNING)
    assert figure(found, "highest load afterwards") == 1.25


def test_huge_pages_are_needed_elsewhere() -> None:
    pages = [
        {"host": name, **summary("hugepages_2m", 288, average=0.0), **summary("hugepages_1g", 288, average=number)}
        for name, number in (("h1", 8.0), ("h2", 2.0))
    ]
    huge = on("h1", "a", hugepages=True)  # 4 GiB
    assert analysed("n-plus-one", placed(huge, HOSTS[:2], pages=pages))["h1"].verdict == "not covered"
    pages[1] |= summary("hugepages_1g", 288, average=4.0)
    assert analysed("n-plus-one", placed(huge, HOSTS[:2], pages=pages))["h1"].verdict == NOTHING


def test_groups_that_must_be_apart_are_read_from_labels_and_names() -> None:
    pair = [*on("h1", "a", labels=["anti-affinity=db"]), *on("h2", "b", labels=["anti-affinity=db"])]
    assert analysed("n-plus-one", placed(pair, HOSTS[:2]))["h1"].verdict == "not covered"
    assert analysed("n-plus-one", placed(pair, HOSTS))["h1"].verdict == NOTHING
    named = [*on("h1", "a"), *on("h2", "b")]
    assert analysed("n-plus-one", placed(named, HOSTS[:2]), apart="name of *")["h1"].verdict == "not covered"


def test_a_host_in_maintenance_takes_nobody_and_one_that_is_down_is_not_judged() -> None:
    tables = placed(on("h1", "a"), [host("h1"), host("h2"), host("h3", up=False)])
    assert analysed("n-plus-one", tables, maintenance="kvm2")["h1"].verdict == "not covered"
    assert analysed("n-plus-one", tables)["h3"].verdict == INSUFFICIENT


def test_no_verdict_rests_on_memory_that_nobody_knows() -> None:
    tables = placed([*on("h1", "a"), *on("h1", "b", memory=None)], HOSTS)
    assert analysed("n-plus-one", tables)["h1"].verdict == INSUFFICIENT
    assert analysed("rebalance", tables)[""].verdict == INSUFFICIENT
    assert analysed("consolidation", tables)[""].verdict == INSUFFICIENT


def unbalanced(**known: Any) -> list[dict[str, Any]]:
    return [*on("h1", "a", "b", "c", "d", "e", "f", **known), *on("h2", "g")]


def of_fleet(found: Mapping[str, Finding]) -> Finding:
    return found[""]


def test_the_busiest_host_is_relieved_by_few_migrations() -> None:
    found = analysed("rebalance", placed(unbalanced(), HOSTS))
    whole = of_fleet(found)
    assert (whole.verdict, whole.severity) == ("unbalanced", Severity.WARNING)
    assert figure(whole, "highest load") == 0.75
    assert figure(whole, "highest load afterwards") == pytest.approx(0.375)  # 7 cores on 3 hosts: 3, 2, 2
    assert figure(whole, "migrations") == figure(whole, "migrations, no fewer are possible") == 3
    steps = [one for one in found.values() if one.subject.part]
    assert [one.subject.part for one in steps] == ["step 1", "step 2", "step 3"]
    assert all(one.action.startswith("virsh migrate --live") and "qemu+ssh://kvm" in one.action for one in steps)


def test_each_step_tells_both_hosts_before_and_after() -> None:
    found = analysed("rebalance", placed(unbalanced(), HOSTS))
    now = {"h1": 0.75, "h2": 0.125, "h3": 0.0}
    steps = sorted((one for one in found.values() if one.subject.part), key=lambda one: one.subject.part)
    for step in steps:
        source, target = (pointer.object for pointer in step.evidence.series)
        moved = (figure(step, "CPU wanted, p95") or 0) / 8
        for place, name, sign in ((source, "source", -1), (target, "target", 1)):
            assert figure(step, f"load of the {name}") == pytest.approx(now[place])
            now[place] += sign * moved
            assert figure(step, f"load of the {name} afterwards") == pytest.approx(now[place])
    assert max(now.values()) == pytest.approx(figure(of_fleet(found), "highest load afterwards"))


def test_names_of_tenants_do_not_reach_a_command() -> None:
    hostile = [*on("h1", "a", "b", "c", "d", name="x; rm -rf /"), *on("h2", "g")]
    for one in analysed("rebalance", placed(hostile, HOSTS)).values():
        assert "rm" not in one.action


@pytest.mark.parametrize(
    ("domains", "cores", "settings"),
    [
        (unbalanced(pinned=True), {}, {}),
        (unbalanced(), {}, {"exclude": "*"}),
        ([*on("h1", "a"), *on("h2", "b")], {}, {}),
        ([*on("h1", "a")], {"a": 6.0}, {}),  # one domain: wherever it is, that host is the busiest
        (unbalanced(), {}, {"imbalance": "0.9"}),
        (unbalanced(), {}, {"gain": "0.9"}),
    ],
)
def test_nothing_to_do(domains: list[dict[str, Any]], cores: dict[str, float], settings: dict[str, str]) -> None:
    found = analysed("rebalance", placed(domains, HOSTS, cores), **settings)
    assert len(found) == 1
    assert of_fleet(found).verdict == NOTHING
    assert of_fleet(found).severity is Severity.OK


def test_loads_that_nobody_knows_are_not_balanced() -> None:
    unknown = dict.fromkeys("abc")
    assert of_fleet(analysed("rebalance", placed(unbalanced(), HOSTS, unknown))).verdict == INSUFFICIENT
    assert of_fleet(analysed("consolidation", placed(unbalanced(), HOSTS, unknown))).verdict == INSUFFICIENT
    young = analysed("rebalance", placed(unbalanced(), HOSTS, hours=2))
    assert "2 of the last 3 hours" in of_fleet(young).reason
    assert of_fleet(young).verdict == INSUFFICIENT


def test_hosts_that_can_go() -> None:
    hosts = [host(f"h{n}") for n in range(1, 5)]
    spread = [row for n in range(1, 5) for row in on(f"h{n}", f"d{n}")]
    found = of_fleet(analysed("consolidation", placed(spread, hosts)))
    assert found.verdict == "hosts can be freed"
    assert found.effect == {"hosts": 2}
    assert figure(found, "hosts needed") == 1
    assert figure(found, "migrations") == 2  # the one in reserve need not be emptied
    assert "no fewer hosts would do" in found.evidence.notes


def test_a_reserve_is_kept() -> None:
    found = of_fleet(analysed("consolidation", placed([*on("h1", "a"), *on("h2", "b")], HOSTS[:2])))
    assert (found.verdict, found.effect) == (NOTHING, None)


@pytest.mark.parametrize("name", ["rebalance", "consolidation"])
def test_without_any_figure_nothing_is_said(name: str) -> None:
    assert of_fleet(analysed(name, nothing(name, unbalanced(), HOSTS))).verdict == INSUFFICIENT
    assert of_fleet(analysed(name, nothing(name))).verdict == INSUFFICIENT


def test_n_plus_one_without_cpu_figures_takes_all_vcpus_and_says_so() -> None:
    found = analysed("n-plus-one", nothing("n-plus-one", unbalanced(), HOSTS), busy="1.1")["h1"]
    assert found.verdict == NOTHING
    assert figure(found, "highest load afterwards") == 1.0  # 7 with 2 vCPUs each: 8 and 6 on 8 CPUs
    assert found.confidence == 0.5
    assert any("not known" in note for note in found.evidence.notes)


def test_how_many_more_fit_and_how_many_safely() -> None:
    found = of_fleet(analysed("plan", placed(on("h1", "a"), HOSTS)))
    # 60.8 GiB of each host for domains of 4 GiB: 14, 15, 15; by CPU with 0.8 of 8 cores and one each: 5, 6, 6.
    assert found.verdict == "room for 17"
    assert figure(found, "domains that fit") == 17
    assert figure(found, "CPU of one, p95") == 1.0
    assert sorted(found.evidence.notes) == ["5 on kvm1", "6 on kvm2", "6 on kvm3"]
    assert 0 < (figure(found, "domains that fit safely") or 0) <= 17


@pytest.mark.parametrize(
    ("more", "verdict", "severity"),
    [
        ("10", "fit", Severity.OK),
        ("44", "fit, but not safely", Severity.WARNING),
        ("45", "do not fit", Severity.CRITICAL),
    ],
)
def test_whether_so_many_more_fit(more: str, verdict: str, severity: Severity) -> None:
    tables = placed(on("h1", "a"), HOSTS)
    found = of_fleet(analysed("plan", tables, more=more, memory="4G", vcpus="2", use="0.01"))
    assert (found.verdict, found.severity) == (verdict, severity)


def test_hosts_that_die_together() -> None:
    tables = placed([*on("h1", "a"), *on("h2", "b"), *on("h3", "c", memory=50 << 30)], HOSTS)
    assert analysed("plan", tables, dies="kvm1")["h1"].verdict == "covered"
    both = analysed("plan", tables, dies="kvm1 h2")["/kvm1, kvm2"]
    assert both.verdict == "covered"
    assert figure(both, "memory needed elsewhere") == 8 << 30
    assert figure(both, "highest load afterwards") == 0.375
    assert analysed("plan", tables, dies="kvm*")["/kvm1, kvm2, kvm3"].verdict == "not covered"
    with pytest.raises(NotFound, match="kvm9"):
        analysed("plan", tables, dies="kvm9")
