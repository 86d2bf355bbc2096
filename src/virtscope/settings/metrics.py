"""The settings of an engine that answers PromQL, for a past that is not kept in the data folder."""

from __future__ import annotations

from collections.abc import Iterator

from virtscope.settings.declaration import Setting
from virtscope.settings.engine_access import EngineAccess
from virtscope.settings.kinds import Duration
from virtscope.settings.program import Complaint, Resolved

_GROUP = "A Prometheus-compatible engine"

METRICS = EngineAccess.named(
    "metrics",
    "What answers PromQL over the figures that agents write to it, or that it scrapes: the past is read from there.",
    _GROUP,
    note="the past is kept in the data folder",
)
INTERVAL = Setting(
    "metrics-interval",
    Duration(0.5, 300.0),
    10.0,
    "How often its series get a sample: the agents' interval, or that of scraping.",
    _GROUP,
)
SETTINGS = (*METRICS.settings, INTERVAL)


def check(resolved: Resolved) -> Iterator[Complaint]:
    """Whatever is wrong with it, one by one."""
    yield from METRICS.check(resolved)
    if not resolved[METRICS.url] and resolved.is_given(INTERVAL):
        yield Complaint(INTERVAL, f"{INTERVAL.name} is set, and {METRICS.url.name} is missing")
