"""Batches of agents come in any order, some of them twice, some never: what is true now, and what is remembered."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synthetic import Opened, batch, opened
from virtscope.ranges import Ranges
from virtscope.sample import Batch, DomainFacts, FilterFacts, Gone, HostFacts, Link, LinkState, Lost, PoolFacts, Whole
from virtscope.server.fleet import Fleet
from virtscope.store import Known

AT = 1_800_000_000_000


def told(sequence: int, name: str) -> Batch:
    """What an agent said of a domain at a time that grows with the sequence."""
    facts = DomainFacts("d", name, "h", xml=f"<{name}/>")
    return replace(batch(sequence, domains=(facts,)), at=AT + sequence)


def test_what_comes_late_is_history_and_not_the_present(open_store: Opened) -> None:
    effective = [open_store.store.append([told(number, f"n{number}")]) for number in (1, 4, 2, 3)]
    assert [[facts.name for one in batches for facts in one.domains] for batches in effective] == [
        ["n1"], ["n4"], [], [],
    ]  # fmt: skip
    (known,) = open_store.records.known().facts
    assert isinstance(known, DomainFacts)
    assert known.name == "n4"
    versions = open_store.records.history("domain", "d")
    assert [version.facts.name for version in versions if isinstance(version.facts, DomainFacts)] == [
        "n1", "n2", "n3", "n4",
    ]  # fmt: skip


def test_something_that_is_gone_does_not_come_back_by_a_late_word(open_store: Opened) -> None:
    open_store.store.append([replace(batch(5, gone=(Gone("h", "domain", "d"),)), at=AT + 5)])
    (effective,) = open_store.store.append([told(2, "late")])
    assert effective.domains == ()
    assert open_store.records.known().facts == ()


def filters(sequence: int, *names: str, whole: bool = False) -> Batch:
    """An agent's word on filters, or on all that its host has."""
    told = tuple(FilterFacts(name, name, "h") for name in names)
    complete = (Whole("h", "filter"), Whole("h", "a kind of a newer agent")) if whole else ()
    return replace(batch(sequence, others=told, whole=complete), at=AT + sequence)


@pytest.mark.parametrize("order", [*permutations(range(5))][::7])
def test_what_went_while_nobody_watched_is_gone_once_all_is_told(tmp_path: Path, order: tuple[int, ...]) -> None:
    told = (
        filters(1, "old", "kept"),
        replace(filters(2, "old"), others=(FilterFacts("old", "old", "another host"), PoolFacts("old", "old", "h"))),
        filters(3, "kept", "new", whole=True),
        filters(4, "newer"),
        filters(5, "kept", "latest"),
    )
    with opened(tmp_path) as made:
        fleet = Fleet(["test:///one"], Known((HostFacts("h", "kvm1", "test:///one"),)), {})
        for number in order:
            fleet.apply(made.store.append([told[number]]))
        wanted = {"kept", "new", "newer", "latest"}
        assert {facts.id for facts in fleet.others(FilterFacts) if facts.host == "h"} == wanted
        assert [facts.id for facts in fleet.others(PoolFacts)] == ["old"]
    with opened(tmp_path) as again:
        known = again.records.known().facts
        assert {one.id for one in known if isinstance(one, FilterFacts) and one.host == "h"} == wanted
        assert [one.host for one in known if isinstance(one, FilterFacts) and one.id == "old"] == ["another host"]


def test_what_is_told_in_one_transaction_with_all_there_is(open_store: Opened) -> None:
    open_store.store.append([filters(1, "old"), filters(3, "new", whole=True), filters(2, "older")])
    assert [facts.id for facts in open_store.records.known().facts] == ["new"]
    assert [version.facts is None for version in open_store.records.history("filter", "old")] == [False, True]


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(1, 9)), seed=st.integers(0, 2**32))
def test_the_present_does_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("store")
    with opened(folder) as made:
        waiting = list(order) + [chance.choice(order) for _ in range(3)]
        while waiting:
            count = chance.randint(1, 3)
            taken, waiting = waiting[:count], waiting[count:]
            made.store.append([told(number, f"n{number % 3}") for number in taken])
        assert made.records.stored("agent", 1) == Ranges([(1, 8)])
        (known,) = made.records.known().facts
        assert isinstance(known, DomainFacts)
        assert known.name == "n2"
    with opened(folder) as again:
        assert again.records.stored("agent", 1) == Ranges([(1, 8)])
        assert again.records.known().facts == (known,)


def test_progress_in_ranges_survives_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        for sequences in ((1, 2), (7,), (5,), (9,), (6,)):
            made.store.append([told(number, "n") for number in sequences])
        assert made.records.stored("agent", 1) == Ranges([(1, 2), (5, 7), (9, 9)])
    with opened(tmp_path) as made:
        assert made.records.stored("agent", 1) == Ranges([(1, 2), (5, 7), (9, 9)])
        made.store.append([told(number, "n") for number in (3, 4, 8)])
        assert made.records.stored("agent", 1) == Ranges([(1, 9)])
    with opened(tmp_path) as made:
        assert made.records.stored("agent", 1) == Ranges([(1, 9)])


def test_an_agent_that_leaves_every_second_out_costs_no_more_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtscope.store.records.MOST_RANGES", 3)
    with opened(tmp_path) as made:
        for number in range(1, 21, 2):
            made.store.append([told(number, "n")])
        kept = Ranges([(1, 15), (17, 17), (19, 19)])
        assert made.records.stored("agent", 1) == kept
    with opened(tmp_path) as made:
        assert made.records.stored("agent", 1) == kept


def test_the_same_batch_twice_in_one_transaction_is_stored_once(open_store: Opened) -> None:
    assert len(open_store.store.append([told(1, "n"), told(1, "n"), told(2, "n")])) == 2


def test_a_loss_is_told_once_on_every_host_of_the_agent(open_store: Opened) -> None:
    hosts = tuple(HostFacts(name, name, f"uri-{name}", agent="agent") for name in ("h", "i"))
    links = tuple(Link(host.uri, LinkState.UP, AT, host.id, agent="agent") for host in hosts)
    open_store.store.append([batch(1, hosts=hosts, links=links)])
    open_store.store.append([told(4, "n")])
    lost = batch(0, lost=(Lost(1, 2, 6, AT, AT + 9_000, "the spool was full"),))
    for _ in range(2):
        open_store.store.append([lost])
    assert open_store.records.stored("agent", 1) == Ranges([(1, 6)])
    events = open_store.records.events(AT, AT + 10_000)
    assert sorted((event.host, event.kind) for event in events) == [("h", "data lost"), ("i", "data lost")]
    assert events[0].detail == "4 batches from 2027-01-15 08:00:00 to 2027-01-15 08:00:09 UTC: the spool was full"


def test_links_of_two_agents_with_one_uri_are_two(tmp_path: Path) -> None:
    links = [Link("qemu:///system", LinkState.UP, AT, name, agent=name) for name in ("a", "b")]
    with opened(tmp_path) as made:
        for link in links:
            made.store.append([batch(1, links=(link,), agent=link.agent)])
    with opened(tmp_path) as made:
        assert sorted(made.records.known().links, key=lambda link: link.agent) == links


def test_a_late_link_does_not_undo_a_newer_one(open_store: Opened) -> None:
    up = Link("u", LinkState.UP, AT, "h", agent="agent")
    down = replace(up, state=LinkState.DOWN)
    open_store.store.append([replace(batch(2, links=(up,)), at=AT + 2)])
    (effective,) = open_store.store.append([replace(batch(1, links=(down,)), at=AT + 1)])
    assert effective.links == ()
    assert open_store.records.known().links == (up,)
