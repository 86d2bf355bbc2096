"""Clocks that are wrong, and batches that come late or out of order: no rate below zero, no sample of the future."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.rig import Rig, sized
from tests.running import until
from tests.synthetic import Opened, batch, full_row, opened, sample
from virtscope.catalogue import Kind, Scope, metrics_of, quantities_of
from virtscope.sample import Batch, now_ms
from virtscope.server.ingest import FUTURE_MS
from virtscope.store import Range

HOUR = 3_600_000
START = 1_700_000_000_000 // HOUR * HOUR


def test_a_clock_that_is_an_hour_wrong(shared_rig: Rig) -> None:
    """Behind it, stored at its time; ahead of it, refused sample by sample; right again, all goes on."""
    server, agents = shared_rig.both(1)
    now = now_ms()
    agents.emit(10, now - HOUR, 1_000)
    agents.emit(10, now + HOUR, 1_000)
    agents.emit(10, now - 10_000, 1_000)
    agents.delivered()
    found = shared_rig.balance()
    assert found.is_sound, found
    assert [at for _, at in found.missing] == [now + HOUR + number * 1_000 for number in range(10)]
    (host,) = (one for one in server.get("/api/v1/hosts")["hosts"] if one["id"] == agents.agents()[0]["host"])
    assert abs(host["last_seen"] * 1000 - now) < FUTURE_MS
    until(lambda: "samples or events of the future" in server.text, "the warning")


GAUGES = {metric.name for metric in metrics_of(Scope.DOMAIN) if metric.kind is Kind.GAUGE}


def tick(number: int, at: int, counter: int) -> Batch:
    rows = [full_row(Scope.DOMAIN, ("domain",), lambda name: 1 if name in GAUGES else counter)]
    return batch(number, sample("host", at, {Scope.DOMAIN: rows}))


def test_no_rate_is_below_zero(tmp_path: Path) -> None:
    """A clock that steps to and fro, stands still, and counters that fall, overflow or make no sense."""
    chance = random.Random(4)
    at, counter = START, 0
    with opened(tmp_path) as made:
        for number in range(1, sized(150, 400)):
            at += chance.choice([10_000, 10_000, 10_000, 0, -HOUR, HOUR, 1])
            counter = chance.choice([counter + 10**9, counter + 10**9, 0, 2**63 - 1, -(2**63), counter // 2 - 1])
            counter = min(max(counter, -(2**63)), 2**63 - 1)
            made.store.append([tick(number, at, counter)])
        first, last = (
            made.database.cursor().execute("SELECT epoch_ms(min(ts)), epoch_ms(max(ts)) FROM domain").fetchall()[0]
        )
        assert below_zero(made, first, last) == []
        made.archive.run(last + 10 * HOUR)
        assert made.database.cursor().execute("SELECT count(*) FROM domain").fetchall() == [(0,)]
        assert below_zero(made, first, last) == []


def below_zero(made: Opened, first: int, last: int) -> list[str]:
    rates = [one for one in quantities_of(Scope.DOMAIN) if "cpu" in one.name]
    assert rates
    over = Range(first // HOUR * HOUR, last // HOUR * HOUR + HOUR, 300_000)
    found = made.store.series(rates, [], over)
    assert any(value for series in found for value in series.values)
    return [series.quantity for series in found if any(value is not None and value < 0 for value in series.values)]


def test_late_and_out_of_order_is_as_good_as_in_order(tmp_path: Path) -> None:
    """The same samples in any order, some long after their hours were archived: the same figures, rollups too."""
    ticks = [tick(number, START + number * 10_000, number * 10**9) for number in range(1, 720)]
    over = Range(START, START + 2 * HOUR, 300_000)
    quantities = [one for one in quantities_of(Scope.DOMAIN) if "cpu" in one.name]
    with opened(tmp_path / "in-order") as made:
        made.store.append(ticks)
        made.archive.run(START + 10 * HOUR)
        wanted = made.store.series(quantities, [], over)
    random.Random(5).shuffle(ticks)
    with opened(tmp_path / "shuffled") as made:
        for begin in range(0, len(ticks), 250):
            made.store.append(ticks[begin : begin + 250])
            made.archive.run(START + 10 * HOUR)
        found = made.store.series(quantities, [], over)
    for one, other in zip(wanted, found, strict=True):
        assert one.quantity == other.quantity
        assert other.values == pytest.approx(one.values)
