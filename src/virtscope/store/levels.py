"""The levels of the archive: raw rows of an hour, its steps of 5 minutes; the hours of a day, and its sketches.

What is past one level's retention is answered by the next, in coarser steps. Files lie in a folder of their level and
scope, one for each hour or day:

    <data>/archive/domain/day=2026-11-23/07-0.parquet          raw rows, sorted by object, then time
    <data>/archive/domain_5m/day=2026-11-23/07-0.parquet       steps of 5 minutes (see ``quantity_sql.steps``)
    <data>/archive/domain_1h/day=2026-11-23/00-0.parquet       steps of an hour, 24 of them
    <data>/archive/domain_sketch/day=2026-11-23/00-0.parquet   how often which value was (see ``sketch``)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from virtscope.catalogue import Scope, quantities_of

HOUR = 3_600_000
DAY = 24 * HOUR
ROLLUP_STEP = 300_000
"""All in milliseconds."""


class Level(Enum):
    """One of them. The value is its name in the archive's table, and in those of folders."""

    RAW = "raw"
    ROLLUP = "5m"
    HOURLY = "1h"
    SKETCH = "sketch"

    @property
    def span(self) -> int:
        """How much time a file holds, ms."""
        return HOUR if self in (Level.RAW, Level.ROLLUP) else DAY

    def has(self, scope: Scope) -> bool:
        """Whether there are files of this scope."""
        return self is not Level.SKETCH or any(quantity.is_sketched for quantity in quantities_of(scope))

    def folder(self, scope: Scope) -> str:
        """Where they lie, within the archive."""
        return scope.value if self is Level.RAW else f"{scope.value}_{self.value}"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, days. A coarser level is kept for no less than a finer one."""

    raw_days: int = 14
    rollup_days: int = 90
    """Steps of 5 minutes."""
    hourly_days: int = 400
    """Steps of an hour, and sketches."""
    record_days: int = 400
    """Events, and descriptions that have been replaced."""

    def days(self, level: Level) -> int:
        """For how many days a level is kept."""
        rollups = max(self.raw_days, self.rollup_days)
        return {Level.RAW: self.raw_days, Level.ROLLUP: rollups}.get(level, max(rollups, self.hourly_days))

    def begin(self, level: Level, now: int) -> int:
        """What begins before is past its retention, Unix ms. Rollups go by whole days: days are made of them."""
        if level is Level.ROLLUP:
            return (now - self.days(level) * DAY) // DAY * DAY
        return now - self.days(level) * DAY - level.span


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of one level."""

    level: str
    """``hot`` for what is not archived yet."""
    keep_days: int | None
    files: int
    bytes: int
    oldest: int | None
    """When the first of it begins, and the last ends; Unix ms. None where nothing is in it."""
    newest: int | None


OF_HOURS = (Level.RAW, Level.ROLLUP)
OF_DAYS = (Level.HOURLY, Level.SKETCH)
_FOLDERS = {level.folder(scope): (scope, level) for level in Level for scope in Scope if level.has(scope)}


def path(scope: Scope, level: Level, start: int, generation: int) -> str:
    """The file of a scope for the hour or day that begins at ``start`` (Unix ms), relative to the data folder."""
    when = datetime.fromtimestamp(start / 1000, UTC)
    return f"archive/{level.folder(scope)}/day={when:%Y-%m-%d}/{when:%H}-{generation}.parquet"


def parsed(file: Path) -> tuple[Scope, Level, int, int] | None:
    """What such a path says: scope, level, start, generation; None where it is of something else."""
    known = _FOLDERS.get(file.parent.parent.name)
    clock, _, generation = file.stem.partition("-")
    try:
        when = datetime.fromisoformat(f"{file.parent.name.removeprefix('day=')}T{clock}:00:00+00:00")
        return (*known, int(when.timestamp() * 1000), int(generation)) if known else None
    except ValueError:
        return None
