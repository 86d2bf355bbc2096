"""The algebra of quantities: rates and gauges, summed, subtracted, divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtscope.catalogue.terms import Scope

MAX_GAP_SECONDS = 300
"""Two samples further apart than this say nothing of the time between them: no rate is drawn across."""


class Expression:
    """A quantity's formula over the metrics of one object, as rates and averages over a step of time."""

    __slots__ = ()

    def __add__(self, other: Expression) -> Combined:
        """The sum; unknown when either is."""
        return Combined("+", self, other)

    def __sub__(self, other: Expression) -> Combined:
        """The difference; unknown when either is."""
        return Combined("-", self, other)

    def __truediv__(self, other: Expression) -> Combined:
        """The quotient; unknown when either is, or when the divisor is zero."""
        return Combined("/", self, other)

    def __or__(self, other: Expression) -> Combined:
        """The first, or the second where the first is unknown."""
        return Combined("|", self, other)


@dataclass(frozen=True, slots=True)
class Rate(Expression):
    """Increase of a counter per second, in base units."""

    metric: str


@dataclass(frozen=True, slots=True)
class Gauge(Expression):
    """Average of a gauge over the step, in base units."""

    metric: str


@dataclass(frozen=True, slots=True)
class Total(Expression):
    """The sum of ``of`` over all objects of a narrower scope: the disks of a domain, the domains of a host."""

    scope: Scope
    of: Expression


@dataclass(frozen=True, slots=True)
class Combined(Expression):
    """Two expressions and what joins them: ``+``, ``-``, ``/``, or ``|`` for the first that is known."""

    operator: str
    left: Expression
    right: Expression


def leaves(expression: Expression, scope: Scope) -> Iterator[tuple[Scope, Rate | Gauge]]:
    """Every rate and gauge in an expression of ``scope``, each with the scope whose metric it names."""
    match expression:
        case Rate() | Gauge():
            yield scope, expression
        case Total(inner, of):
            yield from leaves(of, inner)
        case Combined(_, left, right):
            yield from leaves(left, scope)
            yield from leaves(right, scope)
