"""What a domain takes on the server's disk, at each level of the store, with a simulated fleet (virtscope simulate).

    ./dev bench size [--domains 200]

An hour with a sample every 10 s is archived for the raw level and for steps of 5 minutes; a day with a sample every
5 minutes for steps of an hour and sketches, whose size does not depend on how often hosts are read.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from virtscope.simulation.feeding import batches
from virtscope.simulation.fleet import Fleet
from virtscope.store.archive import Archive
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.levels import DAY, HOUR, Level, Retention
from virtscope.store.records import Records

START = 1_800_000_000_000 // DAY * DAY
HOSTS = 4
KEPT = {level.value: Retention().days(level) for level in Level}


def sizes(domains: int, interval: int, length: int, folder: Path) -> tuple[dict[str, int], int]:
    """Bytes of each level, and how many readings went in, of a fleet that was watched for so long (both ms)."""
    database = Database(folder)
    store = DuckdbStore(database, Records(database))
    fleet, readings = Fleet(HOSTS, domains), 0
    for number, at in enumerate(range(START, START + length, interval)):
        told = list(batches(fleet, at, 1, number + 1, interval / 1000, tells_all=number == 0))
        for batch in told:
            for rows in batch.samples[0].rows.values():
                readings += sum(isinstance(value, int) for row in rows for value in row)
        store.append(told)
    archive = Archive(database, Retention())
    archive.run(START + length + 4 * HOUR)
    found = {held.level: held.bytes for held in archive.held()}
    database.close()
    return found, readings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hour, readings = sizes(options.domains, 10_000, HOUR, Path(folder) / "hour")
        day, _ = sizes(options.domains, 300_000, DAY, Path(folder) / "day")
    shown = Table("level", "a domain and day", "kept, days", "a domain", title=f"{options.domains} simulated domains")
    total = 0.0
    for level, size in (
        ("raw", hour["raw"] * 24),
        ("5m", hour["5m"] * 24),
        *((one, day[one]) for one in ("1h", "sketch")),
    ):
        each = size / options.domains
        total += each * KEPT[level]
        shown.add_row(level, f"{each / 1024:.1f} KiB", str(KEPT[level]), f"{each * KEPT[level] / 2**20:.2f} MiB")
    shown.add_row("all", "", "", f"{total / 2**20:.2f} MiB")
    Console().print(shown)
    Console().print(f"raw: {hour['raw'] / readings:.2f} bytes a reading, of {readings:,} that are known (goal ≤ 1.5)")


if __name__ == "__main__":
    main()
