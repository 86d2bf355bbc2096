"""Analyses as such: settings, exclusions, and nothing that is taken for success."""

from __future__ import annotations

import pytest

from tests.analysis.fleet import analysed, domain, fleet, host, nothing
from virtscope.analysis import registry
from virtscope.analysis.finding import INSUFFICIENT
from virtscope.analysis.settings import COMMON, pairs
from virtscope.analysis.tables import Needs
from virtscope.catalogue import QUANTITY
from virtscope.errors import BadInput, NotFound

EVERY = pytest.mark.parametrize("name", registry.NAMES)


@EVERY
def test_every_analysis_explains_itself(name: str) -> None:
    analysis = registry.find(name)
    assert analysis.name == name
    assert analysis.help.endswith("?")
    assert len(analysis.method) > 300
    names = [setting.name for setting in analysis.declared]
    assert len(set(names)) == len(names)
    for setting in analysis.settings:
        assert setting.help.endswith("."), setting.name
        assert setting.read(setting.show(setting.default)) == setting.default, setting.name


@EVERY
def test_what_every_analysis_needs_is_in_the_catalogue(name: str) -> None:
    analysis = registry.find(name)
    needs: Needs = analysis.needs(analysis.read({}))
    reduced, series = ([(one.scope, one.quantities) for one in kind] for kind in (needs.reduced, needs.series))
    for scope, quantities in (*reduced, *series):
        assert all((scope, quantity) in QUANTITY for quantity in quantities)
    for kind in (reduced, series):
        assert len({scope for scope, _ in kind}) == len(kind), "one for each scope"


def test_a_bad_value_is_named_with_its_setting() -> None:
    analysis = registry.find("contention")
    with pytest.raises(BadInput, match=r"contention: warning = '7' is more than 1") as caught:
        analysis.read({"warning": "7"})
    assert caught.value.hint == "It may be 0 to 1 of the time."
    with pytest.raises(BadInput, match=r"no setting 'warnig'; is 'warning' meant"):
        analysis.read({"warnig": "0.1"})
    with pytest.raises(BadInput, match=r"window = 'nan'"):
        analysis.read({"window": "nan"})
    with pytest.raises(NotFound, match="no analysis 'conten'"):
        registry.find("conten")


def test_pairs_as_people_write_them() -> None:
    assert pairs(["a=1", "b = x=y"]) == {"a": "1", "b": " x=y"}
    for bad in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(BadInput):
            pairs(bad)


def test_domains_are_left_out_by_name_project_and_label() -> None:
    domains = [
        domain("a", name="build-1"),
        domain("b", project="dev", project_id="p1"),
        domain("c", labels=["stage=test", "owner=x"]),
        domain("d", name=None),
        domain("0e", labels=None),
    ]
    read = registry.find("contention").read(
        {"exclude": "build-* 0?", "exclude-projects": "p1", "exclude-labels": "stage=t*", "maintenance": "kvm*"}
    )
    marked = registry.marked(fleet(domains, [host()]), read)
    assert marked.subjects["id"].to_list() == ["d"]
    assert marked.hosts["maintenance"].to_list() == [True]
    assert {setting.name for setting in COMMON} == {"exclude", "exclude-projects", "exclude-labels", "maintenance"}


@EVERY
def test_an_empty_fleet_is_no_success(name: str) -> None:
    [found] = analysed(name, nothing(name)).values()
    assert found.verdict == INSUFFICIENT
    assert "0 domains on 0 hosts" in found.reason
