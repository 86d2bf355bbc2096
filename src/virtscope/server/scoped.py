"""The services as somebody sees them who is limited to projects: the one place where that is decided.

He sees the domains of his projects and what is part of them: figures, disks, interfaces, history, events, the filters
that they name. Of a host he sees that it is there and up, and only where one of his domains is. Another's domain is not
found, exactly as one that does not exist. Networks, pools and a fleet's metrics are everybody's, so they are not his.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from fastapi import Depends, Request

from virtscope.analysis import registry
from virtscope.catalogue import Quantity, Scope
from virtscope.errors import NotAllowed, NotFound, NotSignedIn
from virtscope.exposition.board import View
from virtscope.sample import (
    BindingFacts,
    DomainFacts,
    Event,
    FilterFacts,
    GuestFacts,
    HostFacts,
    Link,
    NetworkFacts,
    Other,
    PoolFacts,
    now_ms,
)
from virtscope.server.access.who import Who
from virtscope.server.answers import EventAnswer
from virtscope.server.fleet import Directory, Host
from virtscope.server.now import Now
from virtscope.server.present import Present
from virtscope.server.services import Chronicle, Found, Services, Stream
from virtscope.store import Latest, Range, Reader, Series, Summary, Version, with_peaks
from virtscope.store.findings import Dismissal, Kept, Run
from virtscope.store.tabular import tabular

if TYPE_CHECKING:
    import pyarrow as pa

_OF_DOMAINS = frozenset({"domain", "nic", "disk"})
_NOBODY = ("",)
"""The objects to ask for where nothing is his: to the store, none would mean everybody's."""
T = TypeVar("T", FilterFacts, BindingFacts, NetworkFacts, PoolFacts, GuestFacts)


async def _seen(request: Request) -> Services:
    who = getattr(request.state, "who", None)
    if not isinstance(who, Who):
        raise NotSignedIn("the server does not know who asks", "Sign in, or send an API token.")
    return scoped(cast("Services", request.app.state.services), who)


Seen = Annotated[Services, Depends(_seen)]
"""The services as whoever asks may see them: what a route takes as a parameter."""


def scoped(services: Services, who: Who) -> Services:
    """The services as somebody sees them; unchanged for whoever sees everything."""
    if who.projects is None:
        return services
    directory = _Directory(services.fleet, who)
    now = services.present.now()
    present = Present(_Newest(now, directory), directory)
    present.committed(now.commit, round(now.at * 1000))
    return replace(
        services,
        store=_Store(services.store, directory),
        records=_Chronicle(services.records, directory, who),
        findings=_Found(services.findings, directory),
        fleet=directory,
        present=present,
        live=_Stream(services.live, services.fleet, who),
        board=_NoBoard(),
        own=dict,
        history=None,
        sql=None,
        keeper=None,
        held=tuple,
        damage=lambda: None,
        sight=hashlib.sha256("\n".join(sorted(who.projects)).encode()).hexdigest()[:16],
    )


class _Directory(Directory):
    """The fleet's part that somebody sees."""

    def __init__(self, whole: Directory, who: Who) -> None:
        self._whole = whole
        self._who = who

    @cached_property
    def ids(self) -> frozenset[str]:
        """The UUIDs of the domains. One that any host counts to another project is not among them."""
        everything = self._whole.domains()
        return frozenset(facts.id for facts in everything if _is_of(facts, self._who)) - frozenset(
            facts.id for facts in everything if not _is_of(facts, self._who)
        )

    def domains(self) -> list[DomainFacts]:
        """His domains."""
        return [facts for facts in self._whole.domains() if facts.id in self.ids]

    def hosts(self) -> list[Host]:
        """The hosts of his domains: name and state, not how they are reached nor what they are."""
        his = {facts.host for facts in self.domains()}
        return [_outside_of(host) for host in self._whole.hosts() if host.id in his]

    def others(self, kind: type[T]) -> list[T]:
        """What is part of his domains."""
        return [facts for facts in self._whole.others(kind) if self._is_part(facts)]

    def _is_part(self, facts: Other) -> bool:
        match facts:
            case GuestFacts():
                return facts.id in self.ids
            case BindingFacts():
                return facts.domain is not None and facts.domain in self.ids
            case FilterFacts():
                return (facts.host, facts.name) in self._filters
            case _:
                return False

    @cached_property
    def _filters(self) -> set[tuple[str, str]]:
        """Host and name of the filters that his interfaces name, with all those that these include."""
        includes = {(facts.host, facts.name): facts.references for facts in self._whole.others(FilterFacts)}
        found: set[tuple[str, str]] = set()
        wanted = [(facts.host, nic.filter) for facts in self.domains() for nic in facts.nics if nic.filter]
        while wanted:
            host, name = wanted.pop()
            if (host, name) not in found:
                found.add((host, name))
                wanted += [(host, included) for included in includes.get((host, name), ())]
        return found


class _Newest:
    """The newest figures of his domains."""

    def __init__(self, whole: Now, directory: _Directory) -> None:
        self._whole = whole
        self._directory = directory

    def latest(self, scope: Scope) -> list[Latest]:
        if not scope.is_of_domain:
            return []
        found = self._whole.latest(scope).values()
        return [row for row in found if row.object["domain"] in self._directory.ids]


