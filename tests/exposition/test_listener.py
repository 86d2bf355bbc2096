"""The listener, over real sockets: formats, passwords, certificates, and clients that do not behave."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import urllib3

from tests.exposition.certificates import authority, signed
from tests.exposition.small_fleet import NOW, small_fleet
from tests.exposition.witness import parsed
from tests.running import until
from virtscope.errors import BadInput
from virtscope.exposition.listener import LARGEST_REQUEST, MOST_CONNECTIONS, Listener
from virtscope.exposition.names import Dialect
from virtscope.exposition.text_format import Format, accepts_gzip, negotiated
from virtscope.exposition.web_config import WebConfig, load

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@contextmanager
def listening(config: WebConfig | None = None, dialect: Dialect = Dialect.INOVEX, **more: Any) -> Iterator[Listener]:
    listener = Listener(small_fleet(), "127.0.0.1:0", config, dialect, clock=lambda: NOW, **more)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


@contextmanager
def connected(listener: Listener) -> Iterator[socket.socket]:
    host, _, port = listener.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def asked(listener: Listener, request: bytes) -> bytes:
    """Everything that is answered to these bytes."""
    with connected(listener) as connection:
        connection.sendall(request)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass  # it was closed with some of our bytes unread
    return b"".join(parts)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


def get(listener: Listener, path: str = "/metrics", method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request(method, listener.url.removesuffix("/metrics") + path, headers=headers, decode_content=False)


def test_text_is_for_those_who_ask_for_nothing(listener: Listener) -> None:
    answer = get(listener)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.decode() == (Path(__file__).parent / "golden/inovex.prometheus.txt").read_text()


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3])
def test_prometheus_is_answered_in_openmetrics_and_compressed(listener: Listener, accept: str) -> None:
    answer = get(listener, Accept=accept, **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Type"] == Format.OPENMETRICS.value
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert parsed(gzip.decompress(answer.data).decode(), Format.OPENMETRICS)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.PROMETHEUS),
        ("*/*", Format.PROMETHEUS),
        ("text/plain", Format.PROMETHEUS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1", Format.PROMETHEUS),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.3", Format.PROMETHEUS),
        ("application/openmetrics-text;q=0", Format.PROMETHEUS),
        ("APPLICATION/OPENMETRICS-TEXT ; Q=0.1", Format.OPENMETRICS),
        (";;,=,q=x,application/openmetrics-text;q=x", Format.PROMETHEUS),
    ],
)
def test_what_is_accepted(accept: str, form: Format) -> None:
    assert negotiated(accept) is form


@pytest.mark.parametrize(
    ("header", "taken"), [("", False), ("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("x-gzip", False)]
)
def test_what_may_be_compressed(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken


def test_the_other_dialect() -> None:
    with listening(dialect=Dialect.TINKOFF) as made:
        assert b"libvirt_domain_info_vstate" in get(made).data


def test_head_has_the_headings_only(listener: Listener) -> None:
    answer = get(listener, method="HEAD")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 1000
    assert asked(listener, b"HEAD /metrics HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


def test_there_is_little_else(listener: Listener) -> None:
    assert b'href="/metrics"' in get(listener, "/").data
    assert get(listener, "/metrics?x=1").status == 200
    for path in ("/x", "/metrics/", "/../etc/passwd", "/%2e%2e/"):
        assert get(listener, path).status == 404
    for method in ("POST", "PUT", "DELETE", "TRACE", "CONNECT", "OPTIONS"):
        assert asked(listener, f"{method} /metrics HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 501 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * LARGEST_REQUEST + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * LARGEST_REQUEST + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 120 + b"\r\n", b"431"),
        (b"\x16\x03\x01 what\r\n\r\n", b"400"),
        (b"GET / HTTP/9\r\n\r\n", b"400"),
    ],
)
def test_requests_out_of_bounds(listener: Listener, request_: bytes, status: bytes) -> None:
    assert asked(listener, request_).split(b" ", 2)[1] == status
    assert get(listener).status == 200


def test_a_name_is_not_written_back_as_it_is(listener: Listener) -> None:
    assert b"<script>" not in asked(listener, b"<script> / HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")[2]


def test_slow_clients_do_not_keep_others_waiting(listener: Listener) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS - 1):
            stack.enter_context(connected(listener)).sendall(b"GET /metr")
        assert get(listener).status == 200


def test_too_many_connections_are_refused_and_slow_ones_end() -> None:
    with listening(request_seconds=0.5) as made, ExitStack() as stack:
        slow = [stack.enter_context(connected(made)) for _ in range(MOST_CONNECTIONS)]
        for connection in slow:
            connection.sendall(b"GET /metr")
        with connected(made) as one_more:
            assert everything(one_more) == b""
        assert [everything(connection) for connection in slow] == [b""] * MOST_CONNECTIONS
        assert get(made).status == 200


def test_dripping_buys_no_time() -> None:
    with listening(request_seconds=0.5) as made, connected(made) as connection:
        ended = threading.Event()

        def drip() -> None:
            try:
                while not ended.wait(0.05):
                    connection.send(b"x")
            except OSError:
                return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert everything(connection) == b""
        ended.set()
        dripping.join()


def test_an_address_that_cannot_be_had(listener: Listener) -> None:
    with pytest.raises(BadInput, match=f"cannot listen on {listener.address}: Address already in use"):
        Listener(small_fleet(), listener.address)
    for wrong in ("127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "[::1]"):
        with pytest.raises(BadInput, match="cannot listen on"):
            Listener(small_fleet(), wrong)


def test_every_address_of_the_machine() -> None:
    made = Listener(small_fleet(), ":0")
    made.start()
    port = made.address.rpartition(":")[2]
    with urllib3.PoolManager(retries=False) as pool:
        assert pool.request("GET", f"http://127.0.0.1:{port}/").status == 200
    made.stop()


def test_one_that_never_started_stops_too() -> None:
    Listener(small_fleet(), "127.0.0.1:0").stop()


# TLS and passwords.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    authority(made)
    signed(made, "server", 1)
    signed(made, "prometheus", 2)
    (made / "web.config.yml").write_text(
        f"""
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users:
  prometheus: {bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
"""
    )
    return made


@contextmanager
def client(folder: Path, name: str | None = "prometheus") -> Iterator[urllib3.PoolManager]:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    with urllib3.PoolManager(retries=False, ssl_context=context) as pool:
        yield pool


def test_https_takes_a_certificate_and_a_password(folder: Path) -> None:
    with listening(load(folder / "web.config.yml")) as made, client(folder) as pool:
        assert made.url.startswith("https://127.0.0.1:")
        right = urllib3.make_headers(basic_auth="prometheus:secret")
        assert b"libvirt_up" in pool.request("GET", made.url, headers=right).data
        for wrong in (None, "prometheus:wrong", "other:secret", "prometheus:"):
            headers = urllib3.make_headers(basic_auth=wrong) if wrong else {}
            for path in ("/metrics", "/", "/x"):
                answer = pool.request("GET", made.url.removesuffix("/metrics") + path, headers=headers)
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="virtscope"'
                assert b"libvirt" not in answer.data
        with client(folder, None) as stranger, pytest.raises((urllib3.exceptions.HTTPError, OSError)):
            stranger.request("GET", made.url, headers=right)
        assert asked(made, b"GET /metrics HTTP/1.1\r\n\r\n").partition(b"libvirt")[1] == b"", "not without TLS"


def test_a_handshake_that_never_comes_ends(folder: Path) -> None:
    with listening(load(folder / "web.config.yml"), request_seconds=0.5) as made, connected(made) as connection:
        assert everything(connection) == b""


def test_a_renewed_certificate_is_taken_up(folder: Path) -> None:
    def serial(made: Listener) -> int:
        host, _, port = made.address.rpartition(":")
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "prometheus.pem", folder / "prometheus.key")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            certificate = tls.getpeercert()
            assert certificate
            return int(str(certificate["serialNumber"]), 16)

    with listening(load(folder / "web.config.yml")) as made:
        assert serial(made) == 1
        (folder / "server.key").write_text("half written")
        assert serial(made) == 1, "the last one that worked stays"
        signed(folder, "server", 7)
        until(lambda: serial(made) == 7, "the new certificate")
