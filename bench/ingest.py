"""One server under a thousand agents: what their deliveries cost it, and how long each waits to be durable.

    ./dev bench ingest [--agents 1000] [--domains 50] [--interval 10] [--seconds 60] [--backlog 60]

A real ``virtscope server``, with TLS and a certificate for every agent, has one core; the agents are connections of one
process on another. Every tick of an agent is a whole one: its host, its domains, and of each domain two vCPUs, a disk
and an interface, with counters that grow. Then every agent delivers a backlog beside its fresh ticks. CPU is the server
process's own, all its threads, as /proc tells it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.table import Table

from virtscope.agent.backoff import Backoff
from virtscope.catalogue import Kind, Scope, metrics_of
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.sample import Batch, DomainFacts, HostFacts, Link, LinkState, NicFacts, Row, Sample, now_ms
from virtscope.server.access.registry import Registry
from virtscope.server.enrolment.agents import Agents
from virtscope.server.enrolment.authority import Authority
from virtscope.server.enrolment.server_certificate import IssuedCertificate, listening_names
from virtscope.wire import CONTENT_TYPE, PATH, Delivery, Frame, Receipt, encode, pack, unpack

HERE = "127.0.0.1"
OBJECTS = {Scope.HOST: 1, Scope.DOMAIN: 1, Scope.VCPU: 2, Scope.DISK: 1, Scope.NIC: 1}
"""Rows of each scope: for a host, and for each of its domains."""


@dataclass(slots=True)
class Host:
    """An agent's host, whose counters grow by themselves."""

    number: int
    domains: int

    @property
    def id(self) -> str:
        """Its UUID."""
        return f"{self.number:08x}-0000-4000-8000-000000000000"

    def domain(self, number: int) -> str:
        """The UUID of one of its domains."""
        return f"{self.number:08x}-{number:04x}-4000-8000-000000000001"

    def keys(self, scope: Scope) -> list[tuple[str | int, ...]]:
        """The objects of a scope."""
        if scope is Scope.HOST:
            return [()]
        names = [self.domain(number) for number in range(self.domains)]
        parts: dict[Scope, list[tuple[str | int, ...]]] = {
            Scope.DOMAIN: [()],
            Scope.VCPU: [(0,), (1,)],
            Scope.DISK: [("vda",)],
            Scope.NIC: [(f"52:54:00:{self.number % 251:02x}:{self.number // 251:02x}:01", "vnet0")],
        }
        return [(name, *part) for name in names for part in parts[scope]]

    def rows(self, scope: Scope, tick: int) -> list[Row]:
        """Two of three domains are idle: their counters hardly grow, as in real fleets."""
        metrics = metrics_of(scope)
        made: list[Row] = []
        for number, key in enumerate(self.keys(scope)):
            pace = 1 if number % 3 else 1_000
            made.append(
                (
                    *key,
                    *(
                        1
                        if metric.kind is Kind.STATE
                        else 4 << 30
                        if metric.kind is Kind.GAUGE
                        else number * 7_919 + tick * pace * (position * 104_729 + 1)
                        for position, metric in enumerate(metrics)
                    ),
                )
            )
        return made

    def sample(self, at: int, tick: int) -> Sample:
        """Everything at one tick."""
        return Sample(self.id, at, {scope: self.rows(scope, tick) for scope in OBJECTS})

    def first(self, at: int) -> Batch:
        """What an agent tells when it begins: its host and all that is there."""
        xml = "<domain type='kvm'>" + "<device/>" * 300 + "</domain>"
        return Batch(
            "",
            0,
            0,
            at,
            (self.sample(at, 0),),
            (HostFacts(self.id, f"kvm{self.number}", "qemu:///system", cpus=64),),
            tuple(
                DomainFacts(self.domain(n), f"vm{n}", self.id, nics=(NicFacts("m", "vnet0"),), xml=xml)
                for n in range(self.domains)
            ),
            links=(Link("qemu:///system", LinkState.UP, at, self.id, None, 10.0),),
        )


