"""What one agent may put upon the server."""

from __future__ import annotations

import pytest

from virtscope.sample import Batch, Event, FilterFacts, Gone, Link, LinkState, Lost, Sample
from virtscope.server import quota
from virtscope.server.quota import LONGEST_TEXT, Quota


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Quota:
    monkeypatch.setattr(quota, "MOST_OBJECTS", 10)
    monkeypatch.setattr(quota, "MOST_HOSTS", 3)
    return Quota()


def gone(count: int, agent: str = "a", begin: int = 0) -> Batch:
    return Batch(agent, 1, 1, 1, gone=tuple(Gone("h", "network", f"n{n}") for n in range(begin, begin + count)))


def test_runs_count(small: Quota) -> None:
    runs = [Batch("a", epoch, 1, 1) for epoch in range(1, 12)]
    assert [small.refuses(run) is None for run in runs] == [True] * 10 + [False]


def test_things_that_are_gone_count(small: Quota) -> None:
    assert small.refuses(gone(9)) is None
    assert small.refuses(gone(9)) is None  # the same ones
    assert "different objects" in str(small.refuses(gone(1, begin=10)))
    assert small.refuses(gone(9, agent="b")) is None
    small.forget("a")
    assert small.refuses(gone(9, begin=20)) is None


def test_connections_count(small: Quota) -> None:
    links = tuple(Link(f"qemu+ssh://h{n}/system", LinkState.DOWN, 1) for n in range(11))
    assert "different objects" in str(small.refuses(Batch("a", 1, 1, 1, links=links)))


def test_hosts_that_only_samples_name_count(small: Quota) -> None:
    hosts = [Batch("a", 1, n, 1, (Sample(f"h{n}", 1, {}),)) for n in range(1, 5)]
    assert [small.refuses(batch) is None for batch in hosts] == [True, True, True, False]
    assert small.refuses(hosts[0]) is None


def described(xml: str, agent: str = "a") -> Batch:
    return Batch(agent, 1, 1, 1, others=(FilterFacts("f", "f", "h", xml=xml),))


def test_what_is_kept_of_descriptions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MOST_TEXT", 30_000)
    monkeypatch.setattr(quota, "LEAST_TEXT", 1_000)
    one = Quota()
    assert one.refuses(described("x" * 20_000)) is None
    assert one.refuses(described("x" * 20_000)) is None  # it is kept already
    assert "characters of descriptions" in str(one.refuses(described("y" * 20_000)))
    assert one.refuses(described("y" * 20_000, agent="b")) is None
    assert [one.refuses(described(f"{n}")) is None for n in range(10)] == [True] * 9 + [False]
    one.forget("a")
    assert one.refuses(described("y" * 20_000)) is None


def test_events_count_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MOST_TEXT", 30_000)
    one, batch = Quota(), Batch("a", 1, 1, 1, events=(Event(1, "h", None, "kind", "d" * 20_000),))
    assert one.refuses(batch) is None
    assert "characters of descriptions" in str(one.refuses(batch))


def test_runs_of_which_only_losses_tell_count(small: Quota) -> None:
    losses = [Batch("a", 0, 0, 1, lost=(Lost(n, 1, 1, 0, 0, "x"),)) for n in range(1, 12)]
    assert [small.refuses(one) is None for one in losses] == [True] * 10 + [False]


@pytest.mark.parametrize(
    "batch",
    [
        Batch("a", 1, 1, 1, links=(Link("u" * (LONGEST_TEXT + 1), LinkState.UP, 1),)),
        Batch("a", 1, 1, 1, links=(Link("u", LinkState.DOWN, 1, reason="r" * (LONGEST_TEXT + 1)),)),
        Batch("a", 1, 1, 1, gone=(Gone("h", "network", "n" * (LONGEST_TEXT + 1)),)),
        Batch("a", 1, 1, 1, samples=(Sample("h" * (LONGEST_TEXT + 1), 1, {}),)),
        Batch("a", 1, 1, 1, events=(Event(1, "h", None, "kind", "d" * (LONGEST_TEXT + 1)),)),
    ],
    ids=["uri", "reason", "gone", "host", "event"],
)
def test_texts_are_bounded(batch: Batch) -> None:
    assert "characters" in str(Quota().refuses(batch))
