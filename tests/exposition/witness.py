"""Prometheus' own parsers, as the witness of what we write."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from virtscope.exposition.text_format import Format


def parsed(made: str, form: Format = Format.PROMETHEUS) -> list[Metric]:
    """Every family of a text."""
    parse = parse_openmetrics if form is Format.OPENMETRICS else parse_prometheus
    return list(parse(made))
