"""Garbage in: no analysis fails, and none is sure of what makes no sense."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.fleet import domain, host, nothing
from virtscope.analysis import registry, tables
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.tables import Tables
from virtscope.sample import DomainFacts, FilterFacts, NicFacts

FIGURES = (None, 0.0, -0.0, math.nan, math.inf, -math.inf, -1.0, 1e308, 2.0**63, 0.3, 1.0, 7.0, 5e9)
COUNTS = (None, 0, 1, 144, 288, 300, 10**9)
KEYS = {"domain": "d1", "host": "h1", "pool": "default", "target": "vda", "vcpu": 0, "mac": "m"}
SUMMARISED = [
    name for name in registry.NAMES if (needs := registry.find(name).needs(registry.find(name).read({}))).reduced
    and not needs.series
]  # fmt: skip
BY_CONFIGURATION = ("n-plus-one", "rebalance", "consolidation", "plan")
"""What the XML and the host's size tell is enough for a verdict: memory is hard, whatever was measured."""


def garbled(dice: Random, name: str) -> Tables:
    """A fleet of one host and one domain with any figure at all; now and then with sound ones alone."""
    figures, counts = (FIGURES[9:], COUNTS[4:]) if dice.random() < 0.3 else (FIGURES, COUNTS)
    made = nothing(name, [domain("d1", vcpus=dice.choice([None, 0, 2]))], [host("h1")])

    def row(frame: pl.DataFrame) -> pl.DataFrame:
        values: dict[str, Any] = {}
        for column, kind in frame.schema.items():
            known = KEYS.get(column)
            values[column] = known if known is not None else dice.choice(figures if kind.is_float() else counts)
        return pl.DataFrame([values], schema=frame.schema)

    disk = {"domain": "d1", "host": "h1", "target": "vda", "device": "disk", "readonly": False}
    return replace(
        made,
        summaries={scope: row(frame) for scope, frame in made.summaries.items()},
        disks=pl.DataFrame([disk], schema=tables.DISKS),
        nics=pl.DataFrame([{"domain": "d1", "host": "h1", "mac": "m"}], schema=tables.NICS),
        pools=pl.DataFrame([{"host": "h1", "pool": "default", "active": True}], schema=tables.POOLS),
    )


@pytest.mark.parametrize("name", SUMMARISED)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_figures(name: str, seed: int) -> None:
    analysis = registry.find(name)
    found = registry.run(analysis, garbled(Random(seed), name), analysis.read({}))
    assert found
    for one in found:
        assert 0 <= one.confidence <= 1
        assert 0 <= one.evidence.coverage <= 1
        assert all(figure.value is None or math.isfinite(figure.value) for figure in one.figures), one
        assert not (one.verdict == INSUFFICIENT and (one.confidence or one.effect or one.action))
        assert one.evidence.samples or one.verdict == INSUFFICIENT or name in BY_CONFIGURATION, one
        assert one.reason


@pytest.mark.parametrize("name", SUMMARISED)
def test_of_a_host_that_reported_nothing_nothing_is_said(name: str) -> None:
    given_tables = nothing(name, [domain("d1"), domain("d2", active=False, state="shut off")], [host("h1")])
    analysis = registry.find(name)
    verdicts = {one.verdict for one in registry.run(analysis, given_tables, analysis.read({}))}
    assert verdicts == {INSUFFICIENT} or name in BY_CONFIGURATION


@settings(max_examples=40, deadline=None)
@given(xml=st.text(max_size=80), name=st.text(max_size=20), mac=st.text(max_size=20), ip=st.text(max_size=20))
def test_any_filter(xml: str, name: str, mac: str, ip: str) -> None:
    analysis = registry.find("filter-audit")
    nic = NicFacts(mac, "vnet0", type="network", filter=name, filter_parameters={"IP": ip})
    facts = DomainFacts("d1", "web", "h1", nics=(nic,), persistent_xml=xml)
    rule = (
        f"<filter><rule action='drop' direction='out'><ip match='no' srcipaddr='{ip.encode().hex()}'/></rule></filter>"
    )
    filters = (FilterFacts("f", name, "h1", xml=xml), FilterFacts("g", name, "h2", xml=rule))
    made = replace(nothing("filter-audit", [domain("d1")], [host("h1")]), described=(facts,), filters=filters)
    found = registry.run(analysis, made, analysis.read({}))
    assert NOTHING not in {one.verdict for one in found}
