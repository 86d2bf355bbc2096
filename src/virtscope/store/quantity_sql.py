"""The SQL of quantities, generated from the catalogue's formulas.

Everything is computed in two moves. *Steps* reduce raw rows to what may be added up: for a counter its increase and
the seconds it rests on, for a gauge the sum and the number of its readings. A rollup holds exactly these rows, so
that raw data and rollups are read alike. *Values* then combine the steps of an object into its quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias, TypeVar

from virtscope.catalogue import (
    MAX_GAP_SECONDS,
    METRIC,
    Combined,
    Expression,
    Gauge,
    Kind,
    Metric,
    Quantity,
    Rate,
    Scope,
    Total,
    leaves,
)

Relation: TypeAlias = Callable[[Scope, Sequence[Metric]], str]
"""Names a scope's steps, with the columns that these metrics need, as a SQL query."""

_E = TypeVar("_E", bound=Expression)
_GAP_MS = MAX_GAP_SECONDS * 1000


def steps(  # what a query is made of
    scope: Scope,
    metrics: Sequence[Metric],
    raw: str,
    bucket: str,
    where: str = "true",
    *,
    newest: str = "",
) -> str:
    """Reduce raw rows to steps.

    Args:
        scope: whose rows these are.
        metrics: those to reduce; states have no steps.
        raw: a query for the raw rows, with a little before the range so that its first rates are known.
        bucket: an expression over ``ts``: the step that a row belongs to.
        where: which rows count once the rates are known; the rows before the range do not.
        newest: a condition on rows. Where it is given, of each metric only the newest known rate or value of the step
            counts, and only objects are kept that have a row of that kind.

    A counter that fell to less than half was reset, and grew by its new value; one that fell less has wobbled (the
    kernel's iowait does) and did not grow. One below zero is no counter, and says nothing. Rows more than
    MAX_GAP_SECONDS apart say nothing of the time between.
    """
    keys = ", ".join(scope.keys)
    counters = [metric.name for metric in metrics if metric.kind is Kind.COUNTER]
    gauges = [metric.name for metric in metrics if metric.kind is Kind.GAUGE]
    before = "".join(f", {_before(scope, name)}" for name in counters)
    grown = "".join(
        f', CASE WHEN {_elapsed(scope, n)} IS NULL OR least("{n}", "{n}__old") < 0 THEN NULL'
        f' WHEN "{n}" >= "{n}__old" THEN "{n}" - "{n}__old"'
        f' WHEN "{n}" < "{n}__old" // 2 THEN "{n}" WHEN "{n}" < "{n}__old" THEN 0 END AS "{n}__grown"'
        for n in counters
    )
    kept = "".join(f', "{name}"' for name in gauges) + "".join(f", {name}" for name in _clocks(scope, counters))
    within = "".join(
        f", CASE WHEN {name} BETWEEN 1 AND {_GAP_MS} THEN {name} END AS {name}" for name in _clocks(scope, counters)
    )
    reduce = _newest if newest else _all
    reduced = "".join(reduce(scope, name) for name in counters) + "".join(
        f', arg_max("{n}", ts)::DOUBLE AS "{n}__sum", least(count("{n}"), 1) AS "{n}__count", max("{n}") AS "{n}__max"'
        if newest
        else f', sum("{n}")::DOUBLE AS "{n}__sum", count("{n}") AS "{n}__count", max("{n}") AS "{n}__max"'
        for n in gauges
    )
    needed = "".join(f', "{name}"' for name in (*gauges, *counters))
    return f"""
        SELECT {keys}, {bucket} AS step{reduced}
        FROM (
            SELECT {keys}, ts{kept}{grown}
            FROM (
                SELECT * REPLACE ({within.removeprefix(", ")})
                FROM (
                    SELECT {keys}, ts{needed}, epoch_ms(ts) - lag(epoch_ms(ts)) OVER w AS elapsed{before}
                    FROM ({raw})
                    WINDOW w AS (PARTITION BY {keys} ORDER BY ts)
                )
            )
            WHERE {where}
        )
        GROUP BY {keys}, step{f" HAVING bool_or({newest})" if newest else ""}
    """


