"""``virtscope doctor`` about agents: without a lock, with one who runs, and through a server."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.enrolment.serving import serving
from virtscope.agent import spooled
from virtscope.agent.delivery import FOLDER
from virtscope.agent.enrolment import identity
from virtscope.agent.spool import Limits, Spool
from virtscope.cli import examine_agents
from virtscope.cli.finding import Finding
from virtscope.sample import now_ms


def found(state: Path) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine_agents.of_this_host(state)}


def test_a_host_that_is_not_enrolled_is_no_fault(tmp_path: Path) -> None:
    assert [(one.subject, one.good) for one in examine_agents.of_this_host(tmp_path)] == [("agent", None)]
    assert [(one.subject, one.good) for one in examine_agents.of_this_host(tmp_path / "none")] == [("agent", None)]


def test_a_host_that_is_enrolled(tmp_path: Path) -> None:
    state = tmp_path / "agent"
    with serving(tmp_path / "server") as port:
        port.enrol(state, "kvm7")
    told = found(state)
    assert told["agent"].good
    assert "kvm7, of https://" in told["agent"].detail
    assert (told["spool"].good, "never ran" in told["spool"].detail) == (None, True)
    spool = Spool(state / FOLDER)
    try:
        spool.append(b"x" * 100, now_ms())
        spool.append(b"x" * 100, now_ms())
        told = found(state)
        assert told["spool"].good
        assert "2 batches" in told["spool"].detail
        assert f"process {os.getpid()} has it" in told["spool"].detail
    finally:
        spool.close()
    assert (found(state)["spool"].good, "no agent runs" in found(state)["spool"].detail) == (None, True)
    (state / identity.FILE).chmod(0o644)
    assert found(state)["agent"].good is False


def test_a_certificate_has_its_time(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent", "kvm7")
    known = replace(known, issued=0.0, expires=100.0)
    assert [examine_agents.of_identity(known, now).good for now in (79, 81, 100)] == [True, None, False]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder, Limits(size=64 * 1024))
    for _ in range(200):
        spool.append(b"y" * 1_000, now_ms())
    segment = max(folder.glob("*.spool"))
    spool.put_aside(spool.epoch, 200, "it makes no sense", b"frame")
    spool.close()
    with segment.open("r+b") as file:
        file.seek(100)
        file.write(b"junk")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}
    seen = spooled.look(folder)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")} == before
    assert (seen.damaged, seen.refused, seen.owner) == (1, 1, None)
    assert seen.records + seen.dropped == 200  # the one refused is lost, too, and lies there still; one is damaged
    assert 0 < seen.since <= seen.until <= now_ms()
    finding = examine_agents.of_spool(folder, seen)
    assert finding.good is None
    for words in ("refused by the server", "lost", "files damaged"):
        assert words in finding.detail


def test_what_a_server_says_of_its_agents() -> None:
    agents = [
        {"name": "kvm1", "state": "enrolled", "remarks": []},
        {"name": "kvm\n2", "state": "enrolled", "remarks": ["its clock is wrong", "it is old"]},
        {"name": "kvm3", "state": "expired", "remarks": ["its certificate has expired"]},
        {"name": "kvm4", "state": "revoked", "remarks": []},
    ]
    assert [(one.subject, one.good, one.detail) for one in examine_agents.of_server(agents)] == [
        ("agent kvm\\n2", None, "its clock is wrong"),
        ("agent kvm\\n2", None, "it is old"),
        ("agent kvm3", False, "its certificate has expired"),
    ]
    assert [one.good for one in examine_agents.of_server(agents[:1])] == [True]
    assert list(examine_agents.of_server([])) == []
