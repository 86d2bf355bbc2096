"""A host becomes an agent, and nobody else does."""

from __future__ import annotations

import logging
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.enrolment.serving import Clock, Port, listening, serving
from virtscope.agent.enrolment import identity, signing_request
from virtscope.agent.enrolment.enrol import PENDING, enrol
from virtscope.agent.enrolment.exchange import Address, ask
from virtscope.enrolment import EnrolmentToken, EnrolRequest
from virtscope.errors import AgentRefused, BadInput, EnrolmentError, EnrolmentRefused


def asked(port: Port, known: identity.Identity, path: str = "me") -> bytes:
    return ask(Address.parse(port.url), known.context(), path)


def test_a_host_is_enrolled_and_let_in(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        assert known == identity.load(tmp_path / "agent")
        assert known.agent.encode() in asked(port, known)
        (agent,) = port.agents.list()
        assert (agent.id, agent.name, agent.address) == (known.agent, "kvm7", "127.0.0.1")
        assert agent.version


def test_only_the_agent_reads_its_key(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(known.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in known.path.parent.iterdir()] == [identity.FILE]
    known.path.chmod(0o640)
    with pytest.raises(EnrolmentError, match="others can read"):
        identity.load(tmp_path / "agent")


def test_the_invitation_says_what_the_host_is_called(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = enrol(port.url, port.token(name="rack3-kvm7"), "whatever", tmp_path / "agent")
        assert known.name == "rack3-kvm7"


def test_a_token_is_good_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(tmp_path / "server") as port:
        token = port.token()
        enrol(port.url, token, "first", tmp_path / "first")
        with pytest.raises(EnrolmentRefused, match="was used already"):
            enrol(port.url, token, "second", tmp_path / "second")
        assert [agent.name for agent in port.agents.list()] == ["first"]
    assert "127.0.0.1 could not enrol: the enrolment token was used already" in caplog.text
    assert token not in caplog.text


def test_of_many_at_once_one_is_let_in(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port, ThreadPoolExecutor(8) as hosts:
        token = port.token()
        requests = [signing_request.new().request for _ in range(8)]

        def attempt(request: str) -> str | None:
            try:
                return port.agents.enrol(token, request, "kvm7").agent
            except AgentRefused:
                return None

        let_in = [agent for agent in hosts.map(attempt, requests) if agent]
        assert let_in == [agent.id for agent in port.agents.list()]
        assert len(let_in) == 1


def test_the_same_line_twice_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        first = enrol(port.url, token, "kvm7", tmp_path / "agent")
        assert enrol(port.url, token, "kvm7", tmp_path / "agent") == first


def test_a_lost_answer_is_asked_for_again(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        # What a host has done that ended before it could keep the answer.
        made = signing_request.new()
        (tmp_path / "agent").mkdir(mode=0o700)
        (tmp_path / "agent" / PENDING).write_text(made.pem)
        lost = port.agents.enrol(token, made.request, "kvm7")
        known = enrol(port.url, token, "kvm7", tmp_path / "agent")
        assert known.agent == lost.agent
        assert len(port.agents.list()) == 1
        assert asked(port, known)


@pytest.mark.parametrize("change", ["expired", "withdrawn", "unknown"])
def test_a_token_that_is_no_good(tmp_path: Path, change: str) -> None:
    with serving(tmp_path / "server") as port:
        made = port.agents.tokens.create("somebody", ttl=60)
        token = made.token.text
        if change == "expired":
            port.clock.ahead = 61
        elif change == "withdrawn":
            port.agents.tokens.withdraw(made.invitation.id)
        else:
            token = EnrolmentToken.new(made.token.fingerprint).text
        said = {"expired": "has expired", "withdrawn": "was withdrawn", "unknown": "does not know"}[change]
        with pytest.raises(EnrolmentRefused, match=said):
            enrol(port.url, token, "kvm7", tmp_path / "agent")
        assert port.agents.list() == ()


def test_only_a_hash_of_the_token_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        enrol(port.url, token, "kvm7", tmp_path / "agent")
        secret = EnrolmentToken.parse(token).secret
        kept = b"".join(path.read_bytes() for path in (tmp_path / "server").rglob("*") if path.is_file())
        assert secret not in kept
        assert token.encode() not in kept
        assert token not in repr(EnrolmentToken.parse(token))
        assert token not in repr(EnrolRequest(token, "kvm7", ""))


class InBetween:
    """Somebody who answers in the server's place, and writes down what he is told."""

    def __init__(self, authority: str) -> None:
        own = trustme.CA()
        leaf = own.issue_cert("localhost", "127.0.0.1")
        self.heard = b""

        async def hand_out(request: Request) -> PlainTextResponse:
            self.heard += repr(request.headers).encode() + await request.body()
            return PlainTextResponse(authority or own.cert_pem.bytes().decode())

        app = Starlette(routes=[Route("/{path:path}", hand_out, methods=["GET", "POST"])])

        def context(*_arguments: object) -> ssl.SSLContext:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(made)
            return made

        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", ssl_context_factory=context))


@pytest.mark.parametrize("shows", ["its own authority", "the server's authority"])
def test_whoever_is_in_between_does_not_hear_the_token(tmp_path: Path, shows: str) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        between = InBetween("" if shows == "its own authority" else port.agents.anchor.pem)
        said = "is not the server that this token is of" if shows == "its own authority" else "cannot be trusted"
        with listening(between.server) as elsewhere, pytest.raises(EnrolmentError, match=said):
            enrol(f"https://localhost:{elsewhere}", token, "kvm7", tmp_path / "agent")
        assert between.heard  # it was spoken to
        assert token.encode() not in between.heard
        assert b"CERTIFICATE REQUEST" not in between.heard
        # The token is still good, where it belongs.
        assert enrol(port.url, token, "kvm7", tmp_path / "agent").name == "kvm7"


def test_another_authority_smuggled_in_behind_the_right_one_is_not_trusted(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        other = trustme.CA().cert_pem.bytes().decode()
        for both in (port.agents.anchor.pem + other, other + port.agents.anchor.pem):
            between = InBetween(both)
            with listening(between.server) as elsewhere, pytest.raises(EnrolmentError):
                enrol(f"https://localhost:{elsewhere}", port.token(), "kvm7", tmp_path / "agent")


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_may_differ_by_minutes(tmp_path: Path, minutes: float) -> None:
    # The server is behind or ahead; the host's own clock is this machine's.
    with serving(tmp_path / "server", clock=Clock(minutes * 60)) as port:
        assert asked(port, port.enrol(tmp_path / "agent"))


def test_a_clock_that_is_wrong_is_said_to_be(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "server", clock=Clock(86_400)) as port,
        pytest.raises(EnrolmentError, match="not valid at this host's time") as error,
    ):
        port.enrol(tmp_path / "agent")
    assert "clock" in error.value.hint


def test_the_name_must_be_one_of_the_server(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "server", names=["virtscope.example.org"]) as port,
        pytest.raises(EnrolmentError, match="cannot be trusted") as error,
    ):
        port.enrol(tmp_path / "agent")
    assert "names" in error.value.hint


@pytest.mark.parametrize(
    ("server", "token", "said"),
    [
        ("http://localhost:8421", "", "agents speak https only"),
        ("localhost:8421", "", "no server's address"),
        ("https://", "", "no server's address"),
        ("https://user@localhost", "", "no server's address"),
        ("https://localhost:99999", "", "no server's address"),
        ("https://localhost:1/page", "", "no server's address"),
        ("https://localhost:1", "vse_abc", "no enrolment token"),
        ("https://localhost:1", "gho_0123456789", "no enrolment token"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path: Path, server: str, token: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        enrol(server, token or EnrolmentToken.new(bytes(32)).text, "kvm7", tmp_path)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="cannot be reached"):
        enrol("https://127.0.0.1:1", EnrolmentToken.new(bytes(32)).text, "kvm7", tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "agent").write_text("a file")
    with serving(tmp_path / "server") as port, pytest.raises(EnrolmentError, match="cannot write"):
        port.enrol(tmp_path / "agent")


@pytest.mark.parametrize("damage", ["", "server: https://x\n", "\x00" * 64, "agent: 1\n-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_identity_is_told(tmp_path: Path, damage: str) -> None:
    (tmp_path / identity.FILE).write_text(damage)
    (tmp_path / identity.FILE).chmod(0o600)
    with pytest.raises(EnrolmentError, match="is damaged"):
        identity.load(tmp_path)
    with serving(tmp_path / "server") as port:
        assert port.enrol(tmp_path).name == "kvm7"
