"""The raw samples of the store as Prometheus's series: names and labels of ``/metrics``, every sample as it was read.

Names of hosts and domains are those of now: a domain that was renamed has one history. What is past the retention of
raw samples is not there; ``/api/v1/series`` has it as rollups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import duckdb

from virtscope.catalogue import METRICS, Metric, Scope
from virtscope.errors import BadInput, TooLarge
from virtscope.exposition.families import nic_targets
from virtscope.exposition.labels import visible
from virtscope.exposition.names import LANES, STATES, Dialect, names
from virtscope.prometheus.messages import Labelled, Match, Matcher, Query
from virtscope.sample import DomainFacts, HostFacts
from virtscope.schema import quoted
from virtscope.store.database import Database
from virtscope.store.records import Records
from virtscope.store.snapshot import Snapshot

MOST_SAMPLES = 5_000_000
"""In one answer."""
Row: TypeAlias = tuple[Any, ...]
Fits: TypeAlias = Callable[[str, str], bool]
"""Whether a label (its name, its value) fulfils every matcher on it."""
_NAMED = {name: metric for metric in METRICS for name in names(metric, Dialect.INOVEX)}


class History:
    """The series of one store."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    def read(self, query: Query) -> list[Labelled]:
        """Every series that a query selects, with its samples.

        Raises:
            BadInput: a regular expression makes no sense.
            TooLarge: that is too much for one answer.
        """
        with Snapshot(self._database) as snapshot:
            fits = _fitting(snapshot, query.matchers)
            wanted = {name: metric for name, metric in _NAMED.items() if fits("__name__", name)}
            found: list[Labelled] = []
            left = MOST_SAMPLES
            for scope in dict.fromkeys(metric.scope for metric in wanted.values()):
                of_scope = {name: metric for name, metric in wanted.items() if metric.scope is scope}
                found += self._scope(snapshot, scope, of_scope, query, fits, left)
                left = MOST_SAMPLES - sum(len(series.samples) for series in found)
        return found

    def _scope(  # what a query comes to
        self, snapshot: Snapshot, scope: Scope, wanted: Mapping[str, Metric], query: Query, fits: Fits, left: int
    ) -> Iterator[Labelled]:
        known = self._records.known().facts
        hosts = {one.id: visible(one.name) for one in known if isinstance(one, HostFacts)}
        domains = {one.id: visible(one.name) for one in known if isinstance(one, DomainFacts)}
        where = [_among("host", [id_ for id_, name in hosts.items() if fits("host", name)], hosts)]
        if scope.is_of_domain:
            his = [id_ for id_, name in domains.items() if fits("domain", name) and fits("uuid", id_)]
            where.append(_among("domain", his, domains))
        metrics = list(dict.fromkeys(wanted.values()))
        raw = snapshot.raw(scope, metrics, query.start, query.end + 1, " AND ".join(where))
        if snapshot.rows(f"SELECT count(*) FROM ({raw})")[0][0] * len(wanted) > left:
            raise TooLarge(
                f"the answer would have more than {MOST_SAMPLES:,} samples", "Ask for fewer series, or a shorter range."
            )
        columns = ", ".join(f'"{metric.name}"' for metric in metrics)
        keys = ", ".join(scope.keys)
        rows = snapshot.rows(f"SELECT {keys}, epoch_ms(ts), {columns} FROM ({raw}) ORDER BY {keys}, ts")
        width = len(scope.keys)
        grouped = {key: list(of) for key, of in groupby(rows, key=lambda row: row[:width])}
        label = _labeller(scope, grouped, hosts, domains)
        for key, of in grouped.items():
            labels = label(key)
            for name, metric in wanted.items():
                position = width + 1 + metrics.index(metric)
                yield from _series({"__name__": name, **labels}, metric, of, width, position, fits)


def _series(
    labels: Mapping[str, str], metric: Metric, rows: Iterable[Row], time: int, position: int, fits: Fits
) -> Iterator[Labelled]:
    """One series, or one for each of a state's words."""
    apart: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for row in rows:
        value = row[position]
        if value is not None:
            apart.setdefault(_more(labels["__name__"], metric, value), []).append((row[time], value * metric.scale))
    for more, samples in apart.items():
        whole = {**labels, **dict(more)}
        if all(fits(name, value) for name, value in whole.items()) and fits("", "\n".join(whole)):
            yield Labelled(whole, samples)


def _more(name: str, metric: Metric, value: int) -> tuple[tuple[str, str], ...]:
    """The labels that a few names have on top of their scope's."""
    if name == "libvirt_domain_info_state":
        return (("state_desc", STATES[value] if 0 <= value < len(STATES) else f"state {value}"),)
    if metric.scope is Scope.HOST and metric.name in LANES:
        return (("lane", LANES[metric.name]),)
    return ()


def _labeller(
    scope: Scope, keys: Iterable[Row], hosts: Mapping[str, str], domains: Mapping[str, str]
) -> Callable[[Row], dict[str, str]]:
    """The labels of an object, as ``/metrics`` has them."""
    targets = nic_targets((key[1], key[2], key[3]) for key in keys) if scope is Scope.NIC else {}

    def labels(key: Row) -> dict[str, str]:
        found = {"host": hosts.get(key[0], key[0])}
        if scope.is_of_domain:
            found |= {"domain": domains.get(key[1], key[1]), "uuid": key[1]}
        match scope:
            case Scope.HOST | Scope.DOMAIN:
                pass
            case Scope.NIC:
                found["target_device"] = visible(targets[key[1], key[2], key[3]])
            case Scope.DISK:
                found["target_device"] = visible(key[2])
            case Scope.POOL | Scope.VOLUME:
                found["storage_pool"] = visible(key[1])
                found |= {"volume": visible(key[2])} if scope is Scope.VOLUME else {}
            case _:
                found[scope.keys[-1]] = visible(str(key[-1]))
        return found

    return labels


def _among(column: str, chosen: Sequence[str], known: Mapping[str, str]) -> str:
    """A condition that leaves out what is known and not chosen: what nobody knows by name is looked at."""
    if len(chosen) == len(known):
        return "true"
    left_out = [name for name in known if name not in set(chosen)]
    if len(chosen) <= len(left_out):
        unknown = f"{column} NOT IN ({', '.join(map(quoted, known))})"
        return f"({column} IN ({', '.join(map(quoted, chosen))}) OR {unknown})" if chosen else unknown
    return f"{column} NOT IN ({', '.join(map(quoted, left_out))})"


def _fitting(snapshot: Snapshot, matchers: Sequence[Matcher]) -> Fits:
    """Matchers as a function; regular expressions are matched by RE2, in DuckDB, each value once.

    A series with the labels ``names`` (joined by line breaks, under the label ``""``) has the others empty.
    """
    known: dict[tuple[Matcher, str], bool] = {}

    def one(matcher: Matcher, value: str) -> bool:
        match matcher.how:
            case Match.EQUAL:
                return value == matcher.value
            case Match.UNEQUAL:
                return value != matcher.value
        if (matcher, value) not in known:
            try:
                (row,) = snapshot.rows("SELECT regexp_full_match(?, ?, 's')", [value, matcher.value])
            except duckdb.Error as error:
                raise BadInput(f"{matcher.value!r} is no regular expression: {error}", "RE2's are.") from None
            known[matcher, value] = row[0]
        return known[matcher, value] is (matcher.how is Match.FITS)

    def fits(label: str, value: str) -> bool:
        if label:
            return all(one(matcher, value) for matcher in matchers if matcher.label == label)
        there = set(value.split("\n"))
        return all(one(matcher, "") for matcher in matchers if matcher.label not in there)

    return fits
