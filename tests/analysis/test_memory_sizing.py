"""How much memory a domain needs: known answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analysis.fleet import analysed, domain, figure, fleet, summary
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS, GIB = 30 * 288, 1 << 30


def tables(
    most: float, *, ratio: float = 0.5, swap: float = 0.0, samples: int = STEPS, sees: float = 1.0, **known: Any
) -> Tables:
    """A guest that used so many GiB at most, of ``sees`` of what it was granted."""
    row: dict[str, Any] = {"domain": "a"}
    row |= summary("memory_used", samples, maximum=most * GIB, p95=most * GIB * 0.9)
    row |= summary("memory_used_ratio", samples, maximum=ratio, p95=ratio)
    row |= summary("memory_current", samples, average=(most / ratio / sees if ratio else 0) * GIB, p95=0.0)
    row |= summary("swap_in", samples, maximum=swap, p95=0.0)
    row |= summary("swap_out", samples, maximum=0.0, p95=0.0)
    return fleet([domain("a", **known)], summaries={Scope.DOMAIN: [row]}, steps=STEPS)


@pytest.mark.parametrize(
    ("has", "most", "ratio", "swap", "verdict", "needs"),
    [
        (8, 1.0, 0.125, 0.0, "oversized", 1.25),  # 1.15 GiB, rounded up to a quarter
        (8, 1.1, 0.14, 9e6, "oversized", 1.5),  # it swapped: 1.375
        (4, 3.3, 0.82, 0.0, NOTHING, 4),
        (4, 3.9, 0.97, 0.0, "undersized", 4.5),
        (4, 3.6, 0.9, 0.0, NOTHING, 4),  # no room is left, and it is not full
        (4, 3.6, 0.9, 1e6, "undersized", 4.5),
        (1, 0.1, 0.1, 0.0, "oversized", 0.5),  # the least that a domain is left with
    ],
)
def test_the_most_and_a_margin(has: float, most: float, ratio: float, swap: float, verdict: str, needs: float) -> None:
    found = analysed("memory-sizing", tables(most, ratio=ratio, swap=swap, memory=int(has * GIB)))["a"]
    assert (found.verdict, figure(found, "memory needed")) == (verdict, needs * GIB)
    assert found.effect == (None if verdict == NOTHING else {"bytes": (has - needs) * GIB})


def test_what_the_guests_kernel_keeps_is_added() -> None:
    found = analysed("memory-sizing", tables(2.0, ratio=0.25, sees=0.95, memory=8 * GIB))["a"]
    assert figure(found, "kept by the guest's kernel") == pytest.approx((8 / 0.95 - 8) * GIB)
    assert figure(found, "memory needed") == 2.75 * GIB  # 2.3 and 0.42


def test_the_command_speaks_kib() -> None:
    action = analysed("memory-sizing", tables(1.0, ratio=0.125, memory=8 * GIB))["a"].action
    assert action == "virsh setmaxmem a 1310720 --config && virsh setmem a 1310720 --config"


@pytest.mark.parametrize(
    "given",
    [
        tables(1.0, samples=0),
        tables(0.0),
        tables(1.0, samples=144),
        tables(9.0),
        tables(1.0, memory=None),
    ],
    ids=["no balloon", "zeros", "half a day", "more than it has", "no size"],
)
def test_garbage_is_no_size(given: Tables) -> None:
    found = analysed("memory-sizing", given)["a"]
    assert (found.verdict, found.effect, found.action) == (INSUFFICIENT, None, "")
