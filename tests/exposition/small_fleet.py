"""A small fixed fleet in which everything that can be exposed is there once."""

from __future__ import annotations

from virtscope.catalogue import Kind, Scope, metrics_of
from virtscope.exposition.board import Board, View
from virtscope.exposition.families import Exposition, exposition
from virtscope.exposition.names import LIMITS, Dialect
from virtscope.sample import (
    Batch,
    DiskFacts,
    DomainFacts,
    HostFacts,
    Link,
    LinkState,
    NicFacts,
    Nova,
    PoolFacts,
    Row,
    Sample,
)

NOW = 1_800_000_010_000
KVM1, KVM2 = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"
WEB, IDLE = "22222222-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
POOL = "images"


def numbered(scope: Scope, *key: str | int) -> Row:
    """A row in which every metric has a value of its own."""
    states = {metric.name for metric in metrics_of(scope) if metric.kind is Kind.STATE}
    values = [
        1 if metric.name in states else 1_500_000_000 + 1_000 * position
        for position, metric in enumerate(metrics_of(scope))
    ]
    return (*key, *values)


def batch(*samples: Sample, links: tuple[Link, ...] = (), **facts: tuple[object, ...]) -> Batch:
    """A batch, of whatever number."""
    return Batch("agent", 1, 1, NOW, samples, links=links, **facts)  # type: ignore[arg-type]


def up(host: str, name: str, state: LinkState = LinkState.UP) -> Link:
    """The state of a host's connection."""
    return Link(f"qemu+ssh://{name}/system", state, NOW - 60_000, host, interval=5)


def small_fleet() -> Board:
    """One host with everything, one that is down, one that was never reached."""
    web = DomainFacts(
        WEB,
        "web",
        KVM1,
        os_type="hvm",
        arch="x86_64",
        machine="pc-q35-7.2",
        nova=Nova("web-1", "m1.small", "shop", "p-1", "alice", "u-1", "image", "i-1"),
        disks=(
            DiskFacts(
                "vda",
                type="network",
                source="vms/web",
                protocol="rbd",
                bus="virtio",
                driver="qemu",
                format="raw",
                cache="none",
                discard="unmap",
                serial="s-1",
                limits={name: 100 + number for number, name in enumerate(LIMITS)},
            ),
        ),
        nics=(NicFacts("52:54:00:00:00:01", "vnet0", "bridge", "br0", "virtio", 1500, port_id="port-1"),),
    )
    rows = {
        Scope.HOST: [numbered(Scope.HOST)],
        Scope.CELL: [numbered(Scope.CELL, 0)],
        Scope.POOL: [numbered(Scope.POOL, POOL)],
        Scope.VOLUME: [numbered(Scope.VOLUME, POOL, "web.qcow2")],
        Scope.DOMAIN: [numbered(Scope.DOMAIN, WEB), (IDLE, 5, *([None] * (len(metrics_of(Scope.DOMAIN)) - 1)))],
        Scope.VCPU: [numbered(Scope.VCPU, WEB, 0)],
        Scope.DISK: [numbered(Scope.DISK, WEB, "vda")],
        Scope.NIC: [numbered(Scope.NIC, WEB, "52:54:00:00:00:01", "vnet0")],
        Scope.IOTHREAD: [numbered(Scope.IOTHREAD, WEB, 1)],
        Scope.PERF: [numbered(Scope.PERF, WEB, "page_faults")],
        Scope.JOB: [numbered(Scope.JOB, WEB, "migration")],
        Scope.FILESYSTEM: [numbered(Scope.FILESYSTEM, WEB, "/srv")],
    }
    board = Board()
    board.put(
        batch(
            Sample(KVM1, NOW - 2_500, rows),
            Sample(KVM2, NOW - 9_000, {Scope.DOMAIN: [numbered(Scope.DOMAIN, WEB)]}),
            hosts=(
                HostFacts(
                    KVM1, "kvm1", "qemu+ssh://kvm1/system", None, None, None, None, "QEMU 7.2.0", "9.0.0", "9.1.0"
                ),
                HostFacts(KVM2, "kvm2", "qemu+ssh://kvm2/system"),
            ),
            domains=(web, DomainFacts(IDLE, "idle", KVM1, os_type="hvm")),
            others=(PoolFacts(POOL, "images", KVM1),),
            links=(
                up(KVM1, "kvm1"),
                up(KVM2, "kvm2", LinkState.DOWN),
                Link("qemu+ssh://new/system", LinkState.DOWN, NOW),
            ),
        )
    )
    return board


def shown(board: Board, dialect: Dialect = Dialect.INOVEX, now: int = NOW) -> Exposition:
    """What a board exposes."""
    return exposition(board.view(now), dialect)


def series(view: View, name: str) -> dict[str, int | float]:
    """Values by labels of one name; empty where it is not exposed."""
    return next((dict(family.series) for family in exposition(view).families if family.name == name), {})
