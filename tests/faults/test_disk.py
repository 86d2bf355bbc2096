"""Full disks: nothing that was acknowledged is lost, what is lost is counted and seen, and all goes on after."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.rig import Rig, sized
from tests.faults.witness import stored
from tests.running import until
from tests.synthetic import Opened, full_row, opened, sample
from virtscope.catalogue import Scope
from virtscope.errors import StoreError
from virtscope.sample import Batch, now_ms
from virtscope.store import database

log = logging.getLogger(__name__)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own, of this size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_spool_that_is_full(rig: Rig) -> None:
    """The oldest go, are counted, and seen as a gap; what the spool still has is stored."""
    size = sized(1, 8) << 20
    server, agents = rig.both(1, "--spool", str(size), "--domains", "20")
    start = now_ms() - 3_600_000
    agents.emit(1, start)
    agents.delivered()
    server.end(signal.SIGKILL)
    while not agents.agents()[0]["dropped"]:
        agents.emit(500, start := start + 5_000, step=1)
    assert agents.agents()[0]["size"] <= size + size // 8
    server = rig.server()
    agents.delivered()
    until(lambda: told(server.get("/api/v1/events?limit=50")), "the gap, among the events")
    (agent,) = agents.agents()
    (status,) = server.get("/api/v1/agents")["agents"]
    assert status["status"]["dropped_batches"] == agent["dropped"]
    agents.end()
    server.end()
    found = rig.balance()
    log.info("spool of %d MiB full: %s, dropped %d", size >> 20, found, agent["dropped"])
    assert found.is_sound, found
    assert len(found.missing) == agent["dropped"] > 0
    lost = sorted(at for _, at in found.missing)
    assert max(lost) - min(lost) < 3_600_000


def told(events: dict[str, list[dict[str, str]]]) -> bool:
    return any(event["kind"] == "data lost" and "the spool was full" in event["detail"] for event in events["events"])


def test_a_data_folder_whose_disk_is_full(tmp_path: Path, rig: Rig) -> None:
    """Deliveries are put off, everybody is told why, and all of it is stored when there is room."""
    with small_disk(rig.data, "160m"):
        server, agents = rig.both(3)
        agents.tell("run 0.05")
        agents.delivered_more(2)
        ballast = rig.data / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 110 << 20)
        until(lambda: all("is full" in (one["problem"] or "") for one in agents.agents()), "the agents' being put off")
        assert server.status("/readyz") == 503
        assert "is full" in server.get("/readyz")["reason"]
        rig.emitted_more(3 * 20)
        ballast.unlink()
        agents.delivered_more(2)
        agents.tell("pause")
        agents.delivered()
        assert server.status("/readyz") == 200
        server.end()
        found = rig.balance()
        assert found.is_even, found
        rig.close()


def test_a_disk_that_is_full_at_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the floor of free space, and with many checkpoints: DuckDB's own file hits the end of the disk."""
    monkeypatch.setattr(database, "FREE_SPACE_FLOOR", 0)
    monkeypatch.setattr(database, "CHECKPOINT_THRESHOLD", "1MB")
    disk = tmp_path / "disk"
    for mebibytes in range(8, sized(9, 40)):
        with small_disk(disk, f"{mebibytes}m"):
            acknowledged = fill(disk / "data", disk)
            found = stored(disk / "data")
        assert {at for _, at in found} == acknowledged
        assert all(count == different for count, different in found.values())
        disk.rmdir()


def fill(data: Path, disk: Path) -> set[int]:
    """Store batches until the disk is full, make room, and go on: the times of those that were acknowledged."""
    acknowledged: set[int] = set()
    number = refused = 0
    with opened(data) as store:
        while refused < 3:
            number += 1
            if not put(store, number, acknowledged):
                refused += 1
        assert acknowledged
        subprocess.run(["mount", "-o", "remount,size=128m", str(disk)], check=True)
        for again in range(1, number + 10):  # the agent sends all of it again: what is stored is not stored twice
            assert put(store, again, acknowledged)
        assert len(acknowledged) == number + 9
    return acknowledged


def put(store: Opened, number: int, acknowledged: set[int]) -> bool:
    at = 1_700_000_000_000 + number
    chance = random.Random(number)
    rows = [full_row(Scope.DOMAIN, (f"domain{n}",), lambda _: chance.getrandbits(62)) for n in range(100)]
    try:
        store.store.append([Batch("agent", 1, number, at, (sample("host", at, {Scope.DOMAIN: rows}),))])
    except StoreError:
        return False
    acknowledged.add(at)
    return True
