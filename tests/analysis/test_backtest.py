"""Policies tried on the past: known answers, and the published table of Bitbrains July 2013."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.analysis.traces import bitbrains
from virtscope.analysis.backtest import Machine, Outcome, replay
from virtscope.analysis.sizing import CPU, DAY, DEFAULT, MEMORY, OURS, Policy, demand
from virtscope.analysis.trace import COLUMNS, Split, machines
from virtscope.errors import BadInput

FIXED = Policy("2", "two, whatever it used", lambda _: 2.0)


def machine(configured: float, test: list[float]) -> Machine:
    return Machine("m", configured, demand([0], [1]), demand(np.arange(len(test)), test))


def test_known_outcome() -> None:
    few = [2.5] + [1.0] * 99  # 1 % is tolerated
    more = [2.5] * 2 + [1.0] * 98
    found = replay([machine(4, few), machine(4, more), machine(1, [1.0] * 100)], [FIXED], whole=True, tolerated=0.01)
    assert found == [Outcome("2", 3, 9, 5, 1)]
    assert found[0].kept_share == pytest.approx(5 / 9)
    assert found[0].risk == pytest.approx(1 / 3)


def test_nothing_is_said_of_no_machine() -> None:
    with pytest.raises(ValueError, match="no machine"):
        replay([], CPU, whole=True, tolerated=0.01)


def trace(**columns: list[float]) -> pl.DataFrame:
    steps = len(columns["ts"])
    rest = {name: [1.0] * steps for name in COLUMNS if name not in columns}
    return pl.DataFrame({**rest, **columns})


def test_a_trace_is_cleaned() -> None:
    ts = [300.0 * step for step in range(576)]
    full = trace(ts=ts, cores=[4.0] * 576, cpu_usage_pct=[50.0, 182.0] * 288)
    told_twice = pl.concat([full, full.with_columns(cpu_usage_pct=pl.lit(0.0))])
    (found,) = machines(told_twice, "cpu", Split(1, 1))
    assert (found.configured, len(found.train.at), len(found.test.at)) == (4, 288, 288)
    assert set(found.train.used) == {2, 4}


def test_a_machine_that_is_off_or_comes_late_does_not_count() -> None:
    ts = [300.0 * step for step in range(576)]
    off = [4.0] * 100 + [0.0] * 188 + [4.0] * 288
    assert machines(trace(ts=ts, cores=off), "cpu", Split(1, 1)) == []
    assert machines(trace(ts=ts, cores=[0.0] * 576), "cpu", Split(1, 1)) == []


def test_memory_is_bytes_and_never_above_what_there_is() -> None:
    ts = [300.0 * step for step in range(576)]
    (found,) = machines(
        trace(ts=ts, memory_capacity_kb=[1000.0] * 576, memory_usage_kb=[500.0, 2000.0] * 288), "memory", Split(1, 1)
    )
    assert found.configured == 1_024_000
    assert set(found.test.used) == {512_000, 1_024_000}


def test_a_trace_without_its_columns_is_refused() -> None:
    with pytest.raises(BadInput, match="no column cores"):
        machines(trace(ts=[0.0]).drop("cores"), "cpu")


@pytest.fixture(scope="module")
def july() -> pl.DataFrame:
    return pl.read_parquet(bitbrains(), columns=list(COLUMNS))


def test_the_published_table_of_cpu(july: pl.DataFrame) -> None:
    real = machines(july, "cpu")
    assert len(real) == 416
    found = {o.policy: (100 * o.kept_share, 100 * o.risk) for o in replay(real, CPU, whole=True, tolerated=0.01)}
    published = {
        "mean*1.5": (46, 16.6),
        "VPA p90+15%": (60.1, 4.6),
        "KRR p95": (61.3, 3.6),
        "p99.5+20%": (64.8, 1.0),
        "max+15%": (70.1, 0.2),
    }
    for name, (kept, risk) in published.items():
        assert found[name][0] == pytest.approx(kept, abs=0.5 if name == "mean*1.5" else 0.05)
        assert found[name][1] == pytest.approx(risk, abs=0.05)


def test_ours_keeps_less_at_one_percent(july: pl.DataFrame) -> None:
    default, ours = replay(machines(july, "cpu"), [DEFAULT, OURS], whole=True, tolerated=0.01)
    assert ours.kept < default.kept
    assert ours.risk <= 0.01


def test_ours_was_better_on_the_days_it_was_chosen_on(july: pl.DataFrame) -> None:
    """Sized on days 0 to 7 and tried on 8 to 15: what lies after is not looked at."""
    first = july.filter(pl.col("ts") < pl.col("ts").min() + 16 * DAY)
    default, ours = replay(machines(first, "cpu", Split(8, 8)), [DEFAULT, OURS], whole=True, tolerated=0.01)
    assert ours.kept < default.kept
    assert ours.exceeding <= default.exceeding


def test_the_published_table_of_memory(july: pl.DataFrame) -> None:
    least, most = replay(machines(july, "memory"), MEMORY, whole=False, tolerated=0.0)
    assert (round(100 * least.kept_share), round(100 * least.risk)) == (20, 91)
    assert (round(100 * most.kept_share), round(100 * most.risk)) == (53, 19)