def merged(scope: Scope, metrics: Sequence[Metric], rows: str, bucket: str = "step") -> str:
    """Steps added up: those of the same object and bucket (an expression over the columns of ``rows``) are one."""
    keys = ", ".join(scope.keys)
    added = "".join(
        f', sum("{m.name}__increase") AS "{m.name}__increase", sum("{m.name}__seconds") AS "{m.name}__seconds"'
        f', max("{m.name}__peak") AS "{m.name}__peak"'
        if m.kind is Kind.COUNTER
        else f', sum("{m.name}__sum") AS "{m.name}__sum", sum("{m.name}__count")::BIGINT AS "{m.name}__count"'
        f', max("{m.name}__max") AS "{m.name}__max"'
        for m in metrics
        if m.kind is not Kind.STATE
    )
    return f"SELECT {keys}, {bucket} AS step{added} FROM ({rows}) GROUP BY ALL"


_MIXED = frozenset({Scope.DOMAIN})
"""Scopes whose rows come from two lanes: each row knows some of the counters, and a rate spans those that know it."""


def _before(scope: Scope, counter: str) -> str:
    """The counter's reading before this one and, where that need not be the row before, the time since."""
    if scope not in _MIXED:
        return f'lag("{counter}") OVER w AS "{counter}__old"'
    known = f'CASE WHEN "{counter}" IS NOT NULL THEN epoch_ms(ts) END'
    return (
        f'lag("{counter}" IGNORE NULLS) OVER w AS "{counter}__old", '
        f"{known} - lag({known} IGNORE NULLS) OVER w AS {_elapsed(scope, counter)}"
    )


def _elapsed(scope: Scope, counter: str) -> str:
    """The column that tells the time between two readings of a counter, ms."""
    return f'"{counter}__elapsed"' if scope in _MIXED else "elapsed"


def _clocks(scope: Scope, counters: Sequence[str]) -> list[str]:
    """Every such column."""
    return list(dict.fromkeys(["elapsed", *(_elapsed(scope, counter) for counter in counters)]))


def _all(scope: Scope, n: str) -> str:
    elapsed = _elapsed(scope, n)
    return (
        f', sum("{n}__grown")::DOUBLE AS "{n}__increase"'
        f', sum({elapsed}) FILTER ("{n}__grown" IS NOT NULL) / 1000 AS "{n}__seconds"'
        f', max("{n}__grown" / {elapsed}) * 1000 AS "{n}__peak"'
    )


def _newest(scope: Scope, n: str) -> str:
    elapsed = _elapsed(scope, n)
    return (
        f', arg_max("{n}__grown", ts)::DOUBLE AS "{n}__increase"'
        f', arg_max({elapsed}, ts) FILTER ("{n}__grown" IS NOT NULL) / 1000 AS "{n}__seconds"'
        f', arg_max("{n}__grown" / {elapsed}, ts) * 1000 AS "{n}__peak"'
    )


def values(quantities: Sequence[Quantity], relation: Relation, *, per_host: bool = False, peaks: bool = False) -> str:
    """Quantities of one scope, one row for each object and step, unknown where a metric is.

    Columns: the object's keys, ``step``, then a DOUBLE for each quantity, by its name. A domain is one object
    wherever it runs, unless ``per_host`` tells its hosts apart. With ``peaks``, a DOUBLE for each quantity follows,
    ``<name> peak``: the highest of its readings in the step. It is known of a single rate or gauge, and of one divided
    by a gauge, which is taken as its average in the step; a sum's parts need not be highest at the same time: NULL.
    """
    scope = quantities[0].scope
    keys = object_keys(scope, per_host=per_host)
    plan = _Plan(scope, keys)
    columns = ", ".join(f'{plan.column(quantity.formula)} AS "{quantity.name}"' for quantity in quantities)
    if peaks:
        columns += "".join(f', {plan.peak(q.formula) or "NULL::DOUBLE"} AS "{q.name} peak"' for q in quantities)
    parts = plan.parts(relation)
    using = ", ".join((*keys, "step"))
    joined = parts[0] + "".join(f" FULL JOIN {part} USING ({using})" for part in parts[1:])
    queries = ", ".join(f"{name} AS ({query})" for name, query in plan.queries(relation).items())
    return f"WITH {queries} SELECT {using}, {columns} FROM {joined}"


def object_keys(scope: Scope, *, per_host: bool = False) -> tuple[str, ...]:
    """What tells the objects of an answer apart: a domain keeps its history when it moves to another host."""
    return scope.keys[1:] if scope.is_of_domain and not per_host else scope.keys


