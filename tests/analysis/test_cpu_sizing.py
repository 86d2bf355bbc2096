"""How many vCPUs a domain needs: known answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analysis.fleet import analysed, domain, figure, fleet, summary
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS = 14 * 288


def tables(
    use: float | None, demand: float | None = None, samples: int = STEPS, steal: float = 0.0, **known: Any
) -> Tables:
    row: dict[str, Any] = {"domain": "a"}
    average = None if use is None else use / 2
    row |= summary("cpu_cores", samples, p99_5=use, average=average, maximum=use)
    row |= summary("cpu_demand", samples if demand is not None else 0, p99_5=demand)
    row |= summary("steal_ratio", samples, average=steal)
    return fleet([domain("a", **known)], summaries={Scope.DOMAIN: [row]}, steps=STEPS)


@pytest.mark.parametrize(
    ("has", "use", "demand", "verdict", "needs"),
    [
        (8, 1.0, 1.0, "oversized", 2),  # 1.2 cores are two whole vCPUs
        (8, 5.0, 5.0, "oversized", 6),
        (8, 5.9, 5.9, NOTHING, 8),
        (2, 1.0, 1.0, NOTHING, 2),
        (1, 0.001, 0.001, NOTHING, 1),
        (4, 3.9, 3.9, "undersized", 5),
        (4, 2.0, 3.9, "undersized", 5),  # it used two, and waited for two more
        (4, 3.5, None, NOTHING, 4),  # no margin is left, and it does not want more
        (4, 3.9, None, "undersized", 5),
        (4, 1.0, None, "oversized", 2),
    ],
)
def test_use_and_demand_decide(has: int, use: float, demand: float | None, verdict: str, needs: int) -> None:
    found = analysed("cpu-sizing", tables(use, demand, vcpus=has, vcpus_maximum=has))["a"]
    assert (found.verdict, figure(found, "vCPUs needed")) == (verdict, needs)
    assert found.effect == (None if verdict == NOTHING else {"vcpus": has - needs})


def test_the_command_fits_what_the_xml_allows() -> None:
    def action(use: float, **known: Any) -> str:
        return analysed("cpu-sizing", tables(use, use, **known))["a"].action

    assert action(1.0, vcpus=8) == "virsh setvcpus a 2 --config"
    assert action(4.0, vcpus=4, vcpus_maximum=8) == "virsh setvcpus a 5 --config"
    assert action(4.0, vcpus=4, vcpus_maximum=4) == (
        "virsh setvcpus a 5 --maximum --config && virsh setvcpus a 5 --config"
    )
    assert action(1.0, vcpus=8, flavor="m1.big") == ""


def test_intent_is_told() -> None:
    found = analysed("cpu-sizing", tables(1.0, 1.0, steal=0.2, vcpus=8, pinned=True, flavor="m1"))["a"]
    told = " ".join(found.evidence.notes)
    assert "pinned" in told
    assert "OpenStack" in told
    assert "waits 20.0%" in told


def test_a_least_size_is_kept() -> None:
    found = analysed("cpu-sizing", tables(0.1, 0.1, vcpus=8), minimum_vcpus="4")["a"]
    assert (found.verdict, figure(found, "vCPUs needed")) == ("oversized", 4)


@pytest.mark.parametrize(
    "given",
    [
        tables(None, samples=0),
        tables(0.0, 0.0),
        tables(1.0, 1.0, samples=144),
        tables(1.0, 1.0, samples=STEPS // 2 - 1),
        tables(100.0, 100.0),
        tables(1.0, 1.0, vcpus=None),
    ],
    ids=["nothing", "zeros", "half a day", "half the window", "more than can be", "no vCPUs"],
)
def test_garbage_is_no_size(given: Tables) -> None:
    found = analysed("cpu-sizing", given)["a"]
    assert (found.verdict, found.confidence, found.effect, found.action) == (INSUFFICIENT, 0.0, None, "")


def test_a_short_window_still_needs_its_samples() -> None:
    short = fleet(
        [domain("a")],
        summaries={Scope.DOMAIN: tables(1.0, 1.0, samples=50).summaries[Scope.DOMAIN].to_dicts()},
        steps=50,
    )
    found = analysed("cpu-sizing", short, samples="51")["a"]
    assert (found.verdict, found.reason) == (INSUFFICIENT, "its CPU use is known in 50 steps, 51 are needed")
