"""A process of many agents: real identities, spools, shippers and TLS over made-up samples.

Before a batch is handed over, it is written into the ledger: what stands there was emitted, whatever comes after. It is
told what to do by lines on its standard input, and answers each with one line of JSON:

    emit COUNT START STEP    batches of every agent with these stamps (Unix ms), as fast as the spools take them
    run SECONDS              a batch of every agent at each interval, from now on
    pause                    no more of that
    state                    how every agent fares
    stop                     end as an agent ends (SIGTERM does the same)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.running import until
from tests.synthetic import full_row, row
from virtscope.agent import backoff, shipper, transport
from virtscope.agent.delivery import Delivery
from virtscope.agent.enrolment import identity
from virtscope.agent.spool import Limits
from virtscope.catalogue import Scope
from virtscope.sample import Batch, DomainFacts, HostFacts, Link, LinkState, Sample, now_ms

BURST = 100
"""Batches that are put before the spool is waited for: fewer than the forwarder's queue holds."""


def host_of(agent: str) -> str:
    """The UUID of the one host that an agent watches."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, agent))


class Emitting:
    """One agent, its one host, and some domains."""

    def __init__(self, folder: Path, options: argparse.Namespace, ledger: int) -> None:
        known = identity.load(folder)
        if options.server:
            known = replace(known, server=options.server)
        self._agent, self._name = known.agent, known.name
        self._host = host_of(known.agent)
        self._domains = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._host}-{n}")) for n in range(options.domains)]
        self._ledger = ledger
        self._untold = threading.Event()
        self._untold.set()
        self._put = 0
        limits = Limits(options.spool, options.sync, options.replay)
        self.delivery = Delivery(known, folder, limits, self._untold.set)

    def emit(self, at: int) -> None:
        """One batch, first into the ledger."""
        rows = [full_row(Scope.DOMAIN, (one,), lambda _: at) for one in self._domains]
        sample = Sample(self._host, at, {Scope.HOST: [row(Scope.HOST, ())], Scope.DOMAIN: rows})
        link = Link("test:///faults", LinkState.UP, at, self._host, interval=10.0)
        batch = Batch(self._agent, 0, 0, at, (sample,), links=(link,))
        if self._untold.is_set():
            self._untold.clear()
            facts = tuple(DomainFacts(one, f"guest{n}", self._host) for n, one in enumerate(self._domains))
            batch = replace(batch, hosts=(HostFacts(self._host, self._name, link.uri),), domains=facts)
        os.write(self._ledger, f"{self._host} {at} {len(rows)}\n".encode())
        self._put += 1
        self.delivery.put(batch)

    def is_spooled(self) -> bool:
        """Whether all that was put is in the spool."""
        return self.delivery._spool._sequence >= self._put

    def state(self) -> dict[str, object]:
        """How it fares."""
        spooled = self.delivery._spool._sequence
        spool, progress = self.delivery.state, self.delivery.progress
        return {
            "host": self._host,
            "emitted": self._put,
            "waiting": spool.waiting + self._put - spooled,
            "size": spool.size,
            "dropped": spool.dropped,
            "refused": spool.refused,
            "problem": self.delivery.problem,
            "delivered": progress.delivered,
            "failed": progress.failed,
        }


class Cadence:
    """The thread that emits at an interval."""

    def __init__(self, agents: list[Emitting], seconds: float) -> None:
        self._agents, self._seconds = agents, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """No more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due, at = time.monotonic(), 0
        while not self._ended.wait(max(due - time.monotonic(), 0)):
            at = max(now_ms(), at + 1)  # a stamp names a sample, also when it has to catch up
            for one in self._agents:
                one.emit(at)
            due += self._seconds


def commands() -> Iterator[list[str]]:
    """What it is told, until its end."""
    for line in sys.stdin:
        words = line.split()
        if words == ["stop"]:
            return
        yield words


def answer(words: list[str], agents: list[Emitting]) -> object:
    """Do what does not last."""
    if words[0] == "emit":
        count, start, step = (int(word) for word in words[1:])
        for number in range(count):
            for one in agents:
                one.emit(start + number * step)
            if number % BURST == BURST - 1 or number == count - 1:
                until(lambda: all(one.is_spooled() for one in agents), "the spools")
        return count
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"agents": [one.state() for one in agents], "cpu": usage.ru_utime + usage.ru_stime}


def main() -> int:
    """Emit until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="holds a folder for each agent, and the ledger")
    parser.add_argument("--server", default="", help="another way to the server than the identities'")
    parser.add_argument("--domains", type=int, default=3)
    parser.add_argument("--spool", type=int, default=256 << 20)
    parser.add_argument("--sync", type=float, default=5.0)
    parser.add_argument("--replay", type=float, default=900.0)
    parser.add_argument("--pause", type=float, default=0.3, help="the longest pause between two tries, s")
    parser.add_argument("--answer", type=float, default=transport.ANSWER_SECONDS, help="seconds to wait for an answer")
    options = parser.parse_args()
    backoff.FIRST, backoff.LONGEST = min(backoff.FIRST, options.pause), options.pause
    shipper.HELD_SECONDS = shipper.KEEP_ALIVE_SECONDS = options.pause
    transport.ANSWER_SECONDS = options.answer
    transport.CONNECT_SECONDS = min(transport.CONNECT_SECONDS, options.answer)
    ledger = os.open(options.folder / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    agents = [Emitting(path.parent, options, ledger) for path in sorted(options.folder.glob(f"*/{identity.FILE}"))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cadence: Cadence | None = None
    sys.stdout.write('"ready"\n')
    sys.stdout.flush()
    try:
        for words in commands():
            told: object = words[0]
            if words[0] == "run":
                cadence = Cadence(agents, float(words[1]))
            elif words[0] == "pause":
                if cadence is not None:
                    cadence.stop()
                cadence = None
            else:
                told = answer(words, agents)
            sys.stdout.write(f"{json.dumps(told)}\n")
            sys.stdout.flush()
    finally:
        if cadence is not None:
            cadence.stop()
        ending = [threading.Thread(target=one.delivery.stop) for one in agents]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
