"""What a tick of the agent costs, side by side with other collectors, on the same libvirtd.

    ./dev bench collect [--domains 10,50,100,200] [--running 0] [--repeat 7]

A lab of one host; each domain has two disks and two interfaces and is paused, or (``--running``) a guest that idles.
All take turns, round by round, so that what else the machine does meets all. Wall time is the median of a tick; CPU
time is what the kernel's clocks of the processes say, divided by the number of ticks. Peers that are not installed are
left out (Debian: prometheus-libvirt-exporter, collectd-core); of a paused domain collectd reads nothing but the state.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from rich.console import Console
from rich.table import Table

from lab.host import Host
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from virtscope.agent import libvirt_lane
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.kernel_lane import KernelLane
from virtscope.agent.lane import Lane
from virtscope.agent.libvirt_lane import LibvirtLane
from virtscope.agent.processes import process_clock
from virtscope.agent.slices import Slices
from virtscope.agent.uri import parse
from virtscope.catalogue import Scope

DEVICES = 2
COLLECTD_SECONDS = 2
"""collectd reads every so many seconds."""
START_SECONDS = 30
TICKS = 10
"""After so many ticks the agent's memory is read."""
Tick = Callable[[], float | None]
"""Does one tick; the CPU ms that it took in another process, None where it was in this one."""


@dataclass
class Cost:
    """What the ticks of one collector have cost, ms."""

    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    libvirtd: list[float] = field(default_factory=list)
    qemu: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """CPU of everybody, a tick."""
        return sum(statistics.mean(each) for each in (self.own, self.libvirtd, self.qemu))


class Clocks:
    """The CPU clocks of a host's libvirtd and emulators, ms."""

    def __init__(self, host: Host) -> None:
        assert host.libvirtd is not None
        self._libvirtd = process_clock(host.libvirtd)
        self._emulators = [process_clock(pid) for pid in host.emulators()]

    def libvirtd(self) -> float:
        """CPU time of libvirtd."""
        return time.clock_gettime_ns(self._libvirtd) / 1e6

    def qemu(self) -> float:
        """CPU time of all emulators."""
        return sum(time.clock_gettime_ns(clock) for clock in self._emulators) / 1e6


def compile_loop(folder: Path) -> Path:
    """The C loop, compiled."""
    program = folder / "collect"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libvirt"], capture_output=True, text=True, check=True
    ).stdout.split()
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source), *flags], check=True)
    return program


def c_loop(program: Path, host: Host, walls: list[float]) -> Tick:
    """The bulk call of all groups. The process lives for one tick: ``walls`` takes the time of the call alone."""

    def tick() -> float:
        answer = subprocess.run([program, host.uri, "1", "0"], capture_output=True, text=True, check=True)
        wall, cpu = map(float, answer.stdout.split())
        walls.append(wall)
        return cpu

    return tick


