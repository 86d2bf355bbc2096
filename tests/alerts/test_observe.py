"""What rules see, and whom they suspect."""

from __future__ import annotations

from collections.abc import Iterator

from tests.alerts.worlds import domain, host, world
from virtscope.alerts.causes import causes
from virtscope.alerts.evaluate import Seen
from virtscope.alerts.observe import World
from virtscope.alerts.observe import observe as observed
from virtscope.alerts.rule import Condition, Rule, condition
from virtscope.catalogue import Unit


class Every:
    """Says that every object has an alert, so that each is seen."""

    def __contains__(self, _id: object) -> bool:
        return True


def observe(ready: Condition, here: World) -> Iterator[Seen]:
    return observed(ready, here, Every())


def rule(on: str, when: str, **rest: str) -> Condition:
    return condition(Rule("r", on, when, **rest))  # type: ignore[arg-type]


def test_figures_and_words_decide() -> None:
    seen = list(
        observe(
            rule("domains", "steal>10", where="project:web"),
            world(
                domain("a", project="web", steal_ratio=0.2),
                domain("b", project="web", steal_ratio=0.1),
                domain("c", project="db", steal_ratio=0.9),
            ),
        )
    )
    assert [(one.subject.id, one.fires, one.clears, one.value) for one in seen] == [
        ("a", True, False, 0.2),
        ("b", False, True, 0.1),
    ]


def test_what_is_not_known_is_neither() -> None:
    steal = rule("domains", "steal>10")
    assert [one.fires for one in observe(steal, world(domain(steal_ratio=None)))] == [None]
    assert [one.clears for one in observe(steal, world(domain(steal_ratio=None)))] == [None]


def test_one_known_figure_of_two_will_do() -> None:
    either = rule("domains", "disk_read_latency>50ms or disk_write_latency>50ms")
    figures = [(None, 0.1), (None, 0.01), (None, None)]
    seen = [
        next(observe(either, world(domain(disk_read_latency=read, disk_write_latency=write)))).fires
        for read, write in figures
    ]
    assert seen == [True, False, None]


def test_a_host_that_is_down_says_so_and_nothing_else_does() -> None:
    down = world(
        host("h1", "down", cpu_ratio=0.99), domain("a", "h1", steal_ratio=0.9), domain("b", "h2", steal_ratio=0.9)
    )
    assert [one.fires for one in observe(rule("hosts", "state:down"), down)] == [True, False]
    assert [one.fires for one in observe(rule("hosts", "cpu>95"), down)] == [None, None]
    assert [one.fires for one in observe(rule("domains", "steal>10"), down)] == [None, True]
    assert [one.fires for one in observe(rule("domains", "state:running"), down)] == [None, True]


def test_whoever_uses_most_on_the_same_host_is_suspected() -> None:
    steal = rule("domains", "steal>10")
    here = world(
        domain("victim", steal_ratio=0.5, cpu_cores=9.0),
        domain("small", cpu_cores=0.5),
        domain("bully", cpu_cores=3.9),
        domain("idle", cpu_cores=0.0),
        domain("unknown", cpu_cores=None),
        domain("other", cpu_cores=2.0),
        domain("third", cpu_cores=0.6),
        domain("elsewhere", "h2", cpu_cores=99.0),
    )
    subject = next(observe(steal, here)).subject
    found = causes(steal, subject, here)
    assert [(cause.domain, cause.value, cause.unit) for cause in found] == [
        ("bully", 3.9, Unit.CORES),
        ("other", 2.0, Unit.CORES),
        ("third", 0.6, Unit.CORES),
    ]


def test_slow_disks_are_blamed_on_whoever_writes() -> None:
    slow = rule("domains", "disk_write_latency>50ms")
    here = world(
        domain("victim", disk_write_latency=0.2),
        domain("writer", disk_write=9e7, disk_read=1e7, cpu_cores=0.1),
        domain("busy", cpu_cores=4.0),
    )
    found = causes(slow, next(observe(slow, here)).subject, here)
    assert [(cause.domain, cause.value) for cause in found] == [("writer", 1e8)]


def test_a_word_has_no_suspects() -> None:
    down = rule("hosts", "state:down")
    here = world(host("h1", "down"), domain("a", cpu_cores=4.0))
    assert causes(down, next(observe(down, here)).subject, here) == []


def test_where_nothing_is_wrong_nothing_is_seen() -> None:
    steal = rule("domains", "steal>10")
    here = world(domain("a", steal_ratio=0.01), domain("b", steal_ratio=None), domain("c", steal_ratio=0.2))
    assert [one.subject.id for one in observed(steal, here)] == ["c"]
    assert [one.subject.id for one in observed(steal, here, {"b"})] == ["b", "c"]


def test_findings_are_asked_for_like_everything_else() -> None:
    subject = {"kind": "nic", "id": "d1", "name": "web", "host": "h1", "host_name": "kvm1", "part": "52:54:00:00:00:01"}
    finding = {"analysis": "filter-audit", "verdict": "no filter", "severity": "critical", "subject": subject}
    here = World({"findings": lambda: [{"id": "f1", "state": "new", "finding": finding}]})
    (seen,) = observed(rule("findings", "analysis:filter-audit severity:critical"), here)
    assert (seen.fires, seen.subject.id, seen.subject.domain) == (True, "f1", "d1")
    assert seen.subject.name == "web 52:54:00:00:00:01: no filter"
    assert list(observed(rule("findings", "severity:warning"), here)) == []
