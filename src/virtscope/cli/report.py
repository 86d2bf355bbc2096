"""A report: what every analysis finds now, as one HTML page that needs nothing beside it and is fit to print.

Names and reasons are foreign: each is escaped where it is put into the page, and the page's policy lets nothing run and
nothing load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from virtscope import text
from virtscope.cli import analysis_view, svg
from virtscope.cli.source import Item
from virtscope.cli.times import shown
from virtscope.errors import ServerError

MOST_ROWS = 200
"""Findings of one analysis that are in the page; the counts tell of all."""
MOST_CHARTS = 4
"""Charts of one analysis."""
_POINTS = 300
_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1d1d1f; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; }
p { margin: .2rem 0 .6rem; } .dim { color: #5f6368; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: 12.5px; }
th { text-align: left; border-bottom: 2px solid #c7c9cc; padding: .25rem .5rem .25rem 0; }
td { border-bottom: 1px solid #e3e5e8; padding: .3rem .5rem .3rem 0; vertical-align: top; overflow-wrap: anywhere; }
.critical { color: #b3261e; font-weight: 600; } .warning { color: #8a5200; font-weight: 600; } .info { color: #2a6fb5; }
code { font-size: 11.5px; } .notes { white-space: pre-wrap; }
svg.chart { width: 100%; max-width: 640px; display: block; margin: .8rem 0; font: 11px system-ui, sans-serif; }
svg.bar { width: 100%; height: 12px; display: block; margin: .5rem 0; }
.axes line { stroke: #e3e5e8; } .axes text, .chart text { fill: #5f6368; } .title { fill: #1d1d1f; }
.line { fill: none; stroke: #2a6fb5; stroke-width: 1.4; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  tr, svg { break-inside: avoid; } @page { margin: 16mm; } }
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """One series that a finding points to."""

    title: str
    times: Sequence[float]
    values: Sequence[float | None]
    unit: str


@dataclass(frozen=True, slots=True)
class Section:
    """What one analysis has found."""

    answer: Item
    """As the API gives it; with a ``problem`` where there is none."""
    help: str
    charts: Sequence[Chart]


class Asking:
    """Asks a server for all that is in a report."""

    def __init__(
        self, get: Callable[[str, list[tuple[str, str]]], Any], query: Sequence[tuple[str, str]], window: str = ""
    ) -> None:
        """Ask by ``get``, which answers a path with parameters.

        Args:
            get: what asks.
            query: narrows every analysis.
            window: how far those look back that do; empty is as far as each does by itself.
        """
        self._get = get
        self._query = list(query)
        self._window = window
        self._units = {(one["scope"], one["name"]): one["unit"] for one in get("quantities", [])}

    def section(self, analysis: Item) -> Section:
        """Run an analysis, and read the series that its gravest findings point to."""
        looks_back = any(setting["name"] == "window" for setting in analysis["settings"])
        query = [*self._query, *([("window", self._window)] if self._window and looks_back else ())]
        try:
            answer = self._get(f"analyses/{analysis['name']}", query)
        except ServerError as error:  # the others' answers are worth having all the same
            return Section({"title": analysis["title"], "problem": str(error)}, analysis["help"], ())
        return Section(answer, analysis["help"], list(self._charts(answer)))

    def _charts(self, answer: Item) -> Iterator[Chart]:
        known = [one for one in answer["findings"] if one["verdict"] != "insufficient data"]
        grave = [one for one in known if one["evidence"]["series"]]
        for one in grave[:MOST_CHARTS]:
            pointer, told = one["evidence"]["series"][0], one["evidence"]
            scope = "host" if pointer["object"] == one["subject"]["host"] else "domain"
            step = max(300.0, (told["end"] - told["start"]) / _POINTS // 300 * 300)
            query = [("scope", scope), ("quantity", pointer["quantity"]), ("object", pointer["object"])]
            query += [("start", str(told["start"])), ("end", str(told["end"])), ("step", str(step))]
            if told["end"] <= told["start"]:
                continue
            found = self._get("series", query)
            for series in found["series"][:1]:
                title = f"{one['subject']['name']}: {pointer['quantity']}"
                yield Chart(title, found["times"], series["points"], self._units.get((scope, pointer["quantity"]), ""))


def page(server: str, at: float, sections: Sequence[Section]) -> str:
    """The report as HTML."""
    title = f"virtscope report, {shown(at)}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{escape(title)}</h1><p class="dim">{escape(server)}</p>',
        *(_summary(sections)),
        *(part for section in sections for part in _section(section)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _summary(sections: Sequence[Section]) -> Iterator[str]:
    yield "<table><tr><th>Analysis</th><th>Verdicts</th></tr>"
    for section in sections:
        yield f"<tr><td>{escape(section.answer['title'])}</td><td>{escape(_verdicts(section.answer))}</td></tr>"
    yield "</table>"


def _verdicts(answer: Item) -> str:
    if "problem" in answer:
        return f"no answer: {answer['problem']}"
    counts = sorted(answer["verdicts"].items(), key=lambda one: -one[1])
    return ", ".join(f"{count} {verdict}" for verdict, count in counts)


def _section(section: Section) -> Iterator[str]:
    answer = section.answer
    yield f'<h2>{escape(answer["title"])}</h2><p class="dim">{escape(section.help)}'
    if "problem" in answer:
        yield f'</p><p class="critical">{escape(_verdicts(answer))}</p>'
        return
    findings = answer["findings"]
    yield f" From {escape(shown(answer['start']))} to {escape(shown(answer['end']))}.</p>"
    severities = {one["verdict"]: one["severity"] for one in reversed(findings)}
    counts = [(verdict, severities.get(verdict, "ok"), count) for verdict, count in answer["verdicts"].items()]
    yield svg.bar([one for one in counts if one[0] != "insufficient data"])
    yield f"<p>{escape(_verdicts(answer))}</p>"
    told = [one for one in findings if one["verdict"] != "insufficient data"]
    if told:
        yield "<table><tr><th>About</th><th>Verdict</th><th>Why</th><th>Frees</th><th>Sure</th></tr>"
        for one in told[:MOST_ROWS]:
            yield _row(one)
        yield "</table>"
    if len(told) > MOST_ROWS:
        yield f'<p class="dim">and {len(told) - MOST_ROWS:,} more</p>'
    for chart in section.charts:
        yield svg.lines(chart.title, chart.times, chart.values, partial(_value, unit=chart.unit), shown)


def _row(one: Item) -> str:
    subject, told = one["subject"], one["evidence"]
    name = f"{subject['name']} {subject['part']}".strip()
    place = f'<br><span class="dim">{escape(subject["host_name"])}</span>' if subject["host_name"] else ""
    notes = f'<div class="dim notes">{escape(chr(10).join(told["notes"]))}</div>' if told["notes"] else ""
    action = f"<div><code>{escape(one['action'])}</code></div>" if one["action"] else ""
    return (
        f'<tr><td>{escape(name)}{place}</td><td class="{escape(one["severity"])}">{escape(one["verdict"])}</td>'
        f"<td>{escape(one['reason'])}{notes}{action}</td><td>{escape(analysis_view.frees(one))}</td>"
        f"<td>{text.ratio(one['confidence'])}</td></tr>"
    )


def _value(value: float, unit: str) -> str:
    names = {"bytes_per_second": "bytes/s", "seconds": "s", "count": "", "per_second": "1/s"}
    if unit == "ratio":
        return f"{value * 100:.3g} %"  # an axis may end far below 1 %
    return analysis_view.figure({"name": "", "value": value, "unit": names.get(unit, unit)})
