"""The embedded store beside VictoriaMetrics and Prometheus: the same samples into each, and the same questions.

    ./dev bench engines [--domains 2000] [--ticks 120]

A simulated fleet (see ``virtscope simulate``) is taken in tick by tick, 10 s apart: by the store as merged batches, by
the engines through their remote write, as our agents write it. CPU time is of the engine's process alone, all threads
together, and of the calls to the store: neither pays for making what it is given. A sample is one value of one series,
as each counts them. Questions go through the store's port, over loopback where there is an engine.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from rich.console import Console
from rich.table import Table

from virtscope.catalogue import QUANTITY, Scope
from virtscope.exposition.promql import VIRTSCOPE, query
from virtscope.prometheus.engine import Access, Engine
from virtscope.prometheus.engine_store import EngineStore
from virtscope.prometheus.messages import snappy
from virtscope.prometheus.naming import Naming
from virtscope.prometheus.telling import Telling
from virtscope.sample import Batch
from virtscope.simulation.feeding import batches
from virtscope.simulation.fleet import Fleet
from virtscope.store import Range, Reader
from virtscope.store.archive import Archive
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.levels import Level, Retention
from virtscope.store.records import Records

INTERVAL, STEP, HOUR = 10_000, 60_000, 3_600_000
START = int(time.time()) // 7_200 * 7_200_000 - 7_200_000
PER_HOST = 50
CPU = QUANTITY[Scope.DOMAIN, "cpu_ratio"]
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Served:
    """An engine that runs."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    pool: urllib3.PoolManager

    @property
    def cpu(self) -> float:
        """CPU time of its process so far, s."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    @property
    def size(self) -> int:
        """What it takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def write(self, body: bytes) -> None:
        """Hand over one request."""
        headers = {"Content-Encoding": "snappy"}
        answer = self.pool.request("POST", f"{self.url}/api/v1/write", body=body, headers=headers)
        assert answer.status in (200, 204), answer.data

    def settle(self) -> None:
        """Wait until it does nothing any more."""
        if self.name == "VictoriaMetrics":
            self.pool.request("GET", f"{self.url}/internal/force_flush")
        before = -1.0
        while self.cpu - before > 0.02:
            before = self.cpu
            time.sleep(2)


