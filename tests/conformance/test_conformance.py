"""Every store answers alike: rates across restarts, migrations, gaps and late samples, percentiles, verdicts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tests.conformance.conftest import Kept
from tests.conformance.story import END, GAP, LATE, OVER, START, STEP_MS, TICKS, lowered, seen, whole_steps
from virtscope.analysis import registry
from virtscope.catalogue import QUANTITY, Scope, quantities_of
from virtscope.prometheus import engine
from virtscope.server.analysing import Asked, run
from virtscope.store import Range, Series

ENGINES = ("prometheus", "victoria")
SCOPES = (Scope.HOST, Scope.DOMAIN, Scope.VCPU, Scope.DISK, Scope.NIC)
"""Those that the story tells of."""
TOLERANCE = 1e-6
"""How far two stores may be from each other about a whole step, of their value."""
CPU = QUANTITY[Scope.DOMAIN, "cpu_cores"]
WINDOW = {"window": "50m", "coverage": "0.2"}
"""For analyses that look at days."""


def by_object(found: Sequence[Series]) -> dict[tuple[tuple[str | int | None, ...], str], Sequence[float | None]]:
    return {(tuple(one.object.values()), one.quantity): one.values for one in found}


def alike(kept: Kept, scope: Scope, ours: Sequence[Series], theirs: Sequence[Series]) -> int:
    """How many values of whole steps there are; they are the same in both."""
    others, witness, compared = by_object(theirs), seen(kept.told, scope), 0
    for (key, name), values in by_object(ours).items():
        them = others.get((key, name), [None] * len(values))
        for place in whole_steps(witness[key], OVER):
            mine, found = values[place], them[place]
            assert (mine is None) == (found is None), (key, name, place, mine, found)
            compared += mine is not None
            assert found == (mine if mine is None else pytest.approx(mine, rel=TOLERANCE, abs=1e-9)), (key, name, place)
    return compared


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("other", ENGINES)
def test_whole_steps_are_the_same(kept: Kept, other: str, scope: Scope) -> None:
    ours, theirs = (kept.stores[one].series(quantities_of(scope), [], OVER) for one in ("duckdb", other))
    assert {key for key, values in by_object(ours).items() if any(values)} <= by_object(theirs).keys()
    assert alike(kept, scope, ours, theirs) > 1_000


def test_the_story_has_what_makes_it_hard(kept: Kept) -> None:
    """Counters that begin again, domains that move, samples that come late."""
    assert lowered(kept.told) > 5
    of = seen(kept.told, Scope.DOMAIN)
    assert sum(len(set().union(*hosts.values())) > 1 for hosts in of.values()) >= 5
    assert [one.at for one in kept.told] != sorted(one.at for one in kept.told)


@pytest.mark.parametrize("store", ["duckdb", *ENGINES])
def test_of_a_gap_nothing_is_known(kept: Kept, store: str) -> None:
    host = kept.told[1].hosts[0].id
    silent = Range(GAP[0] + OVER.step, GAP[1], OVER.step)
    quantity = QUANTITY[Scope.HOST, "cpu_ratio"]
    found = by_object(kept.stores[store].series([quantity], [host], silent))
    assert all(value is None for values in found.values() for value in values)
    (around,) = kept.stores[store].series([quantity], [host], OVER)
    assert around.coverage > 0.7


@pytest.mark.parametrize("store", ["duckdb", *ENGINES])
def test_what_came_late_is_there(kept: Kept, store: str) -> None:
    over = Range(START + LATE[0] * STEP_MS, START + LATE[-1] * STEP_MS // OVER.step * OVER.step, OVER.step)
    hosts = kept.stores[store].series([QUANTITY[Scope.HOST, "guests_cpu_cores"]], [], over)
    assert len(hosts) == 3
    assert all(one.coverage == 1 for one in hosts)


@pytest.mark.parametrize("store", ["duckdb", *ENGINES])
def test_of_nothing_there_is_nothing(kept: Kept, store: str) -> None:
    nobody, before = "00000000-0000-4000-8000-00000000dead", Range(START - 7_200_000, START - 3_600_000, 60_000)
    asked = kept.stores[store]
    assert asked.series([CPU], [nobody], OVER) == []
    assert asked.series([CPU], [], before) == []
    assert asked.summary([CPU], [nobody], OVER, [95]) == []
    assert asked.series([QUANTITY[Scope.POOL, "used_ratio"]], [], OVER) == []


@pytest.mark.parametrize("other", ENGINES)
def test_some_are_as_among_all(kept: Kept, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether all are asked for at once or one by one, for the whole range or for parts of it."""
    store = kept.stores[other]
    everybody = store.series([CPU], [], OVER)
    ids = sorted(str(one.object["domain"]) for one in everybody)
    monkeypatch.setattr("virtscope.prometheus.engine_store.AT_ONCE", 5)
    monkeypatch.setattr(engine, "MOST_STEPS", 7)
    each = store.series([CPU], ids, OVER)
    assert by_object(each).keys() == by_object(everybody).keys()
    assert alike(kept, Scope.DOMAIN, everybody, each) > 300
    assert {one.object["domain"] for one in store.series([CPU], ids[:2], OVER)} == set(ids[:2])


