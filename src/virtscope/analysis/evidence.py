"""How findings are put together: whom they speak of, what they rest on, and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from virtscope.analysis.finding import INSUFFICIENT, Evidence, Finding, Pointer, Severity, Subject
from virtscope.analysis.tables import Tables

Row: TypeAlias = Mapping[str, Any]
"""A row of a table, by its columns."""


def domain(row: Row, part: str = "", kind: str = "domain") -> Subject:
    """A row of ``domains``, or a part of what it describes."""
    return Subject(kind, row["id"], row["name"], row["host"], part)


def host(row: Row) -> Subject:
    """A row of ``hosts``."""
    return Subject("host", row["id"], row["name"], row["id"])


def fleet() -> Subject:
    """All of it."""
    return Subject("fleet", "", "the fleet")


def evidence(
    tables: Tables, samples: int | None, series: Iterable[Pointer] = (), notes: Iterable[str] = ()
) -> Evidence:
    """What rests on so many steps of the window."""
    known = samples or 0
    share = min(known / tables.steps, 1.0) if tables.steps else 0.0
    return Evidence(tables.over.start, tables.over.end, known, share, tuple(series), tuple(notes))


def now(tables: Tables, notes: Iterable[str] = ()) -> Evidence:
    """What rests on how things are described at the end of the window, and on no figure."""
    return Evidence(tables.over.end, tables.over.end, 1, 1.0, (), tuple(notes))


def insufficient(analysis: str, subject: Subject, found: Evidence, reason: str) -> Finding:
    """The evidence is too thin."""
    return Finding(analysis, subject, INSUFFICIENT, Severity.INFO, reason, found, 0.0)


def thin(found: Evidence, least: float, what: str, fewest: int = 1) -> str | None:
    """Why evidence is too thin, as a sentence; None where it is not.

    Args:
        found: the evidence.
        least: the share of the window that must be known.
        what: which figure it is about, as "its CPU use".
        fewest: how many steps must be known, however short the window is.
    """
    if found.samples == 0:
        return f"{what} is known in no step of the window"
    if found.coverage < least:
        return f"{what} is known in {found.coverage:.0%} of the window, {least:.0%} are needed"
    if found.samples < fewest:
        return f"{what} is known in {found.samples} steps, {fewest} are needed"
    return None


def confidence(found: Evidence, margin: float) -> float:
    """How sure a verdict is: half by what is known of the window, half by how clear it is.

    Args:
        found: the evidence.
        margin: how far the figure that decides is from its threshold, as a share of the threshold.
    """
    return round(found.coverage * (0.5 + 0.5 * min(abs(margin), 1.0)), 3)
