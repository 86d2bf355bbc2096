"""Fleets to place: small ones for brute force, large ones for the clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from hypothesis import strategies as st

from virtscope.analysis.placement import Domain, Fleet, Host, Where, violations

GIB = 1 << 30


def fleet(hosts: int, domains: int, seed: int = 1) -> Fleet:
    """A fleet out of balance: some hosts have many domains, others few; 1 domain in 33 is pinned."""
    chance = random.Random(seed)
    made = tuple(
        Host(f"h{n}", chance.choice([256, 384, 512]) * GIB, chance.choice([32.0, 48, 64])) for n in range(hosts)
    )
    free = {host.id: host.memory * 0.85 for host in made}
    weights = [chance.random() ** 2 + 0.05 for _ in made]
    placed: list[Domain] = []
    while len(placed) < domains:
        memory = chance.choice([4, 8, 8, 16, 16, 32]) * GIB
        host = chance.choices(made, weights)[0].id
        if free[host] < memory:
            weights[[one.id for one in made].index(host)] /= 2
            continue
        free[host] -= memory
        number = len(placed)
        placed.append(
            Domain(
                f"d{number}",
                host,
                memory,
                round(chance.random() ** 2 * 6, 3),
                movable=chance.random() > 0.03,
                apart=(f"g{number // 20}",) if number % 20 < 3 else (),
            )
        )
    return Fleet(made, tuple(placed))


@st.composite
def small(draw: st.DrawFn) -> Fleet:
    """Up to 4 hosts and 8 domains, tight, with pinned ones, groups and a host in maintenance."""
    hosts = tuple(
        Host(
            f"h{n}", draw(st.integers(2, 8)) * GIB, float(draw(st.integers(1, 4))), accepts=draw(st.integers(0, 9)) > 0
        )
        for n in range(draw(st.integers(2, 4)))
    )
    free = {host.id: host.memory for host in hosts}
    domains: list[Domain] = []
    for number in range(draw(st.integers(1, 8))):
        memory = draw(st.integers(1, 4)) * GIB
        host = draw(st.sampled_from(hosts)).id
        if free[host] < memory:
            continue
        free[host] -= memory
        cpu = draw(st.integers(0, 30)) / 10
        movable = draw(st.integers(0, 7)) > 0
        apart = ("a",) if draw(st.integers(0, 3)) == 0 else ()
        domains.append(Domain(f"d{number}", host, memory, cpu, movable=movable, apart=apart))
    return Fleet(hosts, tuple(domains))


def placements(fleet: Fleet) -> Iterator[Where]:
    """Every sound placement, by trying all."""
    names = [domain.id for domain in fleet.domains]
    for hosts in product([host.id for host in fleet.hosts], repeat=len(names)):
        where = dict(zip(names, hosts, strict=True))
        if not violations(fleet, where):
            yield where
