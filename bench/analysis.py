"""Analyses at the size of a fleet: how long each takes, in how much memory; and what the solvers prove, how soon.

    ./dev bench analysis [--domains 20000] [--hosts 500] [--days 30] [--keep DIR]

Two parts. The solvers: rebalance of 200 domains on 12 hosts, and of 2,000 on 100, from a placement out of balance; with
the bounds that their answers are measured by. And every analysis, one after another as a server runs them, on a store
with a month of the whole fleet (see ``month``): what it takes to reduce the data is in it. These run in a process of
their own, whose memory is told. ``--keep`` names a folder for the store: one that is there is used again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import month
from virtscope.analysis import balance, registry
from virtscope.analysis.placement import Domain, Fleet, Host, violations
from virtscope.analysis.solver import count_moves
from virtscope.exposition.board import Board
from virtscope.server import fleet as directory
from virtscope.server.analysing import Asked
from virtscope.server.analysing import run as analysed
from virtscope.server.ingest import Ingest
from virtscope.server.live import Live
from virtscope.server.present import Present
from virtscope.server.services import Services
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.findings import Findings
from virtscope.store.records import Records

GIB = 1 << 30
SECONDS_ALLOWED, BYTES_ALLOWED = 60.0, 2 * GIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", choices=("solvers", "fleet"))
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run)
        return
    console = Console()
    if asked.only != "fleet":
        console.print(solvers())
    if asked.only != "solvers":
        with tempfile.TemporaryDirectory() as temporary:
            folder = asked.keep or Path(temporary) / "data"
            if not (folder / "complete").exists():
                month.build(folder, asked.domains, asked.hosts, asked.days)
                (folder / "complete").touch()
            console.print(fleet(folder, f"{asked.domains:,} domains, {asked.days} d"))


def out_of_balance(hosts: int, domains: int, seed: int) -> Fleet:
    """Some hosts with many domains, some with few; 3 % of the domains are pinned."""
    random = np.random.default_rng(seed)
    made = tuple(
        Host(f"h{n}", int(random.choice([256, 384, 512])) * GIB, float(random.choice([32, 48, 64])))
        for n in range(hosts)
    )
    weights = random.random(hosts) ** 2 + 0.05
    free = np.array([host.memory * 0.85 for host in made])
    placed = []
    for number in range(domains):
        memory = int(random.choice([4, 8, 8, 16, 16, 32])) * GIB
        odds = weights * (free >= memory)
        at = int(random.choice(hosts, p=odds / odds.sum()))
        free[at] -= memory
        cpu = round(float(random.random() ** 2 * 6), 3)
        placed.append(Domain(f"d{number}", f"h{at}", memory, cpu, movable=bool(random.random() > 0.03)))
    return Fleet(made, tuple(placed))


def solvers() -> Table:
    shown = Table("hosts", "domains", "seed", "peak", "after", "bound", "proven", "moves", "bound", "proven", "seconds")
    for hosts, domains, seeds in ((12, 200, (1, 2, 3)), (100, 2_000, (1,))):
        for seed in seeds:
            given = out_of_balance(hosts, domains, seed)
            began = time.monotonic()
            found = balance.rebalance(given, (1.0, 1.0, 1.0), balance.Rules())
            took = time.monotonic() - began
            assert found.order is not None
            assert not violations(given, found.order.where)
            print(f"{domains} on {hosts}: {took:.1f} s", flush=True)
            shown.add_row(
                f"{hosts}", f"{domains:,}", f"{seed}", f"{found.before:.1%}", f"{found.after:.1%}",
                f"{found.peak_bound:.1%}", f"{found.peak_proven}", f"{count_moves(given, found.order.where)}",
                f"{found.moves_bound}", f"{found.moves_proven}", f"{took:.1f}",
            )  # fmt: skip
    return shown


def fleet(folder: Path, title: str) -> Table:
    """Every analysis on the store of a folder."""
    shown = Table("analysis", "findings", "seconds", "most memory", title=title)
    total, most = 0.0, 0
    command = [sys.executable, "-m", "bench.analysis", "--run", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            name, findings, took, most = json.loads(line)
            total += took
            print(f"{name}: {took:.1f} s, {most / GIB:.2f} GiB", flush=True)
            shown.add_row(name, f"{findings:,}", f"{took:.1f}", f"{most / GIB:.2f} GiB")
    assert child.returncode == 0
    shown.add_row("all", "", f"{total:.1f}", f"{most / GIB:.2f} GiB")
    shown.caption = f"allowed: {SECONDS_ALLOWED:.0f} s and {BYTES_ALLOWED / GIB:.0f} GiB"
    return shown


def run(folder: Path) -> None:
    """Every analysis, in this process; a line of JSON for each: its name, findings, seconds, and the most memory."""
    database = Database(folder)
    records = Records(database)
    store = DuckdbStore(database, records)
    known = records.known()
    fleet = directory.Fleet([one.uri for one in known.links], known, store.last_seen(), lambda: month.END)
    present = Present(store, fleet)
    present.committed(1, month.END)
    ingest = Ingest(store, lambda _commit: None, lambda _now: None)
    services = Services(
        store, records, Findings(database), fleet, present, ingest, Live(), 0.0, False, 30.0, 14, Board()
    )
    present.now().domains()  # as a server has them
    for name in registry.NAMES:
        began = time.monotonic()
        found = analysed(services, Asked(name, {}), month.END)
        took = time.monotonic() - began
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([name, len(found.findings), took, most]), flush=True)
        del found
    ingest.stop()
    database.close()


if __name__ == "__main__":
    main()
