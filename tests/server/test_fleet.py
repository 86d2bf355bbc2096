"""The fleet's directory: who is there, under which name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.synthetic import batch, row, sample
from virtscope.catalogue import Scope
from virtscope.errors import Ambiguous, NotFound
from virtscope.sample import Batch, BindingFacts, DomainFacts, FilterFacts, Gone, HostFacts, Link, LinkState
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


def test_other_things_that_went_are_gone_from_their_host() -> None:
    fleet = Fleet([ONE, TWO], Known(HOSTS), {})
    told = tuple(FilterFacts("f1", "clean", host) for host in ("h1", "h2"))
    fleet.apply([batch(1, others=(*told, BindingFacts("f1", "h1", "clean")))])
    fleet.apply([batch(2, gone=(Gone("h1", "filter", "f1"), Gone("h1", "a kind of a newer agent", "f1")))])
    assert [facts.host for facts in fleet.others(FilterFacts)] == ["h2"]
    assert len(fleet.others(BindingFacts)) == 1


def test_a_uri_that_leads_to_another_host_now_has_only_that_one(fleet: Fleet) -> None:
    fleet.apply([batch(1, hosts=(HostFacts("h9", "kvm9", ONE),))])
    assert [host.name for host in fleet.hosts()] == ["kvm2", "kvm9"]
    assert names(fleet) == [("h2", "web")]


def test_a_link_tells_whether_a_host_is_up(fleet: Fleet) -> None:
    fleet.apply([batch(1, links=(Link(ONE, LinkState.UP, since=1, host="h1"),))])
    assert [host.is_up for host in fleet.hosts()] == [True, False]


class Clock:
    """Unix ms that somebody sets."""

    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


def of_agent(agent: str, host: str = "h9", sequence: int = 1) -> Batch:
    """What an agent tells of a host, as the intake hands it on."""
    at = Clock.now
    return batch(
        sequence,
        sample(host, at + sequence, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d9",), state=1)]}),
        agent=agent,
        hosts=(HostFacts(host, "kvm9", "qemu:///system", agent=agent),),
        links=(Link("qemu:///system", LinkState.UP, at, host, None, 10.0, agent),),
        domains=(DomainFacts("d9", "app", host),),
    )


def test_agents_with_one_uri_have_a_host_each() -> None:
    fleet = Fleet([], Known(), {})
    for agent, host in (("a", "h8"), ("b", "h9")):
        fleet.admit(agent, f"agent-{agent}")
        fleet.apply([of_agent(agent, host)])
    assert [(host.id, host.agent, host.is_up) for host in fleet.hosts()] == [
        ("h8", "agent-a", True),
        ("h9", "agent-b", True),
    ]
    assert (fleet.owner("h8"), fleet.owner("h9"), fleet.owner("h7")) == ("a", "b", None)
    assert [facts.id for facts in fleet.hosts_of("b")] == ["h9"]


def test_an_agent_that_is_not_admitted_is_not_listened_to() -> None:
    fleet = Fleet([ONE], Known(), {})
    fleet.apply([of_agent("stranger")])
    assert [host.uri for host in fleet.hosts()] == [ONE]
    assert fleet.domains() == []


def test_a_dismissed_agents_hosts_go_and_come_with_it() -> None:
    told = of_agent("a")
    known = Known((*told.hosts, *told.domains), told.links)
    fleet = Fleet([], known, {})
    assert fleet.hosts() == []
    fleet.admit("a", "one")
    assert [host.name for host in fleet.hosts()] == ["kvm9"]
    assert names(fleet) == [("h9", "app")]
    fleet.dismiss("a")
    assert (fleet.hosts(), fleet.domains()) == ([], [])


def test_a_host_whose_agent_is_silent_is_down_until_it_is_heard_again() -> None:
    clock = Clock()
    fleet = Fleet([], Known(), {}, clock)
    fleet.admit("a", "one")
    fleet.apply([of_agent("a")])
    clock.now += 30_000
    assert fleet.hosts()[0].is_up
    clock.now += 1
    (host,) = fleet.hosts()
    assert not host.is_up
    assert host.link.reason == "its agent one is not heard of"
    assert host.link.since == clock.now - 30_001
    (silent,) = fleet.turns()
    assert (silent.host, silent.kind, silent.detail) == ("h9", "agent silent", "one")
    assert fleet.turns() == ()
    fleet.apply([of_agent("a", sequence=2)])
    assert fleet.hosts()[0].is_up
    assert [(event.host, event.kind) for event in fleet.turns()] == [("h9", "agent back")]
    assert fleet.turns() == ()


def test_a_late_sample_takes_no_domain_away() -> None:
    fleet = Fleet([], Known(), {})
    fleet.admit("a", "one")
    fleet.apply([of_agent("a", sequence=5)])
    fleet.apply([batch(2, sample("h9", Clock.now, {Scope.DOMAIN: []}), agent="a")])
    assert names(fleet) == [("h9", "app")]
    assert fleet.last_seen("h9") == Clock.now + 5


def test_what_is_told_before_its_host_is_there_with_it() -> None:
    """A shipper sends its newest batches first."""
    fleet = Fleet([], Known(), {})
    fleet.admit("a", "one")
    later = Batch("a", 1, 2, 2, domains=(DomainFacts("d1", "web", "h9"), DomainFacts("d2", "db", "h9")))
    fleet.apply([later])
    fleet.apply([Batch("a", 1, 3, 3, gone=(Gone("h9", "domain", "d2"),))])
    assert names(fleet) == []
    fleet.apply([replace(of_agent("a"), samples=())])
    assert ("h9", "web") in names(fleet)
    assert ("h9", "db") not in names(fleet)


def test_what_is_told_early_goes_with_its_agent() -> None:
    fleet = Fleet([], Known(), {})
    fleet.admit("a", "one")
    fleet.apply([Batch("a", 1, 2, 2, domains=(DomainFacts("d1", "web", "h9"),))])
    fleet.dismiss("a")
    fleet.admit("a", "one")
    fleet.apply([replace(of_agent("a"), samples=())])
    assert ("h9", "web") not in names(fleet)


def test_hosts_are_known_by_their_agent(fleet: Fleet) -> None:
    assert [host.id for host in fleet.hosts_of("")] == ["h1", "h2"]
    fleet.admit("a", "kvm1's")
    moved = replace(HOSTS[0], agent="a")
    link = Link(ONE, LinkState.UP, 0, "h1", interval=7.0, agent="a")
    fleet.apply([replace(batch(1, hosts=(moved,), links=(link,)), agent="a")])
    assert ([host.id for host in fleet.hosts_of("a")], fleet.interval_of("a")) == (["h1"], 7.0)
    assert [host.id for host in fleet.hosts_of("")] == ["h2"]
    fleet.apply([replace(batch(2, hosts=(replace(moved, id="h9"),)), agent="a")])  # the same way leads to another one
    assert [host.id for host in fleet.hosts_of("a")] == ["h9"]
    fleet.dismiss("a")
    assert (fleet.hosts_of("a"), fleet.interval_of("a")) == ([], None)


def test_many_names_are_looked_up_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, everything = [], fleet.domains

    def domains() -> list[DomainFacts]:
        asked.append(1)
        return everything()

    monkeypatch.setattr(fleet, "domains", domains)
    found = fleet.domains_named(["d1", "db", "d3", "d1"])
    assert [[one.id for one in family] for family in found] == [["d1"], ["d2"], ["d3"], ["d1"]]
    assert len(asked) == 1
    for name, wrong in (("nobody", NotFound), ("web", Ambiguous)):
        with pytest.raises(wrong, match=name):
            fleet.domains_named(["d1", name])
