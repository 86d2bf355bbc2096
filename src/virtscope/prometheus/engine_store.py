"""The past out of an engine that answers PromQL: the store's port over series that agents write, or that are scraped.

Queries come from the same formulas as the embedded store's SQL. The two answer alike, but for this: an engine takes a
rate over the whole step where the embedded store takes it over the part that samples cover, a counter that fell by
little is a reset to it, and it knows no longest gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from virtscope.catalogue import METRIC, Quantity, Scope
from virtscope.exposition.promql import Exporter, query
from virtscope.prometheus.engine import Engine
from virtscope.prometheus.naming import Key, Naming
from virtscope.store import Range, Series, Summary
from virtscope.store.quantity_sql import object_keys

AT_ONCE = 200
"""Objects that are asked for in one query."""

HOSTS = Exporter("virtscope", host="host", domain=("uuid",), has=METRIC.keys())
DOMAINS = Exporter("virtscope", host="host", domain=("uuid",), has=METRIC.keys(), moves=True)


class EngineStore:
    """Asks one engine."""

    def __init__(self, engine: Engine, naming: Callable[[], Naming], interval: float) -> None:
        """Begin.

        Args:
            engine: what answers.
            naming: what hosts and interfaces are called now.
            interval: seconds between two samples of a series, at most.
        """
        self._engine = engine
        self._naming = naming
        self._interval_ms = round(interval * 1000)

    def series(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        """The quantities of each object over a range. See ``Reader``."""
        scope, naming = quantities[0].scope, self._naming()
        found: dict[Key, list[Sequence[float | None]]] = {}
        nothing: Sequence[float | None] = [None] * len(over.times)
        for matcher in self._matchers(naming, scope, objects):
            for place, quantity in enumerate(quantities):
                for labels, values in self._engine.over(self._query(quantity, matcher, over.step), over):
                    of = found.setdefault(naming.key(scope, labels), [nothing] * len(quantities))
                    of[place] = values
        keys = object_keys(scope)
        return [
            Series(dict(zip(keys, key, strict=True)), quantity.name, values)
            for key, of in sorted(found.items())
            for quantity, values in zip(quantities, of, strict=True)
        ]

    def summary(
        self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range, percentiles: Sequence[float]
    ) -> list[Summary]:
        """Average, maximum and percentiles of the steps' values, for each object, reduced by the engine."""
        scope, naming, steps = quantities[0].scope, self._naming(), len(over.times)
        asked = ["avg_over_time(", "max_over_time(", "count_over_time("]
        asked += [f"quantile_over_time({percentile / 100!r}, " for percentile in percentiles]
        found: dict[Key, list[list[float | None]]] = {}
        for matcher in self._matchers(naming, scope, objects):
            for place, quantity in enumerate(quantities):
                values = f"({self._query(quantity, matcher, over.step)})[{over.end - over.start - 1}ms:{over.step}ms]"
                for number, function in enumerate(asked):
                    for labels, value in self._engine.at(f"{function}{values})", over.end):
                        key = naming.key(scope, labels)
                        of = found.setdefault(key, [[None] * len(asked) for _ in quantities])
                        of[place][number] = value
        keys = object_keys(scope)
        made = []
        for key, of in sorted(found.items()):
            for quantity, (average, maximum, count, *ranks) in zip(quantities, of, strict=True):
                samples = int(count or 0)
                known = dict(zip(percentiles, ranks, strict=True))
                named = dict(zip(keys, key, strict=True))
                made.append(Summary(named, quantity.name, average, maximum, known, samples, samples / steps))
        return made

    def _matchers(self, naming: Naming, scope: Scope, objects: Sequence[str]) -> Iterator[str]:
        for at in range(0, max(len(objects), 1), AT_ONCE):
            yield naming.matcher(scope, objects[at : at + AT_ONCE])

    def _query(self, quantity: Quantity, matcher: str, step: int) -> str:
        # Prometheus knows no increase but between two samples of a window: it has to begin with the sample before.
        window = step if self._engine.speaks_metricsql else step + self._interval_ms
        exporter = DOMAINS if quantity.scope.is_of_domain else HOSTS
        return query(quantity.formula, quantity.scope, exporter, matcher, f"{window}ms", f"{step}ms")
