"""Tables over a fleet: the embedded store's, against those that are computed out of its series."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.synthetic import Opened, batch, row, sample
from virtscope.catalogue import QUANTITY, Scope
from virtscope.store import Range, Reader
from virtscope.store.tabular import tabular

START = 1_800_000_000_000 // 300_000 * 300_000
OVER = Range(START, START + 3_600_000, 300_000)


class Plain:
    """A store that answers no tables."""

    def __init__(self, store: Reader) -> None:
        self.series, self.summary = store.series, store.summary


def filled(opened: Opened) -> None:
    """Three domains over an hour: one steady, one with a gap and a reset, one that is off."""
    samples = []
    for n in range(60):
        at = START + n * 60_000
        busy = (n * 30 if n < 40 else (n - 40) * 7) * 10**9
        rows: list[Any] = [row(Scope.DOMAIN, ("a",), state=1, cpu_time=n * 12 * 10**9, vcpus=2)]
        if not 10 <= n < 25:
            rows.append(row(Scope.DOMAIN, ("b",), state=1, cpu_time=busy, vcpus=4))
        rows.append(row(Scope.DOMAIN, ("c",), state=5))
        nics = [row(Scope.NIC, ("a", "m", "vnet0"), receive_bytes=n * 60_000, transmit_bytes=0)]
        samples.append(sample("h", at, {Scope.DOMAIN: rows, Scope.NIC: nics}))
    opened.store.append([batch(1, *samples)])


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: (row["domain"], row.get("time", 0)))


def test_both_ways_answer_alike(open_store: Opened) -> None:
    filled(open_store)
    wanted = [QUANTITY[Scope.DOMAIN, name] for name in ("cpu_cores", "net_receive", "vcpus")]
    quiet = {"cpu_cores": 0.25, "net_receive": 1_000.0}
    asked = (wanted, (), OVER, {"cpu_cores": (50, 99.5), "vcpus": (95,)}, quiet, 0.95)
    (ours,), (plain,) = open_store.store.reduced(*asked), tabular(Plain(open_store.store)).reduced(*asked)
    assert set(ours.column_names) == set(plain.column_names)
    for one, other in zip(as_rows(ours), as_rows(plain), strict=True):
        seen = one.pop("seen"), other.pop("seen")
        assert one == pytest.approx(other, nan_ok=False)
        # Series do not tell a step in which nothing is known from one in which the object was not there.
        assert seen == ((12, 0) if one["domain"] == "c" else (seen[1], seen[1]))
    steps = open_store.store.steps(wanted, (), OVER), tabular(Plain(open_store.store)).steps(wanted, (), OVER)
    known = [one for one in as_rows(steps[0]) if any(one[quantity.name] is not None for quantity in wanted)]
    assert len(known) == 21
    for one, other in zip(known, as_rows(steps[1]), strict=True):
        assert one == pytest.approx(other)


def test_figures_are_right(open_store: Opened) -> None:
    filled(open_store)
    cores = [QUANTITY[Scope.DOMAIN, "cpu_cores"]]
    (found,) = open_store.store.reduced(cores, ("a", "b", "c"), OVER, {"cpu_cores": (95,)}, {"cpu_cores": 0.3}, 0.95)
    a, b, c = as_rows(found)
    assert (a["cpu_cores.average"], a["cpu_cores.p95"]) == pytest.approx((0.2, 0.2))
    assert (a["cpu_cores.samples"], a["quiet.known"], a["quiet.under"]) == (12, 12, 12)
    assert b["cpu_cores.maximum"] == pytest.approx(0.5)
    assert (b["cpu_cores.samples"], b["quiet.under"]) == (9, 4)
    assert (c["cpu_cores.average"], c["cpu_cores.samples"], c["seen"], c["quiet.known"]) == (None, 0, 12, 0)


def test_of_nobody_asked_for_nobody_is_answered(open_store: Opened) -> None:
    filled(open_store)
    cores = [QUANTITY[Scope.DOMAIN, "cpu_cores"]]
    assert [part.num_rows for part in open_store.store.reduced(cores, ("",), OVER, {}, {}, 1.0)] == [0]
    assert open_store.store.steps(cores, ("zzz",), OVER).num_rows == 0
