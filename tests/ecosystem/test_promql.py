"""Quantities as PromQL say what the same quantities say between two samples."""

from __future__ import annotations

import pytest

from tests.ecosystem.prometheus import Prometheus
from tests.ecosystem.recorded_fleet import DOMAINS, END, HOSTS, STEPS, sample
from virtscope.catalogue import METRIC, QUANTITIES, Quantity, Scope
from virtscope.exposition.promql import INOVEX, VIRTSCOPE, query
from virtscope.rates import Interval

_NAMES = {uuid: name for name, uuid in DOMAINS.items()}
_KEYS = {"cell": "cell", "pool": "storage_pool", "target": "target_device"}


def _labels(host: str, key: dict[str, str | int | None]) -> dict[str, str]:
    """The labels of an object of ours."""
    made = {"host": host}
    for name, value in key.items():
        if name == "domain":
            made |= {"domain": _NAMES[str(value)], "uuid": str(value)}
        elif name not in ("host", "mac"):
            made[_KEYS.get(name, name)] = str(value)
    return made


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: f"{quantity.scope.value}.{quantity.name}")
def test_it_is_what_two_samples_say(scraping: Prometheus, quantity: Quantity) -> None:
    asked = query(quantity.formula, quantity.scope, VIRTSCOPE, 'host!=""', "2m")
    found = {
        frozenset((label, series["metric"][label]) for label in VIRTSCOPE.labels(quantity.scope)): float(
            series["value"][1]
        )
        for series in scraping.query(asked, END)
    }
    expected = {
        frozenset(_labels(host, dict(figures.key)).items()): figures.values[quantity.name]
        for host in HOSTS
        for figures in Interval(sample(host, STEPS - 2), sample(host, STEPS - 1)).figures(quantity.scope)
    }
    assert found.keys() == expected.keys()
    for labels, value in expected.items():
        assert found[labels] == pytest.approx(value, rel=1e-6), labels


def test_what_is_asked_of_inovex_exporter_is_in_the_catalogue() -> None:
    assert set(INOVEX.has) < METRIC.keys()
    told = [quantity for quantity in QUANTITIES if INOVEX.tells(quantity.formula, quantity.scope)]
    assert {quantity.scope for quantity in told} == {
        *(Scope.HOST, Scope.POOL, Scope.DOMAIN),
        *(Scope.VCPU, Scope.DISK, Scope.NIC),
    }
    assert all("uuid" not in query(quantity.formula, quantity.scope, INOVEX) for quantity in told)
