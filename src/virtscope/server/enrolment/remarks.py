"""What an operator should know of an agent, and do about it; the same on the page and on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtscope import __version__
from virtscope.enrolment import OVERDUE
from virtscope.server.enrolment.agents import Agent
from virtscope.versions import mismatch

MOST_CLOCK_OFFSET = 5.0
"""Seconds between an agent's clock and the server's that are nothing to speak of: the delivery's way is in them."""
MOST_INTERVALS = 3
LEAST_LAG = 30.0
"""Seconds that a newest sample may be old in any case: hosts are read at their own pace, and delivered together."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """How an agent does, as the server sees it. Times are Unix seconds."""

    last_heard: float | None
    """When its newest batch arrived."""
    lag_seconds: float | None
    """How old its newest stored sample is."""
    backlog_batches: int | None
    backlog_bytes: int | None
    """What waits on the host."""
    clock_offset_seconds: float | None
    """How far its clock is ahead of the server's."""
    version: str | None
    dropped_batches: int | None
    """What it had to give up, for want of room."""
    hosts: tuple[str, ...]
    """The ids of the hosts that it watches."""
    interval_seconds: float | None
    """Between two readings of the host that is read most seldom."""
    problem: str | None
    metrics: str | None = None
    """Where it serves ``/metrics``, as ``http://0.0.0.0:9177``; None: nowhere that others reach."""


def remarks(agent: Agent, status: AgentStatus | None, now: float) -> tuple[str, ...]:
    """What is to be said of an agent at a time (Unix seconds); nothing of one that was revoked."""
    return () if agent.revoked is not None else tuple(_remarks(agent, status, now))


def _remarks(agent: Agent, status: AgentStatus | None, now: float) -> Iterator[str]:
    if status is not None:
        if status.problem:
            yield status.problem
        yield from _of_figures(status)
    yield from _of_certificate(agent, now)
    if remark := mismatch((status.version if status else None) or agent.version, __version__):
        yield remark


def _of_figures(status: AgentStatus) -> Iterator[str]:
    lag, offset, dropped = status.lag_seconds, status.clock_offset_seconds, status.dropped_batches
    if lag is not None and lag > max(MOST_INTERVALS * (status.interval_seconds or 0.0), LEAST_LAG):
        yield f"its newest stored sample is {lag:,.0f} s old: look whether it runs, and what its log says"
    if offset is not None and abs(offset) > MOST_CLOCK_OFFSET:
        where = "ahead of" if offset > 0 else "behind"
        yield f"its clock is {abs(offset):,.0f} s {where} the server's: have both set by NTP"
    if dropped:
        yield f"{dropped:,} batches were lost on it: events 'data lost' say when and why"


def _of_certificate(agent: Agent, now: float) -> Iterator[str]:
    left = agent.expires - now
    if left <= 0:
        yield "its certificate has expired: enrol the host again"
    elif left < (1 - OVERDUE) * (agent.expires - agent.certified):
        span = f"{left / _DAY:.0f} days" if left > 2 * _DAY else f"{left / 3_600:.0f} hours"
        yield f"its certificate ends in {span} and was not renewed: its log says why"
