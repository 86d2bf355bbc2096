"""Traces of other fleets as machines to try policies on: the GWA-T-12 "Bitbrains" format.

Shen, van Beek, Iosup: Statistical Characterization of Business-Critical Workloads Hosted in Cloud Datacenters, CCGrid
2015. It needs cleaning: times that are told twice, rows of a machine that is off (0 cores), CPU above 100 %, memory
above its capacity, machines that come and go. What is above the capacity counts as the capacity; a machine counts if
half of the steps of 5 minutes of either part are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from virtscope.analysis.backtest import Machine
from virtscope.analysis.sizing import DAY, demand
from virtscope.errors import BadInput

STEP = 300.0
"""Seconds between two samples of a trace."""
COLUMNS: dict[str, type[pl.DataType]] = {
    "vm": pl.Int64,
    "ts": pl.Int64,
    "cores": pl.Float64,
    "cpu_usage_pct": pl.Float64,
    "memory_capacity_kb": pl.Float64,
    "memory_usage_kb": pl.Float64,
}
"""What is read of a trace. ``ts`` is Unix seconds."""

Resource: TypeAlias = Literal["cpu", "memory"]


@dataclass(frozen=True, slots=True)
class Split:
    """Where a history is cut. Days count from the trace's first sample."""

    train_days: int = 16
    test_days: int = 14


def machines(trace: pl.DataFrame, resource: Resource, split: Split = Split()) -> list[Machine]:
    """The machines of a trace with the columns of COLUMNS, in cores or bytes.

    Raises:
        BadInput: a column is missing.
    """
    if missing := [name for name in COLUMNS if name not in trace.columns]:
        raise BadInput(f"the trace has no column {', '.join(missing)}", f"It needs {', '.join(COLUMNS)}.")
    rows = trace.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()).filter(pl.col("cores") > 0)
    if rows.is_empty():
        return []
    used, configured = _EXPRESSIONS[resource]
    start = float(trace["ts"].min())  # type: ignore[arg-type]
    told = rows.select("vm", "ts", used=used, configured=configured)
    return list(_cut(told, start, split))


_EXPRESSIONS: dict[Resource, tuple[pl.Expr, pl.Expr]] = {
    "cpu": (pl.min_horizontal(pl.col("cpu_usage_pct"), pl.lit(100.0)) / 100 * pl.col("cores"), pl.col("cores")),
    "memory": (
        pl.min_horizontal("memory_usage_kb", "memory_capacity_kb") * 1024,
        pl.col("memory_capacity_kb") * 1024,
    ),
}
"""What is used, and what there is."""


def _cut(told: pl.DataFrame, start: float, split: Split) -> Iterator[Machine]:
    middle = start + split.train_days * DAY
    end = middle + split.test_days * DAY
    halves = (split.train_days * DAY / STEP / 2, split.test_days * DAY / STEP / 2)
    for (vm,), rows in told.sort("vm", "ts", maintain_order=True).group_by("vm", maintain_order=True):
        whole = demand(rows["ts"].to_numpy(), rows["used"].to_numpy())
        train, test = whole.within(start, middle), whole.within(middle, end)
        if len(train.at) < halves[0] or len(test.at) < halves[1]:
            continue
        last = int(np.searchsorted(rows["ts"].to_numpy(), train.at[-1]))
        yield Machine(str(vm), float(rows["configured"][last]), train, test)
