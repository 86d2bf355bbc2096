"""``virtscope top`` in a terminal, over real guests whose load is known."""

from __future__ import annotations

import re
import time

import pytest

from lab.lab import Lab
from tests.running import Running
from tests.top.terminal import Terminal, terminal
from virtscope.agent.processes import process_clock

pytestmark = pytest.mark.alone

INTERVAL = 2.0
LATE = 3.0
"""Seconds: a figure stays for an interval, and comes a second after its reading at most."""


def cpu_of(seen: Terminal, name: str) -> float:
    """A domain's CPU as its line says, a share of 1."""
    line = next(line for line in seen.text.splitlines() if name in line)
    found = re.search(r"(\d+\.\d) %", line)
    assert found, line
    return float(found[1]) / 100


class Witness:
    """What the kernel says that an emulator uses, whenever it is asked."""

    def __init__(self, pid: int) -> None:
        self._clock = process_clock(pid)
        self._seen: list[tuple[float, float]] = []

    def look(self) -> float:
        """Look at the clock; for how many seconds that has been done."""
        self._seen.append((time.monotonic(), time.clock_gettime_ns(self._clock) / 1e9))
        return self._seen[-1][0] - self._seen[0][0]

    def shares(self) -> list[float]:
        """The share of a CPU over every stretch of an interval that a figure shown now may be of."""
        newest = self._seen[-1][0]
        found = []
        for at, used in self._seen:
            before = [one for one in self._seen if one[0] <= at - INTERVAL]
            if before and at >= newest - LATE:
                found.append((used - before[-1][1]) / (at - before[-1][0]))
        return found


def test_a_hypervisor_s_guest_at_a_share_of_a_cpu(lab: Lab) -> None:
    host = lab.host("kvm1")
    (emulator,) = host.emulators()
    with terminal("top", "--connect", host.uri, "--interval", f"{INTERVAL:g}", columns=160) as seen:
        seen.until("1 of 1 hosts up")
        seen.until(" %")
        witness = Witness(emulator)
        first = cpu_of(seen, "steady")
        seen.until_true(lambda: witness.look() > INTERVAL + LATE and cpu_of(seen, "steady") != first, "another figure")
        shares = witness.shares()
        assert min(shares) - 0.05 < cpu_of(seen, "steady") < max(shares) + 0.05
        seen.type("\r")
        seen.until("as seen here")
        seen.until("⣿")
        seen.type("q")
        assert seen.status() == 0


def test_a_server_s_figures_are_those_on_the_screen(fleet: Running) -> None:
    with terminal("top", "--server", fleet.address, "-l", "cpu>5", columns=160) as seen:
        seen.until("2 of 2 hosts up")
        seen.until("steady")
        told = next(one for one in fleet.get("/api/v1/domains")["domains"] if one["name"] == "steady")
        assert abs(cpu_of(seen, "steady") - told["figures"]["cpu_ratio"]) < 0.3
        seen.type("n")
        seen.until("clean-traffic")
        seen.type("d")
        seen.until("steady")
        seen.type("t")
        seen.until("▾ kvm1")
        seen.type("q")
        assert seen.status() == 0
