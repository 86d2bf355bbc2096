"""A Prometheus asks the server where the agents are, and scrapes them."""

from __future__ import annotations

from pathlib import Path

from tests.ecosystem.prometheus import prometheus
from tests.running import RunningAgent, enrol, free_port, running, until

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: virtscope-agents
    honor_labels: true
    http_sd_configs: [{{url: "{address}/api/v1/sd", refresh_interval: 1s}}]
    relabel_configs: [{{source_labels: [__meta_virtscope_agent], target_label: agent}}]
"""


def test_agents_are_found_and_scraped(tmp_path: Path) -> None:
    agents = ("--agents-listen", f"127.0.0.1:{free_port()}")
    with running(tmp_path / "data", *agents, program="server") as server:
        assert server.get("/api/v1/sd") == []
        enrol(server, tmp_path / "agent", "kvm7")
        enrol(server, tmp_path / "quiet", "kvm8")
        port = free_port()
        watch = ("--connect", "test:///default", "--interval", "0.5")
        started = [
            RunningAgent(tmp_path / "agent", *watch, "--metrics", f"0.0.0.0:{port}"),
            RunningAgent(tmp_path / "quiet", *watch, "--metrics", "127.0.0.1:0"),
        ]
        try:
            until(lambda: all(agent["status"] for agent in server.get("/api/v1/agents")["agents"]), "both agents")
            (found,) = server.get("/api/v1/sd")
            assert found["targets"] == [f"127.0.0.1:{port}"]
            assert found["labels"]["__meta_virtscope_agent"] == "kvm7"
            with prometheus(tmp_path / "prometheus", CONFIG.format(address=server.address)) as scraping:
                (series,) = until(lambda: scraping.query("libvirt_host_cpus"), "what was scraped")
                assert series["metric"]["agent"] == "kvm7"
        finally:
            for agent in started:
                agent.stop()
