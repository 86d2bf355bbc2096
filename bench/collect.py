"""What a tick of the agent costs, against a C loop of the same bulk call on the same libvirtd.

    ./dev bench collect [--domains 100]

A lab of one host with paused domains. Both take turns, block by block, so that what else the machine does meets both.
Wall time is the median of a call; CPU time is what libvirtd's process used, by /proc.
"""

from __future__ import annotations

import argparse
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab.host import Host
from lab.lab import Lab
from lab.spec import HostSpec
from virtscope.agent import domain_xml, libvirt_lane
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.uri import parse
from virtscope.catalogue import Scope

BLOCKS = 8
CALLS = 10
TICKS = 10
"""After so many ticks the agent's memory is read."""


def compile_loop(folder: Path) -> Path:
    """The C loop, compiled."""
    program = folder / "collect"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libvirt"], capture_output=True, text=True, check=True
    ).stdout.split()
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source), *flags], check=True)
    return program


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads, to the nanosecond: /proc/PID/task/*/schedstat (sched-stats.rst)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def agents_tick(host: Host) -> Callable[[], None]:
    """One tick as the collector does it: read, and understand."""
    hypervisor = Hypervisor(parse(host.uri), lambda _event: None)
    who = hypervisor.facts()
    facts = {}
    for domain, _ in hypervisor.domain_stats():
        found = hypervisor.describe(domain)
        if found is not None:
            facts[domain] = domain_xml.facts(domain, found.name, who.id, found.persistent, found.xml)

    def tick() -> None:
        sample = libvirt_lane.sample(libvirt_lane.read(hypervisor), who, facts)
        assert len(sample.rows[Scope.DOMAIN]) == len(facts)

    return tick


def compare(host: Host, program: Path) -> tuple[list[float], list[float], float, float]:
    """Wall ms of each C call and of each tick, and libvirtd's CPU seconds during either."""
    libvirtd = host.libvirtd
    assert libvirtd is not None
    tick = agents_tick(host)
    loop, ours = [], []
    loop_cpu = our_cpu = 0.0
    for _ in range(BLOCKS):
        before = cpu_seconds(libvirtd)
        answer = subprocess.run([program, host.uri, str(CALLS)], capture_output=True, text=True, check=True)
        loop += [float(line) for line in answer.stdout.split()]
        between = cpu_seconds(libvirtd)
        for _ in range(CALLS):
            began = time.perf_counter()
            tick()
            ours.append((time.perf_counter() - began) * 1000)
        loop_cpu += between - before
        our_cpu += cpu_seconds(libvirtd) - between
    return loop, ours, loop_cpu, our_cpu


def resident_mib(host: Host) -> float:
    """Memory of the agent's process after some ticks: VmRSS of proc_pid_status(5)."""
    command = [sys.executable, "-m", "virtscope.agent", host.uri, "--interval", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        ticks = 0
        while ticks < TICKS:
            ticks += "domain" in agent.stdout.readline()
        status = Path(f"/proc/{agent.pid}/status").read_text()
        agent.terminate()
        selector = selectors.DefaultSelector()
        selector.register(os.pidfd_open(agent.pid), selectors.EVENT_READ)
        selector.select(10)
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=100)
    options = parser.parse_args()
    say = Console(stderr=True).print
    with (
        tempfile.TemporaryDirectory() as programs,
        tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder,
        Lab(Path(folder)) as lab,
    ):
        say(f"starting {options.domains} paused domains …")
        lab.up([HostSpec("kvm1", bare=options.domains)])
        host = lab.hosts[0]
        loop, ours, loop_cpu, our_cpu = compare(host, compile_loop(Path(programs)))
        memory = resident_mib(host)
    calls = BLOCKS * CALLS
    shown = Table("", "C loop", "agent", "ratio", "wanted", title=f"one tick, {options.domains} domains")
    wall = statistics.median(loop), statistics.median(ours)
    shown.add_row("wall", f"{wall[0]:.1f} ms", f"{wall[1]:.1f} ms", f"{wall[1] / wall[0]:.2f}", "≤ 1.2")
    cpu = loop_cpu / calls * 1000, our_cpu / calls * 1000
    shown.add_row("libvirtd's CPU", f"{cpu[0]:.1f} ms", f"{cpu[1]:.1f} ms", f"{cpu[1] / cpu[0]:.2f}", "≤ 1")
    shown.add_row("agent's memory", "", f"{memory:.1f} MiB", "", "≤ 48 MiB")
    Console().print(shown)


if __name__ == "__main__":
    main()
