"""What many tests need: a synthetic fleet, a store of its own, and a running virtscope."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from virtscope.catalogue import Kind, Scope, metrics_of
from virtscope.sample import Batch, Sample, Value
from virtscope.store.archive import Archive, Retention
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.records import Records

PATIENCE = 60.0
"""Seconds after which a condition that should come true has not."""


def row(scope: Scope, key: Sequence[str | int], **values: int) -> tuple[str | int | None, ...]:
    """A row of a scope in which only these metrics are known."""
    return (*key, *(values.get(metric.name) for metric in metrics_of(scope)))


def full_row(scope: Scope, key: Sequence[str | int], value: Callable[[str], Value]) -> tuple[str | int | None, ...]:
    """A row of a scope with every metric."""
    codes = {metric.name for metric in metrics_of(scope) if metric.kind is Kind.STATE}
    return (*key, *(1 if metric.name in codes else value(metric.name) for metric in metrics_of(scope)))


def sample(host: str, at: int, rows: Mapping[Scope, Sequence[tuple[str | int | None, ...]]]) -> Sample:
    """A sample that always has its host's own row."""
    return Sample(host, at, {Scope.HOST: [row(Scope.HOST, ())], **rows})


def batch(sequence: int, *samples: Sample, agent: str = "agent", epoch: int = 1, **rest: Any) -> Batch:
    """A batch of samples."""
    return Batch(agent, epoch, sequence, samples[-1].at if samples else 0, tuple(samples), **rest)


@dataclass
class Opened:
    """A store and what it is made of."""

    database: Database
    records: Records
    store: DuckdbStore
    archive: Archive


@contextmanager
def opened(folder: Path, retention: Retention | None = None) -> Iterator[Opened]:
    """The store of a data folder, open for a while."""
    database = Database(folder)
    try:
        records = Records(database)
        archive = Archive(database, retention or Retention())
        yield Opened(database, records, DuckdbStore(database, records), archive)
    finally:
        database.close()


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Opened]:
    """A store in a folder of its own."""
    with opened(tmp_path / "data") as made:
        yield made


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of a condition, asked again and again; fails when it does not come."""
    deadline = time.monotonic() + patience
    pause = selectors.DefaultSelector()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain for: {what}"
        pause.select(0.05)
    return answer


class Running:
    """A ``virtscope up`` of its own process."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "virtscope", "up", "--listen", "127.0.0.1:0", "--data", str(data), *arguments]
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


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Running]:
    """A ``virtscope up`` for as long as the block lasts."""
    process = Running(data, *arguments)
    try:
        yield process
    finally:
        process.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A virtscope that watches libvirt's test driver, and a host that is not there."""
    data = tmp_path_factory.mktemp("server") / "data"
    absent = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
    with running(data, "--connect", "test:///default", "--connect", absent, "--interval", "0.5") as process:
        until(lambda: process.get("/api/v1/domains")["domains"], "the test driver's domain")
        yield process
