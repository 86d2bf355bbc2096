"""A fleet in the API's shapes, and a source that answers it: what the screens are tested with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from virtscope.catalogue import Scope, quantities_of
from virtscope.cli.source import Curves, Happened, Item, Kind
from virtscope.errors import BadInput, NotFound, ServerError
from virtscope.sample import DiskFacts, NicFacts, Resources
from virtscope.server import answers
from virtscope.server.alerting import shapes

HOSTILE = "evil\x1b[31m\x1b]0;x\x07[red]b[/]\u202eidi\x9b2J"
"""Colours, a title, markup, a turn of direction, a screen that is cleared."""


def figures(scope: Scope, **known: float) -> dict[str, float | None]:
    return {quantity.name: None for quantity in quantities_of(scope)} | known


def host(name: str, state: str = "up", reason: str | None = None, **known: float) -> answers.HostAnswer:
    return answers.HostAnswer(
        id=f"host-{name}",
        name=name,
        uri=f"qemu+ssh://{name}/system",
        state=state,
        since=1.0,
        reason=reason,
        last_seen=1_795_000_000.0,
        interval=2.0,
        agent=None,
        facts=answers.HostDescription(8, 2**35, "model", "1 node", "QEMU 8", "10.0.0", "10.0.0"),
        domains=answers.DomainCount(3, 2),
        figures=figures(Scope.HOST, **known),
    )


def domain(
    number: int,
    name: str,
    of: str,
    state: str = "running",
    project: str | None = None,
    *,
    stale: bool = False,
    **known: float,
) -> answers.DomainAnswer:
    return answers.DomainAnswer(
        id=f"00000000-0000-4000-8000-{number:012d}",
        name=name,
        title=None,
        host=f"host-{of}",
        host_name=of,
        state=state,
        state_reason=None,
        stale=stale,
        timed_out=False,
        sampled=1_795_000_000.0,
        interval=2.0,
        facts=answers.DomainDescription(
            "hvm", "x86_64", "q35", None, None, project, None, True, 2, 2**31, False, [], None, None
        ),
        figures=figures(Scope.DOMAIN, **known),
    )


def many(count: int) -> list[answers.DomainAnswer]:
    return [
        domain(
            n, f"vm-{n:04d}", "ab"[n % 2], project=f"p{n % 5}", cpu_ratio=n % 100 / 100, cpu_cores=n % 100 / 50, vcpus=2
        )
        for n in range(count)
    ]


class FakeSource:
    """Answers what it is given; it may be away, forget, or remember."""

    def __init__(self) -> None:
        self.hosts = [
            host(
                "alpha",
                cpu_ratio=0.5,
                cpu_cores=4.0,
                cpus=8,
                memory_used=2.0**34,
                memory_total=2.0**35,
                steal_cores=0.5,
            ),
            host("beta", "down", "no route to host", cpu_ratio=0.1),
        ]
        self.domains = [
            domain(
                1,
                "web-1",
                "alpha",
                project="web",
                cpu_ratio=0.97,
                cpu_cores=1.94,
                vcpus=2,
                steal_ratio=0.2,
                memory_current=2.0**31,
            ),
            domain(2, "web-2", "alpha", project="web", cpu_ratio=0.4, cpu_cores=0.8, vcpus=2, net_receive=5e6),
            domain(3, "db-10", "beta", "running", "data", stale=True, cpu_ratio=0.2, cpu_cores=0.4, vcpus=2),
            domain(4, "idle", "alpha", "shut off"),
        ]
        self.alarms = [
            alert("host-down", "critical", _host_subject(self.hosts[1])),
            alert("domain-steal", "warning", _subject(self.domains[0]), value=0.2),
            alert("domain-crashed", "critical", _subject(self.domains[1]), "pending"),
            alert("domain-memory", "info", _subject(self.domains[2]), "unknown"),
            alert("domain-down", "critical", _subject(self.domains[3]), silenced=True),
            alert("nic-errors", "warning", _nic_subject(self.domains[1], "52:54:00:00:00:01")),
            alert("agent-behind", "info", shapes.AlertSubject("agents", "a1", f"agent {HOSTILE}", "", "", "", "")),
        ]
        self.asks_rules = True
        self.rules_problem: str | None = None
        self.remembers = True
        self.away = False
        self.paces: list[float] = []
        self.asked: list[Kind] = []

    def items(self, kind: Kind) -> list[Item]:
        if self.away:
            raise ServerError("no virtscope server answers at http://h:1 (refused)", "Start one.")
        self.asked.append(kind)
        found: list[Item] = msgspec.to_builtins(
            getattr(self, kind)() if kind in ("disks", "nics") else getattr(self, kind)
        )
        return found

    def disks(self) -> list[answers.OwnedDisk]:
        facts = msgspec.to_builtins(DiskFacts("vda", source="/images/disk.qcow2", bus="virtio", format="qcow2"))
        known = figures(Scope.DISK, read=1e6, write=2e6, capacity=2.0**33)
        return [answers.OwnedDisk(**facts, figures=known, **_owner(one)) for one in self.domains]

    def nics(self) -> list[answers.OwnedNic]:
        return [
            answers.OwnedNic(
                **msgspec.to_builtins(
                    NicFacts(f"52:54:00:00:00:{n:02x}", f"vnet{n}", source="br0", filter="clean-traffic")
                ),
                figures=figures(Scope.NIC, receive=3e6 * n, transmit=1e5),
                **_owner(one),
            )
            for n, one in enumerate(self.domains)
        ]

    def domain(self, name: str) -> Item:
        found = [one for one in self.domains if name in (one.id, one.name)]
        if not found:
            raise NotFound(f"no domain {name!r}", "'virtscope list domains' names them all.")
        one = found[0]
        whole = answers.DomainDetail(
            **{field.name: getattr(one, field.name) for field in fields(one)},
            description=None,
            firmware=None,
            resources=Resources(),
            nova=None,
            metadata={},
            vcpus=[answers.VcpuAnswer(0, figures(Scope.VCPU, usage=0.9))],
            disks=[_bare(answers.DiskAnswer, disk) for disk in self.disks() if disk.domain == one.id],
            nics=[_bare(answers.NicAnswer, nic) for nic in self.nics() if nic.domain == one.id],
            iothreads=[],
            perf=[],
            jobs=[],
            filesystems=[],
            guest=None,
            xml=f"<domain>\n  <title>{HOSTILE}</title>\n</domain>",
            persistent_xml=None,
        )
        item: Item = msgspec.to_builtins(whole)
        return item

    def host(self, name: str) -> Item:
        raise NotFound(name, "")

    def filter(self, name: str, host: str) -> Item:
        raise NotFound(name, "")

    def guards(self, domain: str) -> Item:
        nic = {"mac": "52:54:00:00:00:01", "target": "vnet1", "filter": None}
        return {"domain_name": domain, "host_name": "alpha", "interfaces": [nic]}

    def history(self, domain: str) -> list[Item]:
        return []

    def events(self, which: Happened) -> list[Item]:
        if not self.remembers:
            raise BadInput("a hypervisor that is asked directly has no history", "Only a server keeps it.")
        told = {
            "host_name": "alpha",
            "domain": which.domain,
            "domain_name": "web-1",
            "kind": "started",
            "detail": HOSTILE,
        }
        return [{"at": 1_795_000_000.0, **told}]

    def alerts(self) -> Item:
        if self.away:
            raise ServerError("no virtscope server answers at http://h:1 (refused)", "Start one.")
        if not self.asks_rules:
            raise BadInput("a hypervisor that is asked directly has no alerts", "Only a server asks rules.")
        item: Item = msgspec.to_builtins(shapes.AlertList(self.alarms, self.rules_problem))
        return item

    def follow(self, which: Happened) -> Iterator[Item]:
        yield from ()

    def curves(self, domain: str, quantities: Sequence[str], seconds: float) -> Curves:
        if not self.remembers:
            raise BadInput("a hypervisor that is asked directly has no history", "Only a server keeps it.")
        now = time.time()
        return Curves([now - seconds, now], {name: [0.25, 0.75] for name in quantities})

    def pace(self, interval: float) -> None:
        self.paces.append(interval)


def alert(
    rule: str,
    severity: str,
    subject: shapes.AlertSubject,
    state: str = "firing",
    *,
    value: float | None = None,
    silenced: bool = False,
) -> shapes.AlertAnswer:
    shown = "" if value is None else f"{value * 100:.1f} %"
    text = f"What {rule} says: {HOSTILE}"
    return shapes.AlertAnswer(rule, severity, state, subject, 1.0, 2.0, value, shown, "steal>10", text, silenced)


def _subject(one: answers.DomainAnswer) -> shapes.AlertSubject:
    project = one.facts.project if one.facts else None
    return shapes.AlertSubject("domains", one.id, one.name, one.host, one.host_name, one.id, project or "")


def _nic_subject(one: answers.DomainAnswer, mac: str) -> shapes.AlertSubject:
    return shapes.AlertSubject("nics", f"{one.id} {mac}", f"{one.name} {mac}", one.host, one.host_name, one.id, "")


def _host_subject(one: answers.HostAnswer) -> shapes.AlertSubject:
    return shapes.AlertSubject("hosts", one.id, one.name, one.id, one.name, "", "")


def _owner(one: answers.DomainAnswer) -> dict[str, Any]:
    return {"domain": one.id, "domain_name": one.name, "host": one.host, "host_name": one.host_name}


def _bare(kind: Any, device: Any) -> Any:
    return kind(**{field.name: getattr(device, field.name) for field in fields(kind)})
