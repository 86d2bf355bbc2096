"""Tables by hand, for known answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow as pa

from virtscope.analysis import registry, tables
from virtscope.analysis.finding import Finding
from virtscope.analysis.tables import Tables
from virtscope.catalogue import QUANTITY, Quantity, Scope
from virtscope.store import Latest, Range, Series, Summary
from virtscope.store.tabular import tabular

NOW = 1_800_000_000_000
STEP = 300_000


def domain(id: str, **known: Any) -> dict[str, Any]:  # noqa: A002
    """A row of ``domains``: one that runs on host ``h1`` with two vCPUs and 4 GiB, unless told otherwise."""
    row = dict.fromkeys(tables.DOMAINS)
    row |= {"id": id, "name": f"name of {id}", "host": "h1", "host_name": "kvm1", "state": "running", "active": True}
    row |= {"persistent": True, "vcpus": 2, "vcpus_maximum": 2, "memory": 4 << 30, "memory_maximum": 4 << 30}
    row |= dict.fromkeys(("pinned", "numa_bound", "hugepages", "memory_locked", "excluded"), False)
    return row | {"passthrough": [], "labels": []} | known


def host(id: str = "h1", **known: Any) -> dict[str, Any]:  # noqa: A002
    """A row of ``hosts``: one that is up, with 8 CPUs and 64 GiB, unless told otherwise."""
    row = {"id": id, "name": id.replace("h", "kvm"), "up": True, "cpus": 8, "memory": 64 << 30, "cells": 1}
    return row | {"maintenance": False} | known


def fleet(
    domains: Sequence[Mapping[str, Any]] = (),
    hosts: Sequence[Mapping[str, Any]] = (),
    summaries: Mapping[Scope, Sequence[Mapping[str, Any]]] | None = None,
    steps: int = 288,
    **rest: Any,
) -> Tables:
    """Tables of so many steps of 5 minutes. Of a summary's columns those that matter are enough."""
    made = Tables(
        over=Range(NOW - steps * STEP, NOW, STEP),
        domains=pl.DataFrame(list(domains), schema=tables.DOMAINS, orient="row"),
        hosts=pl.DataFrame(list(hosts), schema=tables.HOSTS, orient="row"),
    )
    if summaries:
        rest["summaries"] = {scope: _frame(rows) for scope, rows in summaries.items()}
    return replace(made, **rest)


def summary(quantity: str, samples: int, **figures: float | None) -> dict[str, Any]:
    """The columns of one quantity of one object: ``summary("steal", 288, p95=0.2)``; what is not told is the same."""
    row: dict[str, Any] = {f"{quantity}.samples": samples}
    first = next(iter(figures.values()), None)
    row |= {f"{quantity}.average": first, f"{quantity}.maximum": first, f"{quantity}.deviation": 0.0}
    return row | {f"{quantity}.{figure.replace('_', '.')}": value for figure, value in figures.items()}


def analysed(name: str, given: Tables, **settings: str) -> dict[str, Finding]:
    """The findings of an analysis, by what they are about: its id, or ``id/part``."""
    analysis = registry.find(name)
    read = analysis.read({key.replace("_", "-"): value for key, value in settings.items()})
    found = registry.run(analysis, given, read)
    named = {f"{one.subject.id}{f'/{one.subject.part}' if one.subject.part else ''}": one for one in found}
    assert len(named) == len(found), "two findings on one subject"
    return named


class _Nowhere:
    """A store that knows nothing."""

    def latest(self, *_asked: object) -> list[Latest]:
        return []

    def series(self, *_asked: object) -> list[Series]:
        return []

    def summary(self, *_asked: object) -> list[Summary]:
        return []


def nothing(
    name: str, domains: Sequence[Mapping[str, Any]] = (), hosts: Sequence[Mapping[str, Any]] = (), **rest: Any
) -> Tables:
    """What an analysis is given where the store knows no figure: tables with all columns and no row."""
    analysis, store = registry.find(name), tabular(_Nowhere())
    needs = analysis.needs(analysis.read({}))
    made = fleet(domains, hosts)

    def of(scope: Scope, names: Sequence[str]) -> list[Quantity]:
        return [QUANTITY[scope, name] for name in names]

    summaries = {
        one.scope: part
        for one in needs.reduced
        for part in store.reduced(of(one.scope, one.quantities), (), made.over, one.ranks, one.quiet, one.share)
    }
    series = {one.scope: store.steps(of(one.scope, one.quantities), (), made.over) for one in needs.series}
    return replace(made, summaries=_all_polars(summaries), series=_all_polars(series), **rest)


def _all_polars(tables: Mapping[Scope, pa.Table]) -> dict[Scope, pl.DataFrame]:
    found = {scope: pl.from_arrow(table) for scope, table in tables.items()}
    return {scope: frame for scope, frame in found.items() if isinstance(frame, pl.DataFrame)}


def figure(finding: Finding, name: str) -> float | None:
    """A figure of a finding."""
    return next(figure.value for figure in finding.figures if figure.name == name)


_COUNTS = (".samples", ".known", ".under")
_TEXTS = frozenset({"domain", "host", "pool", "target", "mac", "volume"})


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    def kind(name: str) -> type[pl.DataType]:
        if name in _TEXTS:
            return pl.String
        return pl.Int64 if name.endswith(_COUNTS) or name in ("seen", "vcpu") else pl.Float64

    columns = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(list(rows), schema={name: kind(name) for name in columns}, orient="row")
