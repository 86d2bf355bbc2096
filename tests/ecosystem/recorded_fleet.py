"""A fleet in which everything is there that can be exposed, for some minutes, as blocks of Prometheus."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.exposition import test_families
from tests.synthetic import full_row
from virtscope.catalogue import METRIC, Kind, Scope, metrics_of
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.sample import Batch, DomainFacts, HostFacts, Link, LinkState, Nova, PoolFacts, Row, Sample, Value

STEP_MS, STEPS = 15_000, 25
END = int(time.time()) // 7_200 * 7_200 - 3_600
"""Unix s of the newest sample; it lies in a block that is over."""
HOSTS = {"kvm1": "11111111-0000-4000-8000-000000000001", "kvm2": "11111111-0000-4000-8000-000000000002"}
WEB, DB = "22222222-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
DOMAINS = {"web": WEB, "db": DB}
_SHOP = Nova("web-1", "m1.small", "shop", "p-1", "alice", "u-1")
_PEERS_NAMES = frozenset(test_families.INOVEX.split())
_NOT_THEIRS = re.compile(r'(?:host|uuid|job)="[^"]*",?')


def sample(host: str, step: int) -> Sample:
    """Everything of a host at a step: counters grow steadily, each at a pace of its own."""

    def row(scope: Scope, *key: str | int) -> Row:
        positions = {metric.name: position for position, metric in enumerate(metrics_of(scope))}
        size = sum(map(ord, "".join(map(str, (host, *key)))))

        def value(name: str) -> Value:
            # What comes later in the catalogue is smaller: what is free is less than the whole.
            if METRIC[scope, name].kind is Kind.GAUGE:
                return 1_000_000_000 - 1_000_000 * positions[name] + size
            return 10**12 + step * (10**9 + 10**7 * positions[name] + 10**6 * size)

        return full_row(scope, key, value)

    rows: dict[Scope, list[Row]] = {
        Scope.HOST: [row(Scope.HOST)],
        Scope.CELL: [row(Scope.CELL, number) for number in (0, 1)],
        Scope.POOL: [row(Scope.POOL, "images")],
        Scope.VOLUME: [row(Scope.VOLUME, "images", f"{number}.qcow2") for number in (1, 2)],
    }
    for uuid in DOMAINS.values():
        parts: dict[Scope, list[tuple[str | int, ...]]] = {
            Scope.DOMAIN: [()],
            Scope.VCPU: [(0,), (1,)],
            Scope.DISK: [("vda",), ("vdb",)],
            Scope.NIC: [("52:54:00:00:00:01", "vnet0")],
            Scope.IOTHREAD: [(1,)],
            Scope.PERF: [("page_faults",)],
            Scope.JOB: [("migration",)],
            Scope.FILESYSTEM: [("/srv",)],
        }
        for scope, keys in parts.items():
            rows.setdefault(scope, []).extend(row(scope, uuid, *key) for key in keys)
    return Sample(HOSTS[host], END * 1000 - (STEPS - 1 - step) * STEP_MS, rows)


def blocks(folder: Path) -> None:
    """Write the fleet as our agents expose it, and as inovex' exporter does, into blocks of Prometheus."""
    source = folder / "openmetrics.txt"
    source.write_text("".join(_lines()) + "# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(folder / "data")]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def _lines() -> Iterator[str]:
    board = Board()
    found: dict[str, list[str]] = {}
    for step in range(STEPS):
        samples = tuple(sample(host, step) for host in HOSTS)
        at = samples[0].at
        board.put(Batch("agent", 1, step, at, samples, **(_facts() if step == 0 else {})))  # type: ignore[arg-type]
        for family in exposition(board.view(at + 1_000)).families:
            for labels, value in family.series.items():
                for series in _as_scraped(family.name, labels):
                    found.setdefault(series, []).append(f"{series} {value} {at / 1000}\n")
    for points in found.values():
        yield from points


def _as_scraped(name: str, labels: str) -> Iterator[str]:
    """As Prometheus has it with ``honor_labels``, and as it would have it from a host's exporter of inovex."""
    host = re.search(r'host="(\w+)"', labels)
    of_job = "" if 'job="' in labels else ',job="virtscope"'
    yield f'{name}{{{labels + "," if labels else ""}instance="server:8080"{of_job}}}'
    if host and name in _PEERS_NAMES:
        yield f'{name}{{{_NOT_THEIRS.sub("", labels + ",")}instance="{host[1]}:9000",job="libvirt"}}'


def _facts() -> dict[str, object]:
    return {
        "hosts": tuple(HostFacts(id_, name, f"qemu+ssh://{name}/system") for name, id_ in HOSTS.items()),
        "domains": tuple(
            DomainFacts(uuid, name, host, os_type="hvm", nova=_SHOP if uuid == WEB else None)
            for host in HOSTS.values()
            for name, uuid in DOMAINS.items()
        ),
        "others": tuple(PoolFacts("images", "images", host) for host in HOSTS.values()),
        "links": tuple(
            Link(f"qemu+ssh://{name}/system", LinkState.UP, 0, id_, interval=5) for name, id_ in HOSTS.items()
        ),
    }
