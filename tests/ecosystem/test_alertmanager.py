"""The example's inhibition, in a real Alertmanager: a host that is down explains what is said of its domains."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import urllib3

from deploy.prometheus.__main__ import FOLDER
from tests.running import until

STEAL = {"alertname": "VirtscopeDomainSteal", "scope": "domain", "severity": "warning"}
DOWN = {"alertname": "VirtscopeHostDown", "scope": "host", "severity": "critical", "host": "kvm1"}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. Nobody is told of anything: messages wait for longer than the test takes."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = (FOLDER / "alertmanager.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("group_wait: 30s", "group_wait: 1h").replace(": 10s", ": 1h"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        *("prometheus-alertmanager", f"--config.file={folder / 'config.yaml'}", f"--storage.path={folder}"),
        *(f"--web.listen-address={address}", "--cluster.listen-address="),
    ]
    with Path(folder, "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(lambda: suppressed(f"http://{address}") is not None, "Alertmanager")
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


def suppressed(address: str) -> set[tuple[str, str]] | None:
    """Alerts that are inhibited, by name and domain or host; None while it does not answer."""
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", f"{address}/api/v2/alerts")
    except urllib3.exceptions.HTTPError:
        return None
    return (
        {
            (alert["labels"]["alertname"], alert["labels"].get("domain", alert["labels"].get("host", "")))
            for alert in answer.json()
            if alert["status"]["inhibitedBy"]
        }
        if answer.status == 200
        else None
    )


def test_a_host_that_is_down_silences_its_domains(alertmanager: str) -> None:
    fired: list[Mapping[str, str]] = [
        DOWN,
        {**STEAL, "host": "kvm1", "domain": "web", "uuid": "u1"},
        {**STEAL, "host": "kvm2", "domain": "db", "uuid": "u2"},
        {"alertname": "VirtscopeLibvirtDown", "scope": "host", "severity": "critical", "host": "kvm1"},
        # The worse of two limits is enough, for the same domain alone.
        {**STEAL, "host": "kvm3", "domain": "a", "uuid": "u3"},
        {**STEAL, "host": "kvm3", "domain": "a", "uuid": "u3", "severity": "critical"},
        {**STEAL, "host": "kvm3", "domain": "b", "uuid": "u4"},
        # Of virtscope itself: nothing that a host explains.
        {"alertname": "VirtscopeClockOff", "scope": "watching", "severity": "warning", "host": "kvm1"},
    ]
    with urllib3.PoolManager() as pool:
        body = json.dumps([{"labels": labels} for labels in fired])
        posted = pool.request(
            "POST", f"{alertmanager}/api/v2/alerts", body=body, headers={"Content-Type": "application/json"}
        )
    assert posted.status == 200, posted.data
    expected = {("VirtscopeDomainSteal", "web"), ("VirtscopeLibvirtDown", "kvm1"), ("VirtscopeDomainSteal", "a")}
    until(lambda: suppressed(alertmanager) == expected, "what is inhibited, and nothing else")
