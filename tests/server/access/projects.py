"""Two hosts with domains of two projects. Everything of the other project has a canary in its name."""

from __future__ import annotations

from tests.synthetic import full_row, sample
from virtscope.catalogue import Scope
from virtscope.sample import (
    Batch,
    BindingFacts,
    DiskFacts,
    DomainFacts,
    Event,
    FilterFacts,
    Gone,
    GuestFacts,
    HostFacts,
    Lease,
    Link,
    LinkState,
    NetworkFacts,
    NicFacts,
    Nova,
    PoolFacts,
    Sample,
    now_ms,
)

URIS = ["qemu+tls://canary-kvm1/system", "qemu+tls://canary-kvm2/system"]
MINE = "6ac00000-0000-4000-8000-000000000001"
OTHER = "0bad0bad-0000-4000-8000-000000000002"
"""The UUID of the other project's domain: a canary, too."""
MY_PROJECT, OTHER_PROJECT = "p-mine", "p-canary"
CANARIES = (b"canary", b"0bad0bad", b"10.66.66", b"52:54:00:66:66")


def batches() -> list[Batch]:
    """What the agents of both hosts have told, in order."""
    at = now_ms() - 60_000
    first, second = _host("h1", "kvm1", URIS[0], at), _host("h2", "canary-kvm2", URIS[1], at)
    mine, other = (
        _domain(MINE, "web", MY_PROJECT, "shared"),
        _domain(OTHER, "canary-db", OTHER_PROJECT, "canary-filter"),
    )
    return [
        Batch(
            "agent-1",
            1,
            1,
            at,
            (_sample("h1", at, (MINE, "52:54:00:11:11:11"), (OTHER, "52:54:00:66:66:66")),),
            (first[0],),
            (mine, other),
            (
                *_others("h1"),
                GuestFacts(OTHER, "h1", "canary-guest", users=("canary-user",)),
                GuestFacts(MINE, "h1", "my-guest"),
                BindingFacts("vnet1", "h1", "canary-filter", OTHER, "52:54:00:66:66:66"),
                BindingFacts("vnet0", "h1", "shared", MINE, "52:54:00:11:11:11"),
            ),
            (),
            (
                Event(at, "h1", MINE, "started", "mine"),
                Event(at + 1, "h1", OTHER, "started", "canary-detail"),
                Event(at + 2, "h1", None, "host up", "canary-reason"),
            ),
            (first[1],),
        ),
        Batch("agent-2", 1, 1, at, (_sample("h2", at),), (second[0],), (), (), (), (), (second[1],)),
        Batch(
            "agent-1",
            1,
            2,
            at + 5_000,
            (_sample("h1", at + 5_000, (MINE, "52:54:00:11:11:11"), (OTHER, "52:54:00:66:66:66")),),
            domains=(_domain(MINE, "web", MY_PROJECT, "shared", title="renamed"),),
            gone=(Gone("h1", "domain", "0bad0bad-0000-4000-8000-00000000dead"),),
        ),
    ]


def _host(id: str, name: str, uri: str, at: int) -> tuple[HostFacts, Link]:  # noqa: A002
    facts = HostFacts(id, name, uri, cpus=8, memory_bytes=1 << 34, cpu_model="canary-cpu")
    return facts, Link(uri, LinkState.UP, at, id, "canary-why", 5.0)


def _domain(id: str, name: str, project: str, guarded: str, title: str | None = None) -> DomainFacts:  # noqa: A002
    mac = "52:54:00:11:11:11" if id == MINE else "52:54:00:66:66:66"
    return DomainFacts(
        id,
        name,
        "h1",
        title=title,
        nova=Nova(instance=name, project=f"{project}-name", project_id=project, user="somebody"),
        disks=(DiskFacts("vda", source=f"/var/lib/{name}.img"),),
        nics=(NicFacts(mac, "vnet0", filter=guarded),),
        metadata={"urn:x": f"<{name}/>"},
        xml=f"<domain><name>{name}</name></domain>",
    )


def _others(host: str) -> tuple[FilterFacts | NetworkFacts | PoolFacts, ...]:
    return (
        FilterFacts("f1", "shared", host, references=("included",), xml="<filter name='shared'/>"),
        FilterFacts("f2", "included", host, xml="<filter name='included'/>"),
        FilterFacts("f3", "canary-filter", host, xml="<filter name='canary-filter'/>"),
        NetworkFacts(
            "n1",
            "canary-net",
            host,
            leases=(Lease("52:54:00:66:66:66", "10.66.66.6", "canary-lease"),),
            xml="<canary/>",
        ),
        PoolFacts("p1", "canary-pool", host, target="/canary", xml="<canary/>"),
    )


def _sample(host: str, at: int, *domains: tuple[str, str]) -> Sample:
    rows = {
        Scope.DOMAIN: [full_row(Scope.DOMAIN, (domain,), lambda _name: at) for domain, _ in domains],
        Scope.VCPU: [full_row(Scope.VCPU, (domain, 0), lambda _name: at) for domain, _ in domains],
        Scope.DISK: [full_row(Scope.DISK, (domain, "vda"), lambda _name: at) for domain, _ in domains],
        Scope.NIC: [full_row(Scope.NIC, (domain, mac, "vnet0"), lambda _name: at) for domain, mac in domains],
        Scope.JOB: [full_row(Scope.JOB, (domain, "migration"), lambda _name: at) for domain, _ in domains],
        Scope.FILESYSTEM: [
            full_row(Scope.FILESYSTEM, (domain, f"/{'canary' if domain == OTHER else 'home'}"), lambda _name: at)
            for domain, _ in domains
        ],
        Scope.CELL: [full_row(Scope.CELL, (0,), lambda _name: at)],
        Scope.POOL: [full_row(Scope.POOL, ("canary-pool",), lambda _name: at)],
        Scope.VOLUME: [full_row(Scope.VOLUME, ("canary-pool", "canary-volume"), lambda _name: at)],
    }
    return sample(host, at, rows)
