"""The fleet of a demo: small, but with the kinds of guests that real fleets have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from lab.spec import GuestSpec, HostSpec

_KINDS = (
    GuestSpec(
        "web",
        ("cpu:6", "net:20:800"),
        filter="clean-traffic",
        title="Shop front end",
        project="shop",
        flavor="m1.small",
    ),
    GuestSpec(
        "db",
        ("cpu:5", "write:1024", "read:512:vdb", "memory:40"),
        memory_mib=128,
        disks=2,
        title="Shop database",
        project="shop",
        owner="bob",
        flavor="m1.medium",
    ),
    GuestSpec("build", ("cpu:35:2", "write:256"), vcpus=2, title="CI runner", project="ci", owner="carol"),
    GuestSpec("forgotten", ("idle",), memory_mib=128, title="Test of 2019", project="sandbox", owner="dave"),
    GuestSpec("cache", ("net:15:1300", "memory:30"), title="Session cache", project="shop", owner="bob"),
    GuestSpec("batch", ("cpu:12",), title="Nightly reports", project="reports", owner="erin"),
)
"""The load of the whole first round is about one core under software emulation."""


def fleet(hosts: int, guests: int, bare: int = 0) -> list[HostSpec]:
    """So many hosts, ``kvm1`` and on; guests dealt out among them; ``bare`` paused domains on each."""
    dealt = list(islice(_guests(), guests))
    return [HostSpec(f"kvm{number + 1}", tuple(dealt[number::hosts]), bare) for number in range(hosts)]


def _guests() -> Iterator[GuestSpec]:
    """Guests without end: each kind once, then again as number 2, with less to do."""
    number = 1
    while True:
        for kind in _KINDS:
            loads = kind.loads if number == 1 else ("idle",)
            yield replace(kind, name=f"{kind.name}-{number}", loads=loads)
        number += 1
