"""Guests that come and go, and hosts that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.lab import Lab
from tests.running import Running, running, until
from tests.synthetic import opened


def domain(fleet: Running, name: str) -> dict[str, Any] | None:
    found = [domain for domain in fleet.get("/api/v1/domains")["domains"] if domain["name"] == name]
    return found[0] if found else None


def host(fleet: Running, name: str) -> dict[str, Any]:
    return next(host for host in fleet.get("/api/v1/hosts")["hosts"] if host["name"] == name)


def test_the_inventory_is_what_the_xml_says(fleet: Running) -> None:
    mixed = fleet.get("/api/v1/domains/mixed")
    assert [disk["target"] for disk in mixed["disks"]] == ["vda", "vdb"]
    assert mixed["nics"][0]["filter"] == "clean-traffic"
    assert mixed["nics"][0]["filter_parameters"] == {"IP": "10.77.2.10"}
    assert mixed["facts"]["project"] == "demo"
    assert mixed["facts"]["instance_name"] == "mixed.demo.example"
    assert [vcpu["vcpu"] for vcpu in mixed["vcpus"]] == [0]


def test_guests_come_and_go_by_event(lab: Lab, tmp_path: Path) -> None:
    """Between two ticks of a watch lies an hour: what is seen earlier is seen by event."""
    one = lab.host("kvm1")
    with running(tmp_path, "--connect", one.uri, "--interval", "3600") as slow:
        until(lambda: domain(slow, "steady"), "the guest")
        one.start_bare(1)
        until(lambda: domain(slow, "bare-000"), "the started domain")
        started = domain(slow, "bare-000")
        assert started is not None
        assert started["state"] == "paused"
        one.stop_guest("bare-000")
        until(lambda: domain(slow, "bare-000") is None, "the stopped domain's leaving")
        kinds = [(event["kind"], event["detail"]) for event in slow.get("/api/v1/events")["events"]]
        assert ("started", "booted") in kinds
        assert ("stopped", "destroyed") in kinds


def test_a_guest_that_is_shut_off_stays_with_its_state(lab: Lab, fleet: Running) -> None:
    one = lab.host("kvm1")
    one.stop_guest("steady")
    until(lambda: (domain(fleet, "steady") or {}).get("state") == "shut off", "the state of the stopped guest")
    stopped = domain(fleet, "steady")
    assert stopped is not None
    assert stopped["state_reason"] == "destroyed"
    one.restart_guest("steady")
    until(lambda: (domain(fleet, "steady") or {}).get("state") == "running", "the state of the started guest")
    until(lambda: ((domain(fleet, "steady") or {})["figures"]["cpu_cores"] or 0) > 0.2, "its CPU use")


def test_a_host_that_fails_costs_only_itself_and_comes_back(lab: Lab, fleet: Running) -> None:
    one = lab.host("kvm1")
    one.stop_libvirtd()
    down = until(lambda: (found := host(fleet, "kvm1"))["state"] == "down" and found, "the host's being down")
    assert down["reason"]
    assert down["last_seen"] >= down["since"] - 60
    stale = domain(fleet, "steady")
    assert stale is not None
    assert stale["stale"]
    other = domain(fleet, "mixed")
    assert other is not None
    assert not other["stale"]
    until(lambda: (domain(fleet, "mixed") or {})["sampled"] > other["sampled"] + 4, "samples of the other host")
    assert (domain(fleet, "mixed") or {})["figures"]["disk_write"] > 500_000
    one.start_libvirtd()
    until(lambda: host(fleet, "kvm1")["state"] == "up", "the host's coming back")
    until(lambda: not (domain(fleet, "steady") or {})["stale"], "its guest's figures")
    kinds = [event["kind"] for event in fleet.get("/api/v1/events?host=kvm1")["events"]]
    assert kinds.index("host up") < kinds.index("host down")


def test_nothing_acknowledged_is_lost_by_a_kill(lab: Lab, tmp_path: Path) -> None:
    """Killed again and again in the midst of storing: every sample that the API ever told of is there."""
    connect = [argument for one in lab.hosts for argument in ("--connect", one.uri)]
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(4):
        with running(tmp_path, *connect, "--interval", "0.2") as process:
            told: set[tuple[str, int]] = set()

            def ask(process: Running = process, told: set[tuple[str, int]] = told) -> bool:
                told |= {
                    (host["id"], round(host["last_seen"] * 1000))
                    for host in process.get("/api/v1/hosts")["hosts"]
                    if host["last_seen"]
                }
                return len(told) >= 12

            until(ask, "samples of both hosts")
        acknowledged |= told
        with opened(tmp_path) as found:
            # A sample of libvirt beside the kernel has no row of its host, one of the kernel has.
            both = "SELECT host, epoch_ms(ts) FROM host UNION SELECT host, epoch_ms(ts) FROM domain"
            rows = found.database.cursor().execute(both).fetchall()
        assert acknowledged <= set(rows)
    assert len(acknowledged) >= 40
