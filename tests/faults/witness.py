"""What was emitted and what is stored, compared by somebody who uses none of the store's code: files and plain SQL."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb

Name: TypeAlias = tuple[str, int]
"""A sample: its host, and its time (Unix ms)."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Emitted against stored, in samples."""

    emitted: int
    stored: int
    missing: tuple[Name, ...]
    partial: tuple[Name, ...]
    """Stored with fewer or more rows than it had, each of them once."""
    duplicates: tuple[Name, ...]
    """Stored with a domain's row more than once."""
    strangers: tuple[Name, ...]
    """Stored, and emitted by nobody."""

    @property
    def is_even(self) -> bool:
        """S = E: every sample with every row once, and nothing else."""
        return not (self.missing or self.partial or self.duplicates or self.strangers)

    @property
    def is_sound(self) -> bool:
        """S ⊆ E: nothing twice, nothing in part, nothing of nobody."""
        return not (self.partial or self.duplicates or self.strangers)

    def __str__(self) -> str:
        return (
            f"emitted {self.emitted:,}, stored {self.stored:,}, missing {len(self.missing):,}, "
            f"duplicates {len(self.duplicates):,}, partial {len(self.partial):,}, strangers {len(self.strangers):,}"
        )


def emitted(folder: Path) -> Counter[Name]:
    """How many rows each sample in an emitter's ledger has."""
    found: Counter[Name] = Counter()
    for line in (folder / "ledger").read_text().splitlines():
        host, at, rows = line.split()
        found[host, int(at)] += int(rows)
    return found


def stored(data: Path) -> dict[Name, tuple[int, int]]:
    """How many rows of domains each stored sample has, and of how many different ones. The server need not run."""
    with tempfile.TemporaryDirectory() as scratch:
        # The log last: what it holds beyond the file it is read into is whole, or a torn end that is left out.
        for path in (data / "hot.duckdb", data / "hot.duckdb.wal"):
            if path.exists():
                shutil.copy(path, scratch)
        with duckdb.connect(str(Path(scratch) / "hot.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            listed = connection.execute("SELECT path FROM archive WHERE scope = 'domain' AND level = 'raw'").fetchall()
            files = "".join(f" UNION ALL SELECT host, ts, domain FROM '{data / path}'" for (path,) in listed)
            rows = connection.execute(
                f"SELECT host, epoch_ms(ts), count(*), count(DISTINCT domain) "
                f"FROM (SELECT host, ts, domain FROM domain{files}) GROUP BY host, ts"
            ).fetchall()
    return {(host, at): (count, different) for host, at, count, different in rows}


def balance(folder: Path, data: Path) -> Balance:
    """An emitter's ledger against what a server's data folder has of the same hosts."""
    wanted = emitted(folder)
    hosts = {host for host, _ in wanted}
    found = {name: rows for name, rows in stored(data).items() if name[0] in hosts}
    return Balance(
        emitted=len(wanted),
        stored=len(found),
        missing=tuple(sorted(wanted.keys() - found.keys())),
        partial=tuple(name for name, (count, different) in found.items() if count == different != wanted[name] > 0),
        duplicates=tuple(name for name, (count, different) in found.items() if count > different),
        strangers=tuple(sorted(found.keys() - wanted.keys())),
    )
