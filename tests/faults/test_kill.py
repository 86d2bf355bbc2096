"""Processes that are killed at any moment: they come again by themselves, and what was acknowledged is stored, once."""

from __future__ import annotations

import logging
import signal
from collections import defaultdict

from tests.faults.rig import Emitter, Rig, a_moment, sized
from tests.faults.witness import emitted, stored
from virtscope.agent.spool import Limits

log = logging.getLogger(__name__)

AGENTS = 5


def test_agents_killed_at_random(rig: Rig) -> None:
    """Kill -9 costs what was on its way into the spool: the last moment of a run, never anything before it."""
    kills = sized(3, 100)
    server = rig.server()
    rig.enrol(server, AGENTS)
    runs: list[int] = []
    for _ in range(kills):
        agents = rig.emitter()
        agents.tell("run 0.02")
        rig.emitted_more(AGENTS)
        a_moment(0.5)
        agents.end(signal.SIGKILL)
        runs.append(rig.ledger())
    agents = rig.emitter()
    agents.delivered()
    agents.end()
    server.end()
    found = rig.balance()
    log.info("%d agents' processes killed: %s", kills, found)
    assert found.is_sound, found
    lost = set(found.missing)
    order = list(emitted(rig.state))
    begin = 0
    for end in runs:
        by_host: dict[str, list[int]] = defaultdict(list)
        for host, at in order[begin:end]:
            by_host[host].append(at)
        for host, times in by_host.items():
            missing = [at for at in times if (host, at) in lost]
            assert missing == times[len(times) - len(missing) :], "something before the last moment is missing"
            assert not missing or times[-1] - missing[0] < Limits().sync_seconds * 1000
        begin = end


def acknowledged(agents: Emitter) -> dict[str, int]:
    """How many batches of each host the agents have receipts of."""
    return {one["host"]: one["emitted"] - one["waiting"] for one in agents.agents()}


def test_a_server_killed_at_random_while_it_stores(rig: Rig) -> None:
    kills = sized(2, 100)
    server, agents = rig.both(AGENTS)
    agents.tell("run 0.02")
    for number in range(kills):
        if number:
            server = rig.server()
        rig.emitted_more(AGENTS)
        a_moment(2.0)
        server.end(signal.SIGKILL)
        told = acknowledged(agents)
        there = stored(rig.data)
        for host, count in told.items():
            assert count <= sum(1 for one, _ in there if one == host), "a receipt of what is not stored"
    agents.tell("pause")
    server = rig.server()
    agents.delivered(60.0 + 10.0 * kills)  # what was made in all that time
    server.end()
    found = rig.balance()
    log.info("server killed %d times: %s", kills, found)
    assert found.is_even, found
