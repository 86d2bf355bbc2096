"""Faults between agent and server: away, hung, cut off, unknown. Everything that was emitted is stored, once."""

from __future__ import annotations

import signal

from tests.faults.rig import Rig, sized
from virtscope.sample import now_ms

TEN_MINUTES = 600_000


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
    assert found.is_even, found
    assert found.emitted == sized(20, 50) * 65
    assert all(one["dropped"] == 0 for one in agents.agents())
