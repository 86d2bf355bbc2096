"""What the rules cost: 30 of them asked about 20,000 domains on 400 hosts.

    ./dev bench alerts [--domains 20000] [--rules 30]

One in a hundred domains is beyond its limits. Measured is a round: the API's answers as plain values,
every rule asked, and what that comes to in the book, on a disk. First everything fires; then nothing changes, as
nearly always.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from virtscope.alerts.observe import World
from virtscope.alerts.rule import Rule
from virtscope.catalogue import Scope, quantities_of
from virtscope.server.access.registry import Registry
from virtscope.server.alerting.book import Book
from virtscope.server.alerting.watch import Watch
from virtscope.server.answers import DomainAnswer, DomainCount, DomainDescription, HostAnswer

FIGURES = ("steal", "cpu", "used", "disk_read_latency", "net_receive", "swap_in")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--rules", type=int, default=30)
    wanted = parser.parse_args()
    domains, hosts = _domains(wanted.domains), _hosts(wanted.domains // 50)

    def world() -> World:
        return World({"domains": lambda: msgspec.to_builtins(domains), "hosts": lambda: msgspec.to_builtins(hosts)})

    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        book = Book(registry)
        book.put_rules(_rules(book, wanted.rules), "bench")
        watch = Watch(book, world, "http://localhost/", lambda: None, pause=3_600.0)
        first = _timed(lambda: watch.round(1_000_000))
        alerts = len(watch.alerts)
        usual = min(_timed(partial(watch.round, 1_000_000 + later * 10_000)) for later in range(1, 4))
        watch.stop()
        registry.close()
    table = Table(title=f"alerts, {wanted.domains:,} domains, {wanted.rules} rules")
    for title in ("what", "measured", "wanted"):
        table.add_column(title)
    table.add_row(f"a round in which {alerts:,} alerts fire", f"{first:.2f} s", "")
    table.add_row("a round in which nothing changes", f"{usual:.2f} s", "≤ 2 s")
    Console().print(table)


def _timed(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _rules(book: Book, count: int) -> list[Rule]:
    """So many rules on domains; the server's own are switched off."""
    off = [replace(rule, enabled=False) for rule in book.rules()]
    own = [
        Rule(f"rule-{number}", "domains", f"{FIGURES[number % len(FIGURES)]}>{limit}", "state:running", hold=0.0)
        for number in range(count)
        for limit in ("1000000" if number % len(FIGURES) == 4 else "50",)
    ]
    return off + own


def _domains(count: int) -> list[DomainAnswer]:
    chance = random.Random(1)
    facts = DomainDescription(None, None, None, None, None, "web", None, True, None, None, False, [], None, None)
    names = [quantity.name for quantity in quantities_of(Scope.DOMAIN)]
    return [
        DomainAnswer(
            f"{number:08x}-0000-4000-8000-000000000001",
            f"vm{number}",
            None,
            f"{number // 50:08x}-0000-4000-8000-000000000000",
            f"kvm{number // 50}",
            "running",
            None,
            False,
            False,
            1.0,
            10.0,
            facts,
            {name: 0.9 if chance.random() < 0.01 else chance.random() * 0.4 for name in names},
        )
        for number in range(count)
    ]


def _hosts(count: int) -> list[HostAnswer]:
    names = [quantity.name for quantity in quantities_of(Scope.HOST)]
    return [
        HostAnswer(
            f"{number:08x}-0000-4000-8000-000000000000",
            f"kvm{number}",
            "qemu:///system",
            "up",
            None,
            None,
            1.0,
            10.0,
            None,
            None,
            DomainCount(50, 50),
            dict.fromkeys(names, 0.3),
        )
        for number in range(count)
    ]


if __name__ == "__main__":
    main()
