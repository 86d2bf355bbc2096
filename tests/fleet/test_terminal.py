"""``virtscope top`` in a terminal, over real guests whose load is known."""

from __future__ import annotations

import re

from lab.lab import Lab
from tests.running import Running
from tests.top.terminal import Terminal, terminal


def cpu_of(seen: Terminal, name: str) -> float:
    """A domain's CPU as its line says, a share of 1."""
    line = next(line for line in seen.text.splitlines() if name in line)
    found = re.search(r"(\d+\.\d) %", line)
    assert found, line
    return float(found[1]) / 100


def test_a_hypervisor_s_guest_at_half_of_a_cpu(lab: Lab) -> None:
    with terminal("top", "--connect", lab.host("kvm1").uri, "--interval", "2", columns=160) as seen:
        seen.until("1 of 1 hosts up")
        seen.until(" %")
        # The guest itself takes half, or what a busy machine leaves it. The figure is of a few seconds.
        assert 0.05 < cpu_of(seen, "steady") < 0.95
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
