"""Which address is told of an agent that serves ``/metrics``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtscope.server.enrolment.agents import Agent
from virtscope.server.enrolment.remarks import AgentStatus
from virtscope.server.enrolment.targets import target

STATUS = AgentStatus(0.0, 1.5, 3, 4_096, -0.25, "9.9", 2, ("host",), 10.0, None)


def agent(address: str | None) -> Agent:
    return Agent(
        id="a-1", name="kvm7", made=0.0, token="t", serial="s", certified=0.0, expires=1.0, revoked=None, seen=None,
        address=address, version=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "address", "expected"),
    [
        ("http://0.0.0.0:9177", "192.0.2.7", ("192.0.2.7:9177", "http")),
        ("https://[::]:9177", "2001:db8::7", ("[2001:db8::7]:9177", "https")),
        ("https://192.0.2.9:9177", "192.0.2.7", ("192.0.2.9:9177", "https")),
        (None, "192.0.2.7", None),
        ("http://0.0.0.0:9177", None, None),
        ("file:///etc/passwd", "192.0.2.7", None),
        ("http://evil.example.org:80", "192.0.2.7", None),
        ("http://0.0.0.0:99999", "192.0.2.7", None),
    ],
)
def test_where_it_is_scraped(metrics: str | None, address: str | None, expected: tuple[str, str] | None) -> None:
    found = target(agent(address), replace(STATUS, metrics=metrics))
    assert (found and (found.targets[0], found.labels["__scheme__"])) == expected


def test_one_that_has_not_told() -> None:
    assert target(agent("192.0.2.7"), None) is None
