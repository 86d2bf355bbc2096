"""A real Prometheus asks the store, and answers PromQL over its history."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import urllib3

from tests.running import until
from tests.server.access.serving import Served, serving
from tests.synthetic import batch, row, sample
from virtscope.catalogue import Scope
from virtscope.errors import BadInput, TooLarge
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.prometheus import history, messages
from virtscope.prometheus.history import History
from virtscope.prometheus.messages import Match, Matcher, Query, read_request
from virtscope.sample import Batch, DomainFacts, HostFacts
from virtscope.server.access.settings import AccessSettings
from virtscope.store.archive import Archive
from virtscope.store.duckdb_store import DuckdbStore

HOUR = 3_600_000
START = 1_790_000_000_000 // HOUR * HOUR
END = START + 4 * HOUR


def ticks(host: str, cores: dict[str, float], number: int) -> Batch:
    """Four hours of domains on a host, a sample every 30 s; the counters begin anew after two."""
    samples = [
        sample(
            host,
            START + at * 30_000,
            {
                Scope.DOMAIN: [
                    row(Scope.DOMAIN, (domain,), state=1, cpu_time=int(use * (at % 240) * 30e9), memory_current=2048)
                    for domain, use in cores.items()
                ],
                Scope.DISK: [row(Scope.DISK, (domain, "vda"), read_bytes=at * 30_000) for domain in cores],
                Scope.NIC: [
                    row(Scope.NIC, (domain, "52:54:00:00:00:01", "vnet0"), receive_bytes=at) for domain in cores
                ],
            },
        )
        for at in range(480)
    ]
    facts = tuple(DomainFacts(domain, f'the "{domain}"\n', host) for domain in cores)
    told = batch(1, *samples, agent=f"of {host}", epoch=number)
    return replace(told, hosts=(HostFacts(host, f"kvm-{host}", "qemu:///system"),), domains=facts)


TOLD = [ticks("a", {"d1": 0.5, "d2": 1.5}, 1), ticks("b", {"d3": 4.0}, 2)]


@dataclass
class Asked:
    """The history, and a Prometheus that reads it."""

    served: Served
    history: History
    prometheus: Callable[[str, float], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus is installed")
    folder = tmp_path_factory.mktemp("prometheus")
    with serving(folder, lambda _address: AccessSettings(login=False)) as served:
        store, archive, found = served.services.store, served.services.keeper, served.services.history
        assert isinstance(store, DuckdbStore)
        assert isinstance(archive, Archive)
        assert found is not None
        store.append(TOLD)
        archive.run(END + HOUR)  # two hours are archived, two are hot
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        config = {"remote_read": [{"url": f"{served.address}/api/v1/read", "read_recent": True}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        command = [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log)
        pool = urllib3.PoolManager(retries=False)

        def ready() -> bool:
            try:
                return pool.request("GET", f"http://127.0.0.1:{port}/-/ready").status == 200
            except urllib3.exceptions.HTTPError:
                return False

        def prometheus(query: str, at: float) -> list[dict[str, Any]]:
            answer = pool.request(
                "GET", f"http://127.0.0.1:{port}/api/v1/query", fields={"query": query, "time": str(at)}
            )
            assert answer.status == 200, answer.data
            told = answer.json()
            assert not told.get("warnings"), told
            result: list[dict[str, Any]] = told["data"]["result"]
            return result

        try:
            until(ready, "prometheus is ready")
            yield Asked(served, found, prometheus)
        finally:
            process.terminate()
            process.wait()
            pool.clear()


CPU = "libvirt_domain_info_cpu_time_seconds_total"


@pytest.mark.parametrize("hours", [1, 1.9, 3.5])
def test_promql_over_what_is_archived_and_what_is_hot(asked: Asked, hours: float) -> None:
    at = START / 1000 + hours * 3600
    found = asked.prometheus(f"rate({CPU}[5m])", at)
    assert {one["metric"]["uuid"]: float(one["value"][1]) for one in found} == pytest.approx(
        {"d1": 0.5, "d2": 1.5, "d3": 4.0}
    )
    summed = asked.prometheus(f"sum by (host) (rate({CPU}[5m]))", at)
    assert {one["metric"]["host"]: float(one["value"][1]) for one in summed} == pytest.approx(
        {"kvm-a": 2.0, "kvm-b": 4.0}
    )
    (top,) = asked.prometheus(f"topk(1, rate({CPU}[5m]))", at)
    assert top["metric"]["uuid"] == "d3"


def test_the_counter_that_began_anew_is_no_fall(asked: Asked) -> None:
    found = asked.prometheus(f'increase({CPU}{{uuid="d1"}}[4h])', END / 1000 - 30)
    assert float(found[0]["value"][1]) == pytest.approx(0.5 * 4 * 3600, rel=0.01)


@pytest.mark.parametrize(
    ("selector", "ids"),
    [
        ('{host="kvm-a"}', {"d1", "d2"}),
        ('{host!="kvm-a"}', {"d3"}),
        ('{host=~"kvm-(b|c)"}', {"d3"}),
        ('{uuid!~"d[12]"}', {"d3"}),
        ('{uuid=~"d"}', set()),
        ('{nonsense=""}', {"d1", "d2", "d3"}),
        ('{nonsense!=""}', set()),
        ('{domain="the \\"d1\\"\\\\n"}', {"d1"}),
    ],
)
def test_selectors(asked: Asked, selector: str, ids: set[str]) -> None:
    found = asked.prometheus(CPU + selector, START / 1000 + 3600)
    assert {one["metric"]["uuid"] for one in found} == ids


def test_series_are_those_of_metrics(asked: Asked) -> None:
    """Name, labels and value of everything that the newest samples tell, as the exposition has it."""
    board = Board()
    for one in TOLD:
        board.put(one)
    at = TOLD[0].samples[-1].at
    wanted = {
        f"{family.name}{{{','.join(sorted(labels.split(',')))}}}": float(value)
        for family in exposition(board.view(at)).families
        for labels, value in family.series.items()
        if family.name in history._NAMED
    }
    query = Query(at, at, (Matcher(Match.FITS, "__name__", "libvirt.*"), Matcher(Match.FITS, "host", "kvm-[ab]")))
    found = {}
    for series in asked.history.read(query):
        labels = dict(series.labels)
        name = labels.pop("__name__")
        text = ",".join(sorted(f'{label}="{_escaped(value)}"' for label, value in labels.items()))
        found[f"{name}{{{text}}}"] = series.samples[-1][1]
    assert found == pytest.approx(wanted)
    assert len(found) > 10


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def test_too_much_is_refused(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_SAMPLES", 100)
    with pytest.raises(TooLarge):
        asked.history.read(Query(START, END, (Matcher(Match.EQUAL, "__name__", CPU),)))


def test_an_expression_that_makes_no_sense_is_refused(asked: Asked) -> None:
    with pytest.raises(BadInput, match="no regular expression"):
        asked.history.read(Query(START, END, (Matcher(Match.FITS, "__name__", "(("),)))


@pytest.mark.parametrize("body", [b"", b"\xff" * 20, b"\x05hello", pa.compress(b"\x0a\x7f", "snappy", asbytes=True)])
def test_what_is_no_request_is_refused(asked: Asked, body: bytes) -> None:
    with pytest.raises(BadInput):
        read_request(body)
    answer = urllib3.request("POST", f"{asked.served.address}/api/v1/read", body=body)
    assert answer.status == 422


def test_a_request_bomb_is_refused() -> None:
    bomb = pa.compress(bytes(messages.LARGEST_REQUEST + 1), "snappy", asbytes=True)
    with pytest.raises(BadInput, match="too large"):
        read_request(bomb)


def test_who_is_limited_to_projects_may_not(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.user("narrow", "viewer", ["p"])("POST", "/api/v1/read").status == 403
        assert served.client()("POST", "/api/v1/read").status == 401
