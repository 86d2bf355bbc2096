"""The present: one moment, whose answers agree, made anew as often as it is cheap."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from virtscope.catalogue import Scope
from virtscope.sample import Batch, DomainFacts, HostFacts, Link, LinkState
from virtscope.server.fleet import Fleet
from virtscope.server.present import Present
from virtscope.store import Known, Latest

HOST, URI = "h", "qemu:///system"


class _Counting:
    """Newest figures that tell how often they were asked for, and may take their time."""

    def __init__(self) -> None:
        self.asked: list[Scope] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def latest(self, scope: Scope) -> Iterable[Latest]:
        self.asked.append(scope)
        self.meanwhile()
        return [Latest({"host": HOST, "domain": f"d{n}"}, 1_000, 10.0, {}, {"state": 1}) for n in range(3)]


def _fleet() -> Fleet:
    fleet = Fleet([URI], Known(), {})
    host = HostFacts(HOST, "kvm1", URI)
    domains = tuple(DomainFacts(f"d{n}", f"vm{n}", HOST) for n in range(3))
    fleet.apply([Batch("", 0, 0, 1_000, (), (host,), domains, links=(Link(URI, LinkState.UP, 1, HOST, None, 10.0),))])
    return fleet


def test_an_answer_rests_on_one_moment_though_others_commit_meanwhile() -> None:
    newest, fleet = _Counting(), _fleet()
    present = Present(newest, fleet)
    commits = iter(range(1, 100))
    newest.meanwhile = lambda: present.committed(next(commits), 2_000)

    found = present.now().domains()

    assert [domain.name for domain in found] == ["vm0", "vm1", "vm2"]
    assert newest.asked == [Scope.DOMAIN]


def test_cheap_figures_are_those_of_the_newest_commit() -> None:
    newest = _Counting()
    present = Present(newest, _fleet())
    for commit in (1, 2, 3):
        present.committed(commit, commit * 1_000)
        now = present.now()
        now.domains()
        assert (now.commit, now.at, len(newest.asked)) == (commit, commit, commit)
        assert present.now() is now


def test_dear_figures_stay_a_while_and_then_are_made_anew() -> None:
    at = 0.0
    present = Present(_Counting(), _fleet(), clock=lambda: at)
    present.committed(1, 1_000)
    first = present.now()
    first.cost = 2.0
    present.committed(2, 2_000)
    at = 7.9
    assert present.now() is first
    at = 8.0
    assert present.now().commit == 2
