"""Analyses at the size of a fleet: how long each takes, in how much memory; and what the solvers prove, how soon.

    ./dev bench analysis [--domains 20000] [--hosts 500]

Two parts. The solvers: rebalance of 200 domains on 12 hosts, and of 2,000 on 100, from a placement out of balance; with
the bounds that their answers are measured by. And every analysis on tables of the whole fleet, made up to what it asks
for: what the store takes to reduce its data to these tables is measured by ``bench store``, not here.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from virtscope.analysis import balance, registry
from virtscope.analysis.placement import Domain, Fleet, Host, violations
from virtscope.analysis.solver import count_moves
from virtscope.analysis.tables import DISKS, DOMAINS, HOSTS, NICS, Columns, Needs, Reduced, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.store import Range

NOW = 1_800_000_000_000
GIB = 1 << 30
SECONDS_ALLOWED, BYTES_ALLOWED = 60.0, 2 * GIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--hosts", type=int, default=500)
    asked = parser.parse_args()
    console = Console()
    console.print(solvers())
    console.print(fleet(asked.domains, asked.hosts))


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


def fleet(domains: int, hosts: int) -> Table:
    """Every analysis, one after another, each on tables of its own."""
    shown = Table("analysis", "rows", "findings", "seconds", "most memory")
    made = Made(domains, hosts)
    total = 0.0
    for analysis in registry.every():
        settings = analysis.read({})
        tables = made.tables(analysis.needs(settings))
        rows = sum(len(one) for one in (*tables.summaries.values(), *tables.series.values()))
        gc.collect()
        began = time.monotonic()
        found = registry.run(analysis, tables, settings)
        took = time.monotonic() - began
        total += took
        print(f"{analysis.name}: {took:.1f} s, {_most() / GIB:.2f} GiB", flush=True)
        shown.add_row(analysis.name, f"{rows:,}", f"{len(found):,}", f"{took:.1f}", f"{_most() / GIB:.2f} GiB")
        del tables, found
    shown.add_row("all", "", "", f"{total:.1f}", f"{_most() / GIB:.2f} GiB")
    shown.caption = f"allowed: {SECONDS_ALLOWED:.0f} s and {BYTES_ALLOWED / GIB:.0f} GiB"
    return shown


class Made:
    """A fleet whose figures are made up, for whatever an analysis asks."""

    def __init__(self, domains: int, hosts: int) -> None:
        self._random = np.random.default_rng(1)
        self._hosts = [f"host-{n:04}" for n in range(hosts)]
        self._ids = [f"{n:08}-0000-4000-8000-000000000000" for n in range(domains)]
        self._home = [self._hosts[n % hosts] for n in range(domains)]
        self._memory = self._random.choice([2, 4, 4, 8, 8, 16], domains) * GIB
        self._vcpus = self._random.choice([1, 2, 2, 4, 8], domains)

    def tables(self, needs: Needs) -> Tables:
        """All that these needs ask for."""
        width = round(needs.step * 1000)
        over = Range(NOW - round(needs.window * 1000) // width * width, NOW, width)
        return Tables(
            over,
            self._domains(),
            self._host_rows(),
            self._devices(DISKS, {"target": "vda", "device": "disk"}),
            self._devices(NICS, {"mac": "52:54:00:00:00:01", "target": "vnet0"}),
            summaries={one.scope: self._reduced(one, over) for one in needs.reduced},
            series={one.scope: self._steps(one, needs) for one in needs.series},
            events=self._events(over) if needs.events else Tables(over).events,
        )

    def _devices(self, columns: Columns, known: Mapping[str, str]) -> pl.DataFrame:
        rows = [dict.fromkeys(columns) | {"domain": one, **known} for one in self._ids]
        return pl.DataFrame(rows, schema=columns)

    def _domains(self) -> pl.DataFrame:
        rows = [
            dict.fromkeys(DOMAINS)
            | {"id": one, "name": one[:8], "host": host, "host_name": host, "project": f"p{n % 100}"}
            | {"state": "running", "active": True, "persistent": True, "vcpus": int(self._vcpus[n])}
            | {
                "vcpus_maximum": int(self._vcpus[n]),
                "memory": int(self._memory[n]),
                "memory_maximum": int(self._memory[n]),
            }
            | dict.fromkeys(("pinned", "numa_bound", "hugepages", "memory_locked", "excluded"), False)
            | {"passthrough": [], "labels": []}
            for n, (one, host) in enumerate(zip(self._ids, self._home, strict=True))
        ]
        return pl.DataFrame(rows, schema=DOMAINS)

    def _host_rows(self) -> pl.DataFrame:
        rows = [
            {"id": one, "name": one, "up": True, "cpus": 64, "memory": 512 * GIB, "cells": 2, "maintenance": False}
            for one in self._hosts
        ]
        return pl.DataFrame(rows, schema=HOSTS)

    def _keys(self, scope: Scope) -> Mapping[str, list[str] | list[int]]:
        """A row for each host, or for each domain with one device."""
        if not scope.is_of_domain:
            return {"host": self._hosts} | {key: ["0"] * len(self._hosts) for key in scope.keys[1:]}
        rest = {key: [0 if key in ("vcpu", "iothread") else "x"] * len(self._ids) for key in scope.keys[2:]}
        return {"domain": self._ids, **rest}  # type: ignore[dict-item]

    def _reduced(self, wanted: Reduced, over: Range) -> pl.DataFrame:
        keys = self._keys(wanted.scope)
        number, steps = len(next(iter(keys.values()))), len(over.times)
        columns: dict[str, object] = {**keys, "seen": [steps] * number}
        for name in wanted.quantities:
            values = self._values(name, number)
            columns |= {f"{name}.average": values / 2, f"{name}.maximum": values, f"{name}.deviation": values / 8}
            columns |= {f"{name}.samples": [steps] * number}
            columns |= {f"{name}.p{rank:g}": values * rank / 100 for rank in wanted.percentiles}
        if wanted.quiet:
            columns |= {"quiet.known": [steps] * number, "quiet.under": self._random.integers(0, steps + 1, number)}
        return pl.DataFrame(columns)

    def _steps(self, wanted: Steps, needs: Needs) -> pl.DataFrame:
        width = round((wanted.step or needs.step) * 1000)
        steps = round((wanted.window or needs.window) * 1000) // width
        keys = self._keys(wanted.scope)
        number = len(next(iter(keys.values())))
        at = np.tile(np.arange(NOW - steps * width, NOW, width), number)
        frame = pl.DataFrame(dict(keys)).select(pl.all().repeat_by(steps).explode())
        figures = {name: np.repeat(self._values(name, number), steps) for name in wanted.quantities}
        noise = 1 + self._random.normal(0, 0.1, len(at))
        return frame.with_columns(time=at, **{name: pl.Series(values * noise) for name, values in figures.items()})

    def _values(self, name: str, number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        scale = 1e9 if "memory" in name or name in ("capacity", "allocation", "used", "size") else 1.0
        scale = 0.01 if name.endswith(("latency", "ratio", "steal")) else scale
        return self._random.gamma(2.0, 0.5, number) * scale

    def _events(self, over: Range) -> pl.DataFrame:
        rows = list(self._happened(over))
        return pl.DataFrame(rows, schema=Tables(over).events.schema)

    def _happened(self, over: Range) -> Iterator[dict[str, object]]:
        """One domain in ten has an event."""
        for one, host in zip(self._ids[::10], self._home[::10], strict=True):
            at = int(self._random.integers(over.start, over.end))
            yield {"at": at, "host": host, "domain": one, "kind": "configuration changed", "detail": "vcpus: 2 to 4"}


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
