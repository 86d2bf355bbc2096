"""The two lanes: the kernel's counters are libvirt's, and an emulator that hangs costs itself."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
import pytest

from lab import domain_xml
from lab.host import Host
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.running import until
from virtscope.agent import following
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.kernel_lane import KernelLane, watched
from virtscope.agent.pace import Pace
from virtscope.agent.uri import parse
from virtscope.catalogue import Group, Scope, metrics_of
from virtscope.sample import Batch, DomainFacts, LinkState, Row, Sample

pytestmark = pytest.mark.alone

MINUTE = 60


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def put(self, batch: Batch) -> None:
        self.batches.append(batch)

    @property
    def kernel(self) -> list[Sample]:
        """The samples of the kernel lane alone."""
        return [s for b in list(self.batches) for s in b.samples if Scope.VCPU in s.rows and Scope.DISK not in s.rows]

    @property
    def libvirt(self) -> list[Sample]:
        """The samples that libvirt has a part in."""
        return [s for b in list(self.batches) for s in b.samples if Scope.DISK in s.rows]

    @property
    def states(self) -> list[LinkState]:
        return [link.state for batch in list(self.batches) for link in batch.links]


@contextmanager
def watching(host: Host, pace: Pace) -> Iterator[Sink]:
    sink = Sink()
    stop = following.watch([parse(host.uri)], sink, pace)
    try:
        yield sink
    finally:
        stop()


def named(scope: Scope, row: Row) -> dict[str, Any]:
    return dict(zip((*scope.keys[1:], *(metric.name for metric in metrics_of(scope))), row, strict=True))


def of(sample: Sample, scope: Scope, domain: str) -> dict[str, Any]:
    return next(named(scope, row) for row in sample.rows[scope] if row[0] == domain)


def domain_of(host: Host, guest: str) -> DomainFacts:
    facts = Hypervisor(parse(host.uri)).describe(host.guest_uuid(guest), host.uuid)
    assert facts is not None
    return facts


def test_the_kernel_s_counters_are_libvirt_s(lab: Lab) -> None:
    """Libvirt is asked between two readings of the kernel's: each of its counters lies between ours."""
    host = lab.host("kvm2")
    facts = domain_of(host, "mixed")
    lane = KernelLane(host.uuid)
    nothing = (facts.id, *[None] * len(metrics_of(Scope.DOMAIN)))
    assert lane.follow([watched(nothing, facts, active=True, polls={})])
    hypervisor = Hypervisor(parse(host.uri))
    before, whole = lane.read({})
    [record] = hypervisor.domains([Group.CPU_TOTAL, Group.VCPU, Group.INTERFACE])
    after, _ = lane.read({})
    lane.close()
    assert whole
    tick = 20_000_000  # libvirt rounds to the kernel's clock ticks
    for scope, ours, theirs in (
        (Scope.DOMAIN, "cpu_time", "cpu.time"),
        (Scope.DOMAIN, "cpu_user", "cpu.user"),
        (Scope.DOMAIN, "cpu_system", "cpu.system"),
        (Scope.VCPU, "time", "vcpu.0.time"),
        (Scope.VCPU, "delay", "vcpu.0.delay"),
        (Scope.NIC, "receive_bytes", "net.0.rx.bytes"),
        (Scope.NIC, "receive_packets", "net.0.rx.pkts"),
        (Scope.NIC, "receive_drops", "net.0.rx.drop"),
        (Scope.NIC, "transmit_bytes", "net.0.tx.bytes"),
        (Scope.NIC, "transmit_packets", "net.0.tx.pkts"),
    ):
        low, high = of(before, scope, facts.id)[ours], of(after, scope, facts.id)[ours]
        slack = tick if theirs.endswith(("time", "user", "system")) else 0
        assert low - slack <= record.fields[theirs] <= high + slack, ours
    assert of(after, Scope.DOMAIN, facts.id)["vcpus"] == record.fields["vcpu.current"]


