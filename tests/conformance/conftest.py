"""The story, once in each engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.engines import prometheus_with, victoria_with
from tests.conformance.story import STEP_MS, lines, told
from tests.server.access.serving import Served, serving
from virtscope.prometheus.engine import Access, Engine
from virtscope.prometheus.engine_store import EngineStore
from virtscope.prometheus.naming import Naming
from virtscope.sample import Batch
from virtscope.store import Reader


@dataclass(frozen=True)
class Kept:
    """What was told, who serves it, and every store that keeps it."""

    told: list[Batch]
    served: Served
    stores: Mapping[str, Reader]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The story everywhere."""
    story = told()
    text = list(lines(story))
    uris = sorted({facts.uri for batch in story for facts in batch.hosts})

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    with ExitStack() as closing:
        served = closing.enter_context(serving(folder("duckdb"), told=story, uris=uris))
        fleet = served.services.fleet

        def naming() -> Naming:
            return Naming({host.id: host.name for host in fleet.hosts()}, fleet.domains)

        stores: dict[str, Reader] = {"duckdb": served.services.store}
        for name, engine in (("prometheus", prometheus_with), ("victoria", victoria_with)):
            url = closing.enter_context(engine(text, folder(name)))
            stores[name] = EngineStore(Engine(Access(url)), naming, STEP_MS / 1000)
        yield Kept(story, served, stores)
