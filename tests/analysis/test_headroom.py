"""What hosts have left: known answers, and a replay of how often the peak is under-predicted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.analysis.fleet import analysed, domain, figure, fleet, host, summary
from tests.analysis.traces import bitbrains
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.headroom import peak
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS, GIB = 14 * 288, 1 << 30


def given(*peaks: float, mean: float = 1.0, deviation: float = 0.1, used: float = 20.0, known: int = STEPS,
          vcpus: int = 2, memory: int = 4, **of_host: Any) -> Tables:  # fmt: skip
    """A host of 8 CPUs and 64 GiB with domains of these peaks."""
    domains = [domain(f"d{n}", vcpus=vcpus, memory=memory * GIB) for n in range(len(peaks))]
    rows = [
        {"domain": f"d{n}", **summary("cpu_cores", known if n else STEPS, p99=value)} for n, value in enumerate(peaks)
    ]
    row = {"host": "h1", **summary("cpu_cores", STEPS, average=mean), "cpu_cores.deviation": deviation}
    row |= summary("memory_used", STEPS, maximum=used * GIB)
    return fleet(domains, [host(**of_host)], {Scope.DOMAIN: rows, Scope.HOST: [row]}, STEPS)


@pytest.mark.parametrize(
    ("tables", "verdict", "left"),
    [
        (given(1.0, 1.0), NOTHING, 6.0),
        (given(1.0, 1.0, mean=4.0, deviation=0.5), NOTHING, 1.5),  # 4 and five times 0.5
        (given(1.0, 1.0, mean=4.0, deviation=0.7), "no headroom", 0.5),
        (given(4.0, 3.5), "no headroom", 0.5),
        (given(1.0, 1.0, used=60), "no headroom", 6.0),
        (given(1.0, 1.0, vcpus=17), "overcommitted", 6.0),
        (given(1.0, 1.0, memory=33), "overcommitted", 6.0),
    ],
)
def test_peaks_and_promises(tables: Tables, verdict: str, left: float) -> None:
    found = analysed("headroom", tables)["h1"]
    assert found.verdict == verdict
    assert figure(found, "CPU left") == pytest.approx(left)


def test_a_sum_without_its_parts_is_none() -> None:
    assert analysed("headroom", given(1.0, 1.0, 1.0, known=5))["h1"].verdict == INSUFFICIENT
    assert analysed("headroom", given(1.0, cpus=None))["h1"].verdict == INSUFFICIENT
    assert analysed("headroom", given(1.0, cpus=0))["h1"].verdict == INSUFFICIENT


def test_a_host_in_maintenance_is_left_alone() -> None:
    assert list(analysed("headroom", given(1.0), maintenance="kvm1")) == [""]


def test_on_real_machines_the_peak_is_hardly_ever_under_predicted() -> None:
    cores = pl.col("cpu_usage_pct") / 100 * pl.col("cores")
    trace = (
        pl.scan_parquet(bitbrains())
        .filter(pl.col("cores") > 0)
        .select("vm", (pl.col("ts") // 300 * 300).alias("at"), cores.alias("cores"))
        .unique(["vm", "at"])
        .with_columns((pl.col("vm") % 50).alias("host"), ((pl.col("at") - pl.col("at").min()) // 86_400).alias("day"))
        .collect()
    )
    before, after = trace.filter(pl.col("day") < 16), trace.filter(pl.col("day") >= 16)
    sums = before.group_by("vm", "host").agg(pl.col("cores").quantile(0.99)).group_by("host").agg(pl.col("cores").sum())
    totals = before.group_by("host", "at").agg(pl.col("cores").sum()).group_by("host").agg(
        pl.col("cores").mean().alias("mean"), pl.col("cores").std().alias("deviation")
    )  # fmt: skip
    predicted = {
        row["host"]: peak(row["cores"], row["mean"], row["deviation"], 5.0)
        for row in sums.join(totals, on="host").to_dicts()
    }
    real = after.group_by("host", "at").agg(pl.col("cores").sum())
    under = sum(used > predicted[of] for of, used in real.select("host", "cores").iter_rows())
    assert real.height > 190_000
    assert under / real.height < 0.001
