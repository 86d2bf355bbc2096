"""Series of many objects as one matrix: a row for each object, a column for each step, NaN where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray


def grid(
    table: pl.DataFrame, key: str, quantity: str, objects: Sequence[str] | Sequence[int], times: Sequence[int]
) -> NDArray[np.float64]:
    """One quantity of a table of steps.

    Args:
        table: with the columns ``key``, ``time`` and the quantity's.
        key: the column that names the object.
        quantity: which one.
        objects: the rows wanted, in order; one without a step is all NaN.
        times: the beginnings of the steps, evenly spaced, Unix ms.
    """
    made = np.full((len(objects), len(times)), np.nan)
    if not objects or not times or table.is_empty():
        return made
    width = times[1] - times[0] if len(times) > 1 else 1
    rows = (
        table.select(key, "time", quantity)
        .drop_nulls()
        .join(pl.DataFrame({key: list(objects), "row": range(len(objects))}), on=key)
        .with_columns(((pl.col("time") - times[0]) // width).alias("column"))
        .filter((pl.col("column") >= 0) & (pl.col("column") < len(times)))
    )
    made[rows["row"].to_numpy(), rows["column"].to_numpy()] = rows[quantity].cast(pl.Float64).to_numpy()
    return made
