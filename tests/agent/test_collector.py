"""The collector against libvirt's test driver: what goes wrong is a state, and goes by."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import libvirt
import pytest

from tests.running import until
from virtscope.agent import collector, following, libvirt_lane
from virtscope.agent.hypervisor import DomainRecord, Hypervisor, HypervisorEvent
from virtscope.agent.libvirt_lane import LibvirtLane, Reading
from virtscope.agent.pace import Pace
from virtscope.agent.uri import parse
from virtscope.catalogue import Group, Scope
from virtscope.errors import HypervisorError
from virtscope.sample import Batch, DomainFacts, FilterFacts, LinkState, NetworkFacts, PoolFacts, Value, now_ms


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def put(self, batch: Batch) -> None:
        self.batches.append(batch)

    def states(self, uri: str) -> list[LinkState]:
        return [link.state for batch in self.batches for link in batch.links if link.uri == uri]

    def reasons(self) -> list[str]:
        return [link.reason for batch in self.batches for link in batch.links if link.reason]


@contextmanager
def watching(*uris: str, interval: float = 0.2) -> Iterator[Sink]:
    sink = Sink()
    stop = following.watch([parse(uri) for uri in uris], sink, Pace.of(interval))
    try:
        yield sink
    finally:
        stop()


def test_samples_facts_and_sequence_numbers() -> None:
    with watching("test:///default") as sink:
        until(lambda: sum(len(batch.samples) for batch in sink.batches) >= 3, "three samples")
        batches = list(sink.batches)
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
    assert [facts.name for batch in batches for facts in batch.domains] == ["test"]
    assert len([host for batch in batches for host in batch.hosts]) == 1
    sample = next(sample for batch in batches for sample in batch.samples)
    assert {scope: len(rows) for scope, rows in sample.rows.items()}[Scope.DOMAIN] == 1


def test_one_that_cannot_be_reached_does_not_stop_the_others() -> None:
    absent = "qemu+unix:///system?socket=/nonexistent/socket"
    with watching(absent, "test:///default") as sink:
        until(lambda: LinkState.UP in sink.states("test:///default"), "the other host")
        until(lambda: LinkState.DOWN in sink.states(absent), "the absent host's being down")
    assert "No such file or directory" in sink.reasons()[0]


@pytest.mark.parametrize(
    ("failure", "told"), [(ValueError("strange"), "BUG: the reading failed"), (TimeoutError(), "BUG: the reading")]
)
def test_a_reading_that_fails_is_a_state_and_goes_by(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    healthy = LibvirtLane.read
    failures = iter([failure])

    def read(lane: LibvirtLane, *arguments: Any, **how: Any) -> Reading:
        for error in failures:
            raise error
        return healthy(lane, *arguments, **how)

    monkeypatch.setattr(LibvirtLane, "read", read)
    monkeypatch.setattr(collector, "LONGEST_BACKOFF_SECONDS", 0.1)
    with watching("test:///default") as sink:
        until(lambda: LinkState.UP in sink.states("test:///default"), "the host's coming back")
    assert told in sink.reasons()[0]


def test_what_was_found_by_a_reading_that_failed_is_told_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = libvirt_lane.own_figures
    failures = iter([OSError("too many open files")])

    def figures(reading: Reading, errors: int) -> dict[str, Value]:
        for error in failures:
            raise error
        return healthy(reading, errors)

    monkeypatch.setattr(libvirt_lane, "own_figures", figures)
    monkeypatch.setattr(collector, "LONGEST_BACKOFF_SECONDS", 0.1)
    with watching("test:///default") as sink:
        until(lambda: [facts.name for batch in sink.batches for facts in batch.domains] == ["test"], "the domain")


def test_events_outlive_a_description_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = Hypervisor.describe
    failures: list[HypervisorError] = []

    def describe(hypervisor: Hypervisor, domain: str, host: str) -> DomainFacts | None:
        if failures:
            raise failures.pop()
        return healthy(hypervisor, domain, host)

    monkeypatch.setattr(Hypervisor, "describe", describe)
    sink = Sink()
    one = collector.Collector(parse("test:///default"), sink, Pace.of(0.2))
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        (found,) = until(lambda: [facts for batch in sink.batches for facts in batch.domains], "the domain")
        failures.append(HypervisorError("busy"))
        one._heard(HypervisorEvent(now_ms(), found.id, "rebooted", ""))
        told = until(lambda: [event for batch in sink.batches for event in batch.events if event.domain], "the event")
        assert [(event.domain, event.kind) for event in told] == [(found.id, "rebooted")]
        assert failures == []
    finally:
        one.stop()
        thread.join()


def test_where_one_part_of_a_host_cannot_be_asked_for_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def filters(_hypervisor: Hypervisor, _host: str) -> list[FilterFacts]:
        raise HypervisorError("no virtnwfilterd")

    monkeypatch.setattr(Hypervisor, "filters", filters)
    with watching("test:///default") as sink:
        until(
            lambda: {PoolFacts, NetworkFacts} <= {type(one) for batch in sink.batches for one in batch.others}, "both"
        )
        rows = {scope for batch in sink.batches for one in batch.samples for scope in one.rows}
        assert Scope.POOL in rows
        until(lambda: "no virtnwfilterd" in caplog.text, "the reason")
    assert LinkState.DOWN not in sink.states("test:///default")


def test_what_goes_while_it_is_described_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Hypervisor(parse("test:///default"))

    def gone(*_arguments: object) -> int:
        raise libvirt.libvirtError("Storage pool not found")

    assert [pool.name for pool in host.pools("h")] == ["default-pool"]
    assert [name for name, _, _ in host.storage()] == ["default-pool"]
    with monkeypatch.context() as patched:
        patched.setattr(libvirt.virStoragePool, "autostart", gone)
        patched.setattr(libvirt.virNetwork, "isActive", gone)
        assert (host.pools("h"), host.networks("h")) == ([], [])
    monkeypatch.setattr(libvirt.virStoragePool, "listAllVolumes", gone)
    assert [(name, volumes) for name, _, volumes in host.storage()] == [("default-pool", [])]
    host.close()


def test_a_list_that_fails_is_not_one_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failure(libvirt.libvirtError):  # type: ignore[misc]  # libvirt has no types
        def get_error_code(self) -> int:
            return int(libvirt.VIR_ERR_INTERNAL_ERROR)

    def failing(*_arguments: object) -> int:
        raise Failure("client socket is closed")

    host = Hypervisor(parse("test:///default"))
    monkeypatch.setattr(libvirt.virConnect, "listAllStoragePools", failing)
    with pytest.raises(HypervisorError):
        host.pools("h")  # whose pools would else be gone
    host.close()


def test_more_files_may_be_open_than_a_shell_allows() -> None:
    program = (
        "import resource; from virtscope.agent import processes; of = resource.RLIMIT_NOFILE;"
        "hard = resource.getrlimit(of)[1]; resource.setrlimit(of, (64, hard)); processes.allow_descriptors();"
        "assert resource.getrlimit(of) == (min(processes.DESCRIPTORS, hard if hard > 0 else 2**62), hard)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_call_that_hangs_is_late_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline makes the host down; while the call hangs none is put behind it; when it returns all is well."""
    healthy = Hypervisor.domains
    release = threading.Event()
    calls: list[int] = []

    def domains(hypervisor: Hypervisor, groups: Iterable[Group]) -> list[DomainRecord]:
        calls.append(1)
        release.wait(60)
        return healthy(hypervisor, groups)

    monkeypatch.setattr(Hypervisor, "domains", domains)
    monkeypatch.setattr(collector, "ANSWER_SECONDS", 0.2)
    with watching("test:///default", interval=0.1) as sink:
        until(lambda: LinkState.DOWN in sink.states("test:///default"), "the host's being down")
        assert "no answer within" in sink.reasons()[0]
        # Ticks go by: each finds the call still there.
        until(lambda: any("has not returned yet" in reason for reason in sink.reasons()), "a tick that was refused")
        assert len(calls) == 1
        release.set()
        until(lambda: LinkState.UP in sink.states("test:///default"), "the host's coming back")


def test_stopped_is_silent() -> None:
    with watching("test:///default") as sink:
        until(lambda: sink.batches, "a batch")
    before = len(sink.batches)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("collector")]
    assert len(sink.batches) == before


def test_the_agent_s_own_coming_and_going_is_told() -> None:
    with watching("test:///default") as sink:
        until(lambda: LinkState.UP in sink.states("test:///default"), "the host")
    kinds = [event.kind for batch in sink.batches for event in batch.events if event.domain is None]
    assert kinds == ["agent up", "host up", "agent down"]