def test_a_process_that_goes_is_noticed(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.start_bare(1)
    facts = domain_of(host, "bare-000")
    lane = KernelLane(host.uuid)
    nothing = (facts.id, *[None] * len(metrics_of(Scope.DOMAIN)))
    assert lane.follow([watched(nothing, facts, active=True, polls={})])
    host.stop_guest("bare-000")
    sample, whole = lane.read({})
    assert not whole
    assert of(sample, Scope.DOMAIN, facts.id)["cpu_time"] is None
    assert sample.rows[Scope.VCPU] == []
    lane.close()


def test_io_threads_are_read_by_both_lanes(lab: Lab) -> None:
    """How they poll is libvirt's word, how long they ran the kernel's."""
    host = lab.host("kvm1")
    identity = host.guest_uuid("threads")
    disks = host.folder / "disks"
    domain_xml.disk_file(disks, "threads", 0).write_bytes(bytes(1024 * 1024))
    xml = domain_xml.bare("threads", identity, disks).replace("<vcpu>", "<iothreads>2</iothreads><vcpu>")
    with host.connection() as connection:
        domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
        try:
            with watching(host, Pace(0.2, 0.2, slow=1)) as sink:

                def polled() -> list[Row]:
                    rows = sink.kernel[-1].rows[Scope.IOTHREAD] if sink.kernel else []
                    return [row for row in rows if row[0] == identity and row[4] is not None]

                found = until(lambda: len(polled()) == 2 and polled(), "both threads, with how they poll")
        finally:
            domain.destroy()
    by_number = {row[1]: named(Scope.IOTHREAD, row) for row in found}
    assert set(by_number) == {1, 2}
    assert by_number[1]["poll_maximum"] == 32_768  # QEMU's default, ns
    assert all(row["time"] is not None and row["delay"] is not None for row in by_number.values())


def test_the_host_s_figures_are_those_of_proc(lab: Lab) -> None:
    lane = KernelLane(lab.host("kvm1").uuid)
    lane.follow([])
    sample, _ = lane.read({})
    host = named(Scope.HOST, sample.rows[Scope.HOST][0])
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert host["memory_total"] == int(memory["MemTotal"].split()[0])
    assert host["memory_available"] == pytest.approx(int(memory["MemAvailable"].split()[0]), rel=0.2)
    assert host["cpus"] == os.cpu_count()
    ticks = [int(word) for word in Path("/proc/stat").read_text().split()[1:8]]
    assert host["cpu_idle"] <= ticks[3] * 10_000_000 < host["cpu_idle"] + 60_000_000_000
    if Path("/proc/pressure/cpu").exists():
        assert host["pressure_cpu_some"] is not None


@pytest.fixture(scope="module")
def twenty() -> Iterator[Host]:
    """A host of twenty domains."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        made.up([HostSpec("kvm1", (GuestSpec("sick"),), bare=19)])
        yield made.host("kvm1")


def test_an_emulator_that_hangs_costs_itself(twenty: Host) -> None:
    """For a minute one of twenty is stopped: it is named, the others' figures and its own kernel figures go on."""
    sick, pid = twenty.guest_uuid("sick"), twenty.guest_pid("sick")
    with watching(twenty, Pace(1, 3)) as sink:
        until(lambda: len(sink.kernel) > 2 and len(sink.libvirt) > 2, "both lanes")
        os.kill(pid, signal.SIGSTOP)
        try:
            stopped = sink.libvirt[-1].at
            marked = until(
                lambda: [s for s in sink.libvirt if of(s, Scope.DOMAIN, sick)["timed_out"]], "the sick domain's mark"
            )[0]
            assert len([s for s in sink.libvirt if stopped < s.at <= marked.at]) <= 2
            until(lambda: sink.kernel[-1].at > stopped + MINUTE * 1000, "a minute", MINUTE + 30)
        finally:
            os.kill(pid, signal.SIGCONT)
        during = [s for s in sink.kernel if marked.at < s.at <= stopped + MINUTE * 1000]
        assert len(during) > MINUTE / 2
        assert {len(s.rows[Scope.DOMAIN]) for s in during} == {20}
        assert all(of(s, Scope.DOMAIN, sick)["cpu_time"] is not None for s in during)
        slow = [s for s in sink.libvirt if marked.at < s.at <= stopped + MINUTE * 1000]
        assert len(slow) > MINUTE / 3 / 2
        for s in slow:
            assert of(s, Scope.DOMAIN, sick)["memory_rss"] is None
            assert {row[0] for row in s.rows[Scope.DISK]} == {row[0] for row in s.rows[Scope.DOMAIN]} - {sick}
        assert LinkState.DOWN not in sink.states
        until(lambda: not of(sink.libvirt[-1], Scope.DOMAIN, sick)["timed_out"], "its recovery")
        until(lambda: of(sink.libvirt[-1], Scope.DOMAIN, sick)["memory_rss"], "its memory figures")
        told = [event.kind for batch in list(sink.batches) for event in batch.events if event.domain == sick]
    assert told == ["does not answer", "answers again"]


def test_several_that_hang_at_once(twenty: Host) -> None:
    """Three of twenty, over libvirt alone: seventeen are read whole."""
    names = ["sick", "bare-003", "bare-011"]
    pids = [twenty.guest_pid(name) for name in names]
    ids = {twenty.guest_uuid(name) for name in names}
    with watching(twenty, Pace(1, 1, kernel_lane=False)) as sink:
        until(lambda: len(sink.libvirt) > 2, "samples")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:

            def marked(sample: Sample) -> set[str | int | None]:
                return {r[0] for r in sample.rows[Scope.DOMAIN] if named(Scope.DOMAIN, r)["timed_out"]}

            until(lambda: marked(sink.libvirt[-1]) == ids, "all three marks")
            sample = sink.libvirt[-1]
            assert len({row[0] for row in sample.rows[Scope.DISK]}) == 17
            assert len({row[0] for row in sample.rows[Scope.NIC]}) == 20
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        until(lambda: not marked(sink.libvirt[-1]), "their recovery")


def test_a_libvirtd_that_hangs_is_down_and_comes_back(twenty: Host) -> None:
    libvirtd = twenty.libvirtd
    assert libvirtd is not None
    with watching(twenty, Pace(1, 1)) as sink:
        until(lambda: LinkState.UP in sink.states, "the host")
        os.kill(libvirtd, signal.SIGSTOP)
        try:
            until(lambda: sink.states[-1] is LinkState.DOWN, "its being down")
        finally:
            os.kill(libvirtd, signal.SIGCONT)
        until(lambda: sink.states[-1] is LinkState.UP, "its coming back")
        last = sink.libvirt[-1].at
        until(lambda: sink.libvirt[-1].at > last and sink.kernel[-1].at > last, "samples of both lanes")
