"""A virtscope in a process of its own, and waiting for what should come true."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

PATIENCE = 60.0
"""Seconds after which a condition that should come true has not."""


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of a condition, asked again and again; fails when it does not come."""
    deadline = time.monotonic() + patience
    pause = selectors.DefaultSelector()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain for: {what}"
        pause.select(0.05)
    return answer


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Running:
    """A ``virtscope up`` or ``virtscope server`` of its own process."""

    def __init__(self, data: Path, *arguments: str, program: str = "up") -> None:
        self.data = data
        listen = () if "--listen" in arguments else ("--listen", "127.0.0.1:0")
        command = [sys.executable, "-m", "virtscope", program, *listen, "--data", str(data), *arguments]
        environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.output: list[str] = []
        self._pool = urllib3.PoolManager(retries=False)
        self.address = self._read_address()

    def get(self, path: str) -> Any:
        """The JSON of a path, which must answer 200."""
        answer = self._pool.request("GET", f"{self.address}{path}")
        assert answer.status == 200, (path, answer.status, answer.data)
        return answer.json()

    def request(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """The answer of a path, whatever it is."""
        return self._pool.request("GET", f"{self.address}{path}", headers=headers)

    def stop(self, how: int = signal.SIGINT) -> int:
        """End it, and its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        _, rest = self.process.communicate(timeout=PATIENCE)
        self.output += rest.splitlines()
        self._pool.clear()
        return self.process.returncode

    def _read_address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.output.append(line)
            if " is at http" in line:
                return line.rpartition(" is at ")[2].strip().rstrip("/")
        raise AssertionError(f"virtscope up ended: {''.join(self.output)}")


class RunningAgent:
    """A ``virtscope agent`` of its own process. What it says goes to a file: nobody reads along."""

    def __init__(self, state: Path, *arguments: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.log = state.parent / f"{state.name}.log"
        command = [sys.executable, "-m", "virtscope", "agent", "--state", str(state), *arguments]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stderr=output, env={**os.environ, "NO_COLOR": "1"})

    def says(self, words: str) -> bool:
        """Whether it has said so."""
        assert self.is_up, self.log.read_text()
        return words in self.log.read_text()

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def stop(self, how: int = signal.SIGINT) -> int:
        """End it, and its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)


def virtscope(*arguments: str, given: str = "") -> str:
    """What a command says; it must succeed."""
    command = [sys.executable, "-m", "virtscope", *arguments]
    answer = subprocess.run(command, check=False, input=given, capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def enrol(server: Running, state: Path, name: str) -> None:
    """Let a host in, by the line that a person would paste."""
    _, token, _, _, _, address, _ = virtscope("token", "create", "--server", server.address).split()
    virtscope("enrol", address, "-", "--name", name, "--identity", str(state), given=token)


@contextmanager
def running(data: Path, *arguments: str, program: str = "up") -> Iterator[Running]:
    """A ``virtscope up`` or ``virtscope server`` for as long as the block lasts."""
    process = Running(data, *arguments, program=program)
    try:
        yield process
    finally:
        process.stop(signal.SIGKILL)
