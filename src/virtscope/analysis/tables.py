"""What an analysis is given: tables of figures that the store has reduced, and the configuration as it is described.

Columns are documented here, once, for all analyses. Figures that nobody knows are null, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from virtscope.catalogue import Scope
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts
from virtscope.store import Range

Columns: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]

DOMAINS: Columns = {
    "id": pl.String,
    "name": pl.String,
    "host": pl.String,
    "host_name": pl.String,
    "project": pl.String,
    "project_id": pl.String,
    "flavor": pl.String,
    "owner": pl.String,
    "state": pl.String,
    "active": pl.Boolean,
    "persistent": pl.Boolean,
    "vcpus": pl.Int64,
    "vcpus_maximum": pl.Int64,
    "memory": pl.Int64,
    "memory_maximum": pl.Int64,
    "pinned": pl.Boolean,
    "numa_bound": pl.Boolean,
    "hugepages": pl.Boolean,
    "memory_locked": pl.Boolean,
    "passthrough": pl.List(pl.String),
    "labels": pl.List(pl.String),
    "excluded": pl.Boolean,
}
"""A row for each domain, as the host describes it that runs it. ``state`` is a word of ``virsh``; ``active`` whether a
process runs it; ``vcpus``, ``memory`` (bytes) what the XML grants; ``pinned`` whether vCPUs may run on some of the
host's CPUs only; ``labels`` as ``key=value``, out of the metadata; ``excluded`` whether the settings leave it out."""
HOSTS: Columns = {
    "id": pl.String,
    "name": pl.String,
    "up": pl.Boolean,
    "cpus": pl.Int64,
    "memory": pl.Int64,
    "cells": pl.Int64,
    "maintenance": pl.Boolean,
}
"""A row for each host. ``memory`` in bytes; ``cells`` its NUMA nodes, null where they are not told; ``maintenance``
whether the settings say so."""
DISKS: Columns = {
    "domain": pl.String,
    "host": pl.String,
    "target": pl.String,
    "device": pl.String,
    "type": pl.String,
    "source": pl.String,
    "format": pl.String,
    "readonly": pl.Boolean,
}
"""A row for each disk of each domain of ``domains``. ``device`` is ``disk``, ``cdrom``…"""
NICS: Columns = {
    "domain": pl.String,
    "host": pl.String,
    "mac": pl.String,
    "target": pl.String,
    "type": pl.String,
    "source": pl.String,
    "filter": pl.String,
}
"""A row for each network interface of each domain of ``domains``."""
POOLS: Columns = {"host": pl.String, "host_name": pl.String, "pool": pl.String, "type": pl.String, "active": pl.Boolean}
"""A row for each storage pool."""
EVENTS: Columns = {"at": pl.Int64, "host": pl.String, "domain": pl.String, "kind": pl.String, "detail": pl.String}
"""A row for each event of the window; ``at`` in Unix ms, ``domain`` null where it happened to the host."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """Quantities of one scope that an analysis needs in few numbers: a row for each object of ``Tables.summaries``.

    Columns: the object's keys (``domain``; ``host``; ``host, pool``; ``domain, vcpu``; ``domain, target``…); ``seen``,
    the steps in which the object was there at all; and for each quantity ``q``: ``q.average``, ``q.maximum``,
    ``q.deviation`` (of a sample), ``q.samples`` (the steps in which it is known) and, where percentiles are wanted of
    it, ``q.p95`` for each.
    """

    scope: Scope
    quantities: tuple[str, ...]
    percentiles: tuple[float, ...] = ()
    ranked: tuple[str, ...] | None = None
    """The quantities of which percentiles are wanted: each costs the store every value at once. None is all."""
    quiet: Mapping[str, float] = field(default_factory=dict)
    """Quantities with a threshold each. Where there are any, ``quiet.known`` counts the steps in which all of them are
    known, and ``quiet.under`` those in which all are at or under their thresholds: the number, or a bound that decides
    whether the share ``share`` of those known is."""
    share: float = 1.0

    @property
    def ranks(self) -> Mapping[str, tuple[float, ...]]:
        """The percentiles of each quantity of which there are any."""
        ranked = self.quantities if self.ranked is None else self.ranked
        return {name: self.percentiles for name in ranked if self.percentiles}


@dataclass(frozen=True, slots=True)
class Steps:
    """Quantities of one scope that an analysis needs step by step: ``Tables.series``.

    Columns: the object's keys, ``time`` (the beginning of the step, Unix ms) and a column for each quantity. Steps in
    which the object was not there are left out. Rows are in the order of keys and time.
    """

    scope: Scope
    quantities: tuple[str, ...]
    step: float | None = None
    """Seconds; None is the step of the analysis."""
    window: float | None = None
    """Seconds; None is the window of the analysis."""
    beside_events: bool = False
    """Only of domains that an event of the window is about, or their host as a whole."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an analysis must be given, with these settings."""

    window: float = 3_600.0
    """Seconds."""
    step: float = 300.0
    """Seconds."""
    reduced: tuple[Reduced, ...] = ()
    """One for each scope at most."""
    series: tuple[Steps, ...] = ()
    """One for each scope at most."""
    events: bool = False


