"""Quantities between two samples, and their agreement with the store's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synthetic import batch, full_row, opened, row
from virtscope.catalogue import Scope
from virtscope.rates import Interval, increase
from virtscope.sample import Sample
from virtscope.store import Latest

START = 1_800_000_000_000


@pytest.mark.parametrize(
    ("previous", "current", "grown"),
    [(0, 0, 0), (5, 8, 3), (100, 99, 0), (100, 51, 0), (100, 49, 49), (100, 0, 0), (1, 0, 0)],
)
def test_increase(previous: int, current: int, grown: int) -> None:
    assert increase(previous, current) == grown


def domain_sample(at: int, **values: int) -> Sample:
    return Sample("h", at, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), **values)]})


def test_a_first_sample_has_no_rate() -> None:
    now = domain_sample(START, cpu_time=10**15, vcpus=1)
    values = Interval(now, now).figures(Scope.DOMAIN)[0].values
    assert values["cpu_cores"] is None
    assert values["vcpus"] == 1


def test_a_rate_is_per_second() -> None:
    interval = Interval(domain_sample(START, cpu_time=0), domain_sample(START + 4_000, cpu_time=2_000_000_000))
    assert interval.figures(Scope.DOMAIN)[0].values["cpu_cores"] == pytest.approx(0.5)


def test_nothing_is_said_across_a_long_gap() -> None:
    interval = Interval(domain_sample(START, cpu_time=0), domain_sample(START + 301_000, cpu_time=1))
    assert interval.figures(Scope.DOMAIN)[0].values["cpu_cores"] is None


known = st.one_of(st.none(), st.integers(0, 2**62))
VALUES = st.dictionaries(st.sampled_from(["a", "b"]), known)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Sample, Sample]:
    """Two samples of a host with any values, some unknown, and objects that come and go."""

    def rows(scope: Scope, keys: list[tuple[str | int, ...]]) -> list[tuple[str | int | None, ...]]:
        kept = draw(st.lists(st.sampled_from(keys), unique=True))
        return [full_row(scope, key, lambda _name: draw(known)) for key in kept]

    def one(at: int) -> Sample:
        return Sample(
            "h",
            at,
            {
                Scope.HOST: [full_row(Scope.HOST, (), lambda _name: draw(known))],
                Scope.DOMAIN: rows(Scope.DOMAIN, [("d1",), ("d2",)]),
                Scope.VCPU: rows(Scope.VCPU, [("d1", 0), ("d1", 2), ("d2", 0)]),
                Scope.DISK: rows(Scope.DISK, [("d1", "vda"), ("d2", "vda")]),
                Scope.NIC: rows(Scope.NIC, [("d1", "aa:bb", "vnet0"), ("d1", "", "vnet1")]),
            },
        )

    return one(START), one(START + draw(st.sampled_from([1, 999, 2_000, 300_000, 300_001])))


@settings(max_examples=25, deadline=None)
@given(samples())
def test_the_store_says_the_same(pair: tuple[Sample, Sample]) -> None:
    previous, current = pair
    interval = Interval(previous, current)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as made:
        made.store.append([batch(1, previous, current)])
        for scope in Scope:
            ours = {tuple(figures.key.values()): figures for figures in interval.figures(scope)}
            theirs: dict[tuple[str | int | None, ...], Latest] = {
                tuple(latest.object.values()): latest for latest in made.store.latest(scope)
            }
            # A total over devices makes its domain known to SQL, even where the domain has no row of its own.
            assert set(ours) <= set(theirs)
            for key, figures in ours.items():
                assert theirs[key].states == figures.states
                for name, value in figures.values.items():
                    other = theirs[key].values[name]
                    assert (value is None) == (other is None), (scope, key, name, value, other)
                    assert value is None or other == pytest.approx(value, rel=1e-6, abs=1e-6), (scope, key, name)
