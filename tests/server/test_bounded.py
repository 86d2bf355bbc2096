"""The page's port: a request without end, or one that never comes, costs its sender alone."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.enrolment.serving import listening
from tests.running import PATIENCE
from tests.server.access.serving import serving
from virtscope.pulse import Pulse
from virtscope.server import bounded
from virtscope.server.access import guard
from virtscope.server.front import PageServer
from virtscope.server.live import Live


def page() -> PageServer:
    return PageServer(Starlette(), Live(), Pulse(), None)


@pytest.mark.parametrize("part", [b"X: y\r\n" * 1_000, b"X: " + b"y" * 6_000 + b"\r\n"])
def test_a_head_without_end_is_cut_off(part: bytes) -> None:
    sent = 0
    with listening(page()) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with suppress(ConnectionError):
            while sent < 50_000_000:
                connection.sendall(part)
                sent += len(part)
    assert sent < 20_000_000  # most of it in the kernel's own buffers


def test_whoever_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "HEAD_SECONDS", 0.2)
    with listening(page()) as port:
        for said in (b"", b"GET / HTTP/1.1\r\nHost: "):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(said)
                assert connection.recv(1) == b""


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    with serving(tmp_path) as served:
        host, _, port = served.address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            head = f"POST /api/v1/session HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            with HTTPResponse(connection) as answer:
                answer.begin()
                assert answer.status == 408
                assert "did not come" in json.loads(answer.read())["detail"]