class _Store:
    """The history of his domains' figures."""

    def __init__(self, whole: Reader, directory: _Directory) -> None:
        self._whole = whole
        self._directory = directory

    def series(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        his = self._his(quantities, objects)
        return self._whole.series(quantities, his, over) if his else []

    def banded(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        his = self._his(quantities, objects)
        return with_peaks(self._whole, quantities, his, over) if his else []

    def summary(
        self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range, percentiles: Sequence[float]
    ) -> list[Summary]:
        his = self._his(quantities, objects)
        return self._whole.summary(quantities, his, over, percentiles) if his else []

    def reduced(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
        share: float,
    ) -> Iterator[pa.Table]:
        his = self._his(quantities, objects)
        return tabular(self._whole).reduced(quantities, his or _NOBODY, over, percentiles, quiet, share)

    def steps(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> pa.Table:
        his = self._his(quantities, objects)
        return tabular(self._whole).steps(quantities, his or _NOBODY, over)

    def _his(self, quantities: Sequence[Quantity], objects: Sequence[str]) -> list[str]:
        """Of the objects asked for (none means all) those that are his; to the store none would mean everybody's."""
        if not all(quantity.scope.is_of_domain for quantity in quantities):
            return []
        ids = self._directory.ids
        return sorted(ids.intersection(objects) if objects else ids)


class _Chronicle:
    """What happened to his domains, and how they were described while they were his."""

    def __init__(self, whole: Chronicle, directory: _Directory, who: Who) -> None:
        self._whole = whole
        self._directory = directory
        self._who = who

    def history(self, kind: str, id: str, limit: int = 500) -> list[Version]:  # noqa: A002
        found = self._whole.history(kind, id, limit)
        return [
            version
            for version in found
            if not isinstance(version.facts, DomainFacts | HostFacts)
            or (isinstance(version.facts, DomainFacts) and _is_of(version.facts, self._who))
        ]

    def events(
        self,
        since: int,
        until: int,
        host: str | None = None,
        domain: str | None = None,
        kind: str | None = None,
        limit: int = 200,
        *,
        domains: Sequence[str] | None = None,
    ) -> list[Event]:
        ids = self._directory.ids
        his = sorted(ids if domains is None else ids.intersection(domains))
        return self._whole.events(since, until, host, domain, kind, limit, domains=his)


class _Found:
    """What was found on his domains, by analyses that tell of nothing but the domain itself."""

    def __init__(self, whole: Found, directory: _Directory) -> None:
        self._whole = whole
        self._directory = directory

    def all(self, now: int, *, gone_since: int | None = None) -> list[Kept]:
        ids = self._directory.ids
        return [
            kept
            for kept in self._whole.all(now, gone_since=gone_since)
            if kept.finding.subject.kind in _OF_DOMAINS
            and kept.finding.subject.id in ids
            and registry.is_of_subject_only(kept.finding.analysis)
        ]

    def runs(self) -> dict[str, Run]:
        return {name: replace(run, findings=0, problem=None) for name, run in self._whole.runs().items()}

    def dismiss(self, id: str, dismissal: Dismissal) -> None:  # noqa: A002
        self._require(id, dismissal.at)
        self._whole.dismiss(id, dismissal)

    def restore(self, id: str) -> None:  # noqa: A002
        self._require(id, now_ms())
        self._whole.restore(id)

    def _require(self, id: str, now: int) -> None:  # noqa: A002
        if id not in {kept.id for kept in self.all(now, gone_since=0)}:
            raise NotFound(f"no finding {id!r}", "'virtscope findings list' shows their ids.")


class _Stream:
    """What is told of his domains, while they are his."""

    def __init__(self, whole: Stream, fleet: Directory, who: Who) -> None:
        self._whole = whole
        self._fleet = fleet
        self._who = who

    def stream(self, only: Callable[[Iterable[EventAnswer]], list[EventAnswer]] | None = None) -> AsyncIterator[bytes]:
        def his(events: Iterable[EventAnswer]) -> list[EventAnswer]:
            of_domains = [event for event in events if event.domain]
            # The whole fleet is not looked through for a commit without events: of each, every listener hears.
            ids = _Directory(self._fleet, self._who).ids if of_domains else frozenset()
            found = [event for event in of_domains if event.domain in ids]
            return only(found) if only else found

        return self._whole.stream(his)

    def open(self) -> None:
        self._whole.open()

    def close(self) -> None:
        self._whole.close()


class _NoBoard:
    """A fleet's metrics are not his."""

    def view(self, now: int) -> View:  # noqa: ARG002
        raise NotAllowed(
            "the metrics of the fleet are for those who see all of it", "/api/v1/domains has those of your projects."
        )


def _is_of(facts: DomainFacts, who: Who) -> bool:
    return facts.nova is not None and who.sees(facts.nova.project_id, facts.nova.project)


def _outside_of(host: Host) -> Host:
    link = Link("", host.link.state, host.link.since, host.link.host, None, host.link.interval)
    return Host(host.id, host.name, "", link, None, host.last_seen)
