"""Many agents at once, and for long: fresh figures first, memory bounded, nothing that grows."""

from __future__ import annotations

import logging
import signal
import statistics
import time

from tests.faults.rig import Process, Rig, sized
from tests.running import until
from virtscope.sample import now_ms

log = logging.getLogger(__name__)

INTERVAL = sized(4, 10)
MEBIBYTE = 1 << 20
THREADS = sized(3, 12)
"""After two minutes the first analysis runs, and with it the threads of Arrow (8 for files) and polars begin."""


def test_everybody_comes_back_with_a_backlog(rig: Rig) -> None:
    """After a long outage, all at once: what is new is seen within two intervals, while the old still drains."""
    count, backlog = sized(30, 500), sized(20, 120)
    server, agents = rig.both(count, "--domains", "4")
    agents.emit(1, now_ms() - 4_000_000)
    agents.delivered()
    server.end(signal.SIGKILL)
    agents.emit(backlog, now_ms() - 3_700_000)
    server = rig.server()
    began = time.monotonic()
    agents.tell(f"run {INTERVAL}")
    rig.emitted_more(count - 1)
    first = now_ms()
    seen = until(
        lambda: all(
            one["last_seen"] * 1000 > first - 2 * INTERVAL * 1000 for one in server.get("/api/v1/hosts")["hosts"]
        ),
        "a fresh sample of every host",
        patience=2 * INTERVAL,
    )
    fresh = time.monotonic() - began
    assert seen
    assert len(server.get("/api/v1/hosts")["hosts"]) == count
    agents.tell("pause")
    agents.delivered(600)
    drained = time.monotonic() - began
    most = server.memory("VmHWM")
    assert most < sized(600, 1_500) * MEBIBYTE
    server.end()
    found = rig.balance()
    log.info(
        "%d agents came back: fresh after %.1f s, drained after %.1f s, the server took %d MiB at most: %s",
        count,
        fresh,
        drained,
        most // MEBIBYTE,
        found,
    )
    assert found.is_even, found


def test_nothing_grows(rig: Rig) -> None:
    """A soak: after the same work again and again, memory, descriptors and threads are what they were.

    In the long form it is the work of 17 hours: what is hot stays as much, for hours leave while others come.
    """
    rounds, batches, step = sized(5, 60), sized(25, 1_000), 1_000
    server, agents = rig.both(4)
    start = now_ms() - (rounds + 1) * batches * step
    marks: dict[str, list[tuple[int, int, int]]] = {"server": [], "agents": []}
    for number in range(rounds):
        agents.emit(batches, start + number * batches * step, step=step)
        agents.delivered()
        for name, process in (("server", server), ("agents", agents)):
            marks[name].append(figures(process))
    server.end()
    agents.end()
    for name, found in marks.items():
        half = len(found) // 2
        before, after = (
            [statistics.median(column) for column in zip(*part, strict=True)]
            for part in (found[1 : half + 1], found[half:])
        )
        log.info(
            "%s after %d batches: memory %.0f to %.0f MiB, descriptors %.0f to %.0f, threads %.0f to %.0f",
            name,
            4 * rounds * batches,
            before[0] / MEBIBYTE,
            after[0] / MEBIBYTE,
            before[1],
            after[1],
            before[2],
            after[2],
        )
        assert after[0] < before[0] * 1.15 + 8 * MEBIBYTE, found
        assert after[1] <= before[1] + 3, found
        assert after[2] <= before[2] + THREADS, found
    found_balance = rig.balance()
    assert found_balance.is_even, found_balance


def figures(process: Process) -> tuple[int, int, int]:
    return process.memory(), process.descriptors(), process.threads()
