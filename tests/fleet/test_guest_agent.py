"""What a guest's own agent tells: asked only where the operator allows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.host import Host
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.running import running, until


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with one guest that has an agent, and one that has none."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        made.up([HostSpec("kvm1", (GuestSpec("talks", agent=True, memory_mib=128), GuestSpec("silent")))])
        yield made.host("kvm1")


def test_file_systems_and_names(host: Host, tmp_path: Path) -> None:
    arguments = ("--connect", host.uri, "--interval", "0.5", "--allow-write", "guest-agent")
    with running(tmp_path, *arguments) as process:
        until(lambda: len(process.get("/api/v1/domains")["domains"]) == 2, "the guests")
        detail = until(
            lambda: (found := process.get("/api/v1/domains/talks"))["guest"] and found["filesystems"] and found,
            "what the agent tells",
        )
        assert detail["guest"]["hostname"] == "lab-guest"
        assert detail["guest"]["problem"] is None
        assert detail["guest"]["kernel"]
        [data] = [found for found in detail["filesystems"] if found["mountpoint"] == "/data"]
        assert 40_000_000 < data["figures"]["size"] <= 64 * 1024 * 1024
        assert 0 < data["figures"]["used_ratio"] < 0.2
        assert process.get("/api/v1/domains/silent")["guest"] is None


def test_nobody_asks_where_it_is_not_allowed(host: Host, tmp_path: Path) -> None:
    with running(tmp_path, "--connect", host.uri, "--interval", "0.2") as process:
        until(lambda: process.get("/api/v1/filters")["filters"], "a round of the slow lane")
        assert process.get("/api/v1/domains/talks")["guest"] is None
        assert process.get("/api/v1/domains/talks")["filesystems"] == []
