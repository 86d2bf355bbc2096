"""Remote write to real receivers: what they have is what was read, whatever happens on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.conformance.engines import victoria
from tests.conformance.story import START, STEP_MS, lines, told
from tests.ecosystem.prometheus import prometheus
from tests.prometheus.answering import answering
from tests.running import RunningAgent, free_port, until
from virtscope.agent import backoff, remote_write
from virtscope.agent.remote_write import RemoteWrite
from virtscope.agent.spool import Limits
from virtscope.prometheus.engine import Access
from virtscope.sample import Batch, Gone

TICKS = 60
NAMES = (
    "libvirt_domain_info_cpu_time_seconds_total",
    "libvirt_domain_block_stats_read_bytes_total",
    "libvirt_host_cpus",
)
Series = frozenset[tuple[str, str]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.05)
    monkeypatch.setattr(backoff, "LONGEST", 0.2)
    monkeypatch.setattr(remote_write, "HELD_SECONDS", 0.05)


@pytest.fixture(scope="module")
def story() -> list[Batch]:
    """Ten minutes of the fleet, in order."""
    return sorted((one for one in told() if one.at < START + TICKS * STEP_MS), key=lambda one: one.at)


@contextmanager
def receiving(kind: str, folder: Path, port: int) -> Iterator[str]:
    """A receiver of a kind at a port; its address."""
    if kind == "prometheus":
        with prometheus(folder, "global: {}\n", port, "--web.enable-remote-write-receiver") as running:
            yield running.address
    else:
        with victoria(folder, port) as address:
            yield address


@contextmanager
def writing(port: int, state: Path, **access: Any) -> Iterator[RemoteWrite]:
    """An agent's remote write, as long as the block lasts."""
    url = f"http://127.0.0.1:{port}/api/v1/write"
    made = RemoteWrite(Access(url, **access), state, Limits(sync_seconds=0.0))
    try:
        yield made
    finally:
        made.stop()


def figure(made: RemoteWrite, name: str) -> float:
    return made.figures()[f"virtscope_remote_write_{name}"]


def expected(story: Sequence[Batch]) -> dict[Series, list[tuple[float, float]]]:
    """What ``/metrics`` would have shown, sample by sample."""
    made: dict[Series, list[tuple[float, float]]] = {}
    for series, value, at in lines(story):
        name, _, rest = series.partition("{")
        if name in NAMES:
            pairs = frozenset({("__name__", name), *re.findall(r'(\w+)="([^"]*)"', rest)})
            made.setdefault(pairs, []).append((at, float(value)))
    return made


def received(address: str, kind: str) -> dict[Series, list[tuple[float, float]]]:
    """The raw samples that a receiver has."""
    with urllib3.PoolManager() as pool:
        if kind == "victoria":
            pool.request("GET", f"{address}/internal/force_flush")
        made: dict[Series, list[tuple[float, float]]] = {}
        for name in NAMES:
            fields = {"query": f"{name}[{TICKS * STEP_MS}ms]", "time": str((START + TICKS * STEP_MS) / 1000 - 1)}
            for one in pool.request("GET", f"{address}/api/v1/query", fields=fields).json()["data"]["result"]:
                # VictoriaMetrics tells stale markers, too.
                points = [(at, float(value)) for at, value in one["values"] if value != "NaN"]
                made[frozenset(one["metric"].items())] = points
    return made


def compare(found: Mapping[Series, Any], wanted: Mapping[Series, Any]) -> None:
    assert found.keys() == wanted.keys()
    for series, points in wanted.items():
        assert [at for at, _ in found[series]] == [at for at, _ in points], series
        assert [value for _, value in found[series]] == pytest.approx([value for _, value in points]), series


