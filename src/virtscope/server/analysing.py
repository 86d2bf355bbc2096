"""Analyses run on what the server knows: their tables are loaded here, reduced by the store where the data are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from virtscope import codes, xml_document
from virtscope.analysis import registry
from virtscope.analysis.finding import Finding
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import Settings
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import Cancelled, NotFound
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts, PoolFacts
from virtscope.server.services import Services
from virtscope.server.solving import apart
from virtscope.store import Range
from virtscope.store.tabular import tabular

if TYPE_CHECKING:
    import polars as pl

    from virtscope.analysis.tables import Columns, Needs, Reduced, Steps, Tables

AT_ONCE = 4_000
"""Domains whose series are loaded at one time: between two such pieces of work an analysis can be cancelled."""
MOST_EVENTS = 10_000
_MOST_LABELS = 200
_LONGEST_LABEL = 500
_NOBODY = ""
"""To the store, no object would mean all."""
_ACTIVE = frozenset(codes.STATES[code] for code in codes.ACTIVE_STATES)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be analysed, and how."""

    name: str
    given: Mapping[str, str]
    """Settings, as they were written."""
    host: str = ""
    """Only this host and its domains: name or id; empty is all."""
    project: str = ""
    """Only domains of this project: name or id; empty is all."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    analysis: Analysis
    settings: Settings
    over: Range
    seconds: float
    """How long it took."""
    findings: Sequence[Finding]


def run(services: Services, asked: Asked, now: int, cancelled: Callable[[], bool] = lambda: False) -> Result:
    """Run an analysis on what these services may see.

    Args:
        services: the fleet and the store.
        asked: what is to be analysed.
        now: the end of the window, Unix ms.
        cancelled: asked now and then; where it says yes, the run ends.

    Raises:
        NotFound: there is no such analysis, host or project.
        BadInput: a setting makes no sense.
        Cancelled: it was.
    """
    began = time.monotonic()
    analysis = registry.find(asked.name)
    settings = analysis.read(asked.given)
    subjects = _Subjects(services, asked)
    needs = analysis.needs(settings)
    pieces = (subjects.all() if analysis.whole_fleet else subjects).pieces(analysis.apart)
    loaded = (_Loading(services, needs, piece, cancelled).tables(now) for piece in pieces)
    with apart(cancelled):
        findings = registry.run_in_pieces(analysis, loaded, settings)
    if analysis.whole_fleet and (asked.host or asked.project):
        findings = [found for found in findings if subjects.has(found)]
    if cancelled():
        raise Cancelled("the analysis was cancelled")
    return Result(analysis, settings, _window(now, needs.window, needs.step), time.monotonic() - began, findings)


class _Subjects:
    """The hosts and domains that are asked about."""

    def __init__(self, services: Services, asked: Asked) -> None:
        self._services = services
        self.is_narrowed = bool(asked.host or asked.project)
        hosts = services.fleet.hosts()
        described = {(facts.host, facts.id): facts for facts in services.fleet.domains()}
        current = [
            (facts, answer)
            for answer in services.present.now().domains()
            if (facts := described.get((answer.host, answer.id))) is not None
        ]
        if asked.host:
            wanted = services.fleet.host(asked.host).id
            hosts = [host for host in hosts if host.id == wanted]
            current = [(facts, answer) for facts, answer in current if facts.host == wanted]
        if asked.project:
            current = [(facts, answer) for facts, answer in current if _is_of(facts, asked.project)]
            if not current:
                raise NotFound(f"no domain of a project {asked.project!r}", "Projects are named as in the metadata.")
            used = {facts.host for facts, _ in current}
            hosts = [host for host in hosts if host.id in used]
        self.hosts, self.domains = hosts, current

    def all(self) -> _Subjects:
        """The whole fleet."""
        return _Subjects(self._services, Asked("", {}))

    def has(self, finding: Finding) -> bool:
        """Whether a finding is about one of these, or about nothing in particular."""
        hosts, domains = {host.id for host in self.hosts}, {facts.id for facts, _ in self.domains}
        return not finding.subject.id or finding.subject.id in domains | hosts or finding.subject.host in hosts

    def pieces(self, apart: Scope | None) -> Iterator[_Subjects]:
        """All of them, or one part after another that has AT_ONCE domains at most: of domains, or of whole hosts."""
        if apart is None or len(self.domains) <= AT_ONCE:
            yield self
        elif apart is Scope.HOST:
            of: dict[str, list[tuple[DomainFacts, Any]]] = {host.id: [] for host in self.hosts}
            for facts, answer in self.domains:
                of.setdefault(facts.host, []).append((facts, answer))
            here: list[str] = []
            for host in of:
                if here and sum(len(of[one]) for one in (*here, host)) > AT_ONCE:
                    yield self._only(here, [one for name in here for one in of[name]])
                    here = []
                here.append(host)
            yield self._only(here, [one for name in here for one in of[name]])
        else:
            ordered = sorted(self.domains, key=lambda one: one[0].id)
            for at in range(0, len(ordered), AT_ONCE):
                yield self._only([host.id for host in self.hosts], ordered[at : at + AT_ONCE])

    def _only(self, hosts: Sequence[str], domains: list[tuple[DomainFacts, Any]]) -> _Subjects:
        part = copy(self)
        named = frozenset(hosts)
        part.hosts, part.domains = [host for host in self.hosts if host.id in named], domains
        return part

    @property
    def domain_ids(self) -> list[str]:
        """Their UUIDs, in order."""
        return sorted(facts.id for facts, _ in self.domains)


class _Loading:
    """Tables while they are filled."""

    def __init__(self, services: Services, needs: Needs, subjects: _Subjects, cancelled: Callable[[], bool]) -> None:
        self._services = services
        self._needs = needs
        self._subjects = subjects
        self._cancelled = cancelled
        self._store = tabular(services.store)

    def tables(self, now: int) -> Tables:
        """All that the analysis needs, at the end of the window."""
        from virtscope.analysis import tables

        over = _window(now, self._needs.window, self._needs.step)
        self._go_on()
        described = [facts for facts, _ in self._subjects.domains]
        events = list(self._events(over)) if self._needs.events else []
        names = {host.id: host.name for host in self._subjects.hosts}
        ids = {facts.id for facts in described}
        return tables.Tables(
            over=over,
            domains=_frame(tables.DOMAINS, [_domain(facts, answer) for facts, answer in self._subjects.domains]),
            hosts=_frame(tables.HOSTS, self._hosts()),
            disks=_frame(
                tables.DISKS, [_picked(tables.DISKS, disk, facts) for facts in described for disk in facts.disks]
            ),
            nics=_frame(tables.NICS, [_picked(tables.NICS, nic, facts) for facts in described for nic in facts.nics]),
            pools=_frame(
                tables.POOLS,
                [
                    {"host": pool.host, "host_name": names[pool.host], "pool": pool.name, "type": pool.type}
                    | {"active": pool.active}
                    for pool in self._services.fleet.others(PoolFacts)
                    if pool.host in names
                ],
            ),
            events=_frame(tables.EVENTS, events),
            summaries={one.scope: self._reduced(one, over) for one in self._needs.reduced},
            series={one.scope: self._steps(one, now, events) for one in self._needs.series},
            described=tuple(facts for facts in self._services.fleet.domains() if facts.id in ids),
            filters=tuple(one for one in self._services.fleet.others(FilterFacts) if one.host in names),
            bindings=tuple(one for one in self._services.fleet.others(BindingFacts) if one.host in names),
        )

    def _hosts(self) -> list[dict[str, Any]]:
        cells: dict[str, int] = {}
        for host, *_ in self._services.present.now().latest(Scope.CELL):
            cells[host] = cells.get(host, 0) + 1
        return [
            {
                "id": host.id,
                "name": host.name,
                "up": host.is_up,
                "cpus": host.facts.cpus if host.facts else None,
                "memory": host.facts.memory_bytes if host.facts else None,
                "cells": cells.get(host.id),
                "maintenance": False,
            }
            for host in self._subjects.hosts
        ]

    def _events(self, over: Range) -> list[dict[str, Any]]:
        found = self._services.records.events(over.start, over.end, limit=MOST_EVENTS)
        hosts = {host.id for host in self._subjects.hosts}
        return [
            {"at": event.at, "host": event.host, "domain": event.domain, "kind": event.kind, "detail": event.detail}
            for event in reversed(found)
            if event.host in hosts
        ]

    def _reduced(self, wanted: Reduced, over: Range) -> pl.DataFrame:
        import polars as pl

        quantities = [QUANTITY[wanted.scope, name] for name in wanted.quantities]
        parts = []
        for part in self._store.reduced(
            quantities, self._objects(wanted.scope), over, wanted.ranks, wanted.quiet, wanted.share
        ):
            self._go_on()
            parts.append(_from_arrow(part))
        return pl.concat(parts, how="diagonal_relaxed")

    def _steps(self, wanted: Steps, now: int, events: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        import polars as pl

        quantities = [QUANTITY[wanted.scope, name] for name in wanted.quantities]
        over = _window(now, wanted.window or self._needs.window, wanted.step or self._needs.step)
        objects = self._objects(wanted.scope)
        if wanted.beside_events:
            about = {event["domain"] or event["host"] for event in events}
            heard = {facts.id for facts, _ in self._subjects.domains if {facts.id, facts.host} & about}
            objects = [name for name in objects if name in heard] or [_NOBODY]
        parts = []
        for at in range(0, len(objects), AT_ONCE):
            self._go_on()
            parts.append(_from_arrow(self._store.steps(quantities, objects[at : at + AT_ONCE], over)))
        return pl.concat(parts, how="vertical_relaxed")

    def _objects(self, scope: Scope) -> Sequence[str]:
        """The objects to ask the store for."""
        ids = self._subjects.domain_ids if scope.is_of_domain else sorted(host.id for host in self._subjects.hosts)
        return ids or [_NOBODY]

    def _go_on(self) -> None:
        if self._cancelled():
            raise Cancelled("the analysis was cancelled")


def _window(now: int, seconds: float, step: float) -> Range:
    """The whole steps up to now."""
    width = max(round(step * 1000), 1)
    end = now // width * width
    return Range(max(end - max(round(seconds * 1000) // width, 1) * width, 0), end, width)


def _domain(facts: DomainFacts, answer: Any) -> dict[str, Any]:
    granted, nova = facts.resources, facts.nova
    return {
        "id": facts.id,
        "name": facts.name,
        "host": facts.host,
        "host_name": answer.host_name,
        "project": nova.project if nova else None,
        "project_id": nova.project_id if nova else None,
        "flavor": nova.flavor if nova else None,
        "owner": nova.user if nova else None,
        "state": answer.state,
        "active": answer.state in _ACTIVE,
        "persistent": facts.persistent,
        "vcpus": granted.vcpus,
        "vcpus_maximum": granted.vcpus_maximum,
        "memory": granted.memory_bytes,
        "memory_maximum": granted.memory_maximum_bytes,
        "pinned": any(name == "all" or name.isdecimal() for name in granted.pins),
        "numa_bound": granted.numa_nodes is not None,
        "hugepages": granted.hugepages,
        "memory_locked": granted.memory_locked,
        "passthrough": list(granted.passthrough),
        "labels": list(labels(facts.metadata)),
        "excluded": False,
    }


def labels(metadata: Mapping[str, str]) -> Iterator[str]:
    """What stands in a domain's metadata as ``key=value``: the texts and attributes of its elements, by their names."""
    count = 0
    for document in metadata.values():
        try:
            root = xml_document.read(document)
        except xml_document.Unreadable:
            continue
        for element in root.iter():
            tag = element.tag.rpartition("}")[2]
            found = [(tag, (element.text or "").strip())]
            found += [(f"{tag}.{name.rpartition('}')[2]}", value) for name, value in element.attrib.items()]
            for key, value in found:
                if value and count < _MOST_LABELS:
                    count += 1
                    yield f"{key}={value}"[:_LONGEST_LABEL]


def _picked(columns: Columns, device: Any, owner: DomainFacts) -> dict[str, Any]:
    """A device as a row: the fields that are columns, and whose it is."""
    own = {name: getattr(device, name) for name in columns if name not in ("domain", "host")}
    return {"domain": owner.id, "host": owner.host, **own}


def _frame(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, schema=columns, orient="row")


def _from_arrow(table: Any) -> pl.DataFrame:
    import polars as pl

    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def _is_of(facts: DomainFacts, project: str) -> bool:
    return facts.nova is not None and project in (facts.nova.project, facts.nova.project_id)


def narrowed(result: Result, wanted: Callable[[Finding], bool]) -> Result:
    """A result with some of its findings."""
    return replace(result, findings=[found for found in result.findings if wanted(found)])
