"""Sizing policies tried on the past: sized on its first days, judged on its last.

A policy is good where it keeps little, and where few machines would have missed what it took. No machine is made
larger: a size above what it has counts as what it has, and there it cannot exceed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from virtscope.analysis.sizing import Demand, Policy, whole_vcpus


@dataclass(frozen=True, slots=True)
class Machine:
    """One domain's history, cut in two."""

    name: str
    configured: float
    """vCPUs or bytes that it had at the end of ``train``."""
    train: Demand
    test: Demand


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy would have done."""

    policy: str
    machines: int
    configured: float
    """What the machines had together: vCPUs or bytes."""
    kept: float
    """What the policy leaves them."""
    exceeding: int
    """Machines that needed more than they were left, longer than is tolerated."""

    @property
    def kept_share(self) -> float:
        """0 to 1."""
        return self.kept / self.configured

    @property
    def risk(self) -> float:
        """The share of machines that exceed, 0 to 1."""
        return self.exceeding / self.machines


def replay(machines: Sequence[Machine], policies: Iterable[Policy], *, whole: bool, tolerated: float) -> list[Outcome]:
    """Every policy on every machine.

    Args:
        machines: with a train and a test that are not empty; at least one.
        policies: what to try.
        whole: sizes are whole vCPUs.
        tolerated: the share of the test's samples that may be above the size, 0 to 1.

    Raises:
        ValueError: there is no machine, so nothing can be said.
    """
    if not machines:
        raise ValueError("no machine has a history that is long enough")
    return [_tried(policy, machines, whole, tolerated) for policy in policies]


def _tried(policy: Policy, machines: Sequence[Machine], whole: bool, tolerated: float) -> Outcome:
    kept, exceeding = 0.0, 0
    for machine in machines:
        need = policy.need(machine.train)
        size = min(whole_vcpus(need) if whole else need, machine.configured)
        kept += size
        exceeding += bool(np.mean(machine.test.used > size) > tolerated)
    return Outcome(policy.name, len(machines), sum(machine.configured for machine in machines), kept, exceeding)
