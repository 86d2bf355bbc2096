"""The catalogue is the single source: what it declares is found everywhere, and nothing else is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import virtscope
from virtscope.agent import libvirt_lane
from virtscope.catalogue import IGNORED_SOURCES, METRICS, Group, Kind, Scope, Unit, metrics_of
from virtscope.schema import columns, ddl

ROOT = Path(__file__).parent.parent.parent
RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))


def general_form(field: str) -> str:
    """A field without which device, or which event, it is of."""
    return re.sub(r"\.\d+\.", ".{}.", re.sub(r"^perf\.\w+", "perf.{}", field))


def declared(field: str) -> bool:
    """Whether a field of libvirt's answer is a metric's source, or left out on purpose."""
    general = general_form(field)
    return any(metric.source == general for metric in METRICS) or any(
        re.fullmatch(ignored, field) for ignored in IGNORED_SOURCES
    )


@pytest.mark.parametrize("answer", RECORDED, ids=lambda path: path.stem)
def test_every_recorded_field_is_declared(answer: Path) -> None:
    records: list[dict[str, Any]] = json.loads(answer.read_text())
    assert records
    assert [field for record in records for field in record if not declared(field)] == []


def test_an_undeclared_field_is_noticed() -> None:
    assert not declared("vcpu.0.brand_new")
    assert not declared("balloon.brand_new")


def test_every_group_is_filled_by_the_recorded_answers() -> None:
    seen = {
        metric.group
        for answer in RECORDED
        for record in json.loads(answer.read_text())
        for field in record
        for metric in METRICS
        if metric.group is not Group.NODE and metric.source == general_form(field)
    }
    assert seen == libvirt_lane.FREE | libvirt_lane.COSTLY | libvirt_lane.SLOW


def test_exposition_names_follow_the_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"libvirt_[a-z0-9_]+", metric.exposition_name)
        assert metric.exposition_name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.unit is not Unit.SECONDS or "_seconds" in metric.exposition_name
    assert len({metric.exposition_name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("scope", Scope)
def test_the_tables_are_derived(scope: Scope) -> None:
    names = [column.name for column in columns(scope)]
    assert names == ["ts", *scope.keys, *(metric.name for metric in metrics_of(scope))]
    assert all(f"    {name} " in ddl(scope) for name in names)


METRIC_ROW = """
    Metric("dirty_pages", DOMAIN, BALLOON, GAUGE, COUNT, "balloon.dirty", "Dirty", "Pages not written back yet."),
"""
QUANTITY_ROW = """
    Quantity("dirty_pages", DOMAIN, COUNT, "Dirty", "Pages not written back yet.", Gauge("dirty_pages")),
"""
FOUND_EVERYWHERE = """
import sys
from pathlib import Path
from docs import reference
from virtscope.agent import domstats, hoststats
from virtscope.catalogue import METRIC, Scope
from virtscope.sample import Batch, DomainFacts, HostFacts, Sample
from virtscope.schema import ddl
from virtscope.server.fleet import Fleet
from virtscope.server.present import Present
from virtscope.store import Known
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.records import Records

assert "dirty_pages BIGINT" in ddl(Scope.DOMAIN)
assert METRIC[Scope.DOMAIN, "dirty_pages"].exposition_name == "libvirt_domain_dirty_pages"
rows = {Scope.HOST: [hoststats.row({})], **domstats.rows([("d", {"balloon.dirty": 7})], {})}
database = Database(Path(sys.argv[1]))
store = DuckdbStore(database, Records(database))
store.append([Batch("a", 1, 1, 0, (Sample("h", 1_800_000_000_000, rows),))])
fleet = Fleet(["test:///x"], Known((HostFacts("h", "h", "test:///x"), DomainFacts("d", "d", "h"))), {})
assert Present(store, fleet).now().domain("d").figures["dirty_pages"] == 7
assert "`dirty_pages` Dirty" in reference.metrics()
assert "`libvirt_domain_dirty_pages`" in reference.metrics()
print("found everywhere")
"""


def test_a_metric_is_added_by_one_row(tmp_path: Path) -> None:
    """One row more in the catalogue's tables, and reading, schema, store, API, names and docs have the metric."""
    shutil.copytree(Path(virtscope.__file__).parent, tmp_path / "virtscope")
    for table, row in (("metrics", METRIC_ROW), ("quantities", QUANTITY_ROW)):
        path = tmp_path / f"virtscope/catalogue/{table}.py"
        before, end, after = path.read_text().rpartition(")\n# fmt: on")
        path.write_text(f"{before}{row}{end}{after}")
    answer = subprocess.run(
        [sys.executable, "-c", FOUND_EVERYWHERE, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    assert answer.stdout.startswith("found everywhere"), answer.stderr
