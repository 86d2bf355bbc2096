"""Panels out of quantities: the queries, unit, limit and words that the catalogue gives them, for one exporter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from deploy.grafana.panels import UNITS, Panel, Query, Row
from deploy.limits import LIMITS
from virtscope.catalogue import METRIC, QUANTITY, Expression, Gauge, Kind, Rate, Scope, Unit
from virtscope.exposition.promql import Exporter, query

WINDOW = "$__rate_interval"
STAT_WIDTH, STAT_HEIGHT = 4, 4
INFO = '{__name__=~"libvirt_domain_(openstack_)?info"'
"""Begins a selector that has every domain where any project will do, and else those of the project: a domain's own
info has no label ``project_name``, which is like an empty one."""
_PACKETS, _REQUESTS = "pps", "iops"

Line: TypeAlias = tuple[Expression, Unit, str, str]
"""What is asked for: a formula, its unit, its label and what it means."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Panels about the objects that some matchers select."""

    exporter: Exporter
    matchers: str
    joined: str = ""
    """What a domain's series are filtered by on top of that."""
    link_to_host: str = ""
    link_to_domain: str = ""

    def panel(self, scope: Scope, *names: str, top: int = 0, **changes: object) -> Panel | None:
        """A panel with a quantity or a metric for each name, of every object or of the ``top`` ones.

        None where the exporter tells none of them.
        """
        told = [(name, line) for name in names if self.exporter.tells((line := _line(scope, name))[0], scope)]
        if not told:
            return None
        _, (_, unit, title, help_) = told[0]
        legend = " ".join(f"{{{{{label}}}}}" for label in self._legend(scope))
        queries = tuple(
            Query(self.expression(scope, line[0], top), f"{legend} {line[2]}" if len(told) > 1 else legend)
            for _, line in told
        )
        made = Panel(
            title=title,
            unit=_unit(unit, scope, told[0][0]),
            queries=queries,
            help=help_ if len(told) == 1 else " ".join(f"{line[2]}: {line[3]}" for _, line in told),
            limit=LIMITS.get((scope, told[0][0])),
            maximum=1 if unit is Unit.RATIO and scope is not Scope.HOST and not top else None,
            link=self._link(scope),
        )
        return replace(made, **changes)  # type: ignore[arg-type]  # fields of a panel, by name

    def stat(self, scope: Scope, name: str, unit: str | None = None) -> Panel | None:
        """A quantity of one object, as one figure."""
        made = self.panel(scope, name, kind="stat", width=STAT_WIDTH, height=STAT_HEIGHT, link="")
        return made and replace(made, unit=unit or made.unit)

    def expression(self, scope: Scope, formula: Expression, top: int = 0) -> str:
        """The PromQL of a formula, filtered, and of the ``top`` objects alone."""
        made = query(formula, scope, self.exporter, self.matchers, WINDOW)
        if scope.is_of_domain and self.joined:
            labels = ", ".join((self.exporter.host, *self.exporter.domain))
            made = f"({made}) and on ({labels}) {self.joined}"
        return f"topk({top}, {made})" if top else made

    def table(self, scope: Scope, title: str, *names: str, first: tuple[Query, ...] = ()) -> Panel:
        """A table with a row for each object, and a column for each quantity that the exporter tells."""
        lines = [_line(scope, name) for name in names]
        told = [(name, line) for name, line in zip(names, lines, strict=True) if self.exporter.tells(line[0], scope)]
        labels = ", ".join(self.exporter.labels(scope))
        columns = tuple(Query(f"max by ({labels}) ({self.expression(scope, line[0])})", line[2]) for _, line in told)
        units = (*["short"] * len(first), *(_unit(line[1], scope, name) for name, line in told))
        return Panel(
            title, "short", (*first, *columns), kind="table", width=24, height=9, units=units, link=self._link(scope)
        )

    def _legend(self, scope: Scope) -> tuple[str, ...]:
        return tuple(label for label in self.exporter.labels(scope) if label != "uuid")

    def _link(self, scope: Scope) -> str:
        return self.link_to_domain if scope.is_of_domain else self.link_to_host


def row(title: str, *panels: Panel | None) -> Row:
    """A row of the panels that there are."""
    return Row(title, tuple(panel for panel in panels if panel is not None))


def _line(scope: Scope, name: str) -> Line:
    """A quantity, or a metric that is none."""
    if (scope, name) in QUANTITY:
        quantity = QUANTITY[scope, name]
        return quantity.formula, quantity.unit, quantity.label, quantity.help
    metric = METRIC[scope, name]
    if metric.kind is Kind.COUNTER:
        unit = Unit.CORES if metric.unit is Unit.SECONDS else Unit.PER_SECOND
        return Rate(name), unit, metric.label, metric.help
    return Gauge(name), metric.unit, metric.label, metric.help


def _unit(unit: Unit, scope: Scope, name: str) -> str:
    """As Grafana calls it: what is counted each second are packets or requests."""
    if unit is Unit.PER_SECOND and (scope is Scope.NIC or name.startswith("net_")):
        return _PACKETS
    if unit is Unit.PER_SECOND and (scope is Scope.DISK or name.startswith("disk_")):
        return _REQUESTS
    return UNITS[unit]
