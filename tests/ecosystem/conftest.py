"""One Prometheus for all of these tests: with the recorded fleet in its past, and a virtscope that it scrapes now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ecosystem.prometheus import Prometheus, prometheus
from tests.ecosystem.recorded_fleet import blocks
from tests.running import Running

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: virtscope
    honor_labels: true
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture(scope="session")
def scraping(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes the server that watches libvirt's test driver."""
    folder = tmp_path_factory.mktemp("prometheus")
    blocks(folder)
    with prometheus(folder, CONFIG.format(target=server.address.removeprefix("http://"))) as made:
        yield made
