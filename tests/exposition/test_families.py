"""Names, labels and values: golden texts, the conventions, and who is told apart how."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.exposition.small_fleet import KVM1, NOW, POOL, WEB, batch, series, shown, small_fleet, up
from tests.exposition.witness import parsed
from tests.synthetic import row
from virtscope.catalogue import METRICS, Metric, Scope
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.exposition.names import Dialect, names
from virtscope.exposition.text_format import Format, text
from virtscope.sample import DomainFacts, HostFacts, NicFacts, PoolFacts, Sample

GOLDEN = Path(__file__).parent / "golden"
INOVEX = """
libvirt_up libvirt_domains libvirt_domain_timed_out libvirt_versions_info libvirt_domain_info
libvirt_domain_openstack_info libvirt_domain_block_stats_info libvirt_domain_interface_stats_info
libvirt_domain_info_maximum_memory_bytes libvirt_domain_info_memory_usage_bytes libvirt_domain_info_virtual_cpus
libvirt_domain_info_cpu_time_seconds_total libvirt_domain_info_state libvirt_domain_vcpu_time_seconds_total
libvirt_domain_vcpu_delay_seconds_total libvirt_domain_vcpu_wait_seconds_total libvirt_domain_vcpu_state
libvirt_domain_vcpu_current libvirt_domain_vcpu_maximum libvirt_domain_block_stats_read_bytes_total
libvirt_domain_block_stats_write_bytes_total libvirt_domain_block_stats_read_requests_total
libvirt_domain_block_stats_write_requests_total libvirt_domain_block_stats_read_time_seconds_total
libvirt_domain_block_stats_write_time_seconds_total libvirt_domain_block_stats_flush_requests_total
libvirt_domain_block_stats_flush_time_seconds_total libvirt_domain_block_stats_capacity_bytes
libvirt_domain_block_stats_allocation libvirt_domain_block_stats_physicalsize_bytes
libvirt_domain_block_stats_limit_total_bytes libvirt_domain_block_stats_limit_burst_total_bytes_length_seconds
libvirt_domain_block_stats_limit_burst_length_total_requests_seconds libvirt_domain_block_stats_size_iops_bytes
libvirt_domain_interface_stats_receive_bytes_total libvirt_domain_interface_stats_receive_packets_total
libvirt_domain_interface_stats_receive_errors_total libvirt_domain_interface_stats_receive_drops_total
libvirt_domain_interface_stats_transmit_bytes_total libvirt_domain_interface_stats_transmit_packets_total
libvirt_domain_interface_stats_transmit_errors_total libvirt_domain_interface_stats_transmit_drops_total
libvirt_domain_memory_stats_major_fault_total libvirt_domain_memory_stats_minor_fault_total
libvirt_domain_memory_stats_unused_bytes libvirt_domain_memory_stats_available_bytes
libvirt_domain_memory_stats_current_balloon_bytes libvirt_domain_memory_stats_maximum_bytes
libvirt_domain_memory_stats_rss_bytes libvirt_domain_memory_stats_usable_bytes
libvirt_domain_memory_stats_disk_caches_bytes libvirt_domain_memory_stats_swap_in_bytes
libvirt_domain_memory_stats_swap_out_bytes libvirt_domain_memory_stats_used_percent
libvirt_domain_memory_stats_last_update_timestamp_seconds libvirt_domain_job_info_type
libvirt_domain_job_info_time_elapsed_seconds libvirt_domain_job_info_data_remaining_bytes libvirt_storage_pool_state
libvirt_storage_pool_capacity_bytes libvirt_storage_pool_allocation_bytes libvirt_storage_pool_available_bytes
"""
"""What inovex' exporter exposes."""


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("form", Format)
def test_the_whole_text(dialect: Dialect, form: Format) -> None:
    """UPDATE_GOLDEN=1 writes the texts anew: read the difference."""
    path = GOLDEN / f"{dialect.value}.{form.name.lower()}.txt"
    made = text(shown(small_fleet(), dialect).families, form).decode()
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made)
    assert made == path.read_text()


@pytest.mark.parametrize("dialect", Dialect)
def test_every_metric_of_the_catalogue_is_exposed(dialect: Dialect) -> None:
    found = {family.name: family for family in shown(small_fleet(), dialect).families}
    for metric in METRICS:
        for name in names(metric, dialect):
            assert found[name].series, metric
            assert (found[name].kind == "counter") == name.endswith("_total")


def test_every_name_of_the_dialect_is_there() -> None:
    assert set(INOVEX.split()) <= {family.name for family in shown(small_fleet()).families}


def test_values_are_in_base_units_and_exact() -> None:
    board = Board()
    values = {"cpu_time": 123_456_789_012_345_679, "memory_rss": 3, "memory_swap_in": 2**53 + 1, "vcpus": 2}
    values |= {"memory_available": 400, "memory_usable": 100}
    board.put(batch(Sample(KVM1, NOW, {Scope.DOMAIN: [row(Scope.DOMAIN, (WEB,), state=3, **values)]})))
    view = board.view(NOW)
    domain = f'domain="{WEB}",host="{KVM1}",uuid="{WEB}"'
    assert series(view, "libvirt_domain_info_cpu_time_seconds_total") == {domain: 123456789.01234567}
    assert series(view, "libvirt_domain_memory_stats_rss_bytes") == {domain: 3072}
    assert series(view, "libvirt_domain_memory_stats_swap_in_bytes") == {domain: (2**53 + 1) * 1024}
    assert series(view, "libvirt_domain_memory_stats_used_percent") == {domain: 75}
    assert series(view, "libvirt_domain_info_state") == {f'{domain},state_desc="the domain is paused by user"': 3}
    assert (
        series(view, "libvirt_domain_vcpu_current") == series(view, "libvirt_domain_info_virtual_cpus") == {domain: 2}
    )