@pytest.mark.parametrize("kind", ["prometheus", "victoria"])
def test_what_is_written_is_what_was_read(kind: str, tmp_path: Path, story: Sequence[Batch]) -> None:
    """Though the receiver is down at first, and the agent starts anew meanwhile, twice."""
    port, third = free_port(), len(story) // 3
    known = {one.hosts[0].id: one for one in story if one.hosts}
    hosts = tuple(one.hosts[0] for one in known.values())
    described = {facts.id: facts for one in story[: third + 1] for facts in one.domains}
    with writing(port, tmp_path) as made:
        for batch in story[:third]:
            made.put(batch)
        until(lambda: figure(made, "failures_total") > 1, "that it does not answer")
        assert "refused" in str(made.problem)
        until(lambda: made.state.waiting == third, "all of it in the spool")
    with receiving(kind, tmp_path / kind, port) as address:
        for part in (story[third : 2 * third], story[2 * third :]):
            with writing(port, tmp_path) as made:
                # A start tells everything anew; what waits from before has its names already.
                made.put(replace(part[0], hosts=hosts, domains=(*described.values(), *part[0].domains)))
                for batch in part[1:]:
                    made.put(batch)
                until(lambda: figure(made, "successes_total") and not figure(made, "waiting_batches"), "all of it")
                assert made.problem is None
                assert not figure(made, "refused_batches_total")
                assert not figure(made, "dropped_batches_total")
            described |= {facts.id: facts for one in part for facts in one.domains}
        compare(received(address, kind), expected(story))


def test_a_domain_that_is_gone_has_no_value_any_more(tmp_path: Path, story: Sequence[Batch]) -> None:
    port, first = free_port(), story[0]
    gone = first.domains[0].id
    later = replace(first, samples=(), domains=(), gone=(Gone(first.hosts[0].id, "domain", gone),), at=first.at + 5_000)
    with receiving("prometheus", tmp_path / "prometheus", port) as address, writing(port, tmp_path) as made:
        made.put(first)
        made.put(later)
        until(lambda: figure(made, "successes_total") and not made.state.waiting, "both")
        query = {"query": "libvirt_domain_info_virtual_cpus", "time": str(first.at / 1000 + 10)}
        with urllib3.PoolManager() as pool:
            found = pool.request("GET", f"{address}/api/v1/query", fields=query).json()["data"]["result"]
        assert {one["metric"]["uuid"] for one in found} == {one.id for one in first.domains} - {gone}


def test_what_a_receiver_wants_is_heeded(tmp_path: Path, story: Sequence[Batch]) -> None:
    """Too busy, or not let in: the same again. Not this: found out alone, and put aside; what follows goes on."""
    heard: list[bytes] = []
    statuses: list[int] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        named = ("X-Prometheus-Remote-Write-Version", "Content-Encoding", "X-Scope-OrgID")
        assert [request.headers[name] for name in named] == ["0.1.0", "snappy", "ops"]
        heard.append(body)
        return statuses.pop(0) if statuses else 503, b"because"

    with answering(answer) as url:
        with writing(int(url.rpartition(":")[2]), tmp_path, headers={"X-Scope-OrgID": "ops"}) as made:
            made.put(story[0])
            made.put(story[1])
            until(lambda: made.state.waiting == 2 and len(heard) > 3, "some tries")
            before = len(set(heard))  # the first alone, perhaps, and both
            assert before <= 2
            statuses += [429, 401, 400, 400, 204]
            until(lambda: not made.state.waiting, "an end of it")
            assert (figure(made, "refused_batches_total"), figure(made, "successes_total")) == (1, 1)
        assert len(list((tmp_path / "remote-write/aside").iterdir())) == 1
        with writing(int(url.rpartition(":")[2]), tmp_path, headers={"X-Scope-OrgID": "ops"}) as made:
            assert not made.state.waiting, "what is written or put aside stays so"


def test_an_agent_that_only_writes(tmp_path: Path) -> None:
    """The whole program: libvirt's test driver, to VictoriaMetrics."""
    port = free_port()
    with victoria(tmp_path / "victoria", port) as address, urllib3.PoolManager() as pool:
        receiver = ("--remote-write", f"{address}/api/v1/write", "--metrics", "")
        agent = RunningAgent(tmp_path / "state", "--connect", "test:///default", "--interval", "0.5", *receiver)
        try:
            until(lambda: agent.says(f"writes to {address}/api/v1/write"), "its word")

            def values() -> list[str]:
                assert agent.is_up, agent.log.read_text()
                pool.request("GET", f"{address}/internal/force_flush")
                fields = {"query": "libvirt_host_cpus", "latency_offset": "1ms"}
                found = pool.request("GET", f"{address}/api/v1/query", fields=fields).json()["data"]["result"]
                return [one["value"][1] for one in found]

            assert until(values, "its figures") == ["16"]
        finally:
            agent.stop()
