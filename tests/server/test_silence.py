"""An agent that falls silent, and comes back: told once to the log, to the store and to every open page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import urllib3

from tests.running import RunningAgent, until, virtscope
from tests.server.test_secrets import program

HASTY = (
    "from virtscope import cli; from virtscope.server import fleet, ingest;"
    "fleet.SILENT_SECONDS, ingest.MAINTENANCE_SECONDS = 5.0, 0.5; cli.main()"
)
"""The program as it is, but that nobody has to wait a minute for it to notice."""
KINDS = ("agent silent", "agent back")
WATCH = ("--connect", "test:///default", "--interval", "0.3", "--metrics", "")


def kinds(address: str) -> list[str]:
    """What has happened to agents, newest first."""
    events = urllib3.request("GET", f"{address}/api/v1/events?since=0").json()["events"]
    return [event["kind"] for event in events if event["kind"] in KINDS]


def heard(stream: urllib3.BaseHTTPResponse) -> Iterator[dict[str, str]]:
    """These events, as an open page hears of them."""
    for line in stream:
        told = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
        if told.get("kind") in KINDS:
            yield told


def test_an_agent_that_falls_silent_and_comes_back(tmp_path: Path) -> None:
    state, arguments = tmp_path / "agent", ("--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0")
    with program(tmp_path, "server", *arguments, "--data", str(tmp_path / "data"), begin=("-c", HASTY)) as server:
        address = until(lambda: server.says(r" is at http"), "the server")[0].rpartition(" ")[2].rstrip("/")
        _, token, _, _, _, agents, _ = virtscope("token", "create", "--server", address).split()
        virtscope("enrol", agents, "-", "--name", "kvm1", "--identity", str(state), given=token)
        agent = RunningAgent(state, *WATCH)
        try:
            until(lambda: urllib3.request("GET", f"{address}/api/v1/domains").json()["domains"], "the agent's domain")
            (host,) = urllib3.request("GET", f"{address}/api/v1/hosts").json()["hosts"]
            assert kinds(address) == []
            stream = urllib3.request("GET", f"{address}/api/v1/live", preload_content=False, timeout=60)
            page = heard(stream)
            agent.process.kill()
            told = next(page)
            assert (told["kind"], told["host"], told["detail"]) == ("agent silent", host["id"], "kvm1")
            assert urllib3.request("GET", f"{address}/api/v1/hosts").json()["hosts"][0]["state"] == "down"
            assert kinds(address) == ["agent silent"]
        finally:
            agent.stop()
        agent = RunningAgent(state, *WATCH)
        try:
            assert next(page)["kind"] == "agent back"
            assert kinds(address) == ["agent back", "agent silent"]
            assert server.says("^agent ") == ["agent silent: kvm1", "agent back: kvm1"]
        finally:
            stream.close()
            agent.stop()
