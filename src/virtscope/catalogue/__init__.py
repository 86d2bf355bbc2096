"""The catalogue: every metric the agents read and every quantity people look at, declared once.

A *metric* is a raw reading, stored as the integer its source gives. A *quantity* is derived from metrics when
somebody asks, by a small algebra (rates, gauges, sums, differences, ratios). The Arrow schemas, the DuckDB tables,
the exposition names, the SQL of every answer, the labels on screen and ``docs/metrics.md`` are all derived from
these rows: adding a metric is adding one row to ``metrics.py``. This package imports nothing of ours.
"""

from __future__ import annotations

from virtscope.catalogue.formula import MAX_GAP_SECONDS, Combined, Expression, Gauge, Rate, Total, leaves
from virtscope.catalogue.metrics import IGNORED_SOURCES, METRICS, Metric
from virtscope.catalogue.quantities import QUANTITIES, Quantity
from virtscope.catalogue.terms import Group, Kind, Scope, Unit

__all__ = [
    "IGNORED_SOURCES",
    "MAX_GAP_SECONDS",
    "METRIC",
    "METRICS",
    "QUANTITIES",
    "QUANTITY",
    "Combined",
    "Expression",
    "Gauge",
    "Group",
    "Kind",
    "Metric",
    "Quantity",
    "Rate",
    "Scope",
    "Total",
    "Unit",
    "leaves",
    "metrics_of",
    "quantities_of",
]


def metrics_of(scope: Scope, metrics: tuple[Metric, ...] = METRICS) -> tuple[Metric, ...]:
    """The metrics of one scope, in the order of the table's columns."""
    return tuple(metric for metric in metrics if metric.scope is scope)


def quantities_of(scope: Scope) -> tuple[Quantity, ...]:
    """The quantities of one scope, in the order people see them."""
    return tuple(quantity for quantity in QUANTITIES if quantity.scope is scope)


def _indexed() -> tuple[dict[tuple[Scope, str], Metric], dict[tuple[Scope, str], Quantity]]:
    metrics = {(metric.scope, metric.name): metric for metric in METRICS}
    quantities = {(quantity.scope, quantity.name): quantity for quantity in QUANTITIES}
    if len(metrics) != len(METRICS) or len(quantities) != len(QUANTITIES):
        raise ValueError("BUG: the catalogue names one metric or quantity twice")
    wanted = {Rate: Kind.COUNTER, Gauge: Kind.GAUGE}
    for quantity in QUANTITIES:
        for scope, leaf in leaves(quantity.formula, quantity.scope):
            metric = metrics.get((scope, leaf.metric))
            if metric is None or metric.kind is not wanted[type(leaf)]:
                raise ValueError(f"BUG: {quantity.scope.value}.{quantity.name} cannot be made of {leaf}")
    return metrics, quantities


METRIC, QUANTITY = _indexed()
