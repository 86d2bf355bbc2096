"""Sketches: how often which value was, in bins that can be added up, so that percentiles of a year need not read it.

With an accuracy a and a base g = (1 + a) / (1 - a), a value v lies in the bin ceil(log v / log g) and is told as
2 g^bin / (g + 1): wrong by a share a of it at most, whatever is added up (Masson, Rim, Lee: DDSketch, VLDB 2019).
Values that are no more than SMALLEST are told as 0.

A sketch is rows of (object, quantity, bin, steps). One row of each object and quantity has no bin; it has the number
of all ``steps``, their values' ``total``, that of their ``squares`` and the highest, ``most``: so averages, deviations
and maxima are exact. The quantity SEEN counts the steps in which the object was there at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from virtscope.catalogue import Quantity
from virtscope.schema import quoted

ACCURACY = 0.01
"""How wrong a percentile may be, of its value."""
SMALLEST = 1e-9
SEEN = "seen"
_BASE = (1 + ACCURACY) / (1 - ACCURACY)
_ZERO = -32_768
"""The bin of what is told as 0."""


def counted(keys: Sequence[str], quantities: Sequence[Quantity], values: str, *, seen: bool = True) -> str:
    """A query for the sketch of steps' values: a query with a column for each key and quantity; with SEEN or not."""
    group = ", ".join((*keys, "quantity"))
    names = ", ".join(f'"{name}"' for name in (*(quantity.name for quantity in quantities), *((SEEN,) if seen else ())))
    is_whole = "grouping(bin) = 1"
    return f"""
        SELECT {group}, bin, count(*)::INTEGER AS steps,
               CASE WHEN {is_whole} THEN sum(value) END AS total, CASE WHEN {is_whole} THEN max(value) END AS most,
               CASE WHEN {is_whole} THEN sum(value * value) END AS squares
        FROM (
            SELECT {group}, value,
                   (CASE WHEN value > {SMALLEST} THEN ceil(ln(value) / {math.log(_BASE)!r}) ELSE {_ZERO} END)::SMALLINT
                   AS bin
            FROM (SELECT *, 1::DOUBLE AS {SEEN} FROM ({values})) UNPIVOT (value FOR quantity IN ({names}))
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


def reduced(
    keys: Sequence[str],
    names: Sequence[str],
    sketches: Sequence[str],
    percentiles: Mapping[str, Sequence[float]],
    quiet: Mapping[str, float],
    share: float,
) -> str:
    """A query that adds sketches up to a row for each object: see ``Tabular``, whose columns these are.

    Which steps are quiet in all quantities at once, sketches cannot tell; but no more than are quiet in each, and no
    fewer than are left when each takes its own away. ``quiet.sure`` says whether that decides if the share ``share``
    of them is; ``quiet.under`` is then the bound that does.
    """
    group = ", ".join(keys)
    ranks = dict.fromkeys(float(rank) for of in percentiles.values() for rank in of)
    binned = ", ".join(quoted(name) for name in dict.fromkeys((*percentiles, *quiet)))
    limits = " ".join(f"WHEN {quoted(name)} THEN {_bin(most)}" for name, most in quiet.items())
    whole, bins = (
        " UNION ALL BY NAME ".join(f"SELECT * FROM ({one}) WHERE {where}" for one in sketches)
        for where in ("bin IS NULL", f"bin IS NOT NULL AND quantity IN ({binned or 'NULL'})")
    )
    columns = [group, f"coalesce({_of('n', SEEN)}, 0) AS seen"]
    for name in names:
        columns += [
            f'{_of("total / n", name)} AS "{name}.average"',
            f'{_of("most", name)} AS "{name}.maximum"',
            f'{_of(_DEVIATION, name)} AS "{name}.deviation"',
            f'coalesce({_of("n", name)}, 0) AS "{name}.samples"',
        ]
        columns += [
            f'{_of(f"ranks[{list(ranks).index(float(rank)) + 1}]", name)} AS "{name}.p{rank:g}"'
            for rank in percentiles.get(name, ())
        ]
    return f"""
        WITH whole AS (
            SELECT {group}, quantity, sum(steps)::BIGINT AS n, sum(total) AS total, sum(squares) AS squares,
                   max(most) AS most
            FROM ({whole}) GROUP BY {group}, quantity
        ),
        bins AS (
            SELECT {group}, quantity, bin, sum(steps) AS steps,
                   sum(sum(steps)) OVER (PARTITION BY {group}, quantity ORDER BY bin) AS up_to
            FROM ({bins}) GROUP BY {group}, quantity, bin
        ),
        ranked AS (
            SELECT {group}, quantity, [{", ".join(_between(rank / 100) for rank in ranks)}] AS ranks,
                   coalesce(sum(steps) FILTER (bin < {_limit(limits)}), 0) AS low,
                   coalesce(sum(steps) FILTER (bin <= {_limit(limits)}), 0) AS high
            FROM bins JOIN whole USING ({group}, quantity) GROUP BY {group}, quantity, n
        ),
        each AS (
            SELECT {", ".join(columns)}{_quiet(list(quiet))}
            FROM whole LEFT JOIN ranked USING ({group}, quantity) GROUP BY {group}
        )
        {_decided(share) if quiet else "FROM each"}
    """


_DEVIATION = "sqrt(greatest(squares - total * total / n, 0) / nullif(n - 1, 0))"


def _of(figure: str, name: str) -> str:
    return f"any_value({figure}) FILTER (quantity = {quoted(name)})"


def _limit(limits: str) -> str:
    return f"CASE quantity {limits} END" if limits else "NULL"


def _bin(value: float) -> int:
    return math.ceil(math.log(value) / math.log(_BASE)) if value > SMALLEST else _ZERO


def _quiet(names: Sequence[str]) -> str:
    """How many steps are known, and how many quiet, in all of these quantities: at least, and at most."""
    if not names:
        return ""
    seen = f"coalesce({_of('n', SEEN)}, 0)"

    def each(figure: str) -> str:
        return ", ".join(f"coalesce({_of(figure, name)}, 0)" for name in names)

    def least(figure: str) -> str:
        return f"greatest(list_sum([{each(figure)}]) - {len(names) - 1} * {seen}, 0)"

    return (
        f", {least('n')} AS known_least, least({each('n')}) AS known_most"
        f", {least('low')} AS under_least, least({each('high')}) AS under_most"
    )


def _decided(share: float) -> str:
    loud, still = f"under_most < {share!r} * known_least", f"under_least >= {share!r} * known_most"
    return (
        "SELECT * EXCLUDE (known_least, known_most, under_least, under_most), "
        f'known_most::BIGINT AS "quiet.known", (CASE WHEN {loud} THEN under_most ELSE under_least END)::BIGINT '
        f'AS "quiet.under", {loud} OR {still} OR known_most = 0 AS "quiet.sure" FROM each'
    )


def _between(share: float) -> str:
    rank = f"({share!r} * (n - 1))"
    low, high = (_told(f"min(bin) FILTER (up_to > {edge}({rank}))") for edge in ("floor", "ceil"))
    return f"{low} + ({high} - {low}) * ({rank} - floor({rank}))"


def _told(bin: str) -> str:  # noqa: A002
    return f"(CASE WHEN {bin} = {_ZERO} THEN 0 ELSE {2 / (_BASE + 1)!r} * pow({_BASE!r}, {bin}) END)"