def readings(domains: int) -> int:
    """Single readings in one tick of a host."""
    count = {scope: (1 if scope is Scope.HOST else domains) * rows for scope, rows in OBJECTS.items()}
    return sum(rows * len(metrics_of(scope)) for scope, rows in count.items())


class Agent:
    """One agent's connection."""

    def __init__(self, host: Host, context: ssl.SSLContext, port: int) -> None:
        self.host = host
        self._context = context
        self._port = port
        self._epoch = now_ms()
        self._sequence = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._turn = asyncio.Lock()
        self.bytes = 0
        self.put_off = self.cut_off = 0

    def frame(self, batch: Batch) -> Frame:
        """A batch under the next name."""
        self._sequence += 1
        return Frame(self._epoch, self._sequence, encode.frame(batch))

    def tick(self, tick: int, at: int) -> Frame:
        """One tick as it travels."""
        return self.frame(Batch("", 0, 0, at, (self.host.sample(at, tick),)))

    async def deliver(self, frames: Sequence[Frame], *, backlog: bool = False) -> float:
        """Until they are durable, however often it takes; seconds that took. It waits between tries as agents do."""
        began, backoff = time.monotonic(), Backoff()
        body = pack(Delivery(now_ms(), "bench", (self._epoch,), frames=tuple(frames)))
        while True:
            async with self._turn:
                try:
                    status, answer, asked = await self._post(body, backlog=backlog)
                except (OSError, asyncio.IncompleteReadError):
                    status, answer, asked, self._writer = 0, b"", 0.0, None
            if status == 200:
                break
            assert status in (0, 429, 503), (status, answer)
            self.put_off += status > 0
            self.cut_off += status == 0
            await asyncio.sleep(backoff.pause(asked))
        receipt = unpack(answer, Receipt)
        assert not receipt.refused, receipt.refused
        stored = receipt.ranges(self._epoch)
        assert all(frame.sequence in stored for frame in frames)
        self.bytes += sum(len(frame.body) for frame in frames)
        return time.monotonic() - began

    async def _post(self, body: bytes, *, backlog: bool) -> tuple[int, bytes, float]:
        """The status, the body, and after how many seconds to come again."""
        if self._writer is None or self._reader is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(
                HERE, self._port, ssl=self._context, ssl_handshake_timeout=120
            )
        path = f"{PATH}?backlog=1" if backlog else PATH
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {HERE}",
            f"Content-Type: {CONTENT_TYPE}",
            f"Content-Length: {len(body)}",
        ]
        self._writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await self._writer.drain()
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), answer, float(headers.get("retry-after", "0"))


def enrolled(data: Path, agents: int) -> list[ssl.SSLContext]:
    """Let so many agents in, as the server itself would: its certificates, its registry."""
    registry = Registry(data)
    authority = Authority.own(data / "pki")
    anchor = IssuedCertificate(data / "pki", authority, listening_names(HERE)).anchor
    known = Agents(registry, authority, anchor)
    contexts = []
    with tempfile.NamedTemporaryFile() as file:
        for number in range(agents):
            key = ec.generate_private_key(ec.SECP256R1())
            request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
            pem = request.public_bytes(serialization.Encoding.PEM).decode()
            issued = known.enrol(known.tokens.create("bench", None).token.text, pem, f"kvm{number}")
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
            Path(file.name).write_text(private + issued.certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=anchor.pem)
            context.load_cert_chain(file.name)
            contexts.append(context)
    registry.close()
    return contexts


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used: CPU seconds, the most memory (MiB), and when that was looked at."""

    cpu: float
    memory: float
    at: float

    @classmethod
    def of(cls, pid: int) -> Used:
        """What this process has used so far."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        ticks = os.sysconf("SC_CLK_TCK")
        return cls(
            (int(fields[11]) + int(fields[12])) / ticks, int(status["VmHWM"].split()[0]) / 1024, time.monotonic()
        )

    def share_since(self, before: Used) -> float:
        """How much of one core it has used meanwhile."""
        return (self.cpu - before.cpu) / (self.at - before.at)


