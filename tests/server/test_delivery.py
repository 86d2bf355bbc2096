"""Agents and a server as people run them: enrolled, delivered, interrupted, revoked."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from tests.running import Running, RunningAgent, enrol, free_port, running, until, virtscope
from virtscope.exposition import own


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Running]:
    with running(folder / "server", "--agents-listen", f"127.0.0.1:{port}", program="server") as server:
        yield server


def agents(server: Running) -> dict[str, Any]:
    return {agent["name"]: agent for agent in server.get("/api/v1/agents")["agents"]}


def domains(server: Running) -> list[str]:
    return [domain["name"] for domain in server.get("/api/v1/domains")["domains"] if not domain["stale"]]


FAST = ("--connect", "test:///default", "--interval", "0.3", "--metrics", "")


def test_a_host_is_enrolled_watched_renamed_and_revoked(tmp_path: Path) -> None:
    with serving(tmp_path, free_port()) as server:
        enrol(server, tmp_path / "agent", "kvm1")
        agent = RunningAgent(tmp_path / "agent", *FAST)
        try:
            until(lambda: domains(server), "the agent's domain")
            (host,) = server.get("/api/v1/hosts")["hosts"]
            assert (host["state"], host["agent"]) == ("up", "kvm1")
            status = agents(server)["kvm1"]["status"]
            assert status["hosts"] == [host["id"]]
            assert status["dropped_batches"] == 0
            assert abs(status["clock_offset_seconds"]) < 5
            body = server.request("/metrics").data.decode()
            missing = [one.name for one in (*own.PROCESS, *own.SERVER) if f"\n{one.name}" not in body]
            assert missing == ["virtscope_store_archived_bytes"]  # no hour is over yet
            assert 'virtscope_agent_dropped_batches_total{agent="kvm1"} 0' in body
            health = server.get("/api/v1/health")
            assert (health["status"], health["reasons"]) == ("ok", [])
            virtscope("agents", "rename", "kvm1", "kvm7", "--server", server.address)
            until(lambda: server.get("/api/v1/hosts")["hosts"][0]["agent"] == "kvm7", "the new name")
            assert "kvm7" in virtscope("agents", "list", "--server", server.address)

            virtscope("agents", "revoke", "kvm7", "--server", server.address)
            assert server.get("/api/v1/hosts")["hosts"] == []
            until(lambda: agent.says("cannot deliver"), "the refusal")
            assert agents(server)["kvm7"]["state"] == "revoked"
            assert server.get("/api/v1/hosts")["hosts"] == []
        finally:
            assert agent.stop() == 0


def test_what_happens_while_the_server_is_down_is_there_afterwards(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port) as server:
        enrol(server, tmp_path / "agent", "kvm1")
        agent = RunningAgent(tmp_path / "agent", *FAST)
        until(lambda: domains(server), "the agent's domain")
        server.stop(signal.SIGKILL)
    try:
        until(lambda: agent.says("cannot deliver"), "the agent to notice")
        spooled = list((tmp_path / "agent" / "spool").glob("*.spool"))
        size = sum(path.stat().st_size for path in spooled)
        until(lambda: sum(path.stat().st_size for path in spooled) > size + 3_000, "more in the spool")
        with serving(tmp_path, port) as server:
            until(lambda: agent.says("takes deliveries again"), "the delivery")
            until(lambda: agents(server)["kvm1"]["status"]["backlog_batches"] == 0, "the whole backlog")
            until(lambda: domains(server), "the domain")
            assert agents(server)["kvm1"]["status"]["dropped_batches"] == 0
            server.stop()
    finally:
        assert agent.stop(signal.SIGTERM) == 0
    with duckdb.connect(str(tmp_path / "server" / "hot.duckdb"), read_only=True) as store:
        ((rows, times),) = store.execute("SELECT count(*), count(DISTINCT ts) FROM host").fetchall()
        gaps = store.execute(
            "SELECT max(now - before) FROM "
            "(SELECT epoch_ms(ts) AS now, epoch_ms(lag(ts) OVER (ORDER BY ts)) AS before FROM host)"
        ).fetchall()
    assert rows == times > 10
    assert gaps[0][0] < 2_500  # the sampling went on at its pace: 300 ms, and however slow this machine is


def test_an_agent_none_of_whose_deliveries_was_ever_taken_shows_why(tmp_path: Path) -> None:
    port = free_port()
    watched = ("--agents-listen", f"127.0.0.1:{port}", "--connect", "test:///default")
    with running(tmp_path / "server", *watched, program="server") as server:
        until(lambda: domains(server), "the server's own domain")
        enrol(server, tmp_path / "agent", "kvm1")
        agent = RunningAgent(tmp_path / "agent", *FAST)
        try:
            remarks = until(lambda: agents(server)["kvm1"]["remarks"], "what is wrong")
            assert "is watched by this server itself already" in remarks[0]
        finally:
            agent.stop()


def test_an_agent_that_is_not_enrolled_says_what_to_do(tmp_path: Path) -> None:
    agent = RunningAgent(tmp_path / "agent", *FAST, "--server", "https://127.0.0.1:1")
    assert agent.process.wait(60) == 3
    assert "this host is not enrolled" in agent.log.read_text()
    assert "virtscope token create" in agent.log.read_text()


def test_two_agents_do_not_share_a_spool(tmp_path: Path) -> None:
    with serving(tmp_path, free_port()) as server:
        enrol(server, tmp_path / "agent", "kvm1")
        agent = RunningAgent(tmp_path / "agent", *FAST)
        try:
            until(lambda: domains(server), "the agent's domain")
            other = RunningAgent(tmp_path / "agent", *FAST)
            assert other.process.wait(60) == 6
            assert f"is in use by another agent (pid {agent.process.pid})" in other.log.read_text()
        finally:
            agent.stop()