def test_unknown_is_absent() -> None:
    board = Board()
    board.put(batch(Sample(KVM1, NOW, {Scope.DOMAIN: [row(Scope.DOMAIN, (WEB,), state=1, memory_available=0)]})))
    found = {family.name for family in shown(board).families}
    assert not {name for name in found if name.startswith("libvirt_domain_memory_stats")} - {
        "libvirt_domain_memory_stats_available_bytes"
    }
    assert "libvirt_domain_timed_out" not in found


def test_ages_are_those_of_the_moment() -> None:
    board = small_fleet()
    assert set(series(board.view(NOW), "libvirt_domain_sample_age_seconds").values()) == {2.5}
    assert set(series(board.view(NOW + 1_000), "libvirt_domain_sample_age_seconds").values()) == {3.5}
    assert set(series(board.view(NOW - 60_000), "libvirt_domain_sample_age_seconds").values()) == {0}, "a clock behind"


def test_hosts_of_one_name_are_told_apart() -> None:
    board = Board()
    for id_ in ("a", "b"):
        board.put(
            batch(Sample(id_, NOW, {Scope.HOST: [row(Scope.HOST, (), cpus=1)]}), hosts=(HostFacts(id_, "same", ""),))
        )
    assert list(series(board.view(NOW), "libvirt_up")) == ['host="a same"', 'host="b same"']
    assert len(series(board.view(NOW), "libvirt_host_cpus")) == 2


def test_interfaces_without_a_target_or_with_the_same_are_told_apart() -> None:
    board = Board()
    nics = (("m1", ""), ("m2", ""), ("m3", "net"), ("m4", "net"), ("m5", "vnet5"))
    rows = {
        Scope.DOMAIN: [row(Scope.DOMAIN, (WEB,), state=1)],
        Scope.NIC: [row(Scope.NIC, (WEB, *nic), receive_bytes=1) for nic in nics],
    }
    facts = DomainFacts(WEB, "web", KVM1, nics=tuple(NicFacts(*nic) for nic in nics))
    board.put(batch(Sample(KVM1, NOW, rows), domains=(facts,)))
    found = series(board.view(NOW), "libvirt_domain_interface_stats_receive_bytes_total")
    targets = [target for labels in found for target in re.findall('target_device="(.*?)"', labels)]
    assert targets == ["m1", "m2", "net m3", "net m4", "vnet5"]
    infos = series(board.view(NOW), "libvirt_domain_interface_stats_info")
    assert [target for labels in infos for target in re.findall('target_device="(.*?)"', labels)] == targets


def test_equal_series_are_dropped_and_counted() -> None:
    """Nothing else in the labels can tell these volumes apart: the one is called like the other is shown."""
    board = small_fleet()
    rows = {
        Scope.POOL: [row(Scope.POOL, (POOL,), state=2)],
        Scope.VOLUME: [row(Scope.VOLUME, (POOL, name), capacity=1) for name in ("a\tb", "a\\tb")],
    }
    board.put(batch(Sample(KVM1, NOW, rows), others=(PoolFacts(POOL, "images", KVM1),)))
    now = exposition(board.view(NOW), dropped_before=5)
    assert now.dropped == 6
    assert {f.name: f.series for f in now.families}["virtscope_duplicate_series_dropped_total"] == {"": 6}


def test_a_pool_that_was_defined_anew_is_told_from_its_old_facts() -> None:
    board = Board()
    rows = {Scope.POOL: [row(Scope.POOL, (id_,), capacity=1) for id_ in ("p1", "p2")]}
    board.put(batch(Sample(KVM1, NOW, rows), others=tuple(PoolFacts(id_, "images", KVM1) for id_ in ("p1", "p2"))))
    assert len(series(board.view(NOW), "libvirt_storage_pool_capacity_bytes")) == 2


@pytest.mark.parametrize("dialect", Dialect)
def test_what_prometheus_reads_is_what_was_meant(dialect: Dialect) -> None:
    families = shown(small_fleet(), dialect).families
    meant = {(family.name, labels): value for family in families for labels, value in family.series.items()}
    for form in Format:
        read = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in parsed(text(families, form).decode(), form)
            for sample in family.samples
        }
        assert len(read) == len(meant)
        assert sorted(read.values()) == sorted(float(value) for value in meant.values())
        assert {name for name, _ in read} == {name for name, _ in meant}


def test_promtool_has_no_complaint() -> None:
    made = text(shown(small_fleet()).families, Format.PROMETHEUS)
    answer = subprocess.run(["promtool", "check", "metrics"], input=made, capture_output=True, check=False)
    assert (answer.stdout.decode(), answer.stderr.decode(), answer.returncode) == ("", "", 0)


def test_a_metric_that_is_added_is_exposed_under_its_own_name() -> None:
    known = METRICS[0]
    added = Metric("brand_new", Scope.DOMAIN, known.group, known.kind, known.unit, "new", "New", "New.")
    for dialect in Dialect:
        assert names(added, dialect) == (added.exposition_name,)


def test_a_link_without_figures_is_down() -> None:
    board = Board()
    board.put(batch(links=(up(KVM1, "kvm1"),)))
    assert series(board.view(NOW), "libvirt_up") == {f'host="{KVM1}"': 0}
