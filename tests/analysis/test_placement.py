"""Placement against brute force, on all fleets of up to 4 hosts and 8 domains; and at the size of real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.analysis.fleets import GIB, fleet, placements, small
from virtscope.analysis import balance, emptying
from virtscope.analysis.loss import Cover, Survivors
from virtscope.analysis.moves import Order, ordered
from virtscope.analysis.placement import Domain, Fleet, Host, Room, Where, imbalance, loads, peak, violations
from virtscope.analysis.solver import RESOLUTION, Placement, count_moves
from virtscope.analysis.spread import least_peak_bound, relieve, spread
from virtscope.analysis.what_if import Flavour, how_many, with_more

FEW = settings(max_examples=40, deadline=None)
ALWAYS = (1.0, 1.0, 1.0)


def test_loads_and_imbalance() -> None:
    made = Fleet(
        (Host("a", GIB, 4), Host("b", GIB, 2), Host("c", GIB, 8, accepts=False)),
        (Domain("1", "a", 1, 3), Domain("2", "b", 1, 1)),
    )
    assert loads(made, made.now) == {"a": 0.75, "b": 0.5, "c": 0}
    assert peak(made, made.now) == 0.75
    assert imbalance(made, made.now) == 0.25  # a host that takes nobody is no room to balance with


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Fleet((Host("a", 1, 1), Host("a", 1, 1)), ()),
        lambda: Fleet((Host("a", 1, 0),), ()),
        lambda: Fleet((Host("a", 1, float("nan")),), ()),
        lambda: Fleet((Host("a", 1, 1),), (Domain("1", "b", 1, 1),)),
        lambda: Fleet((Host("a", 1, 1),), (Domain("1", "a", 1, float("nan")),)),
        lambda: Fleet((Host("a", 1, 1),), (Domain("1", "a", -1, 1),)),
    ],
)
def test_no_plan_rests_on_what_makes_no_sense(broken: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says it in its own words
        broken()  # type: ignore[operator]


@FEW
@given(small())
def test_the_least_peak_is_that_of_brute_force(made: Fleet) -> None:
    sound = [peak(made, where) for where in placements(made)]
    answer = Placement(made).least_peak(10, made.now)
    assert answer.proven
    if not sound:
        return
    assert answer.where is not None
    assert not violations(made, answer.where)
    assert peak(made, answer.where) <= min(sound) + RESOLUTION + 0.002
    assert least_peak_bound(made) <= min(sound) + 1e-9
    assert answer.bound <= min(sound) + 0.002


@FEW
@given(small(), st.floats(1.0, 1.5))
def test_the_fewest_moves_are_those_of_brute_force(made: Fleet, slack: float) -> None:
    sound = list(placements(made))
    assume(sound)
    target = min(peak(made, where) for where in sound) * slack + 0.003
    least = min(count_moves(made, where) for where in sound if peak(made, where) <= target - 0.002)
    start = min(sound, key=lambda where: peak(made, where))
    where, bound, proven = balance.fewest_moves(made, target, start, 10)
    assert proven
    assert not violations(made, where)
    assert peak(made, where) <= target + 1e-9
    assert bound <= count_moves(made, where) <= least


@FEW
@given(small())
def test_local_search_breaks_nothing_and_makes_nothing_worse(made: Fleet) -> None:
    for found in (spread(made, 0.0), relieve(made, least_peak_bound(made))):
        assert len(violations(made, found)) <= len(violations(made, made.now))
        for host, free in Room(made, found).memory.items():
            assert free >= 0, host
    if not violations(made, made.now):
        assert peak(made, spread(made, 0.0)) <= peak(made, made.now) + 1e-9


@FEW
@given(small(), st.data())
def test_steps_never_ask_too_much_of_a_host(made: Fleet, data: st.DataObject) -> None:
    sound = list(placements(made))
    assume(sound and not violations(made, made.now))
    order = ordered(made, data.draw(st.sampled_from(sound)))
    where = dict(made.now)
    for step in order.steps:
        assert where[step.domain] == step.source
        during = Room(made, where)
        during.put(made.domain[step.domain], step.target)  # on both hosts while it moves
        assert min(during.memory.values()) >= 0
        where[step.domain] = step.target
    assert where == order.where


def test_two_that_change_places_need_a_third_host() -> None:
    hosts = (Host("a", 4, 1), Host("b", 4, 1), Host("c", 4, 1))
    domains = (Domain("1", "a", 3, 0), Domain("2", "b", 3, 0))
    order = ordered(Fleet(hosts, domains), {"1": "b", "2": "a"})
    assert [(step.domain, step.target, step.parked) for step in order.steps] == [
        ("1", "c", True),
        ("2", "a", False),
        ("1", "b", False),
    ]
    assert order.left == ()


def test_without_a_third_host_they_stay() -> None:
    made = Fleet((Host("a", 4, 1), Host("b", 4, 1)), (Domain("1", "a", 3, 0), Domain("2", "b", 3, 0)))
    assert ordered(made, {"1": "b", "2": "a"}) == Order((), made.now, ("1", "2"))


@FEW
@given(small())
def test_a_hosts_loss_is_covered_as_brute_force_says(made: Fleet) -> None:
    assume(not violations(made, made.now))
    survivors = Survivors(made)
    for dead in made.host:
        left = tuple(host for host in made.hosts if host.id != dead)
        homeless = [replace(d, host="") for d in made.domains if d.host == dead]
        stay = [replace(d, movable=False) for d in made.domains if d.host != dead]
        possible = all(domain.movable for domain in homeless) and any(
            True for _ in _with_all_at_home(Fleet(left, (*stay, *homeless)))
        )
        loss = survivors.without(dead)
        assert (loss.cover is Cover.COVERED) == possible, loss
        assert loss.cover is not Cover.NOT_DECIDED
        if loss.where is not None:
            where = {d.id: loss.where.get(d.id, d.host) for d in made.domains}
            assert not violations(Fleet(left, (*stay, *homeless)), where)


def _with_all_at_home(made: Fleet) -> list[Where]:
    return [w for w in placements(made) if all(w[d.id] == d.host for d in made.domains if d.host)]


def test_what_blocks_a_loss_is_named() -> None:
    hosts = (Host("a", 8, 4), Host("b", 8, 4))
    large = Fleet(hosts, (Domain("1", "a", 6, 1), Domain("2", "b", 4, 1), Domain("3", "a", 1, 1, movable=False)))
    loss = Survivors(large).without("a")
    assert (loss.cover, loss.blockers) == (Cover.NOT_COVERED, ("1", "3"))
    assert (loss.needed, loss.spare) == (7, -3)
    covered = Survivors(large).without("b")
    assert (covered.cover, covered.spare, covered.peak) == (Cover.NOT_COVERED, -3, None)


def test_cpu_is_soft_and_told() -> None:
    made = Fleet((Host("a", 8, 2), Host("b", 8, 2)), (Domain("1", "a", 1, 1.5), Domain("2", "b", 1, 1.5)))
    assert Survivors(made).without("a").peak == 1.5


@FEW
@given(small())
def test_the_fewest_hosts_are_those_of_brute_force(made: Fleet) -> None:
    def fewest(ceiling: float) -> int:
        return min(
            (len(set(w.values())) for w in placements(made) if peak(made, w) <= ceiling), default=len(made.hosts)
        )

    stuck = Fleet(made.hosts, tuple(domain for domain in made.domains if not domain.movable))
    assume(peak(stuck, stuck.now) <= 1.0 and not violations(stuck, stuck.now))
    found = emptying.consolidation(made, emptying.Rules(ceiling=1.0))
    # The model rounds loads up by a thousandth at the most.
    assert found.bound <= fewest(1.0 - 0.002)
    assert found.bound <= found.needed
    if not found.order.left:
        least, most = (max(0, len(made.hosts) - fewest(1.0 + slack) - found.reserve) for slack in (-0.002, 1e-9))
        assert least <= len(found.freed) <= most
    if found.freed:
        assert not set(found.freed) & set(found.order.where.values())
        assert not violations(made, found.order.where)
        assert peak(made, found.order.where) <= 1.0 + 1e-9


def test_one_of_ten_hosts_stays_in_reserve() -> None:
    hosts = tuple(Host(f"h{n:02}", 10 * GIB, 10) for n in range(20))
    found = emptying.consolidation(Fleet(hosts, (Domain("1", "h07", GIB, 1),)), emptying.Rules())
    assert (found.needed, found.reserve, len(found.freed), found.proven) == (1, 2, 17, True)
    assert found.order.steps == ()


def test_balance_acts_only_after_three_rounds() -> None:
    made = fleet(4, 30)
    for rounds in ((), (0.9, 0.9), (0.9, 0.2, 0.9), (0.9, 0.9, 0.3)):
        found = balance.rebalance(made, rounds, balance.Rules())
        assert found.order is None
        assert "3 rounds" in found.reason


def test_no_beneficial_migration_is_an_answer() -> None:
    one_large = Fleet((Host("a", 8, 4), Host("b", 8, 4)), (Domain("1", "a", 1, 3.0),))
    found = balance.rebalance(one_large, ALWAYS, balance.Rules())
    assert found.order is None
    assert found.reason.startswith("no beneficial migration")


@pytest.mark.parametrize(("hosts", "domains", "seed"), [(12, 200, 2), (6, 60, 1)])
def test_many_are_balanced_and_both_stages_proven(hosts: int, domains: int, seed: int) -> None:
    made = fleet(hosts, domains, seed)
    found = balance.rebalance(made, ALWAYS, balance.Rules())
    assert found.order is not None
    assert found.peak_proven
    assert found.moves_proven
    assert not violations(made, found.order.where)
    assert found.after <= (found.peak_bound + RESOLUTION) * balance.TOLERANCE
    assert count_moves(made, found.order.where) == found.moves_bound
    assert balance.rebalance(made, ALWAYS, balance.Rules()) == found  # the same fleet has the same answer


@FEW
@given(small(), st.integers(1, 3), st.integers(0, 10))
def test_as_many_fit_as_can_be_put_there(made: Fleet, memory: int, tenths: int) -> None:
    assume(not violations(made, made.now))
    flavour = Flavour(memory * GIB, tenths / 10)
    fit = how_many(made, flavour, 1.0)
    grown = with_more(made, flavour, fit.total, 1.0)
    assert grown is not None
    assert len(violations(grown, grown.now)) == 0
    assert with_more(made, flavour, fit.total + 1, 1.0) is None
    assert 0 <= fit.safe <= fit.total


def test_what_needs_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="any number of times"):
        how_many(fleet(2, 2), Flavour(0, 0), 1.0)


def test_room_for_n_plus_one_is_not_given_away() -> None:
    made = Fleet((Host("a", 10, 10), Host("b", 10, 10)), (Domain("1", "a", 4, 1),))
    fit = how_many(made, Flavour(2, 0.1), 1.0)
    assert (fit.total, fit.by_host) == (8, {"a": 3, "b": 5})
    assert fit.safe == 3  # 4 + 3 * 2 is what one of them holds alone
