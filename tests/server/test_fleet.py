"""The fleet's directory: who is there, under which name."""

from __future__ import annotations

import pytest

from tests.synthetic import batch, row, sample
from virtscope.catalogue import Scope
from virtscope.errors import Ambiguous, NotFound
from virtscope.sample import DomainFacts, Gone, HostFacts, Link, LinkState
from virtscope.server.fleet import Fleet
from virtscope.store import Known

ONE, TWO = "test:///one", "test:///two"
HOSTS = (HostFacts("h1", "kvm1", ONE), HostFacts("h2", "kvm2", TWO))
DOMAINS = (DomainFacts("d1", "web", "h1"), DomainFacts("d2", "db", "h1"), DomainFacts("d3", "web", "h2"))


@pytest.fixture
def fleet() -> Fleet:
    return Fleet([ONE, TWO], Known((*HOSTS, *DOMAINS)), {"h1": 5})


def names(fleet: Fleet) -> list[tuple[str, str]]:
    return sorted((domain.host, domain.name) for domain in fleet.domains())


def test_what_is_not_watched_any_more_is_not_shown() -> None:
    fleet = Fleet([ONE], Known((*HOSTS, *DOMAINS)), {})
    assert [host.name for host in fleet.hosts()] == ["kvm1"]
    assert names(fleet) == [("h1", "db"), ("h1", "web")]


def test_a_host_never_reached_goes_by_its_uri() -> None:
    fleet = Fleet([ONE], Known(), {})
    host = fleet.hosts()[0]
    assert (host.name, host.facts, host.is_up) == (ONE, None, False)
    assert fleet.host(host.id) == fleet.host(ONE) == host


def test_names_that_fit_nothing_or_too_much(fleet: Fleet) -> None:
    assert fleet.host("kvm1").id == fleet.host("h1").id == "h1"
    assert fleet.domain("db")[0].id == "d2"
    with pytest.raises(NotFound, match="no host 'x'"):
        fleet.host("x")
    with pytest.raises(NotFound, match="no domain 'x'"):
        fleet.domain("x")
    with pytest.raises(Ambiguous, match="2 domains have the name 'web'"):
        fleet.domain("web")


def test_a_domain_that_went_is_gone_only_from_its_host(fleet: Fleet) -> None:
    fleet.apply([batch(1, domains=(DomainFacts("d1", "web", "h2"),))])
    fleet.apply([batch(2, gone=(Gone("h1", "domain", "d1"),))])
    assert names(fleet) == [("h1", "db"), ("h2", "web"), ("h2", "web")]


def test_a_domain_that_went_while_nobody_watched_is_gone_with_the_first_sample(fleet: Fleet) -> None:
    fleet.apply([batch(1, sample("h1", 10, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d2",), state=1)]}))])
    assert names(fleet) == [("h1", "db"), ("h2", "web")]
    assert fleet.host("kvm1").last_seen == 10


def test_a_uri_that_leads_to_another_host_now_has_only_that_one(fleet: Fleet) -> None:
    fleet.apply([batch(1, hosts=(HostFacts("h9", "kvm9", ONE),))])
    assert [host.name for host in fleet.hosts()] == ["kvm2", "kvm9"]
    assert names(fleet) == [("h2", "web")]


def test_a_link_tells_whether_a_host_is_up(fleet: Fleet) -> None:
    fleet.apply([batch(1, links=(Link(ONE, LinkState.UP, since=1, host="h1"),))])
    assert [host.is_up for host in fleet.hosts()] == [True, False]
