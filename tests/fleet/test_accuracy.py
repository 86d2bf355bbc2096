"""Our figures against witnesses that know nothing of us: the guest itself, virsh, /proc."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from lab.host import Host
from lab.lab import Lab
from lab.report import GuestReport
from tests.running import Running, until

pytestmark = pytest.mark.alone

WINDOW = 60
STEP = 20


def average(fleet: Running, scope: str, quantity: str, found: str, start: float) -> float:
    """What we say a quantity was on average in the window."""
    over = f"start={start}&end={start + WINDOW}&step={STEP}"
    rows = fleet.get(f"/api/v1/summary?scope={scope}&quantity={quantity}&object={found}&{over}")["rows"]
    assert [row["coverage"] for row in rows] == [1.0]
    value: float = rows[0]["average"]
    return value


def domstats(host: Host, guest: str) -> dict[str, int]:
    """What virsh says."""
    answer = subprocess.run(
        ["virsh", "-c", host.uri, "domstats", guest], capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.strip().partition("=") for line in answer.splitlines())
    return {name: int(value) for name, _, value in pairs if value.lstrip("-").isdigit()}


def jiffies(pid: int) -> int:
    """CPU time of a process by /proc, hundredths of a second: utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Witness:
    """Everything the witnesses say at one moment."""

    def __init__(self, lab: Lab) -> None:
        steady, mixed = lab.host("kvm1"), lab.host("kvm2")
        self.steady: GuestReport = steady.next_report("steady")
        self.mixed: GuestReport = mixed.next_report("mixed")
        self.at = time.monotonic()
        self.virsh = domstats(mixed, "mixed")
        self.jiffies = jiffies(steady.guest_pid("steady"))


@pytest.fixture(scope="module")
def window(lab: Lab, fleet: Running) -> tuple[float, Witness, Witness]:
    """A minute, with the witnesses heard at both ends."""
    # Memory is read less often than the rest, and what was read last counts until then.
    until(
        lambda: (fleet.get("/api/v1/domains/mixed")["figures"].get("memory_used") or 0) > 45_000_000,
        "the guest's having filled its memory",
    )
    until(lambda: time.time() % STEP < 1, "the beginning of a step", STEP + 5)
    start = time.time() // STEP * STEP
    before = Witness(lab)
    until(lambda: time.time() >= start + WINDOW, "the end of the window", WINDOW + 10)
    after = Witness(lab)
    until(lambda: fleet.get("/api/v1/domains")["at"] > start + WINDOW + 3, "the samples of the window")
    return start, before, after


def test_cpu_is_what_the_guest_says(fleet: Running, window: tuple[float, Witness, Witness]) -> None:
    start, before, after = window
    guest = (after.steady.busy - before.steady.busy) / (after.steady.uptime - before.steady.uptime)
    assert 0.2 < guest < 0.4, "the load itself"
    ran = average(fleet, "vcpu", "usage", "steady/0", start)
    waited = average(fleet, "vcpu", "steal", "steady/0", start)
    # The guest cannot see that the host took its CPU away, and counts that time as its own.
    assert ran + waited == pytest.approx(guest, abs=0.03)


def test_cpu_is_what_proc_says(fleet: Running, window: tuple[float, Witness, Witness]) -> None:
    start, before, after = window
    proc = (after.jiffies - before.jiffies) / 100 / (after.at - before.at)
    assert average(fleet, "domain", "cpu_cores", "steady", start) == pytest.approx(proc, abs=0.03)


@pytest.mark.parametrize(
    ("target", "quantity", "field"), [("vda", "write", "write_bytes"), ("vdb", "read", "read_bytes")]
)
def test_disk_rates_are_what_the_guest_says(
    fleet: Running, window: tuple[float, Witness, Witness], target: str, quantity: str, field: str
) -> None:
    start, before, after = window
    grown = getattr(after.mixed.disks[target], field) - getattr(before.mixed.disks[target], field)
    guest = grown / (after.mixed.uptime - before.mixed.uptime)
    assert guest > 400_000
    assert average(fleet, "disk", quantity, f"mixed/{target}", start) == pytest.approx(guest, rel=0.03)


@pytest.mark.parametrize("field", ["receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets"])
def test_network_rates_are_what_the_guest_says(
    fleet: Running, window: tuple[float, Witness, Witness], field: str
) -> None:
    start, before, after = window
    grown = getattr(after.mixed.nics["eth0"], field) - getattr(before.mixed.nics["eth0"], field)
    guest = grown / (after.mixed.uptime - before.mixed.uptime)
    assert guest > 10
    quantity = f"net_{field.removesuffix('_bytes')}"
    assert average(fleet, "domain", quantity, "mixed", start) == pytest.approx(guest, rel=0.03)


def test_rates_are_what_virsh_says(fleet: Running, window: tuple[float, Witness, Witness]) -> None:
    start, before, after = window
    seconds = after.at - before.at
    for quantity, field in (("disk_write", "block.0.wr.bytes"), ("net_receive", "net.0.rx.bytes")):
        virsh = (after.virsh[field] - before.virsh[field]) / seconds
        assert average(fleet, "domain", quantity, "mixed", start) == pytest.approx(virsh, rel=0.03)


def test_memory_is_what_the_guest_says(fleet: Running, window: tuple[float, Witness, Witness]) -> None:
    start, *ends = window
    used = [(one.mixed.memory["MemTotal"] - one.mixed.memory["MemAvailable"]) * 1024 for one in ends]
    ours = average(fleet, "domain", "memory_used", "mixed", start)
    assert min(used) * 0.97 < ours < max(used) * 1.03
