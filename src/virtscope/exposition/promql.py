"""Quantities as PromQL over the series of an exporter: formula → query, for dashboards and rules.

A query says what ``rates.py`` says of two samples: unknown where a part is unknown, and where a divisor is zero.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from virtscope.catalogue import METRIC, Combined, Expression, Gauge, Rate, Scope, Total, leaves
from virtscope.exposition.names import LANES, Dialect, names

_PART = {
    Scope.CELL: ("cell",),
    Scope.POOL: ("storage_pool",),
    Scope.VOLUME: ("storage_pool", "volume"),
    Scope.VCPU: ("vcpu",),
    Scope.DISK: ("target_device",),
    Scope.NIC: ("target_device",),
    Scope.IOTHREAD: ("iothread",),
    Scope.PERF: ("event",),
    Scope.JOB: ("job",),
    Scope.FILESYSTEM: ("mountpoint",),
}
_JOINED = {"+": "+", "-": "-", "/": "/", "|": "or"}


@dataclass(frozen=True, slots=True)
class Exporter:
    """Whose series are asked for: names are those of the dialect; labels and what there is at all differ."""

    name: str
    host: str
    """The label that tells the host."""
    domain: tuple[str, ...]
    """The labels that tell a domain from the others of its host."""
    has: Collection[tuple[Scope, str]]
    """The metrics that it exposes, by scope and name."""
    moves: bool = False
    """Whether a domain is one object wherever it runs: its host tells it from no other."""

    def labels(self, scope: Scope) -> tuple[str, ...]:
        """The labels that tell an object of a scope from all others."""
        host = () if self.moves and scope.is_of_domain else (self.host,)
        return (*host, *self.parts(scope))

    def parts(self, scope: Scope) -> tuple[str, ...]:
        """The labels that tell an object of a scope from the others of its host."""
        return (*(self.domain if scope.is_of_domain else ()), *_PART.get(scope, ()))

    def tells(self, expression: Expression, scope: Scope) -> bool:
        """Whether everything is exposed that an expression of a scope needs."""
        return all((inner, leaf.metric) in self.has for inner, leaf in leaves(expression, scope))


VIRTSCOPE = Exporter("virtscope", host="host", domain=("domain", "uuid"), has=METRIC.keys())
"""Our agents and servers."""
INOVEX = Exporter(
    "inovex",
    host="instance",  # a target is a host, and its series do not say which
    domain=("domain",),
    has=frozenset(
        (scope, name)
        for scope, told in {
            Scope.DOMAIN: (
                "state timed_out cpu_time vcpus vcpus_maximum memory_current memory_maximum memory_swap_in"
                " memory_swap_out memory_major_fault memory_minor_fault memory_unused memory_available memory_usable"
                " memory_rss"
            ),
            Scope.VCPU: "state time wait delay",
            Scope.DISK: (
                "read_requests read_bytes read_time write_requests write_bytes write_time flush_requests flush_time"
                " capacity"
            ),
            Scope.NIC: (
                "receive_bytes receive_packets receive_errors receive_drops"
                " transmit_bytes transmit_packets transmit_errors transmit_drops"
            ),
            Scope.POOL: "state capacity allocation available",
        }.items()
        for name in told.split()
    ),
)
"""inovex' prometheus-libvirt-exporter: ``pkg/exporter/prometheus-libvirt-exporter.go``."""


def series(scope: Scope, metric: str) -> str:
    """The name of a metric's series."""
    return names(METRIC[scope, metric], Dialect.INOVEX)[0]


def query(
    expression: Expression, scope: Scope, exporter: Exporter, matchers: str = "", window: str = "5m", step: str = ""
) -> str:
    """An expression of a scope's objects, as PromQL.

    Args:
        expression: A quantity's formula, or a part of one.
        scope: Whose quantity it is.
        exporter: Whose series are asked for.
        matchers: Which objects: ``host="kvm1",domain=~"web.*"``; empty is all.
        window: Over which time rates are taken.
        step: Over which time gauges are averaged; empty is their newest value. The step lies before the moment that is
            asked for: what was read at that moment is of the next one. Of series with any labels, an object has one.

    Raises:
        KeyError: the catalogue has no such metric.
    """
    made = _Query(exporter, matchers, window, step).of(expression, scope)
    return made[1:-1] if isinstance(expression, Combined) else made


@dataclass(frozen=True, slots=True)
class _Query:
    exporter: Exporter
    matchers: str
    window: str
    step: str

    def of(self, expression: Expression, scope: Scope) -> str:
        """Any expression; one that is combined is in parentheses."""
        return self._of(expression, scope, any(inner is not scope for inner, _ in leaves(expression, scope)))

    def _of(self, expression: Expression, scope: Scope, is_mixed: bool) -> str:
        match expression:
            case Rate() | Gauge():
                leaf = self._leaf(expression, scope)
                if self.exporter.moves and scope.is_of_domain:
                    return self._wherever("sum" if isinstance(expression, Rate) else "avg", scope, leaf)
                # What is summed up has no labels but those of its object, so neither has what it is joined with.
                return self._by("max", scope, leaf) if is_mixed or self.step else leaf
            case Total(inner, of):
                return self._by("sum", scope, self.of(of, inner))
            case Combined(operator, left, right):
                first, second = self._of(left, scope, is_mixed), self._of(right, scope, is_mixed)
                return f"({first} {_JOINED[operator]} {f'({second} > 0)' if operator == '/' else second})"
        raise TypeError(f"BUG: {expression!r} is no expression of the catalogue")

    def _leaf(self, leaf: Rate | Gauge, scope: Scope) -> str:
        lane = f'lane="{LANES[leaf.metric]}"' if scope is Scope.HOST and leaf.metric in LANES else ""
        matchers = ",".join(filter(None, (self.matchers, lane)))
        selector = series(scope, leaf.metric) + (f"{{{matchers}}}" if matchers else "")
        before = " offset 1ms" if self.step else ""
        if isinstance(leaf, Rate):
            return f"rate({selector}[{self.window}]{before})"
        return f"avg_over_time({selector}[{self.step}]{before})" if self.step else selector

    def _wherever(self, operation: str, scope: Scope, leaf: str) -> str:
        """What was read of an object, on whatever hosts it was: twice on one, it is the same."""
        host = ", ".join((self.exporter.host, *self.exporter.parts(scope)))
        return self._by(operation, scope, f"max by ({host}) ({leaf})")

    def _by(self, operation: str, scope: Scope, what: str) -> str:
        return f"{operation} by ({', '.join(self.exporter.labels(scope))}) ({what})"