def empty(columns: Columns) -> pl.DataFrame:
    """A table of these columns without a row."""
    return pl.DataFrame(schema=columns)


@dataclass(frozen=True, slots=True)
class Tables:
    """All that an analysis is given. It knows no clock: ``over.end`` is now."""

    over: Range
    domains: pl.DataFrame = field(default_factory=lambda: empty(DOMAINS))
    hosts: pl.DataFrame = field(default_factory=lambda: empty(HOSTS))
    disks: pl.DataFrame = field(default_factory=lambda: empty(DISKS))
    nics: pl.DataFrame = field(default_factory=lambda: empty(NICS))
    pools: pl.DataFrame = field(default_factory=lambda: empty(POOLS))
    events: pl.DataFrame = field(default_factory=lambda: empty(EVENTS))
    summaries: Mapping[Scope, pl.DataFrame] = field(default_factory=dict)
    series: Mapping[Scope, pl.DataFrame] = field(default_factory=dict)
    described: tuple[DomainFacts, ...] = ()
    """Every description of a domain: one that two hosts define is there twice."""
    filters: tuple[FilterFacts, ...] = ()
    bindings: tuple[BindingFacts, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps the window has."""
        return len(self.over.times)

    @property
    def subjects(self) -> pl.DataFrame:
        """The domains that verdicts are about: those that are not excluded."""
        return self.domains.filter(~pl.col("excluded"))

    def with_summary(self, scope: Scope, keys: Mapping[str, str]) -> pl.DataFrame:
        """The subjects with their summaries of a scope: ``keys`` names the columns that meet, the subjects' first."""
        return self.subjects.join(self.summaries[scope], left_on=list(keys), right_on=list(keys.values()), how="left")


MOST = 1e18
"""No figure of ours is larger: an exabyte has as many bytes."""


def sound(frame: pl.DataFrame) -> pl.DataFrame:
    """A summary without what makes no sense: a quantity of which a figure is NaN, below 0 or above MOST is unknown."""
    quantities = [name.removesuffix(".samples") for name in frame.columns if name.endswith(".samples")]
    for quantity in quantities:
        figures = [name for name in frame.columns if name.startswith(f"{quantity}.") and not name.endswith(".samples")]
        known = pl.all_horizontal(
            pl.col(name).is_between(0, MOST) & ~pl.col(name).is_nan()
            for name in figures
            if not name.endswith(".deviation")
        ).fill_null(value=False) & (pl.col(f"{quantity}.samples").fill_null(0) > 0)
        kept = [pl.when(known & pl.col(name).is_between(0, MOST)).then(pl.col(name)).alias(name) for name in figures]
        samples = pl.when(known).then(pl.col(f"{quantity}.samples")).otherwise(0).alias(f"{quantity}.samples")
        frame = frame.with_columns(*kept, samples) if figures else frame
    return frame


def finite(frame: pl.DataFrame) -> pl.DataFrame:
    """A series without NaN and infinite values: they are not known."""
    numbers = [name for name, kind in frame.schema.items() if kind.is_float()]
    return frame.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in numbers)


def percentile(quantity: str, rank: float) -> str:
    """The column of a percentile."""
    return f"{quantity}.p{rank:g}"
