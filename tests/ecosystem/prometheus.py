"""A real Prometheus of its own process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.running import free_port, until

Series = Mapping[str, Any]
"""As Prometheus answers: ``metric``, its labels, and ``value``, a time and a text."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    address: str
    pool: urllib3.PoolManager

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """What an expression is at a moment, Unix s, or now. It must be one."""
        when = {} if at is None else {"time": str(at)}
        found: list[Series] = self._get("query", query=expression, **when)["result"]
        return found

    def answers(self, expressions: Iterable[str]) -> None:
        """Wait until every expression has an answer."""
        waiting = list(expressions)

        def all_answered() -> bool:
            waiting[:] = [expression for expression in waiting if not self.query(expression)]
            return not waiting

        try:
            until(all_answered, "answers")
        finally:
            assert not waiting

    def label_values(self, asked: str, start: float, end: float) -> set[str]:
        """What Grafana makes of its ``label_values(series, label)``."""
        assert asked.startswith("label_values(")
        match, _, label = asked.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        return set(self._get(f"label/{label}/values", **{"match[]": match, "start": str(start), "end": str(end)}))

    def _get(self, what: str, **parameters: str) -> Any:
        answer = self.pool.request("GET", f"{self.address}/api/v1/{what}", fields=parameters)
        assert answer.status == 200, (parameters, answer.data.decode())
        return answer.json()["data"]


@contextmanager
def prometheus(folder: Path, config: str, port: int | None = None, *flags: str) -> Iterator[Prometheus]:
    """One with a configuration, over whatever blocks lie in ``folder/data`` already; at any port, unless it is told."""
    address = f"127.0.0.1:{port or free_port()}"
    folder.mkdir(exist_ok=True)
    (folder / "prometheus.yaml").write_text(config)
    command = [
        *("prometheus", f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address={address}", "--log.level=warn", *flags),
    ]
    with (folder / "log").open("w") as log, urllib3.PoolManager(retries=False) as pool:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        made = Prometheus(f"http://{address}", pool)

        def is_ready() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                return pool.request("GET", f"{made.address}/-/ready").status == 200
            except urllib3.exceptions.HTTPError:
                return False

        try:
            until(is_ready, "Prometheus")
            yield made
        finally:
            process.kill()
            process.wait()
