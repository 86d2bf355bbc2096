"""Series, summaries, events, and answers in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SeriesItem:
    """One quantity of one object, a value for each time."""

    object: dict[str, str | int]
    quantity: str
    points: list[float | None]
    peaks: list[float | None] | None = None
    """The highest reading in each step; null where it was not asked for, is not known, or is the point itself."""


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """Quantities over a range; ``times`` are the beginnings of the steps."""

    start: float
    end: float
    step: float
    times: list[float]
    series: list[SeriesItem]


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """One quantity of one object over a range, and how much data that rests on."""

    object: dict[str, str | int]
    quantity: str
    average: float | None
    maximum: float | None
    percentiles: dict[str, float | None]
    samples: int
    """Steps that have a value."""
    coverage: float
    """Their share of all steps, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """Quantities over a range, in few numbers."""

    start: float
    end: float
    step: float
    rows: list[SummaryItem]


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """Something that happened."""

    at: float
    host: str
    host_name: str
    domain: str | None
    domain_name: str | None
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class EventList:
    """Events, newest first."""

    events: list[EventAnswer]


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What a query found."""

    columns: Sequence[str]
    types: Sequence[str]
    """DuckDB's, one for each column."""
    rows: Sequence[Sequence[Any]]
    is_cut: bool
    """Whether there are more rows than were asked for."""
