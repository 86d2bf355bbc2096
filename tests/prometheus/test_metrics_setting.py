"""``--metrics``: a server whose past is in a Prometheus that scrapes it, and what it says while that is down."""

from __future__ import annotations

from pathlib import Path

from tests.ecosystem.prometheus import prometheus
from tests.running import Running, free_port, running, until

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - {{job_name: virtscope, honor_labels: true, static_configs: [{{targets: ["{target}"]}}]}}
"""
PAST = "/api/v1/series?scope=host&quantity=cpus&start=-60&step=2"


def known(server: Running) -> set[float]:
    found = server.get(PAST)["series"]
    return {point for series in found for point in series["points"] if point is not None}


def test_the_past_is_read_from_there_and_the_present_is_not(tmp_path: Path) -> None:
    port = free_port()
    settings = ("--metrics", f"http://127.0.0.1:{port}", "--metrics-interval", "1")
    with running(tmp_path / "data", "--connect", "test:///default", "--interval", "0.5", *settings) as server:
        (domain,) = until(lambda: server.get("/api/v1/domains")["domains"], "the test driver's domain")

        answer = server.request(PAST)
        assert answer.status == 503
        assert answer.json()["detail"] == f"http://127.0.0.1:{port} does not answer: Connection refused"
        assert "What hosts do now is shown all the same" in answer.json()["hint"]
        assert server.request("/api/v1/analyses/idle").status == 503
        assert server.get(f"/api/v1/domains/{domain['id']}")["name"] == "test"
        assert server.get(f"/api/v1/domains/{domain['id']}/history")

        config = CONFIG.format(target=server.address.removeprefix("http://"))
        with prometheus(tmp_path, config, port):
            (host,) = server.get("/api/v1/hosts")["hosts"]
            assert until(lambda: known(server), "the past") == {host["figures"]["cpus"]}
