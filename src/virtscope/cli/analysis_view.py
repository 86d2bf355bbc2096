"""Findings and analyses for people to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from virtscope import text
from virtscope.cli import listing
from virtscope.cli.asked import Asked
from virtscope.cli.columns import Column
from virtscope.cli.output import Listing
from virtscope.cli.source import Item
from virtscope.cli.times import shown

_UNITS: Mapping[str, Callable[[float | None], str]] = {
    "ratio": text.ratio,
    "bytes": text.size,
    "bytes/s": text.rate,
    "cores": text.cores,
    "s": text.duration,
}
_EFFECTS: Mapping[str, Callable[[float | None], str]] = {"bytes": text.size, "vcpus": text.number}


def _about(item: Item) -> str:
    subject = item["subject"]
    return f"{subject['name']} {subject['part']}".strip()


def _settings(item: Item) -> str:
    return ", ".join(f"{one['name']}={one['default'] or 'none'}" for one in item["settings"])


def figures(item: Item) -> str:
    """A finding's figures in one line, in units for people."""
    return "; ".join(f"{one['name']} {figure(one)}" for one in item["figures"])


def figure(one: Item) -> str:
    """A figure in a unit for people."""
    known = _UNITS.get(one["unit"])
    return known(one["value"]) if known else f"{text.number(one['value'])} {one['unit']}".strip()


def frees(item: Item) -> str:
    """What acting on a finding frees or costs."""
    return ", ".join(
        f"{_EFFECTS.get(unit, text.number)(value)}{'' if unit == 'bytes' else f' {unit}'}"
        for unit, value in item["effect"].items()
    )


ANALYSES = (
    Column("NAME", lambda item: item["name"]),
    Column("QUESTION", lambda item: item["help"]),
    Column("SETTINGS", _settings, wide=True),
)
FINDINGS = (
    Column("ABOUT", _about),
    Column("VERDICT", lambda item: item["verdict"]),
    Column("SEVERITY", lambda item: item["severity"]),
    Column("HOST", lambda item: item["subject"]["host_name"]),
    Column("REASON", lambda item: item["reason"]),
    Column("FREES", frees),
    Column("SURE", lambda item: item["confidence"], text.ratio),
    Column("KIND", lambda item: item["subject"]["kind"], wide=True),
    Column("ID", lambda item: item["subject"]["id"], wide=True),
    Column("KNOWN", lambda item: item["evidence"]["coverage"], text.ratio, wide=True),
    Column("FIGURES", figures, wide=True),
    Column("NOTES", lambda item: "; ".join(item["evidence"]["notes"]), wide=True),
    Column("ACTION", lambda item: item["action"], wide=True),
)


def _of(column: Column) -> Column:
    """A column of a finding as one of a finding with its history."""
    return replace(column, value=lambda item: column.value(item["finding"]))


_BY_TITLE = {column.title: column for column in FINDINGS}
KEPT = (
    Column("ID", lambda item: item["id"]),
    Column("STATE", lambda item: item["state"]),
    *(_of(_BY_TITLE[title]) for title in ("ABOUT", "VERDICT", "SEVERITY", "HOST", "REASON")),
    Column("SINCE", lambda item: item["first"], text.ago),
    Column("LAST", lambda item: item["last"], text.ago, wide=True),
    Column("GONE", lambda item: item["gone"], text.ago, wide=True),
    Column("ANALYSIS", lambda item: item["finding"]["analysis"], wide=True),
    *(_of(column) for column in FINDINGS if column.title in ("FREES", "SURE")),
    Column("DISMISSED BY", lambda item: item["dismissal"] and item["dismissal"]["who"], wide=True),
    Column("BECAUSE", lambda item: item["dismissal"] and item["dismissal"]["reason"], wide=True),
    Column("UNTIL", lambda item: item["dismissal"] and item["dismissal"]["until"], shown, wide=True),
    *(_of(column) for column in FINDINGS if column.wide),
)


def chosen(asked: Asked) -> Callable[[Sequence[Item]], list[Item]]:
    """What somebody wants to see of an analysis's findings, by the fields of those that are kept.

    Raises:
        BadInput: the search or the field to sort by makes no sense.
    """
    wanted = listing.chosen(asked, listing.fleet_fields("findings", [_of(column) for column in FINDINGS]))
    return lambda found: [one["finding"] for one in wanted.of([{"finding": finding} for finding in found])]


def result(item: Item, *, wide: bool, headers: bool = True) -> RenderableType:
    """What came of an analysis: the findings, and how many of each verdict there are."""
    counts = sorted(item["verdicts"].items(), key=lambda one: -one[1])
    told = ", ".join(f"{count} {text.plain(verdict)}" for verdict, count in counts)
    window = f"{shown(item['start'])} to {shown(item['end'])}" if item["end"] else ""
    lines: list[Any] = [Listing(item["findings"], FINDINGS, wide=wide, headers=headers)] if item["findings"] else []
    lines.append(Text(f"{item['title']}: {told}. {window}, {item['seconds']:.1f} s", style="dim"))
    return Group(*lines)
