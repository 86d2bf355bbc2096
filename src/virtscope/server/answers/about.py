"""What a server says of itself, and when something goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.server.answers.kept import StoreLevel


@dataclass(frozen=True, slots=True)
class Info:
    """The server itself."""

    version: str
    started: float
    now: float
    commit: int
    """Counts transactions since the start: what was asked before is still true while it stays the same."""
    demo: bool
    """Whether the hosts are a lab made for show."""
    interval: float
    """Seconds between two samples of a host."""
    keep_days: int
    """How long raw samples are kept."""
    uris: list[str]
    problem: str | None
    """Why nothing can be stored at the moment."""
    dropped: int
    """Batches lost since the start, for want of a store."""


@dataclass(frozen=True, slots=True)
class QuantityAnswer:
    """What one figure means."""

    name: str
    scope: str
    unit: str
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, as RFC 9457 has it, with a hint what to do."""

    type: str
    title: str
    status: int
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server can do its work."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """One of the server's own figures, as in ``/metrics``."""

    name: str
    help: str
    label: str | None
    """What it is of, where there are several of its name."""
    value: float


@dataclass(frozen=True, slots=True)
class HealthDetail:
    """How the server does."""

    status: str
    """``ok``, ``degraded`` (it works, and something is missing) or ``failing`` (it stores nothing)."""
    reasons: list[str]
    at: float
    started: float
    version: str
    figures: list[OwnFigure]
    store: list[StoreLevel]