@pytest.mark.parametrize("other", ENGINES)
def test_summaries_are_the_same(kept: Kept, other: str) -> None:
    quantities = [CPU, QUANTITY[Scope.DOMAIN, "memory_used_ratio"], QUANTITY[Scope.DOMAIN, "disk_write_latency"]]
    over = Range(START + OVER.step, OVER.end, OVER.step)  # of the first step, the sample before is not known
    stores = (kept.stores["duckdb"], kept.stores[other])
    ours, theirs = (
        {(one.object["domain"], one.quantity): one for one in store.summary(quantities, [], over, [50, 95, 99.5])}
        for store in stores
    )
    witness = seen(kept.told, Scope.DOMAIN)
    steady = {key[0] for key, at in witness.items() if len(whole_steps(at, over)) == len(over.times)}
    compared = [one for one in ours if one[0] in steady and ours[one].samples]
    assert len(compared) > 5
    for one in compared:
        mine, found = ours[one], theirs[one]
        assert (found.samples, found.coverage) == (mine.samples, mine.coverage)
        assert found.average == pytest.approx(mine.average, rel=TOLERANCE)
        assert found.maximum == pytest.approx(mine.maximum, rel=TOLERANCE)
        assert found.percentiles == pytest.approx(mine.percentiles, rel=TOLERANCE)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock on the wall that is three quarters of an hour off."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("store", ["duckdb", *ENGINES])
def test_steps_begin_at_the_same_time_everywhere(kept: Kept, store: str, request: pytest.FixtureRequest) -> None:
    hours = Range(START // 3_600_000 * 3_600_000, END, 3_600_000)
    here = by_object(kept.stores[store].series([CPU], [], hours))
    request.getfixturevalue("elsewhere")
    assert by_object(kept.stores[store].series([CPU], [], hours)) == here


@pytest.mark.parametrize("name", registry.NAMES)
def test_verdicts_are_the_same(kept: Kept, name: str) -> None:
    """Of those domains that are there all the time, on one host."""
    witness = seen(kept.told, Scope.DOMAIN)
    steady = {key[0] for key, at in witness.items() if len(at) == TICKS and len(set(at.values())) == 1}
    known = {setting.name for setting in registry.find(name).declared}
    settings = {key: value for key, value in WINDOW.items() if key in known}
    verdicts = {
        store: Counter(
            (found.subject.id, found.subject.part, found.verdict)
            for found in run(replace(kept.served.services, store=reader), Asked(name, settings), END).findings
            if found.subject.kind not in ("domain", "disk", "nic") or found.subject.id in steady
        )
        for store, reader in kept.stores.items()
    }
    assert verdicts["duckdb"] == verdicts["prometheus"] == verdicts["victoria"]
