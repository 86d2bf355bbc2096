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

import polars as pl
from numpy.typing import ArrayLike

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
    return list(_machines(told, start, split))


_EXPRESSIONS: dict[Resource, tuple[pl.Expr, pl.Expr]] = {
    "cpu": (pl.min_horizontal(pl.col("cpu_usage_pct"), pl.lit(100.0)) / 100 * pl.col("cores"), pl.col("cores")),
    "memory": (
        pl.min_horizontal("memory_usage_kb", "memory_capacity_kb") * 1024,
        pl.col("memory_capacity_kb") * 1024,
    ),
}
"""What is used, and what there is."""


def cut(name: str, at: ArrayLike, used: ArrayLike, configured: ArrayLike, start: float, split: Split) -> Machine | None:
    """One machine of a history; None where less than half of the steps of either part is known.

    Args:
        name: what it is called.
        at: Unix seconds.
        used: cores or bytes, for each time; NaN where it is not known.
        configured: what it had then; its last value before the cut counts.
        start: where the first part begins, Unix seconds.
        split: where it is cut, and where it ends.
    """
    middle = start + split.train_days * DAY
    whole, had = demand(at, used), demand(at, configured)
    train, test = whole.within(start, middle), whole.within(middle, middle + split.test_days * DAY)
    before = had.within(start, middle).used
    enough = len(train.at) >= split.train_days * DAY / STEP / 2 and len(test.at) >= split.test_days * DAY / STEP / 2
    return Machine(name, float(before[-1]), train, test) if enough and len(before) and before[-1] > 0 else None


def _machines(told: pl.DataFrame, start: float, split: Split) -> Iterator[Machine]:
    for (vm,), rows in told.sort("vm", "ts", maintain_order=True).group_by("vm", maintain_order=True):
        at, used, configured = (rows[name].to_numpy() for name in ("ts", "used", "configured"))
        made = cut(str(vm), at, used, configured, start, split)
        if made is not None:
            yield made