def virsh(host: Host) -> Tick:
    """``virsh domstats``, as scripts call it: with the start of a process."""

    def tick() -> float:
        before = os.times()
        subprocess.run(["virsh", "-r", "-c", host.uri, "domstats"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        return (after[2] - before[2] + after[3] - before[3]) * 1000

    return tick


@contextmanager
def ours(host: Host) -> Iterator[tuple[Tick, Tick, Tick]]:
    """The kernel lane, the libvirt lane beside it, and libvirt alone: ticks as the collector does them."""
    uri = parse(host.uri)
    hypervisor = Hypervisor(uri)
    who = hypervisor.facts()
    slices = Slices(lambda: Hypervisor(uri))
    lane = LibvirtLane(hypervisor, Lane("bench"), slices, who)
    kernel = KernelLane(who.id)
    first = lane.read(30, beside_kernel=False, slow=False)
    described = (hypervisor.describe(domain, who.id) for domain, _ in first.fields)
    facts = {found.id: found for found in described if found is not None}

    def libvirt(*, beside_kernel: bool) -> None:
        reading = lane.read(30, beside_kernel=beside_kernel, slow=False)
        whole = libvirt_lane.sample(reading, who, facts, libvirt_lane.own_figures(reading, 0))
        if beside_kernel:
            assert kernel.follow(libvirt_lane.watched(whole, reading, facts))
        assert len(whole.rows[Scope.DISK]) >= len(facts)

    def read() -> None:
        sample, is_whole = kernel.read({})
        assert is_whole
        assert len(sample.rows[Scope.NIC]) >= len(facts)

    libvirt(beside_kernel=True)
    yield read, lambda: libvirt(beside_kernel=True), lambda: libvirt(beside_kernel=False)
    kernel.close()
    slices.close()
    hypervisor.close()


@contextmanager
def exporter(host: Host) -> Iterator[Tick]:
    """Debian's prometheus-libvirt-exporter: a scrape."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["prometheus-libvirt-exporter", f"--web.listen-address=127.0.0.1:{port}", f"--libvirt.uri={host.uri}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        pool = urllib3.PoolManager(retries=urllib3.Retry(50, backoff_factor=0.01, backoff_max=0.1))
        pool.request("GET", f"http://127.0.0.1:{port}/metrics")
        clock = process_clock(process.pid)

        def tick() -> float:
            before = time.clock_gettime_ns(clock)
            answer = pool.request("GET", f"http://127.0.0.1:{port}/metrics")
            assert b"libvirt_up 1" in answer.data
            return (time.clock_gettime_ns(clock) - before) / 1e6

        yield tick
        process.terminate()


def collectd(host: Host, clocks: Clocks, folder: Path, reads: int) -> Cost:
    """Collectd's virt plugin, over so many reads of its own: CPU only, it does not tell how long a read took."""
    settings = folder / "collectd.conf"
    settings.write_text(
        f"""BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
Interval {COLLECTD_SECONDS}
LoadPlugin virt
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
</Plugin>
<Plugin virt>
  Connection "{host.uri}"
  RefreshInterval 60
  ExtraStats "disk disk_err domain_state vcpu memory"
</Plugin>
"""
    )
    cost = Cost()
    with subprocess.Popen(["collectd", "-f", "-C", str(settings)], stderr=subprocess.DEVNULL) as process:
        pause = selectors.DefaultSelector()
        began = time.monotonic()
        while not list((folder / "csv").rglob("domain_state*")):
            assert process.poll() is None, "collectd has ended"
            assert time.monotonic() - began < START_SECONDS, "collectd reads nothing"
            pause.select(0.1)
        clock = process_clock(process.pid)
        before = time.clock_gettime_ns(clock) / 1e6, clocks.libvirtd(), clocks.qemu()
        pause.select(COLLECTD_SECONDS * reads)
        after = time.clock_gettime_ns(clock) / 1e6, clocks.libvirtd(), clocks.qemu()
        process.terminate()
    cost.own, cost.libvirtd, cost.qemu = ([(b - a) / reads] for a, b in zip(before, after, strict=True))
    return cost


def measure(ticks: dict[str, Tick], clocks: Clocks, repeat: int) -> dict[str, Cost]:
    """Every collector's cost, in turns."""
    costs = {name: Cost() for name in ticks}
    for number in range(repeat + 1):
        for name, tick in ticks.items():
            before = time.perf_counter(), time.process_time(), clocks.libvirtd(), clocks.qemu()
            foreign = tick()
            after = time.perf_counter(), time.process_time(), clocks.libvirtd(), clocks.qemu()
            if number == 0:
                continue  # the first one pays for what is only done once
            cost = costs[name]
            cost.wall.append((after[0] - before[0]) * 1000)
            cost.own.append((after[1] - before[1]) * 1000 if foreign is None else foreign)
            cost.libvirtd.append(after[2] - before[2])
            cost.qemu.append(after[3] - before[3])
    return costs


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
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def one_size(folder: Path, program: Path, domains: int, running: int, repeat: int) -> tuple[dict[str, Cost], float]:
    """The costs of every collector at so many domains, and the agent's memory, MiB."""
    guests = tuple(GuestSpec(f"idle-{number}", disks=DEVICES) for number in range(running))
    with (
        tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as root,
        Lab(Path(root)) as lab,
        ExitStack() as stack,
    ):
        lab.up([HostSpec("kvm1", guests, bare=domains - running, bare_devices=DEVICES)])
        host = lab.hosts[0]
        for guest in guests:
            host.next_report(guest.name)
        clocks = Clocks(host)
        kernel, beside, alone = stack.enter_context(ours(host))
        walls: list[float] = []
        ticks: dict[str, Tick] = {
            "C loop, all groups": c_loop(program, host, walls),
            "virtscope, kernel lane": kernel,
            "virtscope, libvirt lane": beside,
            "virtscope, libvirt alone": alone,
            "virsh domstats": virsh(host),
        }
        if shutil.which("prometheus-libvirt-exporter"):
            ticks["Debian's exporter"] = stack.enter_context(exporter(host))
        costs = measure(ticks, clocks, repeat)
        costs["C loop, all groups"].wall = walls[1:]
        if shutil.which("collectd"):
            costs["collectd, virt"] = collectd(host, clocks, folder, repeat)
        return costs, resident_mib(host)


def show(console: Console, domains: int, running: int, costs: dict[str, Cost]) -> None:
    """One size as a table."""
    title = f"one tick, {domains} domains ({running} running), ms"
    shown = Table("", "wall", "own CPU", "libvirtd's CPU", "QEMU's CPU", title=title)
    for name, cost in costs.items():
        cells = (statistics.mean(each) for each in (cost.own, cost.libvirtd, cost.qemu))
        wall = f"{statistics.median(cost.wall):.1f}" if cost.wall else "not told"
        shown.add_row(name, wall, *(f"{cell:.1f}" for cell in cells))
    console.print(shown)


def judge(console: Console, domains: int, costs: dict[str, Cost], memory: float) -> None:
    """The goals, and how they are met."""
    kernel, lane = costs["virtscope, kernel lane"], costs["virtscope, libvirt lane"]
    loop, peer = costs["C loop, all groups"], costs.get("Debian's exporter")
    mean, median = statistics.mean, statistics.median
    shown = Table("goal", "measured", "wanted", title=f"{domains} domains")
    shown.add_row("kernel lane: our CPU", f"{mean(kernel.own):.1f} ms", "≤ 5 ms")
    shown.add_row("kernel lane: libvirtd's CPU", f"{mean(kernel.libvirtd):.2f} ms", "0")
    shown.add_row("libvirt lane: wall, of the C loop's", f"{median(lane.wall) / median(loop.wall):.2f}", "≤ 0.6")
    if peer is not None:
        ratio = mean(lane.libvirtd) / mean(peer.libvirtd)
        shown.add_row("libvirt lane: libvirtd's CPU, of the exporter's", f"{ratio:.2f}", "≤ 0.6")
        shown.add_row("libvirt lane: our CPU, of the exporter's", f"{mean(lane.own) / mean(peer.own):.2f}", "≤ 0.1")
        both = (3 * kernel.total + lane.total) / (3 * peer.total)
        shown.add_row("all CPU, kernel at 10 s and libvirt at 30 s, of the exporter's at 10 s", f"{both:.2f}", "≤ 0.25")
    shown.add_row("agent's memory", f"{memory:.1f} MiB", "")
    console.print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="10,50,100,200", help="how many domains, one size after another")
    parser.add_argument("--running", type=int, default=0, help="how many of them boot and run")
    parser.add_argument("--repeat", type=int, default=7, help="ticks of each collector")
    options = parser.parse_args()
    say, console = Console(stderr=True).print, Console()
    for size in options.domains.split(","):
        with tempfile.TemporaryDirectory() as folder:
            program = compile_loop(Path(folder))
            say(f"starting {size} domains …")
            costs, memory = one_size(Path(folder), program, int(size), options.running, options.repeat)
        show(console, int(size), options.running, costs)
        judge(console, int(size), costs, memory)


if __name__ == "__main__":
    main()
