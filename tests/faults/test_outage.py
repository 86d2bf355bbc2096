"""Faults between agent and server: away, hung, cut off, unknown. Everything that was emitted is stored, once."""

from __future__ import annotations

import logging
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.faults.proxy import Proxy
from tests.faults.rig import Rig, Server, sized
from tests.running import until
from virtscope.agent.enrolment import identity
from virtscope.sample import now_ms

log = logging.getLogger(__name__)

TEN_MINUTES = 600_000


@pytest.fixture
def proxy(shared_rig: Rig) -> Iterator[Proxy]:
    """Something between the agents and the server."""
    made = Proxy(shared_rig.port)
    yield made
    made.close()


def test_a_server_that_is_down_for_ten_minutes(rig: Rig) -> None:
    """Ten minutes by the batches' stamps: the agents emit them as fast as their disks go."""
    server, agents = rig.both(sized(20, 50))
    before = now_ms() - TEN_MINUTES
    agents.emit(5, before - 60_000)
    agents.delivered()
    server.end(signal.SIGKILL)
    agents.emit(60, before)
    assert all(one["waiting"] == 60 for one in agents.agents())
    server = rig.server()
    agents.delivered()
    assert server.end() == 0
    found = rig.balance()
    log.info("server down for ten minutes: %s", found)
    assert found.is_even, found
    assert found.emitted == sized(20, 50) * 65
    assert all(one["dropped"] == 0 for one in agents.agents())


def test_answers_that_are_lost(shared_rig: Rig, proxy: Proxy) -> None:
    """The request has gone through and is stored; the answer never comes; the same is sent again, to no effect."""
    _, agents = shared_rig.both(1, "--server", proxy.url)
    agents.tell("run 0.02")
    for _ in range(sized(3, 50)):
        agents.delivered_more(2)
        before = proxy.lost
        proxy.lose_an_answer()
        until(partial(proxy.has_lost_more_than, before), "an answer to lose")
    agents.tell("pause")
    agents.delivered()
    found = shared_rig.balance()
    log.info("%d answers lost: %s", proxy.lost, found)
    assert found.is_even, found


def test_a_server_that_hangs(shared_rig: Rig) -> None:
    """It is stopped in the middle; the agents go on sampling at their pace, long before they give up on an answer."""
    server, agents = shared_rig.both(3)
    agents.tell("run 0.05")
    agents.delivered_more(2)
    server.send(signal.SIGSTOP)
    shared_rig.emitted_more(3 * 40)  # two seconds' worth, while an answer is waited for for thirty
    server.send(signal.SIGCONT)
    agents.delivered_more(2)
    agents.tell("pause")
    agents.delivered()
    found = shared_rig.balance()
    assert found.is_even, found


def test_a_connection_that_is_open_at_one_end(shared_rig: Rig, proxy: Proxy) -> None:
    _, agents = shared_rig.both(2, "--server", proxy.url, "--answer", "0.5")
    agents.tell("run 0.05")
    agents.delivered_more(2)
    proxy.hold()
    until(lambda: all("timed out" in (one["problem"] or "") for one in agents.agents()), "the agents' giving up")
    shared_rig.emitted_more(2 * 20)
    proxy.release()
    agents.delivered_more(2)
    agents.tell("pause")
    agents.delivered()
    found = shared_rig.balance()
    assert found.is_even, found
    assert all(one["problem"] is None for one in agents.agents())


def test_a_name_that_nobody_knows(shared_rig: Rig) -> None:
    _, agents = shared_rig.both(1, "--server", f"https://virtscope.invalid:{shared_rig.port}")
    agents.tell("run 0.05")
    until(lambda: "virtscope.invalid" in (agents.agents()[0]["problem"] or ""), "the problem")
    shared_rig.emitted_more(20)
    assert agents.end() == 0
    agents = shared_rig.emitter()  # the name is known again
    agents.delivered()
    found = shared_rig.balance()
    assert found.is_even, found
    assert found.emitted > 20


def test_a_certificate_that_has_expired(shared_rig: Rig, standing: Server) -> None:
    """The agent is refused in words, keeps everything, says so, and delivers it once it is let in again."""
    shared_rig.enrol(standing, 1)
    agent = identity.load(shared_rig.state / "agent000").agent
    moved(standing, agent, -1e9)
    agents = shared_rig.emitter()
    agents.tell("run 0.05")
    until(lambda: "has expired" in (agents.agents()[0]["problem"] or ""), "the problem")
    shared_rig.emitted_more(20)
    assert "has expired" in standing.text
    moved(standing, agent, 1e9)
    agents.delivered_more(1)
    agents.tell("pause")
    agents.delivered()
    found = shared_rig.balance()
    assert found.is_even, found


def moved(server: Server, agent: str, seconds: float) -> None:
    """Have an agent's certificate expire so much later, in the server's registry."""
    registry = sqlite3.connect(server.data / "access.sqlite")
    with closing(registry), registry:
        registry.execute("UPDATE agent_certificates SET expires = expires + ? WHERE agent = ?", (seconds, agent))


def test_both_are_told_to_end_under_load(rig: Rig) -> None:
    """SIGTERM: each ends within ten seconds, whatever the other does, and what was under way is not lost."""
    server, agents = rig.both(sized(5, 50))
    for number in range(sized(1, 5)):
        if number:
            server, agents = rig.server(), rig.emitter()
        agents.tell("run 0.05")
        agents.delivered_more(2)
        assert server.end(signal.SIGTERM, within=10) == 0
        rig.emitted_more(sized(5, 50))
        assert agents.end(signal.SIGTERM, within=10) == 0
    server, agents = rig.server(), rig.emitter()
    agents.delivered()
    server.end()
    found = rig.balance()
    log.info("both ended under load: %s", found)
    assert found.is_even, found
