"""``virtscope agent`` and the server's ``/metrics``, and hosts that come and go without a restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from tests.exposition.witness import parsed
from tests.running import PATIENCE, Running, running, until


@contextmanager
def agent(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ``virtscope agent``, and the address of its metrics."""
    command = [sys.executable, "-m", "virtscope", "agent", "--metrics", "127.0.0.1:0", "--interval", "0.5", *arguments]
    environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            address = next(line for line in process.stderr if " is at http" in line)
            yield process, address.rpartition(" is at ")[2].strip()
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


def names(url: str) -> set[str]:
    """The names of the domains in what is scraped."""
    made = urllib3.request("GET", url, retries=False).data.decode()
    found = {sample.labels.get("domain") for family in parsed(made) for sample in family.samples}
    return {name for name in found if name}


def test_prometheus_gets_the_domains() -> None:
    with agent("--connect", "test:///default") as (process, url):
        until(lambda: names(url) == {"test"}, "the test driver's domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_hosts_come_and_go(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# none yet\n")
    with running(tmp_path / "data", "--discover", f"file:{hosts}", "--interval", "0.5") as process:
        assert process.get("/api/v1/hosts")["hosts"] == []
        hosts.write_text("test:///default\n")
        until(lambda: [d["name"] for d in process.get("/api/v1/domains")["domains"]] == ["test"], "the host's domain")
        assert process.get("/api/v1/info")["uris"] == ["test:///default"]
        assert names(f"{process.address}/metrics") == {"test"}
        hosts.write_text("")
        until(lambda: process.get("/api/v1/hosts")["hosts"] == [], "the host's going")
        assert process.get("/api/v1/domains")["domains"] == []
        assert names(f"{process.address}/metrics") == set()


def test_the_server_s_metrics_in_either_dialect(server: Running) -> None:
    made = server.request("/metrics", Accept="application/openmetrics-text").data.decode()
    assert made.endswith("# EOF\n")
    assert 'libvirt_up{host="' in made
    assert "libvirt_domain_info_vstate" in server.request("/metrics?dialect=tinkoff").data.decode()
    assert server.request("/metrics?dialect=klingon").status == 422


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dialect", "klingon"), "dialect = 'klingon' is unknown"),
        (("--metrics", "nonsense"), "nonsense"),
        (("--discover", "rumour:here"), "names no source"),
        (("--connect", "test:///default", "--allow-write", "everything"), "cannot allow to write"),
        (("--connect", "test:///default", "--allow-write", "qemu:///system=guest-agent"), "it is not watched"),
        (("--connect", "qemu+ssh://h/system?no_verify=1"), "no_verify"),
        (("--connect", "test:///default", "--web-config", "/nonexistent"), "/nonexistent"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], words: str) -> None:
    command = [sys.executable, "-m", "virtscope", "agent", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert answer.returncode == 2, answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
