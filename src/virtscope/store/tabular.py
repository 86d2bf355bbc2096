"""Tables over a whole fleet from any store: by itself where it can, else out of the series that it answers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from virtscope.catalogue import Quantity
from virtscope.store import Range, Reader, Series, Tabular
from virtscope.store.quantity_sql import object_keys

AT_ONCE = 200
"""Objects whose series are held at one time."""


def tabular(store: Reader) -> Tabular:
    """A store as one that answers in tables."""
    return store if isinstance(store, Tabular) else _OutOfSeries(store)


class _OutOfSeries:
    """Computes here what a store does not."""

    def __init__(self, store: Reader) -> None:
        self._store = store

    def reduced(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
        share: float,  # noqa: ARG002  # here every step is counted
    ) -> Iterator[pa.Table]:
        keys = object_keys(quantities[0].scope)
        rows: list[dict[str, object]] = []
        for key, of in self._objects(quantities, objects, over):
            seen = [values for values in zip(*of.values(), strict=True) if any(value is not None for value in values)]
            row: dict[str, object] = {**key, "seen": len(seen)}
            for quantity in quantities:
                known = [value for value in of[quantity.name] if value is not None]
                row |= _figures(quantity.name, known, percentiles.get(quantity.name, ()))
            if quiet:
                together = list(zip(*(of[name] for name in quiet), strict=True))
                whole = [values for values in together if None not in values]
                row["quiet.known"] = len(whole)
                row["quiet.under"] = sum(
                    all(value <= most for value, most in zip(values, quiet.values(), strict=True) if value is not None)
                    for values in whole
                )
            rows.append(row)
        figures = [
            pa.field(f"{quantity.name}.{figure}", pa.int64() if figure == "samples" else pa.float64())
            for quantity in quantities
            for figure in (
                *("average", "maximum", "deviation", "samples"),
                *(f"p{rank:g}" for rank in percentiles.get(quantity.name, ())),
            )
        ]
        counted = [pa.field(name, pa.int64()) for name in ("quiet.known", "quiet.under") if quiet]
        yield pa.Table.from_pylist(rows, pa.schema([*_keys(keys), pa.field("seen", pa.int64()), *figures, *counted]))

    def steps(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> pa.Table:
        keys = object_keys(quantities[0].scope)
        names = [quantity.name for quantity in quantities]
        rows = [
            {**key, "time": time, **dict(zip(names, values, strict=True))}
            for key, of in self._objects(quantities, objects, over)
            for time, *values in zip(over.times, *(of[name] for name in names), strict=True)
            if any(value is not None for value in values)
        ]
        rows.sort(key=lambda row: tuple(str(row[key]) for key in keys))
        columns = [*_keys(keys), pa.field("time", pa.int64()), *(pa.field(name, pa.float64()) for name in names)]
        return pa.Table.from_pylist(rows, pa.schema(columns))

    def _objects(
        self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range
    ) -> Iterator[tuple[Mapping[str, str | int], dict[str, Sequence[float | None]]]]:
        """The series of each object, by quantity."""
        chunks = [objects[at : at + AT_ONCE] for at in range(0, len(objects), AT_ONCE)] or [objects]
        for chunk in chunks:
            found: dict[tuple[str | int, ...], list[Series]] = {}
            for series in self._store.series(quantities, chunk, over):
                found.setdefault(tuple(series.object.values()), []).append(series)
            for of in found.values():
                known = {series.quantity: series.values for series in of}
                unknown = {quantity.name: [None] * len(over.times) for quantity in quantities}
                yield of[0].object, {**unknown, **known}


def _figures(name: str, values: Sequence[float], percentiles: Sequence[float]) -> dict[str, float | int | None]:
    ordered = sorted(values)
    found: dict[str, float | int | None] = {
        f"{name}.average": statistics.fmean(values) if values else None,
        f"{name}.maximum": ordered[-1] if values else None,
        f"{name}.deviation": statistics.stdev(values) if len(values) > 1 else None,
        f"{name}.samples": len(values),
    }
    return found | {f"{name}.p{rank:g}": _rank(ordered, rank / 100) for rank in percentiles}


def _rank(ordered: Sequence[float], share: float) -> float | None:
    """A quantile, between two values in proportion."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _keys(keys: Sequence[str]) -> list[pa.Field[Any]]:
    return [pa.field(key, pa.int32() if key in ("vcpu", "cell", "iothread") else pa.string()) for key in keys]
