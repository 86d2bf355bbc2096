"""Grafana's dashboards over real guests: a real Prometheus scrapes the server that watches them."""

from __future__ import annotations

from pathlib import Path

from tests.ecosystem.conftest import CONFIG
from tests.ecosystem.panels import FILES, answerable, queries
from tests.ecosystem.prometheus import prometheus
from tests.running import Running, until


def test_every_query_is_answered(fleet: Running, tmp_path: Path) -> None:
    ours = sum(1 for name in FILES if name.startswith("virtscope/") for _ in queries(name))
    chosen = {"host": "kvm2", "project": ".*", "domain": "mixed"}

    def exposed() -> list[tuple[str, str]]:
        asked = answerable(fleet.request("/metrics").data.decode(), chosen)
        # What is not there: file systems, jobs and the dirty rate, which nobody measures here.
        return asked if len(asked) > 0.85 * ours else []

    with prometheus(tmp_path, CONFIG.format(target=fleet.address.removeprefix("http://"))) as scraping:
        # A disk that nobody reads, or flushes, has no latency.
        scraping.answers(
            asked for _, asked in until(exposed, "a guest's figures") if "_time_seconds_total" not in asked
        )
        written = "rate(libvirt_domain_block_stats_write_time_seconds_total[2m])"
        assert until(lambda: scraping.query(f"{written} > 0"), "a disk that is written to")
