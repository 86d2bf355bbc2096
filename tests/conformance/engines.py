"""Real engines with the story in them: Prometheus, and VictoriaMetrics."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tests.ecosystem.prometheus import prometheus
from tests.running import free_port, until

Lines = list[tuple[str, str, float]]


@contextmanager
def prometheus_with(lines: Lines, folder: Path) -> Iterator[str]:
    """Prometheus over blocks that promtool makes."""
    source = folder / "openmetrics.txt"
    source.write_text("".join(f"{series} {value} {at:.3f}\n" for series, value, at in lines) + "# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(folder / "data")]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    with prometheus(folder, "global: {}\n") as running:
        yield running.address


@contextmanager
def victoria_with(lines: Lines, folder: Path) -> Iterator[str]:
    """VictoriaMetrics that has imported them."""
    with victoria(folder, free_port()) as url, urllib3.PoolManager(retries=False) as pool:
        body = "".join(f"{series} {value} {round(at * 1000)}\n" for series, value, at in lines)
        assert pool.request("POST", f"{url}/api/v1/import/prometheus", body=body.encode()).status == 204
        assert pool.request("GET", f"{url}/internal/force_flush").status == 200  # what was imported can be found
        yield url


@contextmanager
def victoria(folder: Path, port: int) -> Iterator[str]:
    """VictoriaMetrics at a port."""
    url = f"http://127.0.0.1:{port}"
    command = [
        *("victoria-metrics", f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{port}"),
        *("-loggerLevel=WARN", "-retentionPeriod=1y", "-memory.allowedBytes=256MB"),
    ]
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("w") as log, urllib3.PoolManager(retries=False) as pool:
        process = subprocess.Popen(command, stdout=log, stderr=log)

        def is_ready() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                return pool.request("GET", f"{url}/health").status == 200
            except urllib3.exceptions.HTTPError:
                return False

        try:
            until(is_ready, "VictoriaMetrics")
            yield url
        finally:
            process.kill()
            process.wait()
