"""Rebalance: which live migrations make the busiest host least busy, if any are worth it.

Loads are sums of the domains' p95 of cores over hours, so no instant moves anybody. Nothing is proposed unless the
imbalance (highest load less lowest) was above a threshold for several rounds on end, and unless what the steps reach,
with all that stood in their way, lowers the highest load by a part that is worth it.

Two stages: first the least peak z that there is, then the fewest migrations with no host busier than 1.05 z. Local
search finds both (`spread.py`). Where its peak is the bound, that is its proof; else, and for the fewest migrations,
CP-SAT improves and proves (`solver.py`), as long as the fleet is small enough for it. Above that it chooses among the
largest domains of the busy hosts, and the answer comes with its bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from virtscope.analysis.moves import Order, ordered
from virtscope.analysis.placement import Domain, Fleet, Where, imbalance, peak, violations
from virtscope.analysis.solver import RESOLUTION, Placement, count_moves, fewest_to_go
from virtscope.analysis.spread import least_peak_bound, relieve, spread

MOST_BOOLEANS = 20_000
"""Domains times hosts up to which CP-SAT has all of them to choose from."""
TOLERANCE = 1.05
"""How much above the least peak the second stage may stay."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When to act, and how long to think."""

    imbalance: float = 0.3
    rounds: int = 3
    gain: float = 0.1
    seconds: float = 20.0
    """For each of the two stages."""


@dataclass(frozen=True, slots=True)
class Rebalance:
    """What to do, or why nothing."""

    reason: str
    """One sentence; with ``order`` empty, why nothing is to be done."""
    before: float
    """The highest load of a host, 0 to 1 and above."""
    after: float
    order: Order | None
    """The steps; None where there are none worth it."""
    peak_bound: float = 0.0
    """No placement has a lower peak."""
    moves_bound: int = 0
    """No placement with a peak of at most 1.05 z takes fewer moves."""
    peak_proven: bool = False
    moves_proven: bool = False


def rebalance(fleet: Fleet, rounds: Sequence[float], rules: Rules) -> Rebalance:
    """Judge a fleet as it is.

    Args:
        fleet: as it is now.
        rounds: its imbalance in the rounds before and in this one, the newest last.
        rules: when to act.
    """
    before = peak(fleet, fleet.now)
    recent = list(rounds)[-rules.rounds :]
    if len(recent) < rules.rounds or min(recent) <= rules.imbalance:
        calm = min(recent, default=imbalance(fleet, fleet.now))
        return Rebalance(
            f"the imbalance was not above {rules.imbalance:.0%} for {rules.rounds} rounds on end, but {calm:.0%}",
            before,
            before,
            None,
        )
    least, bound, proven = least_peak(fleet, rules.seconds)
    target = max(peak(fleet, least), bound) * TOLERANCE
    if (before - peak(fleet, least)) < rules.gain * before:
        return _nothing(before, peak(fleet, least), bound, proven, rules)
    where, fewest, certain = fewest_moves(fleet, target, least, rules.seconds)
    order = ordered(fleet, where)
    after = peak(fleet, order.where)
    if before - after < rules.gain * before or len(violations(fleet, order.where)) > len(violations(fleet, fleet.now)):
        return _nothing(before, after, bound, proven, rules)
    reason = f"{len(order.steps)} migrations lower the highest load from {before:.0%} to {after:.0%}"
    # What cannot be reached in steps is not the best any more.
    whole = not order.left
    return Rebalance(reason, before, after, order, bound, fewest, proven and whole, certain and whole)


def _nothing(before: float, after: float, bound: float, proven: bool, rules: Rules) -> Rebalance:
    reason = (
        f"no beneficial migration: the highest load is {before:.0%}, and what can be reached is {after:.0%}, "
        f"not {rules.gain:.0%} less"
    )
    return Rebalance(reason, before, before, None, bound, 0, proven, proven)


def least_peak(fleet: Fleet, seconds: float) -> tuple[Where, float, bool]:
    """The first stage: a placement, the bound of its peak, and whether it is the best there is (to RESOLUTION)."""
    bound = least_peak_bound(fleet)
    where = spread(fleet, bound)
    if not violations(fleet, where) and peak(fleet, where) <= bound + RESOLUTION:
        return where, bound, True
    if len(fleet.domains) * len(fleet.hosts) > MOST_BOOLEANS:
        return where, bound, False
    answer = Placement(fleet).least_peak(seconds, where)
    if answer.where is None:
        return where, bound, False
    return answer.where, max(bound, answer.bound), answer.proven


def fewest_moves(fleet: Fleet, target: float, least: Where, seconds: float) -> tuple[Where, int, bool]:
    """The second stage: a placement with no host busier than ``target``, the bound of its moves, if it is the best.

    ``least`` is a placement that is known to be good enough; the answer is never worse.
    """
    bound = sum(
        fewest_to_go([domain for domain in fleet.domains if domain.host == host.id], target * host.cpu)
        for host in fleet.hosts
    )
    tried = [least, spread(fleet, target), relieve(fleet, target)]
    best = min((w for w in tried if _sound(fleet, w, target)), key=lambda w: count_moves(fleet, w), default=least)
    if count_moves(fleet, best) <= bound:
        return best, bound, True
    small = len(fleet.domains) * len(fleet.hosts) <= MOST_BOOLEANS
    answer = Placement(fleet if small else _largest(fleet, target)).fewest_moves(target, seconds, best)
    if answer.where is None:
        return best, bound, False
    if small:
        bound = max(bound, math.ceil(answer.bound - 1e-6))
    best = min(answer.where, best, key=lambda where: count_moves(fleet, where))
    return best, bound, count_moves(fleet, best) <= bound


def _sound(fleet: Fleet, where: Where, target: float) -> bool:
    return peak(fleet, where) <= target + 1e-9 and not violations(fleet, where)


def _largest(fleet: Fleet, target: float) -> Fleet:
    """The fleet with only so many domains free to move that the hosts which are too busy can be relieved."""
    free: set[str] = {domain.id for domain in fleet.domains if domain.apart or domain.together}
    for host in fleet.hosts:
        home = [domain for domain in fleet.domains if domain.host == host.id and domain.movable]
        if least := fewest_to_go(home, target * host.cpu):
            free |= {domain.id for domain in sorted(home, key=_by_cpu, reverse=True)[: 2 * least + 3]}
    return Fleet(fleet.hosts, tuple(replace(d, movable=d.movable and d.id in free) for d in fleet.domains))


def _by_cpu(domain: Domain) -> float:
    return domain.cpu
