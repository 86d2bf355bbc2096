"""What people do about agents: through the API, and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.enrolment.serving import Port, listening, serving
from virtscope.agent.enrolment import identity
from virtscope.enrolment import EnrolmentToken
from virtscope.server import problems
from virtscope.server.access.who import Role, Who
from virtscope.server.enrolment.api import Enrolment, router
from virtscope.server.enrolment.remarks import AgentStatus


class As:
    """Everybody who asks is this one."""

    def __init__(self, app: ASGIApp, who: Who | None) -> None:
        self._app = app
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._who is not None:
            scope.setdefault("state", {})["who"] = self._who
        await self._app(scope, receive, send)


@contextmanager
def people(port: Port, who: Who | None = Who("ada", Role.ADMIN)) -> Iterator[str]:  # noqa: B008  # it is frozen
    """The people's API beside an agents' port; its address."""
    status = AgentStatus(0.0, 1.5, 3, 4_096, -0.25, "9.9", 2, ("host",), 10.0, "its spool is full")
    app = FastAPI()
    problems.install(app)
    sent = {agent.id for agent in port.agents.list() if agent.name != "silent"}
    app.state.enrolment = Enrolment(
        port.agents, port.url, lambda agent: status if agent in sent else None, dismissed=lambda _agent: None
    )
    app.include_router(router())
    with listening(uvicorn.Server(uvicorn.Config(As(app, who), log_level="error"))) as number:
        yield f"http://127.0.0.1:{number}"


def virtscope(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtscope", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )


def test_from_a_token_to_an_agent_that_is_revoked(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port, people(port) as server:
        at = ("--server", server)
        made = virtscope("token", "create", *at, "--name", "rack3-kvm7", "--ttl", "10m")
        assert made.returncode == 0, made.stderr
        (line,) = made.stdout.splitlines()
        # The very line, as a shell runs it, with our own folder.
        program = f'virtscope() {{ "{sys.executable}" -m virtscope "$@" --identity "{tmp_path}/agent"; }}\n{line}'
        ran = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
        known = identity.load(tmp_path / "agent")
        told, following = ran.stdout.splitlines()
        assert told == f"This host is agent rack3-kvm7 ({known.agent}) of {port.url}."
        assert following.endswith(f"virtscope agent --state {tmp_path}/agent")

        (token,) = json.loads(virtscope("token", "list", *at, "-o", "json").stdout)
        assert (token["state"], token["agent"], token["made_by"]) == ("used", known.agent, "ada")
        (agent,) = json.loads(virtscope("agents", "list", *at, "-o", "json").stdout)
        assert (agent["state"], agent["name"], agent["status"]) == ("enrolled", "rack3-kvm7", None)

        assert virtscope("agents", "rename", "rack3-kvm7", "rack4-kvm7", *at).returncode == 0
        assert virtscope("agents", "revoke", "rack4-kvm7", *at).returncode == 0
        assert "revoked" in virtscope("agents", "list", *at).stdout
        unknown = virtscope("agents", "revoke", "rack9", *at)
        assert unknown.returncode == 4
        assert "no agent 'rack9'" in unknown.stderr


def test_the_list_tells_how_agents_do(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        port.enrol(tmp_path / "1", "kvm7")
        port.enrol(tmp_path / "2", "silent")
        with people(port) as server:
            shown = virtscope("agents", "list", "--server", server).stdout
            as_csv = virtscope("agents", "list", "--server", server, "-o", "csv").stdout.splitlines()
    line = next(line for line in shown.splitlines() if "kvm7" in line)
    for figure in ("enrolled", "1.5 s", "4 KiB", "-250 ms", "9.9", "its spool is full"):
        assert figure in line
    assert len(as_csv) == 3


def test_a_token_is_withdrawn(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port, people(port) as server:
        made = virtscope("token", "create", "--server", server).stdout.split()[1]
        (listed,) = json.loads(virtscope("token", "list", "--server", server, "-o", "json").stdout)
        assert listed["state"] == "open"
        assert virtscope("token", "withdraw", listed["id"], "--server", server).returncode == 0
        refused = virtscope("enrol", port.url, "--identity", str(tmp_path / "agent"), VIRTSCOPE_ENROL_TOKEN=made)
        assert refused.returncode == 3
        assert "was withdrawn" in refused.stderr
        assert made not in refused.stderr


@pytest.mark.parametrize("way", ["argument", "environment", "standard input"])
def test_ways_to_give_a_token(tmp_path: Path, way: str) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        arguments = ["enrol", port.url, *([token] if way == "argument" else [])]
        environment = {"VIRTSCOPE_ENROL_TOKEN": token} if way == "environment" else {}
        given = f"{token}\n" if way == "standard input" else ""
        ran = virtscope(*arguments, "--name", "kvm7", "--identity", str(tmp_path / "a"), given=given, **environment)
        assert ran.returncode == 0, ran.stderr
        assert [agent.name for agent in port.agents.list()] == ["kvm7"]


def test_no_token_is_said() -> None:
    ran = virtscope("enrol", "https://localhost:1")
    assert ran.returncode == 2
    assert "no token on standard input" in ran.stderr


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "agents", None),
        ("DELETE", "agents/kvm7", None),
        ("PATCH", "agents/kvm7", {"name": "x"}),
        ("GET", "enrolment-tokens", None),
        ("POST", "enrolment-tokens", {}),
        ("DELETE", "enrolment-tokens/x", None),
    ],
)
def test_admins_only(tmp_path: Path, method: str, path: str, body: object) -> None:
    with serving(tmp_path / "server") as port:
        port.enrol(tmp_path / "agent")
        for who, status in ((None, 401), (Who("bob", Role.OPERATOR), 403), (Who("eve", Role.VIEWER), 403)):
            with people(port, who) as server, urllib3.PoolManager(retries=False) as pool:
                answer = pool.request(method, f"{server}/api/v1/{path}", json=body)
                pool.clear()
                assert answer.status == status
                assert answer.headers["content-type"] == "application/problem+json"
        assert len(port.agents.tokens.list()) == 1
        assert port.agents.find("kvm7").revoked is None


@pytest.mark.parametrize(
    "wish", [{"ttl": 0}, {"ttl": -1}, {"ttl": 10**9}, {"ttl": "soon"}, {"name": ""}, {"name": "a\nb"}, {"name": 7}, []]
)
def test_wishes_that_make_no_sense(tmp_path: Path, wish: object) -> None:
    with (
        serving(tmp_path / "server") as port,
        people(port) as server,
        urllib3.PoolManager(retries=False) as pool,
    ):
        assert pool.request("POST", f"{server}/api/v1/enrolment-tokens", json=wish).status == 422
        assert port.agents.tokens.list() == ()


def test_a_secret_is_answered_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "server") as port,
        people(port) as server,
        urllib3.PoolManager(retries=False) as pool,
    ):
        made = pool.request("POST", f"{server}/api/v1/enrolment-tokens", json={})
        assert made.status == 201
        assert made.headers["cache-control"] == "no-store"
        token = EnrolmentToken.parse(made.json()["token"])
        assert made.json()["fingerprint"] == f"sha256:{token.fingerprint.hex()}"
        listed = pool.request("GET", f"{server}/api/v1/enrolment-tokens").data
        assert made.json()["id"].encode() in listed
        assert made.json()["token"].encode() not in listed


def test_of_two_with_a_name_the_id_says_which(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        one, other = port.enrol(tmp_path / "1"), port.enrol(tmp_path / "2")
        with people(port) as server:
            asked = virtscope("agents", "revoke", "kvm7", "--server", server)
            assert asked.returncode == 5
            assert one.agent in asked.stderr
            assert virtscope("agents", "revoke", one.agent, "--server", server).returncode == 0
            # Now the name is that of the one who is left.
            assert virtscope("agents", "revoke", "kvm7", "--server", server).returncode == 0
        assert all(agent.revoked for agent in port.agents.list())
        assert port.agents.find(other.agent).revoked
