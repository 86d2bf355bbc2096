"""Quantities of the moment between two samples of one host, without any store.

The command line uses it to answer straight from a hypervisor; the stores answer the same quantities in SQL or PromQL,
and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from virtscope.catalogue import (
    MAX_GAP_SECONDS,
    METRIC,
    Combined,
    Expression,
    Gauge,
    Kind,
    Rate,
    Scope,
    Total,
    metrics_of,
    quantities_of,
)
from virtscope.sample import Row, Sample, Value

Key: TypeAlias = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """One object's quantities over the time between two samples."""

    key: Mapping[str, str | int | None]
    """The object: host, domain, and the device's own keys."""
    values: Mapping[str, float | None]
    """Every quantity of the scope by name, in base units; None where it is not known."""
    states: Mapping[str, int | None]
    """The newest known codes: metrics of the kind STATE."""


def increase(previous: int, current: int) -> int:
    """How much a counter grew. One that fell to less than half was reset, and its new value is what it grew.

    A smaller fall is a source that wobbles, as the kernel's iowait does: it counts as no growth, never as a spike.
    """
    if current >= previous:
        return current - previous
    return current if current < previous // 2 else 0


class Interval:
    """Two samples of one host, and what may be said of the time between them."""

    def __init__(self, previous: Sample, current: Sample) -> None:
        self.current = current
        self.seconds = (current.at - previous.at) / 1000
        self._before = {scope: _by_key(scope, rows) for scope, rows in previous.rows.items()}
        self._now = {scope: _by_key(scope, rows) for scope, rows in current.rows.items()}
        self._children: dict[Scope, dict[Key, list[Key]]] = {}

    def figures(self, scope: Scope) -> list[Figures]:
        """Every object of the scope that is in the newer sample, with its quantities."""
        quantities = _evaluators(scope)
        states = [(at, metric.name) for at, metric in enumerate(metrics_of(scope)) if metric.kind is Kind.STATE]
        return [
            Figures(
                key={"host": self.current.host, **dict(zip(scope.keys[1:], key, strict=True))},
                values={name: value(self, key) for name, value in quantities},
                states={name: self.newest(scope, key, at) for at, name in states},
            )
            for key in self._now.get(scope, {})
        ]

    def newest(self, scope: Scope, key: Key, position: int) -> Value:
        """The newest known reading of a metric: one sample need not know all of a row."""
        value = self._now[scope][key][position]
        if value is not None:
            return value
        before = self._before.get(scope, {}).get(key)
        return None if before is None else before[position]

    def rate(self, scope: Scope, key: Key, position: int, scale: float) -> float | None:
        """How much a counter grew each second, its readings times ``scale``."""
        before = self._before.get(scope, {}).get(key)
        if before is None or not 0 < self.seconds <= MAX_GAP_SECONDS:
            return None
        old, new = before[position], self._now[scope][key][position]
        if old is None or new is None:
            return None
        return increase(old, new) * scale / self.seconds

    def within(self, scope: Scope, parent: Key) -> list[Key]:
        """The objects of a narrower scope that belong to ``parent`` (the host itself is the empty key)."""
        if scope not in self._children:
            families: dict[Key, list[Key]] = {}
            for key in self._now.get(scope, {}):
                for length in range(len(key)):
                    families.setdefault(key[:length], []).append(key)
            self._children[scope] = families
        return self._children[scope].get(parent, [])


_Evaluator: TypeAlias = Callable[[Interval, Key], float | None]


@cache
def _evaluators(scope: Scope) -> tuple[tuple[str, _Evaluator], ...]:
    """Every quantity of a scope by name, made ready once: a fleet's figures are asked for all the time."""
    return tuple((quantity.name, _evaluator(quantity.formula, scope)) for quantity in quantities_of(scope))


def _evaluator(expression: Expression, scope: Scope) -> _Evaluator:
    match expression:
        case Rate(metric):
            position, scale = _POSITIONS[scope, metric], METRIC[scope, metric].scale
            return lambda interval, key: interval.rate(scope, key, position, scale)
        case Gauge(metric):
            position, scale = _POSITIONS[scope, metric], METRIC[scope, metric].scale

            def gauge(interval: Interval, key: Key) -> float | None:
                value = interval.newest(scope, key, position)
                return None if value is None else value * scale

            return gauge
        case Total(inner, of):
            part = _evaluator(of, inner)
            return lambda interval, key: _sum([part(interval, child) for child in interval.within(inner, key)])
        case Combined(operator, left, right):
            first, second = _evaluator(left, scope), _evaluator(right, scope)
            return lambda interval, key: combine(operator, first(interval, key), second(interval, key))
    raise TypeError(f"BUG: {expression!r} is no expression of the catalogue")


def combine(operator: str, left: float | None, right: float | None) -> float | None:
    """Join two values as the catalogue's algebra does; None is unknown and makes the result unknown but in ``|``."""
    if operator == "|":
        return right if left is None else left
    if left is None or right is None:
        return None
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "/":
            return left / right if right else None
    raise ValueError(f"BUG: unknown operator {operator!r}")


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


_POSITIONS = {(scope, metric.name): position for scope in Scope for position, metric in enumerate(metrics_of(scope))}


def _by_key(scope: Scope, rows: Iterable[Row]) -> dict[Key, tuple[Value, ...]]:
    width = len(scope.keys) - 1
    return {row[:width]: row[width:] for row in rows}  # type: ignore[misc]  # metrics are integers by construction
