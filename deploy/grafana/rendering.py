"""Dashboards as Grafana's JSON."""

from __future__ import annotations

from deploy.grafana.dashboards import Dashboard, Variable, uid
from deploy.grafana.panels import DATASOURCE, Json, laid_out
from virtscope.exposition.promql import VIRTSCOPE, Exporter

SCHEMA = 39


def rendered(dashboard: Dashboard, exporter: Exporter) -> Json:
    """A dashboard as Grafana imports it."""
    source: Json = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid(exporter, dashboard.name),
        "title": f"{dashboard.title} ({exporter.name})",
        "description": dashboard.help,
        "tags": [_tag(exporter)],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "annotations": {"list": [_firing()] if exporter is VIRTSCOPE else []},
        "links": [
            {
                "type": "dashboards",
                "title": "More",
                "tags": [_tag(exporter)],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [source, *(_variable(variable) for variable in dashboard.variables)]},
        "panels": laid_out(dashboard.rows),
    }


def _tag(exporter: Exporter) -> str:
    return f"libvirt-{exporter.name}"


def _firing() -> Json:
    """Our alerts, marked while they fire."""
    return {
        "name": "Alerts",
        "datasource": dict(DATASOURCE),
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Virtscope.+",alertstate="firing",host=~"$host"}',
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{host}} {{domain}}",
        "tagKeys": "severity",
    }


def _variable(variable: Variable) -> Json:
    everything: Json = {"includeAll": variable.many, "multi": variable.many}
    if variable.many:
        everything |= {"allValue": variable.everything, "current": {"text": ["All"], "value": ["$__all"]}}
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": dict(DATASOURCE),
        "definition": variable.query,
        "query": {"query": variable.query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "sort": 1,
        **everything,
    }
