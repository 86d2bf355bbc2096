"""Sketches: how often which value was, in bins that can be added up, so that percentiles of a year need not read it.

With an accuracy a and a base g = (1 + a) / (1 - a), a value v lies in the bin ceil(log v / log g) and is told as
2 g^bin / (g + 1): wrong by a share a of it at most, whatever is added up (Masson, Rim, Lee: DDSketch, VLDB 2019).
Values that are no more than SMALLEST are told as 0.

A sketch is rows of (object, quantity, bin, steps). One row of each object and quantity has no bin; it has the number
of all ``steps``, their values' ``total`` and the highest, ``most``: so averages and maxima are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from virtscope.catalogue import Quantity

ACCURACY = 0.01
"""How wrong a percentile may be, of its value."""
SMALLEST = 1e-9
_BASE = (1 + ACCURACY) / (1 - ACCURACY)
_ZERO = -32_768
"""The bin of what is told as 0."""


def counted(keys: Sequence[str], quantities: Sequence[Quantity], values: str) -> str:
    """A query for the sketch of steps' values: a query with a column for each key and quantity."""
    group = ", ".join((*keys, "quantity"))
    names = ", ".join(f'"{quantity.name}"' for quantity in quantities)
    is_whole = "grouping(bin) = 1"
    return f"""
        SELECT {group}, bin, count(*)::INTEGER AS steps,
               CASE WHEN {is_whole} THEN sum(value) END AS total, CASE WHEN {is_whole} THEN max(value) END AS most
        FROM (
            SELECT {group}, value,
                   (CASE WHEN value > {SMALLEST} THEN ceil(ln(value) / {math.log(_BASE)!r}) ELSE {_ZERO} END)::SMALLINT
                   AS bin
            FROM ({values}) UNPIVOT (value FOR quantity IN ({names}))
        )
        GROUP BY GROUPING SETS (({group}, bin), ({group}))
    """


def summarised(keys: Sequence[str], sketches: str, percentiles: Sequence[float]) -> str:
    """A query that adds sketches up.

    Columns: the keys, ``quantity``, average, maximum, number of steps, and a list with a value for each percentile,
    drawn between two ranks as DuckDB's ``quantile_cont`` does.
    """
    group = ", ".join((*keys, "quantity"))
    ranks = ", ".join(_between(float(percentile) / 100) for percentile in percentiles)
    return f"""
        WITH sketches AS ({sketches}),
        whole AS (
            SELECT {group}, sum(steps)::BIGINT AS n, sum(total) AS total, max(most) AS most
            FROM sketches WHERE bin IS NULL GROUP BY {group}
        ),
        bins AS (
            SELECT {group}, bin, sum(sum(steps)) OVER (PARTITION BY {group} ORDER BY bin) AS up_to
            FROM sketches WHERE bin IS NOT NULL GROUP BY {group}, bin
        )
        SELECT {group}, any_value(total) / n, any_value(most), n, [{ranks}]
        FROM bins JOIN whole USING ({group}) GROUP BY {group}, n
    """


def _between(share: float) -> str:
    rank = f"({share!r} * (n - 1))"
    low, high = (_told(f"min(bin) FILTER (up_to > {edge}({rank}))") for edge in ("floor", "ceil"))
    return f"{low} + ({high} - {low}) * ({rank} - floor({rank}))"


def _told(bin: str) -> str:  # noqa: A002
    return f"(CASE WHEN {bin} = {_ZERO} THEN 0 ELSE {2 / (_BASE + 1)!r} * pow({_BASE!r}, {bin}) END)"
