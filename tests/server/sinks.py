"""Where alerts arrive in tests: a webhook, a mail server, and a real Alertmanager, each on loopback."""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import urllib3

from tests.running import PATIENCE, free_port, until


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted; fails as often as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.received: list[dict[str, Any]] = []
        self.failures = 0

    @property
    def url(self) -> str:
        """As apprise writes it."""
        return f"json://127.0.0.1:{self.server_address[1]}/hook"


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = cast("Webhook", self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if hook.failures:
            hook.failures -= 1
            self.send_response(500)
        else:
            hook.received.append(json.loads(body))
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail (the few words of SMTP that a client needs) and keeps it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.received: list[Message] = []

    @property
    def url(self) -> str:
        """As apprise writes it."""
        port = self.server_address[1]
        return f"mailto://127.0.0.1:{port}?from=virtscope@example.org&to=ops@example.org"


class _Mail(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip().upper():
            if line.startswith("DATA"):
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                text = b"".join(lines).decode()
                cast("MailServer", self.server).received.append(message_from_string(text))
            if line.startswith("QUIT"):
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Webhook | MailServer) -> Iterator[None]:
    """Have a sink take what comes for as long as the block lasts."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """A real Alertmanager that groups by rule; its address."""
    port = free_port()
    configuration = folder / "alertmanager.yml"
    configuration.write_text(
        "route: {receiver: nobody, group_by: [alertname], group_wait: 0s}\nreceivers: [{name: nobody}]\n"
    )
    command = [
        *("prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={folder}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _is_ready(port), "the Alertmanager")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _is_ready(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/-/ready", retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