async def steady(agents: Sequence[Agent], interval: float, seconds: float, began: int) -> list[float]:
    """Every agent delivers a tick at each interval, spread evenly; how long each delivery took."""
    waits: list[float] = []
    start = time.monotonic()
    ticks = max(int(seconds / interval), 1)

    async def one(number: int, agent: Agent) -> None:
        for tick in range(ticks):
            due = start + (tick + number / len(agents)) * interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            waits.append(await agent.deliver([agent.tick(began + tick, now_ms())]))

    await asyncio.gather(*(one(number, agent) for number, agent in enumerate(agents)))
    return waits


async def drain(agents: Sequence[Agent], interval: float, batches: int) -> tuple[list[float], float]:
    """Every agent has a backlog; fresh ticks go on beside it. How long fresh ones took, and when all was stored."""
    start = time.monotonic()
    old = now_ms() - int(batches * interval * 1000)
    ended: asyncio.Event = asyncio.Event()
    left = len(agents)
    fresh: list[float] = []

    async def backlog(agent: Agent) -> None:
        nonlocal left
        for first in range(0, batches, 10):
            frames = [
                agent.tick(1_000 + tick, old + int(tick * interval * 1000))
                for tick in range(first, min(first + 10, batches))
            ]
            await asyncio.sleep(0)
            await agent.deliver(frames, backlog=True)
        left -= 1
        if not left:
            ended.set()

    async def live(number: int, agent: Agent) -> None:
        tick = 0
        while not ended.is_set():
            due = start + (tick + number / len(agents)) * interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            fresh.append(await agent.deliver([agent.tick(10_000 + tick, now_ms())]))
            tick += 1

    await asyncio.gather(
        *(backlog(agent) for agent in agents), *(live(number, agent) for number, agent in enumerate(agents))
    )
    return fresh, time.monotonic() - start


def remote_write(host: Host) -> tuple[int, int]:
    """One tick of a host as Prometheus's remote write 1.0 has it: bytes (protobuf, snappy), and how many series.

    The same figures, under the names and labels of ``/metrics``; without the series that only carry descriptions.
    """
    at = now_ms()
    board = Board()
    board.put(host.first(at - 10_000))
    board.put(Batch("", 0, 0, at, (host.sample(at, 7),)))
    series = [
        [("__name__", family.name), *(pair.split("=", 1) for pair in labels.split(","))]
        for family in exposition(board.view(at)).families
        if not family.name.endswith("_info")
        for labels in family.series
        if labels
    ]
    values = [value for family in exposition(board.view(at)).families if not family.name.endswith("_info")
              for labels, value in family.series.items() if labels]  # fmt: skip
    request = b"".join(_series(labels, value, at) for labels, value in zip(series, values, strict=True))
    return len(pa.compress(request, codec="snappy", asbytes=True)), len(series)


def _series(labels: Sequence[Sequence[str]], value: float, at: int) -> bytes:
    pairs = sorted((name, text.strip('"')) for name, text in labels)
    body = b"".join(_field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in pairs)
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at)
    return _field(1, body + _field(2, sample))


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))


def wire(domains: int, shown: Table) -> None:
    """What a domain's tick takes on the wire, beside remote write."""
    host = Host(1, domains)
    ours = len(encode.frame(Batch("", 0, 0, now_ms(), (host.sample(now_ms(), 7),)))) / domains
    theirs, series = remote_write(host)
    shown.add_row("on the wire, a domain and tick", f"{ours:.0f} bytes, {readings(domains) / domains:.0f} readings", "")
    shown.add_row("… remote write 1.0", f"{theirs / domains:.0f} bytes, {series / domains:.0f} series", "")
    shown.add_row("… ours, of that", f"{ours * domains / theirs:.2f}", "≤ 0.2")


