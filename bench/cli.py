"""What a command costs from start to end: help, and a list of ten thousand domains.

    ./dev bench cli [--domains 10000] [--rounds 10]

``virtscope --help`` and ``virtscope list domains -o json`` in processes of their own, beside ``python -c pass`` in the
same run, in turns. The list comes over HTTP from a server in another process whose answer is ready, so that what is
measured is the command: its start, reading the answer, writing it. Times are wall-clock and the process's own CPU time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

SERVE = """
import sys
import msgspec
from bench import top
answers = [msgspec.json.encode(answer) for answer in top.fleet(int(sys.argv[1]))]
server, address = top.serve(lambda: answers)
print(address, flush=True)
sys.stdin.read()
"""


@contextmanager
def served(count: int) -> Iterator[str]:
    """A server of so many domains in a process of its own, and its address."""
    command = [sys.executable, "-c", SERVE, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def once(command: list[str]) -> tuple[float, float, int]:
    """Seconds that a command takes, those of CPU, and the bytes that it writes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    written = len(subprocess.run(command, check=True, capture_output=True).stdout)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, written


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.cli")
    options.add_argument("--domains", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=10)
    asked = options.parse_args()
    virtscope = [sys.executable, "-m", "virtscope"]
    with served(asked.domains) as address:
        listing = [*virtscope, "list", "domains", "--server", address, "-o"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "virtscope --help": [*virtscope, "--help"],
            "virtscope list hosts": [*virtscope, "list", "hosts", "--server", address],
            f"list {asked.domains} domains -o json": [*listing, "json"],
            f"list {asked.domains} domains -o csv": [*listing, "csv"],
            f"list {asked.domains} domains -l cpu>80 --sort-by -cpu -o name": [
                *listing, "name", "-l", "cpu>80", "--sort-by", "-cpu"
            ],
        }  # fmt: skip
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in commands}
        for _ in range(asked.rounds):
            for name, command in commands.items():
                found[name].append(once(command))
    table = Table(title=f"{asked.rounds} rounds; {os.cpu_count()} cores")
    for title in ("command", "median", "least", "CPU, median", "written"):
        table.add_column(title, justify="left" if title == "command" else "right")
    for name, times in found.items():
        took, cpu, written = zip(*times, strict=True)
        table.add_row(
            name,
            f"{statistics.median(took) * 1000:.0f} ms",
            f"{min(took) * 1000:.0f} ms",
            f"{statistics.median(cpu) * 1000:.0f} ms",
            f"{written[0] / 1024:.0f} KiB",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
