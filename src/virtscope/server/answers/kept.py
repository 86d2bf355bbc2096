"""What the store holds, and whether it can be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreLevel:
    """What the store holds of one level: of the newest hours, of raw rows, of rollups, of sketches."""

    level: str
    """``hot``, ``raw``, ``5m``, ``1h`` or ``sketch``."""
    keep_days: int | None
    """For how many days it is kept; null where it is archived before."""
    files: int
    bytes: int
    oldest: float | None
    newest: float | None


@dataclass(frozen=True, slots=True)
class StoreFlaw:
    """A file of the archive that is not what was written."""

    path: str
    scope: str
    level: str
    start: float
    """Of the hour or day that it should hold."""
    reason: str
    outcome: str | None
    """What became of it; null where nothing was to be repaired."""


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What was read of the archive, and what is wrong with it."""

    files: int
    bytes: int
    flaws: list[StoreFlaw]
