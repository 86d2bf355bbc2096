"""Two real hosts with guests whose load is known, and a virtscope that watches them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.running import Running, running, until

STEADY = GuestSpec("steady", ("cpu:25",))
MIXED = GuestSpec(
    "mixed", ("write:1024", "read:512:vdb", "net:20:1000", "memory:30"), memory_mib=128, disks=2, filter="clean-traffic"
)


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """Two hosts, a guest each."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        made.up([HostSpec("kvm1", (STEADY,)), HostSpec("kvm2", (MIXED,))])
        yield made


@pytest.fixture(scope="package")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A virtscope that watches both hosts every 2 s."""
    connect = [argument for host in lab.hosts for argument in ("--connect", host.uri)]
    with running(tmp_path_factory.mktemp("fleet"), *connect, "--interval", "2") as process:
        until(
            lambda: [domain for domain in process.get("/api/v1/domains")["domains"] if domain["interval"]],
            "figures of the guests",
        )
        yield process
