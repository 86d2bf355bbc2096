"""What is to be said of an agent: nothing while all is well, and what to do where something is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtscope import __version__
from virtscope.server.enrolment.agents import Agent
from virtscope.server.enrolment.remarks import AgentStatus, remarks

DAY, NOW = 86_400.0, 1_800_000_000.0
AGENT = Agent("id", "kvm1", NOW - 90 * DAY, "t", "7", NOW - DAY, NOW + 29 * DAY, None, NOW, "::1", __version__)
WELL = AgentStatus(NOW - 1, 1.0, 0, 0, 0.3, __version__, 0, ("h",), 10.0, None)


def test_nothing_is_said_while_all_is_well() -> None:
    assert remarks(AGENT, WELL, NOW) == ()
    assert remarks(AGENT, None, NOW) == ()
    unknown = replace(WELL, lag_seconds=None, clock_offset_seconds=None, dropped_batches=None, interval_seconds=None)
    assert remarks(AGENT, unknown, NOW) == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (replace(WELL, problem="the disk is full"), "the disk is full"),
        (replace(WELL, lag_seconds=31.0), "newest stored sample is 31 s old"),
        (replace(WELL, lag_seconds=181.0, interval_seconds=60.0), "newest stored sample is 181 s old"),
        (replace(WELL, lag_seconds=31.0, interval_seconds=None), "newest stored sample is 31 s old"),
        (replace(WELL, clock_offset_seconds=5.6), "6 s ahead of the server's"),
        (replace(WELL, clock_offset_seconds=-3_600.0), "3,600 s behind the server's"),
        (replace(WELL, dropped_batches=1_200), "1,200 batches were lost"),
        (replace(WELL, version="99.0.0"), "upgrade the server"),
    ],
)
def test_figures_that_are_not_as_they_should_be(status: AgentStatus, words: str) -> None:
    (said,) = remarks(AGENT, status, NOW)
    assert words in said


def test_what_is_just_within_is_not_spoken_of() -> None:
    for status in (
        replace(WELL, lag_seconds=30.0),
        replace(WELL, lag_seconds=180.0, interval_seconds=60.0),
        replace(WELL, clock_offset_seconds=-5.0),
        replace(WELL, backlog_batches=10_000, backlog_bytes=10**9),
    ):
        assert remarks(AGENT, status, NOW) == ()


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW + 22 * DAY, None),
        (NOW + 24 * DAY, "ends in 5 days and was not renewed"),
        (NOW + 28 * DAY, "ends in 24 hours and was not renewed"),
        (NOW + 29 * DAY, "has expired"),
    ],
)
def test_a_certificate_that_is_not_renewed(at: float, words: str | None) -> None:
    said = remarks(AGENT, WELL, at)
    assert len(said) == (words is not None)
    assert words is None or words in said[0]


def test_of_one_that_was_revoked_nothing_is_said() -> None:
    ill = replace(WELL, problem="refused", dropped_batches=3)
    assert remarks(replace(AGENT, revoked=NOW), ill, NOW + 90 * DAY) == ()


def test_an_agent_that_was_not_heard_since_the_start_has_the_version_it_had() -> None:
    assert "upgrade the server" in remarks(replace(AGENT, version="99.0"), None, NOW)[0]
