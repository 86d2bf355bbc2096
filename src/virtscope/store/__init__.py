"""The store: what every adapter answers. Samples go in raw; quantities come out, derived on reading.

Two adapters fit this port: the embedded one (DuckDB and Parquet), and one that asks a Prometheus-compatible engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from virtscope.catalogue import Quantity, Scope
from virtscope.sample import Batch, Facts, Link

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time cut into steps. All in milliseconds; ``start`` and ``end`` are multiples of ``step``."""

    start: int
    end: int
    step: int

    @property
    def times(self) -> range:
        """The beginning of each step, Unix ms."""
        return range(self.start, self.end, self.step)


@dataclass(frozen=True, slots=True)
class Latest:
    """One object's quantities over the time between its host's two newest samples."""

    object: Mapping[str, str | int]
    at: int
    """The newer sample, Unix ms."""
    seconds: float | None
    """Between the two; None where there is only one yet."""
    values: Mapping[str, float | None]
    states: Mapping[str, int | None]
    """The newest known codes: metrics of the kind STATE."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one object over a range: a value for each step, None where nothing is known."""

    object: Mapping[str, str | int]
    quantity: str
    values: Sequence[float | None]
    peaks: Sequence[float | None] | None = None
    """The highest reading in each step; None where that was not asked for, or is not known."""

    @property
    def coverage(self) -> float:
        """The share of steps that have a value."""
        return sum(value is not None for value in self.values) / len(self.values) if self.values else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """One quantity of one object over a range, in few numbers. They rest on ``samples`` steps that have a value."""

    object: Mapping[str, str | int]
    quantity: str
    average: float | None
    maximum: float | None
    percentiles: Mapping[float, float | None]
    samples: int
    coverage: float


@dataclass(frozen=True, slots=True)
class Known:
    """Everything the records say of the present."""

    facts: tuple[Facts, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """How something was described from a time on."""

    at: int
    """When that was learnt, Unix ms."""
    host: str
    facts: Facts | None
    """None: its host no longer defined it."""
    changes: tuple[str, ...] = ()
    """What is other than in the version before, where that was on the same host."""


class Reader(Protocol):
    """What can be asked of the past. Quantities of one call are of one scope."""

    def series(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        """The quantities of each object over a range; ``objects`` are UUIDs of hosts or domains, none means all."""

    def summary(
        self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range, percentiles: Sequence[float]
    ) -> list[Summary]:
        """Average, maximum and percentiles (0-100) of the steps' values, for each object."""


@runtime_checkable
class Tabular(Protocol):
    """What a store can do that computes over a whole fleet where the data are. Quantities of one call are of one scope.

    Answers have a row for each object, with its keys as columns; see ``analysis.tables`` for the rest of them.
    """

    def reduced(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
        share: float,
    ) -> Iterator[pa.Table]:
        """Each object's quantities over a range in few numbers (``Reduced``), with these percentiles (0-100).

        ``share`` is asked of the quiet steps: where it is certain that so many are quiet, or that fewer are, their
        number may be a bound that says so.

        Returns:
            tables of some objects each, one at least: between them, whoever asks may stop.
        """

    def steps(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> pa.Table:
        """The quantities of each object, a row for each step (``Steps``)."""


@runtime_checkable
class Banded(Protocol):
    """A store that knows what averages over steps hide."""

    def banded(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        """As ``Reader.series``, with the peaks of those quantities of which they are known."""


def with_peaks(store: Reader, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
    """Series with their peaks where the store knows them, and without where it does not."""
    return (store.banded if isinstance(store, Banded) else store.series)(quantities, objects, over)


class Store(Reader, Protocol):
    """What takes samples in, and can tell the newest of them."""

    def latest(self, scope: Scope, quantities: Sequence[Quantity] = ()) -> list[Latest]:
        """Every object that is in its host's newest sample, with its states and quantities: these, or all."""

    def append(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        """Store batches durably, all or none; one that is stored already is left out.

        Returns:
            what is new: the batches that were not stored, without what newer ones have overtaken already.

        Raises:
            StoreError: nothing was stored.
        """