class _Plan:
    """What one answer needs: leaves of its own scope, and totals over narrower ones."""

    def __init__(self, scope: Scope, keys: tuple[str, ...]) -> None:
        self._scope = scope
        self._keys = keys
        self._own: list[Rate | Gauge] = []
        self._peaks: set[Rate | Gauge] = set()
        self._totals: dict[Scope, list[Expression]] = {}

    def column(self, expression: Expression) -> str:
        """An expression of the answer's own scope as SQL; notes what it needs."""
        match expression:
            case Total(inner, of):
                position = _position(self._totals.setdefault(inner, []), of)
                return f'"total_{inner.value}_{position}"'
            case Combined(operator, left, right):
                return _combined(operator, self.column(left), self.column(right))
            case Rate() | Gauge():
                _position(self._own, expression)
                return _leaf_name(expression)
        raise TypeError(f"BUG: {expression!r} is no expression of the catalogue")

    def peak(self, expression: Expression) -> str | None:
        """The highest of an expression's readings as SQL, once its column is planned; None where that is not known."""
        match expression:
            case Combined("/", left, Gauge() as right):
                above = self.peak(left)
                return above and _combined("/", above, _leaf_name(right))
            case Combined("|", left, right):
                first, second = self.peak(left), self.peak(right)
                return first and second and _combined("|", first, second)
            case Rate() | Gauge():
                self._peaks.add(expression)
                return _peak_name(expression)
        return None

    def parts(self, relation: Relation) -> list[str]:
        """The names of the queries to join."""
        return [name for name in self.queries(relation) if not name.startswith("each_")]

    def queries(self, relation: Relation) -> dict[str, str]:
        """The common table expressions of the answer, in order."""
        queries: dict[str, str] = {}
        if self._own:
            queries["own"] = _leaves(self._scope, self._keys, self._own, relation, self._peaks)
        for inner, expressions in self._totals.items():
            found = dict.fromkeys(leaf for of in expressions for _, leaf in leaves(of, inner))
            keys = object_keys(inner, per_host="host" in self._keys)
            queries[f"each_{inner.value}"] = _leaves(inner, keys, list(found), relation)
            sums = ", ".join(
                f'sum({_inner_column(of)}) AS "total_{inner.value}_{position}"'
                for position, of in enumerate(expressions)
            )
            group = ", ".join((*self._keys, "step"))
            queries[f"all_{inner.value}"] = f"SELECT {group}, {sums} FROM each_{inner.value} GROUP BY {group}"
        return queries


def _leaves(
    scope: Scope,
    keys: Sequence[str],
    wanted: Sequence[Rate | Gauge],
    relation: Relation,
    peaks: Collection[Rate | Gauge] = (),
) -> str:
    """One row for each object and step: every wanted rate and average, in base units; of some the peak, too."""
    metrics = [METRIC[scope, name] for name in dict.fromkeys(leaf.metric for leaf in wanted)]
    columns = ", ".join(f"{_leaf(leaf, METRIC[scope, leaf.metric].scale)} AS {_leaf_name(leaf)}" for leaf in wanted)
    columns += "".join(
        f", {_highest(leaf, METRIC[scope, leaf.metric].scale)} AS {_peak_name(leaf)}"
        for leaf in wanted
        if leaf in peaks
    )
    group = ", ".join((*keys, "step"))
    return f"SELECT {group}, {columns} FROM ({relation(scope, metrics)}) GROUP BY {group}"


def _leaf(leaf: Rate | Gauge, scale: float) -> str:
    name = leaf.metric
    if isinstance(leaf, Rate):
        return f'sum("{name}__increase") * {scale!r} / nullif(sum("{name}__seconds"), 0)'
    return f'sum("{name}__sum") * {scale!r} / nullif(sum("{name}__count"), 0)'


def _highest(leaf: Rate | Gauge, scale: float) -> str:
    return f'max("{leaf.metric}__{"peak" if isinstance(leaf, Rate) else "max"}")::DOUBLE * {scale!r}'


def _peak_name(leaf: Rate | Gauge) -> str:
    return f'"peak {leaf.metric}"'


def _leaf_name(leaf: Rate | Gauge) -> str:
    return f'"{"rate" if isinstance(leaf, Rate) else "mean"} {leaf.metric}"'


def _inner_column(expression: Expression) -> str:
    match expression:
        case Combined(operator, left, right):
            return _combined(operator, _inner_column(left), _inner_column(right))
        case Rate() | Gauge():
            return _leaf_name(expression)
    raise TypeError(f"BUG: {expression!r} cannot stand inside a total")


def _combined(operator: str, left: str, right: str) -> str:
    match operator:
        case "|":
            return f"coalesce({left}, {right})"
        case "/":
            return f"({left} / nullif({right}, 0))"
        case _:
            return f"({left} {operator} {right})"


def _position(known: list[_E], expression: _E) -> int:
    """Where an expression stands in a list, put at its end where it is new."""
    if expression not in known:
        known.append(expression)
    return known.index(expression)
