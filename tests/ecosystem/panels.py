"""The dashboards as they are in their files, and the queries that Grafana would ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "deploy/grafana/dashboards"
FILES = {f"{path.parent.name}/{path.stem}": path for path in sorted(FOLDER.glob("*/*.json"))}
_SERIES = re.compile(r'((?:libvirt|virtscope)_\w+)(?:\{(?:[^}]*(lane="\w+"))?| )')
"""A name, and the lane that tells apart what shares it."""


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard's JSON."""
    loaded: dict[str, Any] = json.loads(FILES[name].read_text())
    return loaded


def queries(name: str) -> Iterator[tuple[str, str]]:
    """Every query of a dashboard, with the title of its panel."""
    for panel in dashboard(name)["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def filled(expression: str, chosen: Mapping[str, str]) -> str:
    """With what was chosen of the variables, as Grafana puts it in."""
    for variable, value in {"__rate_interval": "2m", **chosen}.items():
        expression = expression.replace(f"${variable}", value)
    assert "$" not in expression, f"a variable that the dashboard does not have: {expression}"
    return expression


def answerable(exposed: str, chosen: Mapping[str, str]) -> list[tuple[str, str]]:
    """Of our dashboards' queries those whose series are all exposed of the host that was chosen, with their panels.

    Args:
        exposed: What a server or an agent says at ``/metrics``.
        chosen: The variables.
    """
    host = f'host="{chosen["host"]}"'
    there = {found.groups() for line in exposed.splitlines() if host in line and (found := _SERIES.match(line))}
    every = [
        (f"{name}: {title}", filled(expression, chosen))
        for name in FILES
        if name.startswith("virtscope/")
        for title, expression in queries(name)
    ]
    return [(title, made) for title, made in every if {one.groups() for one in _SERIES.finditer(made)} <= there]