@contextmanager
def served(name: str, folder: Path) -> Iterator[Served]:
    """An engine on loopback."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    if name == "VictoriaMetrics":
        command = ["victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr={address}", "-loggerLevel=WARN"]
    else:
        (folder / "prometheus.yaml").write_text("global: {}\n")
        command = ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address={address}", "--web.enable-remote-write-receiver", "--log.level=warn"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pool = urllib3.PoolManager(retries=urllib3.Retry(20, backoff_factor=0.1))
    made = Served(name, f"http://{address}", process, folder, pool)
    try:
        made.pool.request("GET", f"{made.url}/-/ready" if name == "Prometheus" else f"{made.url}/health")
        yield made
    finally:
        process.terminate()
        process.wait()


def told(domains: int, ticks: int) -> Iterator[list[Batch]]:
    """The fleet's batches, tick by tick."""
    fleet = Fleet(domains // PER_HOST, domains)
    for tick in range(ticks):
        yield list(batches(fleet, START + tick * INTERVAL, 1, tick + 1, INTERVAL / 1000, tells_all=tick == 0))


def values(made: list[Batch]) -> int:
    """How many single readings are known in these batches."""
    return sum(
        value is not None
        for batch in made
        for sample in batch.samples
        for scope, rows in sample.rows.items()
        for row in rows
        for value in row[len(scope.keys) - 1 :]
    )


def median_ms(ask: Callable[[], object], times: int = 5) -> float:
    """The median time of an answer, ms; the first, which warms up, is left out."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        assert ask()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=2_000)
    parser.add_argument("--ticks", type=int, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as closing:
        folder = Path(name)
        engines = [closing.enter_context(served(one, folder / one)) for one in ("VictoriaMetrics", "Prometheus")]
        database = Database(folder / "data")
        closing.callback(database.close)
        store = DuckdbStore(database, Records(database))
        idle = {one.name: one.cpu for one in engines}
        telling = Telling()
        used, count = 0.0, 0
        hosts: dict[str, str] = {}
        for made in told(options.domains, options.ticks):
            hosts |= {facts.id: facts.name for batch in made for facts in batch.hosts}
            count += values(made)
            began = time.process_time()
            store.append(made)
            used += time.process_time() - began
            for batch in made:
                body = telling.pieces(batch)
                for one in engines:
                    one.write(snappy(body))
        for one in engines:
            one.settle()
        spent = {one.name: one.cpu - idle[one.name] for one in engines}
        began = time.process_time()
        Archive(database, Retention()).run(START + options.ticks * INTERVAL + 4 * HOUR)
        used_by_archive = time.process_time() - began
        held = {one.level: one.bytes for one in Archive(database, Retention()).held()}

        shown = Table("what", "virtscope", *(one.name for one in engines))
        shown.title = f"{options.domains:,} domains, {options.ticks} ticks of 10 s"

        def row(what: str, ours: str, theirs: Callable[[Served], str]) -> None:
            shown.add_row(what, ours, *(theirs(one) for one in engines))

        theirs = series_samples(engines[0])
        row("samples", f"{count / 1e6:.1f} M", lambda _one: f"{theirs / 1e6:.1f} M")
        row(
            "ingest, samples per CPU-second",
            f"{count / used / 1e6:.2f} M",
            lambda one: f"{theirs / spent[one.name] / 1e6:.2f} M",
        )
        row(
            "… with archiving",
            f"{count / (used + used_by_archive) / 1e6:.2f} M",
            lambda _one: "",
        )
        row(
            "bytes per sample on disk",
            f"{held[Level.RAW.value] / count:.2f}",
            lambda one: f"{one.size / theirs:.2f}",
        )
        over = Range(START, START + options.ticks * INTERVAL // STEP * STEP, STEP)
        readers: dict[str, Reader] = {"virtscope": store}
        for one in engines:
            readers[one.name] = EngineStore(Engine(Access(one.url)), lambda: Naming(hosts, tuple), INTERVAL / 1000)
        some = str(store.series([CPU], [], Range(over.end - 2 * STEP, over.end, STEP))[0].object["domain"])
        minutes = options.ticks // 6
        for what, ask in (
            (f"p95 of every domain over {minutes} min", lambda reader: reader.summary([CPU], [], over, [95])),
            (f"one domain's chart of {minutes} min", lambda reader: reader.series([CPU], [some], over)),
        ):
            took = {name: median_ms(lambda ask=ask, reader=reader: ask(reader)) for name, reader in readers.items()}  # type: ignore[misc]
            row(what, f"{took['virtscope']:.0f} ms", lambda one, took=took: f"{took[one.name]:.0f} ms")  # type: ignore[misc]
        now = START + options.ticks * INTERVAL - 1
        everybody = query(CPU.formula, Scope.DOMAIN, VIRTSCOPE, 'host!=""', "1m")
        top = f"topk(20, {everybody})"
        ours = median_ms(lambda: store.latest(Scope.DOMAIN, [CPU]))
        row(
            "top of the fleet",
            f"{ours:.0f} ms",
            lambda one: f"{median_ms(lambda: list(Engine(Access(one.url)).at(top, now))):.0f} ms",
        )
        Console().print(shown)


def series_samples(one: Served) -> int:
    """How many samples VictoriaMetrics counts as its own."""
    text = one.pool.request("GET", f"{one.url}/metrics").data.decode()
    (found,) = [line for line in text.splitlines() if line.startswith('vm_rows_inserted_total{type="promremotewrite"')]
    return round(float(found.rpartition(" ")[2]))


if __name__ == "__main__":
    main()
