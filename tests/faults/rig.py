"""The rig: a server and a process of many agents on loopback, each to be stopped, killed and started again."""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import re
import selectors
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3

from tests.faults.witness import Balance, balance
from tests.running import PATIENCE, free_port, until
from virtscope.agent.enrolment.enrol import enrol
from virtscope.agent.enrolment.identity import FILE

log = logging.getLogger(__name__)

FULL = os.environ.get("VIRTSCOPE_FAULTS") == "full"
"""Whether the long form was asked for: ``./dev test faults``."""


def sized(short: int, full: int) -> int:
    """How many: in a normal run, and in the long form."""
    return full if FULL else short


class Process:
    """A child that can be signalled; what it says on standard error is kept."""

    def __init__(self, *command: str) -> None:
        environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = self.popen.pid
        self.said: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def text(self) -> str:
        """What it has said."""
        return "".join(self.said)

    def send(self, number: int) -> None:
        """A signal."""
        self.popen.send_signal(number)

    def end(self, number: int = signal.SIGTERM, within: float = PATIENCE) -> int:
        """Signal it, wait for its end (s), and its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        status = self.popen.wait(within)
        self._reading.join()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        return status

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes of ``VmRSS``, or at its most ``VmHWM``."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
        assert found, status
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        """How many it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.said.extend(self.popen.stderr)


class Server(Process):
    """A ``virtscope server`` that takes agents on a port of its own."""

    def __init__(self, data: Path, port: int, *arguments: str) -> None:
        listens = ("--listen", "127.0.0.1:0", "--agents-listen", f"127.0.0.1:{port}")
        super().__init__("virtscope", "server", *listens, "--data", str(data), *arguments)
        self.data, self.port = data, port
        self.agents_url = f"https://127.0.0.1:{port}"
        self._pool = urllib3.PoolManager(retries=False)
        self.url = until(self._address, "the server").rstrip("/")

    def _address(self) -> str | None:
        assert self.popen.poll() is None, self.text
        found = re.search(r" is at (http\S+)", self.text)
        return found[1] if found else None

    def get(self, path: str) -> Any:
        """The JSON of a path, whatever its status."""
        return self._pool.request("GET", f"{self.url}{path}").json()

    def status(self, path: str) -> int:
        """The status of a path."""
        return self._pool.request("GET", f"{self.url}{path}").status

    def token(self, name: str) -> str:
        """A new invitation."""
        body = json.dumps({"name": name}).encode()
        headers = {"Content-Type": "application/json"}
        answer = self._pool.request("POST", f"{self.url}/api/v1/enrolment-tokens", body=body, headers=headers)
        assert answer.status == 201, answer.data
        return str(answer.json()["token"])

    def end(self, number: int = signal.SIGTERM, within: float = PATIENCE) -> int:
        """End it."""
        self._pool.clear()
        return super().end(number, within)


class Emitter(Process):
    """A process of agents (see ``emitter.py``)."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        super().__init__("tests.faults.emitter", str(folder), *arguments)
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._answer() == "ready"

    def tell(self, command: str, patience: float = 2 * PATIENCE) -> Any:
        """Have it do something, and its answer."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{command}\n")
        self.popen.stdin.flush()
        return self._answer(patience)

    def emit(self, count: int, start: int, step: int = 10_000) -> None:
        """Batches of each agent with these stamps."""
        # Of hundreds of agents, so many batches are some minutes' work.
        self.tell(f"emit {count} {start} {step}", 2 * PATIENCE + count)

    def agents(self) -> list[dict[str, Any]]:
        """How each agent fares."""
        found: list[dict[str, Any]] = self.tell("state")["agents"]
        return found

    def delivered(self, patience: float = PATIENCE) -> None:
        """Wait until everything is stored, as far as the agents know."""
        until(lambda: all(not one["waiting"] for one in self.agents()), "every batch's receipt", patience)

    def delivered_more(self, count: int) -> None:
        """Wait until each agent has so many good answers more than now."""
        wanted = [one["delivered"] + count for one in self.agents()]
        until(
            lambda: all(one["delivered"] >= least for one, least in zip(self.agents(), wanted, strict=True)),
            f"{count} good answers more",
        )

    def _listen(self) -> None:
        assert self.popen.stdout is not None
        with suppress(ValueError):  # it was closed
            for line in self.popen.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _answer(self, patience: float = 2 * PATIENCE) -> Any:
        line = self._answers.get(timeout=patience)
        assert line, f"the emitter has ended: {self.text}"
        return json.loads(line)


class Rig:
    """A folder with a server's data and the agents' states, and what runs on them."""

    def __init__(self, folder: Path, standing: Server | None = None) -> None:
        """Begin; with a server that stands there for many tests, and is not to be ended."""
        self.data = standing.data if standing else folder / "data"
        self.port = standing.port if standing else free_port()
        self.state = folder / "agents"
        self.state.mkdir()
        self._standing = standing
        self._running: list[Process] = []

    def server(self, *arguments: str) -> Server:
        """Start the server, at its port."""
        assert not self._standing
        server = Server(self.data, self.port, *arguments)
        self._running.append(server)
        return server

    def emitter(self, *arguments: str) -> Emitter:
        """Start the agents."""
        emitter = Emitter(self.state, *arguments)
        self._running.append(emitter)
        return emitter

    def enrol(self, server: Server, count: int) -> None:
        """Enrol so many agents."""
        for number in range(count):
            folder = self.state / f"agent{number:03d}"
            enrol(server.agents_url, server.token(folder.name), folder.name, folder)
            assert (folder / FILE).exists()

    def both(self, agents: int, *arguments: str) -> tuple[Server, Emitter]:
        """A server, and so many agents that are enrolled there."""
        server = self._standing or self.server()
        self.enrol(server, agents)
        return server, self.emitter(*arguments)

    def balance(self) -> Balance:
        """Emitted against stored."""
        return balance(self.state, self.data)

    def ledger(self) -> int:
        """How many batches were emitted."""
        path = self.state / "ledger"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def emitted_more(self, count: int) -> None:
        """Wait until so many batches more are emitted than are now."""
        wanted = self.ledger() + count
        until(lambda: self.ledger() >= wanted, f"{count} batches more")

    def close(self) -> None:
        """End what still runs."""
        for one in self._running:
            if one.popen.poll() is None:
                with suppress(ProcessLookupError):
                    one.send(signal.SIGCONT)
            one.end(signal.SIGKILL)


def a_moment(most: float) -> None:
    """Let a random time pass (s at most): a fault comes when it likes."""
    selectors.DefaultSelector().select(random.uniform(0, most))
