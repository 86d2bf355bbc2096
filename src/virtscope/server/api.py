"""The API's routes: parameters in, answers out. Everything is read-only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from virtscope import __version__
from virtscope.catalogue import QUANTITIES, Quantity, Scope
from virtscope.exposition import own
from virtscope.exposition.families import exposition
from virtscope.exposition.names import Dialect
from virtscope.exposition.text_format import negotiated, text
from virtscope.sample import KINDS, DomainFacts, FilterFacts, now_ms
from virtscope.server import answers, parameters
from virtscope.server.now import Now
from virtscope.server.scoped import Seen
from virtscope.server.services import Services
from virtscope.store import Range, Series, with_peaks

MOST_DEVICES = 64
"""How many devices of one kind a domain is taken to have at most, when the size of an answer is foreseen."""

_OfHosts = Literal["host", "cell", "pool", "volume"]
_OfDomains = Literal["domain", "vcpu", "disk", "nic", "iothread", "perf", "job", "filesystem"]
ScopeName = Literal[_OfHosts, _OfDomains]
Moment = Annotated[float, Query(allow_inf_nan=False, ge=-1e10, le=1e10)]
Name = Annotated[str, Query(max_length=300)]
Names = Annotated[list[Annotated[str, Query(max_length=300)]], Query(max_length=1_000)]


def router() -> APIRouter:  # noqa: C901  # a list of routes, one after another
    """All routes under ``/api/v1``. Each takes the services as whoever asks may see them."""
    api = APIRouter(prefix="/api/v1")

    def answering(model: Any, *errors: int) -> dict[str, Any]:
        schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
        problem = {"model": answers.Problem, "content": {"application/problem+json": schema}}
        described = {status: {"description": "Not Modified"} if status == 304 else problem for status in (*errors, 422)}
        return {"responses": {200: {"model": model}, **described}, "response_class": Response}

    @api.get("/info", tags=["server"], **answering(answers.Info))
    def info(services: Seen) -> Response:
        """The server: version, settings, and what troubles it."""
        return _json(
            answers.Info(
                version=__version__,
                started=services.started,
                now=time.time(),
                commit=services.present.now().commit,
                demo=services.demo,
                interval=services.interval,
                keep_days=services.keep_days,
                uris=[host.uri for host in services.fleet.hosts() if host.uri],
                problem=services.ingest.problem,
                dropped=services.ingest.dropped,
            )
        )

    @api.get("/health", tags=["server"], **answering(answers.HealthDetail))
    def how_it_does(services: Seen) -> Response:
        """How the server does: what troubles it, and its own figures. Nothing of the fleet's projects is in it."""
        failing, ailments = services.ingest.problem, [services.ailment(), services.damage()]
        reasons = [reason for reason in (failing, *ailments) if reason]
        return _json(
            answers.HealthDetail(
                status="failing" if failing else "degraded" if reasons else "ok",
                reasons=reasons,
                at=time.time(),
                started=services.started,
                version=__version__,
                figures=[
                    answers.OwnFigure(figure.name, figure.help, label, value)
                    for figure, label, value in own.readings(services.own())
                ],
                store=[
                    answers.StoreLevel(
                        held.level, held.keep_days, held.files, held.bytes, _seconds(held.oldest), _seconds(held.newest)
                    )
                    for held in services.held()
                ],
            )
        )

    @api.get("/quantities", tags=["catalogue"], **answering(list[answers.QuantityAnswer]))
    def quantities() -> Response:
        """What every figure is called, means, and is measured in."""
        return _json(
            [
                answers.QuantityAnswer(
                    quantity.name, quantity.scope.value, quantity.unit.name.lower(), quantity.label, quantity.help
                )
                for quantity in QUANTITIES
            ]
        )

    @api.get("/hosts", tags=["now"], **answering(answers.HostList, 304))
    def hosts(services: Seen, request: Request) -> Response:
        """Every host with the state of its connection and its newest figures."""
        return _fresh(
            request,
            services,
            lambda now: answers.HostList(now.at, now.commit, now.hosts()),
        )

    @api.get("/hosts/{name}", tags=["now"], **answering(answers.HostDetail, 404, 409))
    def host(services: Seen, name: str) -> Response:
        """One host, by id or name, with its NUMA nodes."""
        return _json(services.present.now().host(name))

    @api.get("/domains", tags=["now"], **answering(answers.DomainList, 304, 404, 409))
    def domains(
        services: Seen,
        request: Request,
        host: Name | None = None,
        state: Name | None = None,
        search: Name | None = None,
    ) -> Response:
        """Domains with their newest figures; of one host, in one state, or with a word in their names."""

        def found(now: Now) -> answers.DomainList:
            wanted = services.fleet.host(host).id if host else None
            word = (search or "").casefold()
            return answers.DomainList(
                now.at,
                now.commit,
                [
                    domain
                    for domain in now.domains()
                    if (wanted is None or domain.host == wanted)
                    and (state is None or domain.state == state)
                    and any(word in text.casefold() for text in _names(domain))
                ],
            )

        return _fresh(request, services, found)

    @api.get("/domains/{name}", tags=["now"], **answering(answers.DomainDetail, 404, 409))
    def domain(services: Seen, name: str) -> Response:
        """One domain, by UUID or name, with its vCPUs, disks, interfaces and XML."""
        return _json(services.present.now().domain(name))

    @api.get("/domains/{name}/history", tags=["inventory"], **answering(answers.HistoryAnswer, 404, 409))
    def domain_history(services: Seen, name: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 500) -> Response:
        """A domain's configuration through time: what changed when, and the XML of each version, oldest first."""
        found = services.fleet.domain(name)[0].id
        versions = services.records.history(KINDS[DomainFacts], found, limit)
        return _json(answers.HistoryAnswer(found, services.present.now().versions(versions)))

    @api.get("/domains/{name}/filters", tags=["inventory"], **answering(answers.GuardsAnswer, 404, 409))
    def domain_filters(services: Seen, name: str) -> Response:
        """The network filter of each interface of a domain: the whole tree, with the interface's values filled in."""
        return _json(services.present.now().guards(name))

    @api.get("/filters", tags=["inventory"], **answering(answers.FilterList))
    def filters(services: Seen) -> Response:
        """Every network filter of every host."""
        return _json(answers.FilterList(services.present.now().filters()))

    @api.get("/filters/{name}", tags=["inventory"], **answering(answers.FilterDetail, 404, 409))
    def filter_detail(services: Seen, name: str, host: Name | None = None) -> Response:
        """One network filter, by name or UUID: its XML, all it includes, and its history."""
        of_host = services.fleet.host(host).id if host else None
        now = services.present.now()
        found = now.filter_named(name, of_host)
        return _json(now.filter(name, of_host, services.records.history(KINDS[FilterFacts], found.id)))

    @api.get("/networks", tags=["inventory"], **answering(answers.NetworkList))
    def networks(services: Seen) -> Response:
        """Every virtual network of every host, with the addresses it has given out."""
        return _json(answers.NetworkList(services.present.now().networks()))

    @api.get("/pools", tags=["inventory"], **answering(answers.PoolList))
    def pools(services: Seen) -> Response:
        """Every storage pool of every host, with its volumes."""
        return _json(answers.PoolList(services.present.now().pools()))

    @api.get("/disks", tags=["now"], **answering(answers.DiskList, 304))
    def disks(services: Seen, request: Request) -> Response:
        """Every disk of every domain, with its newest figures."""
        return _fresh(
            request,
            services,
            lambda now: answers.DiskList(now.at, now.commit, now.disks()),
        )

    @api.get("/nics", tags=["now"], **answering(answers.NicList, 304))
    def nics(services: Seen, request: Request) -> Response:
        """Every network interface of every domain, with its newest figures."""
        return _fresh(
            request,
            services,
            lambda now: answers.NicList(now.at, now.commit, now.nics()),
        )

    @api.get("/series", tags=["history"], **answering(answers.SeriesAnswer, 404, 409, 413, 503))
    def series(
        services: Seen,
        scope: ScopeName,
        quantity: Annotated[list[str], Query(min_length=1, max_length=100)],
        object: Names = [],  # noqa: A002, B006  # the name is the API's; FastAPI copies the default
        start: Moment = -3600,
        end: Moment | None = None,
        step: Annotated[float, Query(allow_inf_nan=False, ge=1, le=86_400)] | None = None,
        peaks: bool = False,
    ) -> Response:
        """Quantities over a range of time, an average for each step: of these objects, or of all.

        With ``peaks`` the highest reading of each step is told beside its average, where the store knows it.
        """
        wanted, chosen, over = _asked(services, scope, quantity, object, start, end, step)
        if peaks:
            found = with_peaks(services.store, chosen, wanted.owners, over)
        else:
            found = services.store.series(chosen, wanted.owners, over)
        return _json(
            answers.SeriesAnswer(
                over.start / 1000,
                over.end / 1000,
                over.step / 1000,
                [at / 1000 for at in over.times],
                [
                    answers.SeriesItem(dict(item.object), item.quantity, list(item.values), _peaks(item))
                    for item in found
                    if wanted.wants(dict(item.object))
                ],
            )
        )

    @api.get("/summary", tags=["history"], **answering(answers.SummaryAnswer, 404, 409, 413, 503))
    def summary(
        services: Seen,
        scope: ScopeName,
        quantity: Annotated[list[str], Query(min_length=1, max_length=100)],
        object: Names = [],  # noqa: A002, B006
        start: Moment = -3600,
        end: Moment | None = None,
        step: Annotated[float, Query(allow_inf_nan=False, ge=1, le=86_400)] | None = None,
        percentile: Annotated[
            list[Annotated[float, Query(ge=0, le=100, allow_inf_nan=False)]], Query(max_length=20)
        ] = [50, 95],  # noqa: B006
    ) -> Response:
        """Average, maximum and percentiles of the steps' values over a range, and how much data they rest on.

        A step that is not given is 5 minutes at most for CPU, steal, memory and latency, else an hour at most.
        """
        wanted, chosen, over = _asked(services, scope, quantity, object, start, end, step, summarised=True)
        found = services.store.summary(chosen, wanted.owners, over, percentile)
        return _json(
            answers.SummaryAnswer(
                over.start / 1000,
                over.end / 1000,
                over.step / 1000,
                [
                    answers.SummaryItem(
                        dict(item.object),
                        item.quantity,
                        item.average,
                        item.maximum,
                        {f"{rank:g}": value for rank, value in item.percentiles.items()},
                        item.samples,
                        item.coverage,
                    )
                    for item in found
                    if wanted.wants(dict(item.object))
                ],
            )
        )

    @api.get("/events", tags=["history"], **answering(answers.EventList, 404, 409))
    def events(
        services: Seen,
        since: Moment = -86_400,
        until: Moment | None = None,
        host: Name | None = None,
        domain: Name | None = None,
        kind: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        """What happened, newest first; a negative ``since`` counts back from now."""
        last = now_ms() + 1000 if until is None else int(until * 1000)
        first = last + int(since * 1000) if since < 0 else int(since * 1000)
        of_host = services.fleet.host(host).id if host else None
        of_domain = services.fleet.domain(domain)[0].id if domain else None
        found = services.records.events(max(first, 0), max(last, 0), of_host, of_domain, kind, limit)
        return _json(answers.EventList(services.present.now().events(found)))

    @api.get("/live", tags=["now"], response_class=StreamingResponse, include_in_schema=False)
    async def live(services: Seen) -> StreamingResponse:
        """Server-sent events: ``tick`` at every commit, ``event`` for each event."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(services.live.stream(), media_type="text/event-stream", headers=headers)

    return api


def health() -> APIRouter:
    """Whether the process lives, and whether it can do its work."""
    routes = APIRouter()

    @routes.get("/healthz", tags=["server"], responses={200: {"model": answers.Health}}, response_class=Response)
    async def healthz() -> Response:
        """The process answers, though all threads for questions are busy."""
        return _json(answers.Health("ok"))

    @routes.get("/readyz", tags=["server"], responses={200: {"model": answers.Health}}, response_class=Response)
    def readyz(services: Seen) -> Response:
        """The store takes what the hosts send; 503 and the reason where it does not."""
        if services.ingest.problem:
            return _json(answers.Health("degraded", services.ingest.problem), status=503)
        if ailment := services.ailment():
            return _json(answers.Health("degraded", ailment))
        if damage := services.damage():
            return _json(answers.Health("degraded", damage))  # it takes and answers; something of before is missing
        return _json(answers.Health("ok"))

    counted = _Dropped()

    @routes.get("/metrics", tags=["server"], response_class=Response)
    def metrics(services: Seen, request: Request, dialect: Dialect = Dialect.INOVEX) -> Response:
        """Everything that is newest, of the whole fleet, for Prometheus: OpenMetrics, or its older text format."""
        form = negotiated(request.headers.get("accept", ""))
        made = exposition(services.board.view(now_ms()), dialect, counted.so_far)
        counted.so_far = made.dropped
        families = (*made.families, *own.families(services.own()))
        return Response(text(families, form), media_type=form.value, headers={"Cache-Control": "no-store"})

    return routes


class _Dropped:
    """Series that were left out so far, because another had the same name and labels."""

    so_far = 0


def _asked(
    services: Services,
    scope: str,
    quantity: list[str],
    names: list[str],
    start: float,
    end: float | None,
    step: float | None,
    *,
    summarised: bool = False,
) -> tuple[parameters.Objects, list[Quantity], Range]:
    of = Scope(scope)
    chosen = parameters.quantities(of, quantity)
    wanted = parameters.objects(of, names, services.fleet)
    is_sketched = all(one.is_sketched for one in chosen)
    if summarised:
        longest = 300.0 if is_sketched else 3_600.0
        over = parameters.span(
            start, end, step, services.interval, longest=longest, most=parameters.MOST_SUMMARISED_STEPS
        )
        most = parameters.SKETCHED_SUMMARY if is_sketched else parameters.LARGEST_SUMMARY
    else:
        over = parameters.span(start, end, step, services.interval)
        most = parameters.LARGEST_ANSWER
    everything = len(services.present.now().latest(of))
    parameters.limit(over, len(chosen), min(everything, len(names) * MOST_DEVICES) if names else everything, most)
    return wanted, chosen, over


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _names(domain: answers.DomainAnswer) -> list[str]:
    names = (domain.name, domain.id, domain.title, domain.facts.instance_name, domain.facts.project)
    return [name for name in names if name]


def _fresh(request: Request, services: Services, answer: Callable[[Now], object]) -> Response:
    """An answer that stays true until the next commit: whoever has it already is told so."""
    now = services.present.now()
    tag = f'W/"{services.started:.3f}-{now.commit}{services.sight}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    return _json(answer(now), headers={"ETag": tag, "Cache-Control": "private, no-cache"})


def _json(answer: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(answer), status, headers or {"Cache-Control": "no-store"}, "application/json")


def _peaks(item: Series) -> list[float | None] | None:
    """The peaks of a series, unless they say no more than its averages."""
    if item.peaks is None:
        return None
    pairs = zip(item.values, item.peaks, strict=True)
    says_more = any(peak is not None and mean is not None and peak - mean > 1e-6 * abs(mean) for mean, peak in pairs)
    return list(item.peaks) if says_more else None
