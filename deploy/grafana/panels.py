"""Panels in our words, and in Grafana's: dashboard JSON of schema 39 (Grafana 10.2 and later)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from deploy.limits import Limit
from virtscope.catalogue import Unit

Json: TypeAlias = dict[str, Any]
DATASOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""How wide Grafana's grid is."""
UNITS: Mapping[Unit, str] = {
    Unit.SECONDS: "s",
    Unit.BYTES: "bytes",
    Unit.COUNT: "short",
    Unit.RATIO: "percentunit",
    Unit.TIMESTAMP: "dateTimeFromNow",
    Unit.CORES: "suffix: CPUs",
    Unit.BYTES_PER_SECOND: "binBps",
    Unit.PER_SECOND: "cps",
}
_GOOD, _WORRY, _BAD = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """One query, and what its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: figures of one unit."""

    title: str
    unit: str
    """As Grafana calls it."""
    queries: tuple[Query, ...]
    help: str = ""
    kind: str = "timeseries"
    """``timeseries``, ``stat``, ``bargauge``, ``table`` or ``state-timeline``."""
    width: int = 12
    height: int = 8
    limit: Limit | None = None
    stacked: bool = False
    maximum: float | None = None
    link: str = ""
    """Where a click on a series leads; ``{host}`` stands for its label ``host``."""
    words: Mapping[int, tuple[str, str]] | None = None
    """What codes mean, and in which colour."""
    units: tuple[str, ...] = ()
    """Of a table: the unit of each query's column."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


def laid_out(rows: Iterable[Row]) -> list[Json]:
    """Panels as Grafana reads them, from left to right, each row under the one before; empty ones are left out."""
    made: list[Json] = []
    top = 0
    for row in (row for row in rows if row.panels):
        made.append(
            {
                "id": len(made) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            }
        )
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            made.append({"id": len(made) + 1, **_panel(panel), "gridPos": place})
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return made


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": dict(DATASOURCE),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "targets": [_target(panel, query, chr(ord("A") + number)) for number, query in enumerate(panel.queries)],
        **({"transformations": _joined(panel)} if panel.kind == "table" else {}),
    }


def _target(panel: Panel, query: Query, name: str) -> Json:
    is_instant = panel.kind in ("stat", "bargauge", "table")
    return {
        "refId": name,
        "datasource": dict(DATASOURCE),
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": is_instant,
        "range": not is_instant,
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": _GOOD, "value": None}]
    if panel.limit is not None:
        steps += [{"color": _WORRY, "value": panel.limit.warning}, {"color": _BAD, "value": panel.limit.critical}]
    by_limit = panel.kind != "timeseries"
    made: Json = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if by_limit else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": _mappings(panel.words or {}),
        "links": [{"title": "More", "url": _link(panel)}] if panel.link else [],
    }
    if panel.maximum is not None:
        made |= {"max": panel.maximum}
    if panel.kind in ("timeseries", "bargauge"):
        made |= {"min": 0}
    if panel.kind == "timeseries":
        made["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 0,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limit else "off"},
        }
    return made


def _link(panel: Panel) -> str:
    """In a table a label is a column. Names are anybody's: escaped, they cannot be another variable's value."""
    label = "__data.fields" if panel.kind == "table" else "__field.labels"
    return re.sub(r"(?<!\$)\{(\w+)\}", rf"${{{label}.\1:percentencode}}", panel.link)


def _mappings(words: Mapping[int, tuple[str, str]]) -> list[Json]:
    if not words:
        return []
    options = {
        str(code): {"index": index, "text": text, "color": color}
        for index, (code, (text, color)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def _options(panel: Panel) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["mean", "max"]}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "stat":
            return {"reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
        case "bargauge":
            return {"reduceOptions": last, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
        case "table":
            return {"showHeader": True, "cellHeight": "sm", "sortBy": []}
        case "state-timeline":
            return {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8}
    raise ValueError(f"BUG: no options for a panel of kind {panel.kind!r}")


def _overrides(panel: Panel) -> list[Json]:
    """A table's columns are called by their query, and keep its unit."""
    if panel.kind != "table":
        return []
    return [
        {
            "matcher": {"id": "byName", "options": _column(panel, number)},
            "properties": [{"id": "displayName", "value": query.legend}, {"id": "unit", "value": panel.units[number]}],
        }
        for number, query in enumerate(panel.queries)
    ]


def _column(panel: Panel, number: int) -> str:
    return "Value" if len(panel.queries) == 1 else f"Value #{chr(ord('A') + number)}"


def _joined(_panel: Panel) -> list[Json]:
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}},
    ]
