"""Analyses through the API and the command line, over a store with known answers in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.server.access.projects import MY_PROJECT
from tests.server.access.serving import Client, Served, serving
from tests.synthetic import row, sample
from virtscope.analysis import registry
from virtscope.catalogue import Scope
from virtscope.errors import Cancelled
from virtscope.sample import Batch, DomainFacts, NicFacts, Nova, Resources, now_ms
from virtscope.server.analysing import Asked, labels, run
from virtscope.server.schedule import Schedule
from virtscope.store.findings import Findings

BUSY, IDLE, FRESH = (f"b0000000-0000-4000-8000-00000000000{number}" for number in range(3))
MINUTES = 60


def history(now: int) -> Batch:
    """An hour of three domains on ``h1``.

    One whose vCPUs use and miss half a core each, one that does nothing, and one that began a minute ago.
    """
    begin, samples = now - MINUTES * 60_000, []
    for n in range(MINUTES * 6 + 1):
        seconds = n * 10
        time = seconds * 10**9
        rows: dict[Scope, Any] = {
            Scope.DOMAIN: [
                row(Scope.DOMAIN, (BUSY,), state=1, cpu_time=time, vcpus=2),
                row(Scope.DOMAIN, (IDLE,), state=1, cpu_time=time // 1000, vcpus=4),
            ],
            Scope.VCPU: [
                *(row(Scope.VCPU, (BUSY, vcpu), time=time // 2, delay=time // 2) for vcpu in range(2)),
                *(row(Scope.VCPU, (IDLE, vcpu), time=time // 4000, delay=0) for vcpu in range(4)),
            ],
            Scope.NIC: [row(Scope.NIC, (IDLE, "m", "vnet9"), receive_bytes=seconds * 5, transmit_bytes=0)],
        }
        known = {"state": 1, "cpu_time": time} if n > MINUTES * 6 - 6 else {"state": 5}
        rows[Scope.DOMAIN].append(row(Scope.DOMAIN, (FRESH,), **known))
        samples.append(sample("h1", begin + seconds * 1000, rows))
    nova = Nova(project=f"{MY_PROJECT}-name", project_id=MY_PROJECT)
    domains = (
        DomainFacts(BUSY, "busy", "h1", resources=Resources(2, 2, 1 << 30, 1 << 30)),
        DomainFacts(IDLE, "lazy", "h1", nova=nova, resources=Resources(4, 4, 1 << 32), nics=(NicFacts("m", "vnet9"),)),
        DomainFacts(FRESH, "fresh", "h1", nova=nova, resources=Resources(1, 1, 1 << 30)),
    )
    return Batch("agent-9", 1, 1, now, tuple(samples), domains=domains)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("analyses")) as running:
        batch = history(now_ms() // 1000 * 1000)
        running.services.store.append([batch])  # type: ignore[attr-defined]
        running.services.fleet.apply([batch])  # type: ignore[attr-defined]
        running.services.present.committed(2, batch.at)
        yield running


@pytest.fixture(scope="module")
def admin(served: Served) -> Client:
    return served.admin()


def by_name(answer: Any) -> dict[str, Any]:
    return {one["subject"]["name"]: one for one in answer["findings"]}


def test_every_analysis_is_listed_with_its_settings(admin: Client) -> None:
    listed = admin("GET", "/api/v1/analyses").json()["analyses"]
    assert [one["name"] for one in listed] == list(registry.NAMES)
    warning = next(one for one in listed[0]["settings"] if one["name"] == "warning")
    assert (warning["default"], warning["bounds"]) == ("0.05", "0 to 1 of the time")


def test_contention_is_found_with_the_right_steal(admin: Client) -> None:
    answer = admin("GET", "/api/v1/analyses/contention?window=50m&all=true").json()
    found = by_name(answer)
    assert (found["busy"]["verdict"], found["busy"]["severity"]) == ("contended", "critical")
    assert found["busy"]["figures"][0] == {"name": "steal", "value": pytest.approx(0.5, abs=0.01), "unit": "ratio"}
    assert found["busy"]["evidence"]["samples"] == 10
    assert found["busy"]["subject"]["host_name"] == "kvm1"
    assert found["lazy"]["verdict"] == "nothing to do"
    # The domain of which hardly anything is known is not called well.
    assert found["fresh"]["verdict"] == "insufficient data"
    assert answer["verdicts"]["contended"] == 1
    assert "lazy" not in by_name(admin("GET", "/api/v1/analyses/contention?window=50m").json())


def test_an_idle_domain_is_found_and_no_other(admin: Client) -> None:
    found = by_name(admin("GET", "/api/v1/analyses/idle?window=50m&all=true").json())
    assert {name for name, one in found.items() if one["verdict"] == "idle"} == {"lazy"}
    assert found["busy"]["verdict"] == "nothing to do"
    assert found["lazy"]["effect"] == {"vcpus": 4, "bytes": 1 << 32}


def test_sizes_through_the_api(admin: Client) -> None:
    query = "window=50m&set=samples=10&set=exclude=fresh&all=true"
    found = by_name(admin("GET", f"/api/v1/analyses/cpu-sizing?{query}").json())
    assert found["lazy"]["verdict"] == "oversized"
    # It used one core of two, and waited for the other: the demand is at the cap.
    assert (found["busy"]["verdict"], found["busy"]["figures"][1]["value"]) == ("undersized", 3)
    assert "fresh" not in found


def test_only_one_host_or_project(admin: Client) -> None:
    one = by_name(admin("GET", f"/api/v1/analyses/idle?window=50m&all=true&project={MY_PROJECT}").json())
    assert set(one) == {"lazy", "fresh"}
    assert set(by_name(admin("GET", "/api/v1/analyses/idle?window=50m&all=true&host=canary-kvm2").json())) == {
        "the fleet"
    }
    assert admin("GET", "/api/v1/analyses/idle?host=nowhere").status == 404
    assert admin("GET", "/api/v1/analyses/idle?project=nowhere").status == 404


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("set=cpu=x", "idle: cpu = 'x' is no number"),
        ("set=nothing=1", "idle has no setting 'nothing'"),
        ("set=cpu", "'cpu' is no setting"),
        ("window=1y", "idle: window = '1y' is no time span"),
        ("window=1d&set=window=2d", "window is given twice"),
    ],
)
def test_a_bad_setting_is_named(admin: Client, query: str, told: str) -> None:
    answer = admin("GET", f"/api/v1/analyses/idle?{query}")
    assert answer.status == 422
    assert told in answer.json()["detail"]


def test_whoever_sees_one_project_gets_verdicts_on_it_alone(served: Served) -> None:
    viewer = served.user("vera", projects=[MY_PROJECT])
    found = by_name(viewer("GET", "/api/v1/analyses/idle?window=50m&all=true").json())
    assert set(found) == {"lazy", "fresh"}
    assert found["lazy"]["verdict"] == "idle"


def test_a_run_that_is_cancelled_ends(served: Served) -> None:
    with pytest.raises(Cancelled):
        run(served.services, Asked("idle", {}), now_ms(), lambda: True)


def test_too_many_at_once_are_told_to_wait(served: Served, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from virtscope.server import analysis_routes

    busy = registry.find("idle")
    answers: list[int] = []

    def asking(*_asked: object) -> Any:
        answers.append(admin("GET", "/api/v1/analyses/idle").status if len(answers) < 2 else 0)
        raise Cancelled("enough")

    monkeypatch.setattr(analysis_routes, "run", asking)
    admin("GET", f"/api/v1/analyses/{busy.name}")
    assert 429 in answers


def test_labels_are_what_stands_in_the_metadata() -> None:
    documents = {
        "urn:a": "<a:tags xmlns:a='urn:a'><a:stage>test</a:stage><a:owner id='7'/></a:tags>",
        "urn:b": "<!DOCTYPE x [<!ENTITY e 'boom'>]><x>&e;</x>",
    }
    assert list(labels(documents)) == ["stage=test", "owner.id=7"]


def command(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    program = [sys.executable, "-m", "virtscope", *arguments, "--server", f"unix:{served.socket}"]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


def test_the_command_line_tells_the_same(served: Served) -> None:
    listed = command(served, "analyze", "-o", "name")
    assert listed.stdout.split() == list(registry.NAMES)
    table = command(served, "analyze", "contention", "--window", "50m", "--set", "warning=0.07")
    assert "contended" in table.stdout
    assert "busy" in table.stdout
    assert "1 contended" in table.stdout
    machine = json.loads(command(served, "analyze", "idle", "--window", "50m", "--all", "-o", "json").stdout)
    assert by_name(machine)["lazy"]["verdict"] == "idle"
    lines = command(served, "analyze", "idle", "--window", "50m", "-o", "csv").stdout.splitlines()
    assert lines[0].startswith("about,verdict,severity,host,reason")
    assert any(line.startswith("lazy,idle") for line in lines)


def test_the_command_line_names_what_is_wrong(served: Served) -> None:
    wrong = command(served, "analyze", "idle", "--set", "cpu=2")
    assert wrong.returncode == 2
    assert "cpu = '2' is more than 1" in wrong.stderr
    unknown = command(served, "analyze", "nothing")
    assert (unknown.returncode, "no analysis 'nothing'" in unknown.stderr) == (4, True)


@pytest.fixture
def scheduled(served: Served) -> Iterator[Schedule]:
    """What the schedule has found now."""
    given = {name: {"window": "50m"} for name in ("contention", "idle")}
    made = Schedule(served.services, cast("Findings", served.services.findings), 0, given)
    for name in ("contention", "idle", "filter-audit"):
        made.run_one(name)
    yield made
    made.stop()


def kept(client: Client, query: str = "") -> dict[tuple[str, str], Any]:
    found = client("GET", f"/api/v1/findings?{query}").json()["findings"]
    return {(one["finding"]["subject"]["name"], one["finding"]["verdict"]): one for one in found}


@pytest.mark.usefixtures("scheduled")
def test_scheduled_findings_are_kept_and_filtered(admin: Client) -> None:
    everything = kept(admin)
    assert {("busy", "contended"), ("lazy", "idle"), ("lazy", "cannot be filtered")} <= set(everything)
    assert next(iter(everything.values()))["finding"]["severity"] == "critical"
    assert set(kept(admin, "analysis=idle")) == {("lazy", "idle")}
    assert ("lazy", "idle") not in kept(admin, "severity=warning")
    assert {name for name, _ in kept(admin, "domain=lazy")} == {"lazy"}
    assert not kept(admin, "host=canary-kvm2&analysis=contention")
    assert kept(admin, "state=gone") == {}
    runs = admin("GET", "/api/v1/findings").json()["runs"]
    assert {run["analysis"]: run["problem"] for run in runs} == dict.fromkeys(("contention", "idle", "filter-audit"))


@pytest.mark.usefixtures("scheduled")
def test_operators_dismiss_and_viewers_do_not(served: Served, admin: Client) -> None:
    found = kept(admin)["lazy", "idle"]
    path = f"/api/v1/findings/{found['id']}/dismissal"
    viewer, operator = served.user("vic"), served.user("otto", role="operator")
    assert viewer("POST", path, {"reason": "no"}).status == 403
    assert operator("POST", path, {"reason": " "}).status == 422
    assert operator("POST", path, {"reason": "past", "until": 5}).status == 422
    assert operator("POST", path, {"reason": "a standby", "until": 4e9}).status == 204
    assert ("lazy", "idle") not in kept(admin)
    told = kept(admin, "dismissed=true")["lazy", "idle"]["dismissal"]
    assert (told["who"], told["reason"], told["until"]) == ("otto", "a standby", 4e9)
    assert operator("DELETE", path).status == 204
    assert operator("DELETE", path).status == 404
    assert operator("POST", "/api/v1/findings/nothing/dismissal", {"reason": "x"}).status == 404


@pytest.mark.usefixtures("scheduled")
def test_findings_of_others_are_not_there(served: Served, admin: Client) -> None:
    mine = served.user("wera", role="operator", projects=[MY_PROJECT])
    assert set(kept(mine)) == {("lazy", "idle")}
    path = f"/api/v1/findings/{kept(admin)['busy', 'contended']['id']}/dismissal"
    assert mine("POST", path, {"reason": "not mine"}).status == 404
    assert mine("DELETE", path).status == 404


def test_each_analysis_is_due_once_a_turn(served: Served) -> None:
    now = [now_ms()]
    findings = cast("Findings", served.services.findings)
    made = Schedule(served.services, findings, 0, {"idle": {"window": "50m"}}, lambda: now[0])
    made._every = 3600.0  # without its thread
    made.run_one("idle")
    assert "idle" not in made.due()
    now[0] += 3_600_000
    assert "idle" in made.due()
    made.run_one("nothing")
    assert findings.runs()["nothing"].problem == "no analysis 'nothing'"


@pytest.mark.usefixtures("scheduled")
def test_the_command_line_lists_dismisses_and_restores(served: Served, admin: Client) -> None:
    name = kept(admin)["lazy", "idle"]["id"]
    assert name in command(served, "findings", "list", "--analysis", "idle").stdout
    assert command(served, "findings", "dismiss", name, "--reason", "standby", "--until", "30d").returncode == 0
    gone = command(served, "findings", "list", "--dismissed", "-o", "json")
    [told] = [one for one in json.loads(gone.stdout) if one["id"] == name]
    assert told["dismissal"]["reason"] == "standby"
    assert command(served, "findings", "restore", name).returncode == 0
    csv = command(served, "findings", "list", "-o", "csv").stdout.splitlines()
    assert csv[0].startswith("id,state,about,verdict,severity,host,reason,since")
    assert any(line.startswith(name) for line in csv)


def test_the_report_is_one_page_in_which_nothing_runs(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    made = command(served, "report", str(file), "--analysis", "contention", "--analysis", "filter-audit")
    assert made.returncode == 0, made.stderr
    page = file.read_text()
    assert "Contention" in page
    assert "Network-filter audit" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert command(served, "report", str(file), "--analysis", "nothing").returncode == 4
    assert command(served, "report", str(tmp_path / "no" / "where.html"), "-a", "disk").returncode == 2