def serving(data: Path, core: int) -> tuple[subprocess.Popen[str], int]:
    """A server that has one core; its agents' port."""
    program = [sys.executable, "-m", "virtscope", "server", "--data", str(data)]
    command = ["taskset", "-c", str(core), *program, "--listen", f"{HERE}:0", "--agents-listen", f"{HERE}:0"]
    log = data.parent / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stderr=output, text=True)
    while not (said := [line for line in log.read_text().splitlines() if "deliveries at" in line]):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return process, int(said[0].partition(f"{HERE}:")[2].split()[0])


def percentile(values: Sequence[float], rank: int) -> float:
    return statistics.quantiles(values, n=100)[rank - 1] if len(values) > 1 else values[0]


async def measure(
    options: argparse.Namespace, contexts: Sequence[ssl.SSLContext], pid: int, port: int, shown: Table
) -> None:
    agents = [Agent(Host(number, options.domains), context, port) for number, context in enumerate(contexts)]
    for group in range(0, len(agents), 50):
        await asyncio.gather(
            *(agent.deliver([agent.frame(agent.host.first(now_ms()))]) for agent in agents[group:][:50])
        )
    shown.add_row("connected, inventory told", f"{len(agents)} agents, {Used.of(pid).memory:.0f} MiB at most", "")
    for agent in agents:
        agent.bytes = 0
    before = Used.of(pid)
    waits = await steady(agents, options.interval, options.seconds, 1)
    after = Used.of(pid)
    rate = len(waits) * readings(options.domains) / (after.at - before.at)
    per_second = len(waits) * options.domains / (after.at - before.at)
    shown.add_row(f"CPU of one core, {per_second:,.0f} domains a second", f"{after.share_since(before):.0%}", "≤ 70 %")
    shown.add_row("readings per CPU-second", f"{rate / after.share_since(before) / 1e6:.2f} M", "")
    durable = [percentile(waits, 50), percentile(waits, 99), max(waits)]
    shown.add_row("durable after, p50 · p99 · most", " · ".join(f"{one:.2f} s" for one in durable), "p99 ≤ 2 s")
    shown.add_row("memory, at most", f"{after.memory:.0f} MiB", "bounded")
    if options.backlog:
        fresh, seconds = await drain(agents, options.interval, options.backlog)
        minutes = options.backlog * options.interval / 60
        shown.add_row(f"backlog of {minutes:.0f} min drained in", f"{seconds:.0f} s", "")
        lag = max(fresh) / options.interval
        shown.add_row("fresh ticks meanwhile, p99 · most", f"{percentile(fresh, 99):.1f} s · {max(fresh):.1f} s", "")
        shown.add_row("… in intervals", f"{lag:.2f}", "≤ 2")
        shown.add_row("memory, at most", f"{Used.of(pid).memory:.0f} MiB", "bounded")
        told = [sum(agent.put_off for agent in agents), sum(agent.cut_off for agent in agents)]
        shown.add_row("deliveries put off (429, 503) · cut off", " · ".join(f"{one:,}" for one in told), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--domains", type=int, default=50)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two ticks of an agent")
    parser.add_argument("--seconds", type=float, default=60.0, help="of steady deliveries")
    parser.add_argument("--backlog", type=int, default=60, help="ticks of each agent's backlog; 0: none")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    title = f"ingest, {options.agents:,} agents with {options.domains} domains each, every {options.interval:g} s"
    shown = Table("what", "measured", "wanted", title=title)
    wire(options.domains, shown)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        contexts = enrolled(data, options.agents)
        process, port = serving(data, cores[0])
        os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})
        try:
            asyncio.run(measure(options, contexts, process.pid, port, shown))
        finally:
            Console().print(shown)
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    main()
