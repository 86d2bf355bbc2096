"""Grafana's dashboards over real guests: a real Prometheus scrapes the server that watches them."""

from __future__ import annotations

from pathlib import Path

from tests.ecosystem.conftest import CONFIG
from tests.ecosystem.panels import FILES, answerable, queries
from tests.ecosystem.prometheus import prometheus
from tests.running import Running, until


def test_every_query_is_answered(fleet: Running, tmp_path: Path) -> None:
    with prometheus(tmp_path, CONFIG.format(target=fleet.address.removeprefix("http://"))) as scraping:
        guest = 'host="kvm2",domain="mixed"'
        until(
            lambda: scraping.query(
                f"rate(libvirt_domain_block_stats_write_requests_total{{{guest}}}[2m]) > 0"
                f" and on (target_device) rate(libvirt_domain_block_stats_read_requests_total{{{guest}}}[2m]) >= 0"
            ),
            "figures of the guest's disks that have grown",
        )
        said = fleet.request("/metrics").data.decode()
        asked = answerable(said, {"host": "kvm2", "project": ".*", "domain": "mixed"})
        # What is not asked: file systems, jobs and the dirty rate, which nobody measures here.
        assert len(asked) > 0.85 * sum(1 for name in FILES if name.startswith("virtscope/") for _ in queries(name))
        for title, expression in asked:
            # A disk that nobody reads, or flushes, has no latency.
            if not scraping.query(expression):
                assert "_requests_total" in expression, (title, expression)
