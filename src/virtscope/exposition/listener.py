"""The listener: ``/metrics`` over HTTP or HTTPS, for Prometheus and for nobody's browser.

It runs on hypervisors, so everything is bounded: connections, the size of a request, and the time from the first byte
to the last, whichever side is slow. One request a connection; there is nothing to browse and nothing to change.
"""

from __future__ import annotations

import gzip
import io
import logging
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import Any

from virtscope.errors import BadInput
from virtscope.exposition.board import Board
from virtscope.exposition.credentials import Credentials
from virtscope.exposition.families import exposition
from virtscope.exposition.names import Dialect
from virtscope.exposition.own import Told, families
from virtscope.exposition.text_format import accepts_gzip, negotiated, text
from virtscope.exposition.web_config import Tls, WebConfig
from virtscope.sample import now_ms

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
REQUEST_SECONDS = 10.0
"""From accepting a connection to the last byte of its request, the handshake included."""
ANSWER_SECONDS = 30.0
"""From then to the last byte of the answer."""
LARGEST_REQUEST = 16 * 1024
_LEAST_COMPRESSED = 1024
_CHUNK = 64 * 1024

_INDEX = b"""<!doctype html><title>virtscope</title><p>virtscope: <a href="/metrics">metrics</a></p>\n"""


class Listener:
    """Serves a board until it is stopped."""

    def __init__(
        self,
        board: Board,
        address: str,
        web_config: WebConfig | None = None,
        dialect: Dialect = Dialect.INOVEX,
        *,
        own: Callable[[], Told] = dict,
        request_seconds: float = REQUEST_SECONDS,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Take the address, so that what is wrong with it is known before ``start``; ``own`` are the program's figures.

        Raises:
            BadInput: nobody can listen there.
        """
        config = web_config or WebConfig()
        self._board = board
        self._dialect = dialect
        self._clock = clock
        self._own = own
        self._rendering = threading.Lock()
        self._dropped = 0
        self._scheme = "https" if config.tls else "http"
        self._server = _Server(
            _bindable(address),
            self._body,
            Credentials(config.users) if config.users else None,
            _Certificates(config.tls) if config.tls else None,
            request_seconds,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="exposition", daemon=True)

    @property
    def address(self) -> str:
        """Where it really listens: ``127.0.0.1:9177``."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    @property
    def url(self) -> str:
        """What to scrape."""
        return f"{self._scheme}://{self.address}/metrics"

    @property
    def reached_at(self) -> str:
        """Where others find it, as ``https://0.0.0.0:9177``; empty where only this machine does."""
        host = ip_address(str(self._server.server_address[0]))
        return "" if host.is_loopback else f"{self._scheme}://{self.address}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections; those that are open end by themselves."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _body(self, accept: str) -> tuple[str, bytes]:
        """Content type and text. One at a time: a text of a large fleet is some megabytes."""
        form = negotiated(accept)
        with self._rendering:
            now = exposition(self._board.view(self._clock()), self._dialect, self._dropped)
            self._dropped = now.dropped
            return form.value, text((*now.families, *families(self._own())), form)


def _bindable(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"cannot listen on {address!r}: no port", "Write HOST:PORT, [IPv6]:PORT or :PORT.")
    return host, int(port)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection, and not too many of them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        body: Callable[[str], tuple[str, bytes]],
        credentials: Credentials | None,
        certificates: _Certificates | None,
        request_seconds: float,
    ) -> None:
        self.body = body
        self.credentials = credentials
        self.certificates = certificates
        self.request_seconds = request_seconds
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        host, port = address
        try:
            # Every address of the machine, where none is named: both families by one socket.
            named = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")
            self.dual_stack = not host and named == "::"
            found = socket.getaddrinfo(named, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self.address_family = found[0]
            super().__init__((str(found[4][0]), port), socketserver.BaseRequestHandler)
        except OSError as error:
            raise BadInput(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                "Choose an address of this machine and a port that is free.",
            ) from None

    def server_bind(self) -> None:
        if self.dual_stack:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread of its own, or close it where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In that thread: the whole life of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Encrypt where wanted, then answer; a client that does not keep to the rules is let go without a word."""
        deadline = time.monotonic() + self.request_seconds
        with suppress(OSError):  # ssl's errors and time-outs are among them
            if self.certificates is None:
                _Handler(request, client_address, self, deadline)
                return
            request.settimeout(self.request_seconds)
            with self.certificates.context().wrap_socket(request, server_side=True) as encrypted:
                _Handler(encrypted, client_address, self, deadline)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # socketserver's signature
        """What is left is a fault of ours."""
        log.exception("BUG: answering %s failed", client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request and its answer."""

    server: _Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # whatever is asked, the answer has a status line
    server_version, sys_version = "virtscope", ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def __init__(self, request: socket.socket, client_address: Any, server: _Server, deadline: float) -> None:
        self._deadline = deadline
        super().__init__(request, client_address, server)

    def setup(self) -> None:
        """Read under the deadline, and write under another one."""
        self.connection = self.request
        self.rfile = io.BufferedReader(_Bounded(self.connection, self._deadline), LARGEST_REQUEST)
        self.wfile = self._answered = io.BytesIO()

    def handle(self) -> None:
        """One request."""
        self.close_connection = True
        self.requestline = self.request_version = self.command = ""
        try:
            self.handle_one_request()
        except LineTooLong:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def finish(self) -> None:
        """Send what was answered."""
        _send(self.connection, self._answered.getvalue(), time.monotonic() + ANSWER_SECONDS)

    def do_GET(self) -> None:
        """Answer, to those who may ask."""
        credentials = self.server.credentials
        if credentials is not None and not credentials.allow(self.headers.get("Authorization")):
            self._answer(
                HTTPStatus.UNAUTHORIZED,
                "text/plain; charset=utf-8",
                b"401 Unauthorized\n",
                {"WWW-Authenticate": 'Basic realm="virtscope"'},
            )
        elif (path := self.path.partition("?")[0]) == "/metrics":
            self._metrics()
        elif path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", _INDEX)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"404 Not Found. There is /metrics.\n")

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def _metrics(self) -> None:
        content_type, body = self.server.body(", ".join(self.headers.get_all("Accept", [])))
        headers = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
        if len(body) >= _LEAST_COMPRESSED and accepts_gzip(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        self._answer(HTTPStatus.OK, content_type, body, headers)

    def _answer(
        self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        more = {"X-Content-Type-Options": "nosniff", **(headers or {})}
        for name, value in {"Content-Type": content_type, **more}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # http.server's own name
        """Say nothing: a scrape every few seconds is no news."""


class _Bounded(io.RawIOBase):
    """What a client sends, until a moment and a size: dripping byte by byte buys no time."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left = LARGEST_REQUEST

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What there is."""
        if self._left <= 0:
            raise LineTooLong("request")
        self._connection.settimeout(_left(self._deadline))
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def _send(connection: socket.socket, data: bytes, deadline: float) -> None:
    rest = memoryview(data)
    while rest:
        connection.settimeout(_left(deadline))
        rest = rest[connection.send(rest[:_CHUNK]) :]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Certificates:
    """The TLS context of the files as they are: a renewed certificate is taken up without a restart."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._context = tls.context()

    def context(self) -> ssl.SSLContext:
        """The newest that works: files are replaced one after the other."""
        with self._lock:
            stamps = self._stamps()
            if stamps != self._seen:
                try:
                    self._context = self._tls.context()
                    self._seen = stamps
                except OSError as error:
                    log.warning("the certificate was changed and does not work, so the last one stays: %s", error)
            return self._context

    def _stamps(self) -> list[tuple[int, int] | None]:
        return [_stamp(path) for path in self._tls.files]


def _stamp(path: Any) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
