"""The API of a running virtscope: shapes, limits, errors."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.running import Running, running, until
from virtscope.server import page


def test_hosts_are_up_or_down_with_a_reason(server: Running) -> None:
    hosts = {host["uri"]: host for host in server.get("/api/v1/hosts")["hosts"]}
    assert hosts["test:///default"]["state"] == "up"
    assert hosts["test:///default"]["domains"] == {"total": 1, "running": 1}
    down = hosts["qemu+unix:///system?socket=/nonexistent/libvirt-sock"]
    assert down["state"] == "down"
    assert "No such file or directory" in down["reason"]
    assert down["since"] <= time.time()
    assert down["facts"] is None


def test_one_host_by_id_and_by_name(server: Running) -> None:
    host = next(host for host in server.get("/api/v1/hosts")["hosts"] if host["state"] == "up")
    assert server.get(f"/api/v1/hosts/{host['id']}")["name"] == host["name"]
    assert server.get(f"/api/v1/hosts/{host['name']}")["id"] == host["id"]


def test_a_domain_with_its_devices(server: Running) -> None:
    domain = server.get("/api/v1/domains/test")
    assert domain["state"] == "running"
    assert [disk["target"] for disk in domain["disks"]] == ["vda"]
    assert [nic["mac"] for nic in domain["nics"]] == ["aa:bb:cc:dd:ee:ff"]
    assert "<name>test</name>" in domain["xml"]
    assert server.get(f"/api/v1/domains/{domain['id']}")["name"] == "test"
    assert [disk["domain_name"] for disk in server.get("/api/v1/disks")["disks"]] == ["test"]
    assert [nic["domain_name"] for nic in server.get("/api/v1/nics")["nics"]] == ["test"]


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 1), ("?state=running", 1), ("?state=paused", 0), ("?search=ES", 1), ("?search=zzz", 0)],
)
def test_domains_are_filtered(server: Running, query: str, count: int) -> None:
    assert len(server.get(f"/api/v1/domains{query}")["domains"]) == count


def test_series_and_summary(server: Running) -> None:
    until(
        lambda: any(
            point is not None
            for series in server.get("/api/v1/series?scope=host&quantity=cpus&start=-60&step=1")["series"]
            for point in series["points"]
        ),
        "a value of the series",
    )
    answer = server.get("/api/v1/series?scope=host&quantity=cpus&quantity=load1&start=-60&step=5")
    assert answer["step"] == 5
    assert {series["quantity"] for series in answer["series"]} == {"cpus", "load1"}
    assert all(len(series["points"]) == len(answer["times"]) for series in answer["series"])
    rows = server.get("/api/v1/summary?scope=host&quantity=cpus&start=-60&step=1&percentile=50")["rows"]
    assert rows[0]["average"] == rows[0]["maximum"] == rows[0]["percentiles"]["50"] == 16
    assert 0 < rows[0]["coverage"] <= 1
    year = server.get("/api/v1/summary?scope=host&quantity=memory_used_ratio&start=-31536000")
    assert year["step"] == 300


def test_events(server: Running) -> None:
    events = server.get("/api/v1/events")["events"]
    assert "host up" in {event["kind"] for event in events}
    assert server.get("/api/v1/events?domain=test")["events"] == []


def test_every_quantity_is_explained(server: Running) -> None:
    quantities = {(row["scope"], row["name"]): row for row in server.get("/api/v1/quantities")}
    for name in server.get("/api/v1/domains/test")["figures"]:
        assert quantities["domain", name]["help"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/v1/hosts/nobody", 404, "no host 'nobody'"),
        ("/api/v1/domains/nobody", 404, "no domain 'nobody'"),
        ("/api/v1/domains?host=nobody", 404, "no host 'nobody'"),
        ("/api/v1/nowhere", 404, "/api/v1/nowhere"),
        ("/api/v1/series?scope=domain", 422, "quantity"),
        ("/api/v1/series?scope=moon&quantity=x", 422, "scope"),
        ("/api/v1/series?scope=domain&quantity=x", 404, "no quantity 'x' of a domain"),
        ("/api/v1/series?scope=domain&quantity=cpu_cores&start=nan", 422, "start"),
        ("/api/v1/series?scope=domain&quantity=cpu_cores&start=20&end=10", 422, "start must lie before end"),
        ("/api/v1/series?scope=domain&quantity=cpu_cores&start=-1e9", 413, "days is too long"),
        ("/api/v1/series?scope=domain&quantity=cpu_cores&start=-864000&step=1", 413, "steps are too many"),
        ("/api/v1/series?scope=domain&quantity=cpu_cores&object=nobody", 404, "no domain 'nobody'"),
        ("/api/v1/summary?scope=host&quantity=cpus&percentile=101", 422, "percentile"),
        ("/api/v1/events?limit=0", 422, "limit"),
    ],
)
def test_a_problem_says_what_and_what_to_do(server: Running, path: str, status: int, words: str) -> None:
    answer = server.request(path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert words in problem["detail"]
    assert problem["hint"]


def test_an_answer_stays_true_until_the_next_commit(server: Running) -> None:
    tag = server.request("/api/v1/domains").headers["etag"]
    while (answer := server.request("/api/v1/domains", **{"If-None-Match": tag})).status != 304:
        tag = answer.headers["etag"]
    assert answer.data == b""
    until(lambda: server.request("/api/v1/domains", **{"If-None-Match": tag}).status == 200, "a newer answer")


def test_the_live_stream_ticks(server: Running) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while received.count(b"event: tick") < 2:
            part = connection.recv(4096)
            assert part, received
            received += part
    data = received.partition(b"event: tick\ndata: ")[2].partition(b"\n")[0]
    assert set(json.loads(data)) == {"at", "commit"}


def test_health(server: Running) -> None:
    assert server.get("/healthz")["status"] == "ok"
    assert server.get("/readyz")["status"] == "ok"
    (hot, *archived) = server.get("/api/v1/health")["store"]
    assert hot["level"] == "hot"
    assert hot["bytes"] > 0
    assert hot["newest"] == pytest.approx(time.time(), abs=600)
    assert archived == []


def test_security_headers(server: Running) -> None:
    answer = server.request("/", Accept="text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_while_somebody_listens(tmp_path: Path, how: int) -> None:
    with running(tmp_path, "--connect", "test:///default", "--interval", "0.5") as process:
        host, _, port = process.address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(4096)
            assert process.stop(how) == 0
    assert not [line for line in process.output if "Traceback" in line]
    assert "virtscope has ended" in process.output[-1]


def test_the_files_of_the_page_are_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.js").write_text("1")
    app = FastAPI()
    page.install(app, tmp_path)
    assert TestClient(app).get("/assets/a.js").headers["X-Content-Type-Options"] == "nosniff"
