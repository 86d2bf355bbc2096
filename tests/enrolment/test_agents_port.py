"""Who is let in at the agents' port, and what is asked of those who come."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.enrolment.serving import Port, serving, unverified
from tests.running import PATIENCE
from virtscope.agent.enrolment import exchange, identity, signing_request
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.enrolment.renewal import renew
from virtscope.errors import TooOften
from virtscope.server import bounded
from virtscope.server.enrolment import peer
from virtscope.server.enrolment.agents import GRACE, LIFETIME
from virtscope.server.enrolment.attempts import Attempts


def request(
    port: Port, context: ssl.SSLContext, path: str = "/api/v1/whoever", **more: Any
) -> urllib3.BaseHTTPResponse:
    with connected(port, context) as pool:
        return pool.request(more.pop("method", "GET"), path, **more)


def connected(port: Port, context: ssl.SSLContext) -> urllib3.HTTPSConnectionPool:
    return urllib3.HTTPSConnectionPool("localhost", port.address[1], ssl_context=context, retries=False)


def problem(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status, answer.json()["detail"]


def anonymous(port: Port) -> ssl.SSLContext:
    return identity.trusting(port.agents.anchor.pem)


def test_the_certificate_says_who_asks(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        one, other = port.enrol(tmp_path / "1", "one"), port.enrol(tmp_path / "2", "other")
        # Whatever the body says.
        answer = request(port, one.context(), method="POST", json={"agent": other.agent})
        assert answer.json()["agent"] == one.agent
        assert request(port, other.context()).json()["name"] == "other"


def test_nobody_without_a_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path / "server") as port:
        for path in ("/api/v1/whoever", "/api/v1/agents/me"):
            assert problem(request(port, anonymous(port), path))[0] == 401
        made = signing_request.new()
        answer = request(port, anonymous(port), "/api/v1/agents/renew", method="POST", json={"request": made.request})
        assert problem(answer)[0] == 401
        assert port.asked == []
    assert caplog.text.count("127.0.0.1 is not let in") == 3


def test_a_revoked_agent_is_out_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path / "server") as port:
        known, other = port.enrol(tmp_path / "1", "one"), port.enrol(tmp_path / "2", "other")
        with connected(port, known.context()) as pool:
            assert pool.request("GET", "/api/v1/whoever").status == 200
            port.agents.revoke("one")
            # Over the connection that is open already.
            assert problem(pool.request("GET", "/api/v1/whoever")) == (403, "agent one was revoked")
            assert pool.num_connections == 1
        made = signing_request.new()
        again = request(port, known.context(), "/api/v1/agents/renew", method="POST", json={"request": made.request})
        assert again.status == 403
        assert request(port, other.context()).status == 200
    assert "127.0.0.1 is not let in: agent one was revoked" in caplog.text


def test_a_certificate_expires(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        # Issued a month and an hour ago: expired for everybody by now.
        port.clock.ahead = -LIFETIME - 3_600
        made = signing_request.new()
        issued = port.agents.enrol(port.token(), made.request, "kvm7")
        known = identity.save(tmp_path / identity.FILE, port.url, made.key, issued)
        assert request(port, known.context()).status == 200
        port.clock.ahead = 0
        assert problem(request(port, known.context())) == (401, "the certificate of agent kvm7 has expired")


def test_a_certificate_of_another_authority(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path / "server") as port, serving(tmp_path / "other") as elsewhere:
        stranger = elsewhere.enrol(tmp_path / "agent")
        context = anonymous(port)
        context.load_cert_chain(stranger.path)
        with pytest.raises(urllib3.exceptions.HTTPError):
            request(port, context)
        assert port.asked == []
    assert "a connection is refused" in caplog.text


def test_what_else_the_authority_has_signed_is_no_agent(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        # The server's own certificate, and one with the name of an agent that did not come from the registry.
        made = signing_request.new()
        csr = x509.load_pem_x509_csr(made.request.encode())
        key = csr.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        forged = port.authority.agent_certificate(key, known.agent, 3_600).public_bytes(Encoding.PEM).decode()
        (tmp_path / "forged.pem").write_text(made.key + forged)
        context = anonymous(port)
        context.load_cert_chain(tmp_path / "forged.pem")
        assert problem(request(port, context)) == (403, "the server does not know this certificate")
        context = anonymous(port)
        pki = tmp_path / "server" / "pki"
        context.load_cert_chain(pki / "server.pem", pki / "server.key")
        with pytest.raises(urllib3.exceptions.HTTPError):
            request(port, context)  # it is good for a server only
        assert port.asked == []


def test_an_agents_certificate_is_good_for_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
    (certificate, _) = x509.load_pem_x509_certificates(known.path.read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:virtscope:agent:{known.agent}"]


def test_a_request_asks_for_a_key_alone(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with serving(tmp_path / "server") as port:
        issued = port.agents.enrol(port.token(), greedy.public_bytes(Encoding.PEM).decode(), "kvm7")
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert "root" not in certificate.subject.rfc4514_string()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "localhost" not in str(certificate.extensions)


def weak() -> str:
    key = rsa.generate_private_key(65_537, 1_024)
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def not_its_own() -> str:
    """A request whose signature is of another one."""
    der = bytearray(x509.load_pem_x509_csr(signing_request.new().request.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b"[" * 10_000,
        b'{"token": 1, "name": "x", "request": "x"}',
        b'{"token": "x", "name": "x"}',
        b'{"token": "x", "name": "", "request": "x"}',
        b'{"token": "x", "name": "\\ud800", "request": "x"}',
        b'{"token": "x", "name": "kvm7", "request": "no request"}',
        b'{"token": "x", "name": "kvm7", "request": "-----BEGIN CERTIFICATE REQUEST-----\\nAAAA\\n-----END"}',
    ],
)
def test_what_is_malformed_is_400(tmp_path: Path, body: bytes) -> None:
    with serving(tmp_path / "server") as port:
        answer = request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", body=body)
        assert problem(answer)[0] == 400


@pytest.mark.parametrize(("made", "said"), [(weak, "kind"), (not_its_own, "signature is wrong")])
def test_a_request_that_is_not_taken(tmp_path: Path, made: Any, said: str) -> None:
    with serving(tmp_path / "server") as port:
        token = port.token()
        asked = {"token": token, "name": "kvm7", "request": made()}
        status, detail = problem(request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", json=asked))
        assert status == 400
        assert said in detail
        # It has cost nothing: the token is still good.
        asked["request"] = signing_request.new().request
        assert request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", json=asked).status == 200


def test_a_name_that_is_no_line_of_text(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        asked = {"token": port.token(), "name": "a\nb\x1b[2J", "request": signing_request.new().request}
        assert request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", json=asked).status == 400
        assert port.agents.list() == ()


def test_guessing_is_stopped(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        asked = {"token": "vse_guess", "name": "x", "request": signing_request.new().request}
        answers = [request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", json=asked) for _ in range(11)]
        assert [answer.status for answer in answers] == [403] * 10 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60


def test_failures_are_of_one_source_and_of_a_minute() -> None:
    now = 0.0
    attempts = Attempts(most=2, seconds=60, clock=lambda: now)
    for address in ("192.0.2.1", "2001:db8::1", "2001:db8::2"):
        attempts.failed(address)
    attempts.check("192.0.2.1")
    attempts.check("2001:db8:0:1::1")
    with pytest.raises(TooOften):
        attempts.check("2001:db8::ffff")
    now = 60.0
    attempts.check("2001:db8::1")


def test_large_bodies_are_413(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        answer = request(port, anonymous(port), "/api/v1/agents/enrol", method="POST", body=b"x" * 20_000)
        assert problem(answer)[0] == 413
        # Without a length that could be looked at; and so large that it is not waited for.
        for parts in (20, 100_000):
            whole = iter([b"x" * 100_000] * parts)
            with connected(port, known.context()) as pool:
                if parts == 20:
                    assert problem(pool.request("POST", "/api/v1/whoever", body=whole, chunked=True))[0] == 413
                else:
                    with pytest.raises(urllib3.exceptions.HTTPError):
                        pool.request("POST", "/api/v1/whoever", body=whole, chunked=True)
        assert port.asked == []


def raw(port: Port, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(port.address, timeout=PATIENCE), server_hostname="localhost")


def test_a_slow_body_is_408(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        with raw(port, port.enrol(tmp_path / "agent").context()) as connection:
            connection.sendall(b"POST /api/v1/whoever HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
            answer = b"".join(iter(lambda: connection.recv(4_096), b""))
        assert answer.startswith(b"HTTP/1.1 408")
        assert port.asked == []


def sends_until_cut_off(connection: ssl.SSLSocket, part: bytes) -> int:
    """How many bytes went out before the other end had enough; sockets on both sides hold some of them."""
    sent = 0
    try:
        while sent < 60_000_000:
            connection.sendall(part)
            sent += len(part)
    except OSError:
        pass
    return sent


def test_heads_without_end_are_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    endless = {
        "a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        "headers": b"GET / HTTP/1.1\r\nHost: x\r\n",
        "a path": b"GET /",
        "a trailer": b"POST /api/v1/whoever HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    }
    with serving(tmp_path / "server") as port:
        for name, begin in endless.items():
            part = b"X: y\r\n" * 1_000 if name == "headers" else b"y" * 6_000
            with raw(port, anonymous(port)) as connection:
                connection.sendall(begin)
                sent = sends_until_cut_off(connection, part)
                assert sent < 20_000_000, name
    assert caplog.text.count("a request without end") == len(endless)


def test_whoever_says_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(peer, "HANDSHAKE_SECONDS", 0.2)
    with serving(tmp_path / "server") as port:
        with raw(port, anonymous(port)) as connection:
            assert connection.recv(1) == b""
        with raw(port, anonymous(port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert connection.recv(1) == b""
        with socket.create_connection(port.address, timeout=PATIENCE) as connection:
            assert connection.recv(1) == b""  # no handshake at all


@pytest.mark.parametrize("spoken", ["http", "old TLS"])
def test_nothing_but_new_tls_is_spoken(tmp_path: Path, spoken: str) -> None:
    with serving(tmp_path / "server") as port:
        if spoken == "http":
            with socket.create_connection(port.address, timeout=PATIENCE) as plain:
                plain.sendall(b"GET /api/v1/agents/authority HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"HTTP" not in b"".join(iter(lambda: plain.recv(4_096), b""))
        else:
            context = unverified()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with raw(port, context) as connection:
                assert connection.version() == "TLSv1.2"
        with raw(port, anonymous(port)) as connection:
            assert connection.version() == "TLSv1.3"


def test_a_renewed_certificate_takes_over_when_it_is_used(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        before = port.enrol(tmp_path / "agent")
        old = before.context()
        assert request(port, old).status == 200
        old_key = key_of(before)
        after = renew(before)
        assert after.agent == before.agent
        assert key_of(after) != old_key
        port.clock.ahead = GRACE + 1
        # The new one was never used, so nobody has lost the old one yet.
        assert request(port, old).status == 200
        assert request(port, after.context()).status == 200
        assert request(port, old).status == 200
        port.clock.ahead += GRACE - 60
        assert request(port, old).status == 200
        port.clock.ahead += 120
        assert problem(request(port, old)) == (403, "the certificate of agent kvm7 was replaced by a newer one")
        assert request(port, after.context()).status == 200


def key_of(known: Identity) -> str:
    return known.path.read_text().partition("-----END PRIVATE KEY-----")[0].rpartition("-----BEGIN")[2]


def test_a_disk_that_is_full_keeps_no_agent_out(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        assert exchange.ask(exchange.Address(*port.address), known.context(), "me")
        port.clock.ahead = 600  # who was seen is to be written down
        port.agents._registry._connection.execute("PRAGMA query_only = ON")
        assert exchange.ask(exchange.Address(*port.address), known.context(), "me")
        port.agents._registry._connection.execute("PRAGMA query_only = OFF")
