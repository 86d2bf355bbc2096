"""The simulated fleet behaves as a real one, and goes the way of a real one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from tests.running import running, until
from tests.synthetic import opened
from virtscope.catalogue import QUANTITY, Scope, metrics_of
from virtscope.simulation import fleet as simulated
from virtscope.simulation.feeding import batches
from virtscope.simulation.fleet import Fleet, Habit
from virtscope.store import Range

START = 1_800_000_000_000 // 86_400_000 * 86_400_000
_SIZE = ("--hosts", "2", "--domains", "6", "--interval", "0.5")
NAMES = {scope: [metric.name for metric in metrics_of(scope)] for scope in Scope}


def test_the_same_seed_makes_the_same_fleet() -> None:
    first, second, other = (Fleet(3, 20, seed) for seed in (7, 7, 8))
    times = [START + n * 60_000 for n in range(5)]
    told = [[one.tick(at) for at in times] for one in (first, second, other)]
    assert told[0] == told[1]
    assert told[0] != told[2]


def test_what_is_stored_is_what_the_fleet_did(tmp_path: Path) -> None:
    """CPU of each habit out of the store, over a day: idle domains idle, busy ones are busy."""
    fleet = Fleet(2, 60)
    habits = {one.facts.id: one.habit for host in fleet.hosts for one in host.domains}
    with opened(tmp_path) as made:
        told = [
            batch
            for n in range(288)
            for batch in batches(fleet, START + n * 300_000, 1, n + 1, 300.0, tells_all=n == 0)
        ]
        made.store.append(told)
        over = Range(START, START + 86_400_000, 3_600_000)
        summary = made.store.summary([QUANTITY[Scope.DOMAIN, "cpu_ratio"]], [], over, [95])
        assert len(made.records.known().facts) >= 62
    used = {
        habit: [one.average or 0 for one in summary if habits[str(one.object["domain"])] is habit] for habit in Habit
    }
    assert len(summary) == 60
    assert mean(used[Habit.IDLE]) < 0.01
    assert 0.1 < mean(used[Habit.DIURNAL]) < 0.5
    assert mean(used[Habit.BUSY]) > 0.7
    assert all(one.samples >= 23 for one in summary)


def test_domains_are_restarted_and_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "RESTARTS_A_DAY", 20)
    monkeypatch.setattr(simulated, "MIGRATIONS_A_DAY", 20)
    fleet = Fleet(3, 30)
    kinds: Counter[str] = Counter()
    falls = 0
    before: dict[object, int] = {}
    for n in range(60):
        for host, told in zip(fleet.hosts, fleet.tick(START + n * 60_000), strict=True):
            kinds.update(event.kind for event in told.events)
            assert {facts.host for facts in told.domains} <= {host.facts.id}
            for row in told.sample.rows[Scope.DOMAIN]:
                now = int(row[1 + NAMES[Scope.DOMAIN].index("cpu_time")] or 0)
                falls += now < before.get(row[0], 0)
                before[row[0]] = now
    assert kinds["started"] > 5
    assert kinds["migrated in"] > 5
    assert falls > 5
    assert sum(len(host.domains) for host in fleet.hosts) == 30


def test_vcpus_wait_where_the_host_lacks_cpu() -> None:
    fleet = Fleet(1, 3)
    for one in fleet.hosts[0].domains:
        one.habit, one.vcpus = Habit.BUSY, 64
    told = [fleet.tick(START + n * 10_000)[0].sample for n in range(2)]
    delay = NAMES[Scope.VCPU].index("delay")
    assert all(int(row[2 + delay] or 0) > 0 for row in told[1].rows[Scope.VCPU])


def test_it_is_served_as_a_real_one(tmp_path: Path) -> None:
    with running(tmp_path, *_SIZE, program="simulate") as process:

        def known() -> bool:
            found = process.get("/api/v1/domains")["domains"]
            return len(found) == 6 and all(one["figures"]["cpu_ratio"] is not None for one in found)

        until(known, "six domains with their CPU")
        assert {host["state"] for host in process.get("/api/v1/hosts")["hosts"]} == {"up"}
        assert process.stop() == 0
