"""The board: newest by metric, gone by scope, and nothing stale."""

from __future__ import annotations

import threading

from tests.exposition.small_fleet import IDLE, KVM1, NOW, POOL, WEB, batch, series, small_fleet, up
from tests.synthetic import row
from virtscope.catalogue import Scope, metrics_of
from virtscope.exposition.board import Board, View
from virtscope.sample import DomainFacts, Gone, HostFacts, LinkState, Row, Sample

CPU_TIME = "libvirt_domain_info_cpu_time_seconds_total"
RSS = "libvirt_domain_memory_stats_rss_bytes"


def domains(at: int, *rows: Row) -> Sample:
    return Sample(KVM1, at, {Scope.DOMAIN: rows})


def running(domain: str, **values: int) -> Row:
    return row(Scope.DOMAIN, (domain,), **{"state": 1, **values})


def known(view: View, domain: str = WEB) -> dict[str, int]:
    """The metrics of a domain that are known, by name."""
    reading = view.hosts[0].tables[Scope.DOMAIN].get((domain,))
    values = reading.values if reading else ()
    return {metric.name: value for metric, value in zip(metrics_of(Scope.DOMAIN), values, strict=False) if value}


def test_lanes_are_merged_metric_by_metric() -> None:
    board = Board()
    board.put(batch(domains(NOW, running(WEB, cpu_time=5, vcpus=2))))
    board.put(batch(domains(NOW + 1, row(Scope.DOMAIN, (WEB,), memory_rss=7))))
    board.put(batch(domains(NOW + 2, running(WEB, cpu_time=6))))
    assert known(board.view(NOW + 3)) == {"state": 1, "cpu_time": 6, "vcpus": 2, "memory_rss": 7}


def test_a_reading_that_arrives_late_only_fills_gaps() -> None:
    board = Board()
    board.put(batch(domains(NOW + 1, row(Scope.DOMAIN, (WEB,), memory_rss=7))))
    board.put(batch(domains(NOW, running(WEB, cpu_time=5, memory_rss=6), running(IDLE))))
    assert known(board.view(NOW + 2)) == {"state": 1, "cpu_time": 5, "memory_rss": 7}
    assert not known(board.view(NOW + 2), IDLE), "what a newer reading did not have is gone"


def test_a_figure_that_nobody_reads_any_more_expires_alone() -> None:
    board = Board(max_age=10)
    board.put(batch(domains(NOW, running(WEB, memory_rss=7))))
    board.put(batch(domains(NOW + 8_000, running(WEB, cpu_time=5))))
    assert known(board.view(NOW + 10_000))["memory_rss"] == 7
    assert known(board.view(NOW + 10_001)) == {"state": 1, "cpu_time": 5}
    assert not board.view(NOW + 18_001).hosts[0].up, "nobody has told of the host"


def test_a_host_that_is_read_seldom_is_not_stale() -> None:
    board = Board(max_age=10)
    hourly = up(KVM1, "kvm1")
    board.put(
        batch(domains(NOW, running(WEB)), links=(type(hourly)(hourly.uri, hourly.state, 0, KVM1, interval=3600),))
    )
    assert board.view(NOW + 3_600_000).hosts[0].up


def test_what_is_not_in_a_complete_scope_is_gone_with_all_its_parts() -> None:
    board = small_fleet()
    board.put(batch(domains(NOW, running(IDLE))))
    tables = board.view(NOW).hosts[0].tables
    assert list(tables[Scope.DOMAIN]) == [(IDLE,)]
    for scope in Scope:
        if scope.is_of_domain and scope is not Scope.DOMAIN:
            assert not tables[scope]
    assert tables[Scope.POOL]
    assert tables[Scope.VOLUME]
    board.put(batch(domains(NOW + 1, running(WEB), running(IDLE))))
    assert not board.view(NOW + 1).hosts[0].tables[Scope.DISK], "a domain that is back begins anew"


def test_a_pool_takes_its_volumes_along() -> None:
    board = small_fleet()
    board.put(batch(Sample(KVM1, NOW, {Scope.POOL: []})))
    assert not board.view(NOW).hosts[0].tables[Scope.VOLUME]


def test_parts_of_what_is_not_there_are_not_shown() -> None:
    board = Board()
    board.put(batch(Sample(KVM1, NOW, {Scope.VCPU: [row(Scope.VCPU, (WEB, 0), time=1)]})))
    assert not board.view(NOW).hosts[0].tables[Scope.VCPU]


def test_a_domain_that_ends_keeps_nothing_of_its_process() -> None:
    board = Board()
    board.put(batch(domains(NOW, running(WEB, cpu_time=5, memory_rss=7))))
    board.put(batch(domains(NOW + 1, row(Scope.DOMAIN, (WEB,), state=5, memory_maximum=9))))
    assert known(board.view(NOW + 2)) == {"state": 5, "memory_maximum": 9}


def test_gone_removes_facts_and_figures() -> None:
    board = small_fleet()
    board.put(batch(gone=(Gone(KVM1, "domain", WEB), Gone(KVM1, "pool", POOL), Gone("nobody", "domain", WEB))))
    host = board.view(NOW).hosts[0]
    assert list(host.facts(DomainFacts)) == [IDLE]
    assert list(host.tables[Scope.DOMAIN]) == [(IDLE,)]
    assert not host.tables[Scope.DISK]
    assert not host.tables[Scope.VOLUME]
    board.put(batch(gone=(Gone(KVM1, "host", KVM1),)))
    assert KVM1 not in [host.id for host in board.view(NOW).hosts]


def test_a_host_that_is_down_shows_that_and_no_domain() -> None:
    board = small_fleet()
    board.put(batch(links=(up(KVM1, "kvm1", LinkState.DOWN),)))
    view = board.view(NOW)
    assert series(view, "libvirt_up")['host="kvm1"'] == 0
    assert not series(view, CPU_TIME)
    assert not series(view, "libvirt_domain_info")
    assert not series(view, "libvirt_domains")
    assert series(view, "virtscope_sample_age_seconds")['host="kvm1",scope="domain"'] == 2.5
    board.put(batch(links=(up(KVM1, "kvm1"),)))
    assert series(board.view(NOW), CPU_TIME)


def test_a_host_is_up_as_long_as_one_connection_is() -> None:
    board = small_fleet()
    second = up(KVM1, "kvm1-by-another-way", LinkState.DOWN)
    board.put(batch(links=(second,)))
    assert board.view(NOW).hosts[0].up


def test_a_view_does_not_change() -> None:
    board = small_fleet()
    before = board.view(NOW)
    text = series(before, RSS)
    board.put(batch(domains(NOW, running(WEB, memory_rss=1)), gone=(Gone(KVM1, "domain", IDLE),)))
    assert series(before, RSS) == text
    assert IDLE in before.hosts[0].facts(DomainFacts)


def test_many_threads_may_put_and_view() -> None:
    board = Board()

    def put(host: str) -> None:
        for at in range(200):
            board.put(
                batch(
                    Sample(host, NOW + at, {Scope.DOMAIN: [running(f"{host}{at}")]}), hosts=(HostFacts(host, host, ""),)
                )
            )
            board.view(NOW + at)

    threads = [threading.Thread(target=put, args=(f"h{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = board.view(NOW + 200)
    assert [list(host.tables[Scope.DOMAIN]) for host in view.hosts] == [[(f"h{number}199",)] for number in range(4)]
