"""What the service manager hears: a real socket, and real programs with a watchdog."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, until
from virtscope.notify import ServiceManager
from virtscope.pulse import Pulse


class Heard:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(PATIENCE)

    def next(self) -> list[str]:
        """The lines of the next message."""
        return self._socket.recv(4096).decode().splitlines()

    def until(self, line: str) -> list[list[str]]:
        """Every message, up to the one that has this line."""
        heard = [self.next()]
        while line not in heard[-1]:
            heard.append(self.next())
        return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Heard]:
    made = Heard(str(tmp_path / "notify") if request.param == "path" else f"@virtscope-test-{os.getpid()}")
    yield made
    made.close()


def test_what_is_told(heard: Heard) -> None:
    manager = ServiceManager(heard.address)
    manager.ready("the page is at http://127.0.0.1:1/")
    assert heard.next() == ["READY=1", "STATUS=the page is at http://127.0.0.1:1/"]
    manager.status("not going on: a\nREADY=1")
    assert heard.next() == ["STATUS=not going on: a READY=1"]
    manager.stopping()
    assert heard.next() == ["STOPPING=1"]


def test_who_is_late_is_not_covered_up(heard: Heard) -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    pulse.expect("ingest", 10)
    pulse.expect("page", 100)
    stop = ServiceManager(heard.address, watchdog_seconds=0.03).watch(pulse.late)
    assert heard.next() == ["WATCHDOG=1"]
    now[0] = 11.0
    assert heard.until("STATUS=not going on: ingest")
    pulse.expect("ingest", 10)
    assert heard.next() == ["WATCHDOG=1"], "nothing was said of going on before"
    pulse.forget("ingest")
    pulse.forget("page")
    now[0] = 1e6
    assert heard.next() == ["WATCHDOG=1"]
    stop()


def test_without_a_manager_nothing_is_done() -> None:
    manager = ServiceManager.of({}, 7)
    assert manager == ServiceManager()
    manager.ready("x")
    manager.watch(lambda: ("x",))()
    ServiceManager("/nonexistent/notify").ready("x")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000"}, ServiceManager("/run/n", 30.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"}, ServiceManager("@n", 5e-6)),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "8"}, ServiceManager("/run/n")),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, ServiceManager("/run/n")),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "5"}, ServiceManager()),
    ],
)
def test_what_the_environment_tells(environment: dict[str, str], expected: ServiceManager) -> None:
    assert ServiceManager.of(environment, 7) == expected


@pytest.mark.parametrize("program", ["agent", "server"])
def test_a_program_under_a_service_manager(program: str, tmp_path: Path) -> None:
    heard = Heard(str(tmp_path / "notify"))
    folder = ("--state", str(tmp_path / "state")) if program == "agent" else ("--data", str(tmp_path / "data"))
    where = "--metrics" if program == "agent" else "--listen"
    command = [sys.executable, "-m", "virtscope", program, "-c", "test:///default", where, "127.0.0.1:0", *folder]
    environment = {**os.environ, "NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "300000", "STATE_DIRECTORY": ""}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            ready = heard.until("READY=1")[-1]
            assert "http://127.0.0.1:" in ready[1]
            assert heard.next() == ["WATCHDOG=1"]
            assert heard.next() == ["WATCHDOG=1"]
            process.send_signal(signal.SIGTERM)
            assert heard.until("STOPPING=1")
            assert until(lambda: process.poll() is not None, "the end")
            assert process.returncode == 0
        finally:
            process.kill()
            heard.close()
