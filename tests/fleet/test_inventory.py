"""What exists, with its history: configurations, filters, networks, pools, events; and what may be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import libvirt
import pytest

from lab.host import Host
from lab.lab import Lab
from tests.running import Running, running, until
from virtscope.agent import following
from virtscope.agent.pace import Pace
from virtscope.agent.settings import Write
from virtscope.agent.uri import parse
from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import Batch, NetworkFacts, Row


def virtscope(fleet: Running, *arguments: str) -> str:
    """What a command prints that asks the server."""
    command = [sys.executable, "-m", "virtscope", *arguments, "--server", fleet.address]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def virsh(host: Host, *arguments: str) -> str:
    return subprocess.run(
        ["virsh", "-c", host.uri, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def events(fleet: Running, **which: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in which.items())
    found: list[dict[str, Any]] = fleet.get(f"/api/v1/events?{query}")["events"]
    return found


def test_a_configuration_has_a_history(lab: Lab, fleet: Running, tmp_path: Path) -> None:
    """A disk comes and goes: told by event, kept as versions, and the XML of before can be had."""
    host = lab.host("kvm1")
    image = host.folder / "disks" / "extra.raw"
    image.write_bytes(bytes(1024 * 1024))
    image.chmod(0o666)
    before = virsh(host, "dumpxml", "steady")
    versions = len(until(lambda: fleet.get("/api/v1/domains/steady/history")["versions"], "a first version"))
    virsh(host, "attach-disk", "steady", str(image), "vdz", "--live")
    try:
        until(lambda: any(d["target"] == "vdz" for d in fleet.get("/api/v1/domains/steady")["disks"]), "the new disk")
    finally:
        virsh(host, "detach-disk", "steady", "vdz", "--live")
    until(lambda: "vdz" not in fleet.get("/api/v1/domains/steady")["xml"], "the disk's going")
    history = fleet.get("/api/v1/domains/steady/history")["versions"]
    assert len(history) >= versions + 2
    changes = [change for version in history for change in version["changes"]]
    assert "disk vdz added" in changes
    assert "disk vdz removed" in changes
    told = events(fleet, domain="steady", kind="configuration%20changed")
    assert any("disk vdz added" in event["detail"] for event in told)
    kinds = {event["kind"] for event in events(fleet, domain="steady")}
    assert {"device added", "device removed"} <= kinds
    first = next(v for v in history if "vdz" in (v["xml"] or ""))
    assert "<target dev='vdz'" in virtscope(fleet, "xml", "steady", "--at", f"{first['at']:.3f}")
    assert virtscope(fleet, "xml", "steady").strip() == virsh(host, "dumpxml", "steady")
    assert "vdz" not in before
    difference = virtscope(fleet, "xml", "steady", "--diff")
    assert "# disk vdz removed" in difference
    assert "-      <target dev='vdz' bus='virtio'/>" in difference


def test_what_the_next_start_will_find(lab: Lab, fleet: Running) -> None:
    host = lab.host("kvm1")
    assert virtscope(fleet, "xml", "steady", "--persistent").strip() == virsh(host, "dumpxml", "steady", "--inactive")


def test_dumped_files_are_what_virsh_dumps(lab: Lab, fleet: Running, tmp_path: Path) -> None:
    virtscope(fleet, "dump-xml", "--dir", str(tmp_path / "all"))
    for host, guest in (("kvm1", "steady"), ("kvm2", "mixed")):
        file = tmp_path / "all" / f"{lab.host(host).guest_uuid(guest)}.xml"
        assert file.read_text().strip() == virsh(lab.host(host), "dumpxml", guest)
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_filter_behind_an_interface(lab: Lab, fleet: Running) -> None:
    """The tree has the guest's own values; libvirt's binding and the kernel's rules say the same."""
    host = lab.host("kvm2")
    found = until(
        lambda: [i for i in fleet.get("/api/v1/domains/mixed/filters")["interfaces"] if i["binding"] and i["tree"]],
        "the filter at work",
    )[0]
    assert found["filter"] == found["binding"]["filter"] == "clean-traffic"
    assert found["parameters"]["IP"] == found["binding"]["parameters"]["IP"] == "10.77.2.10"
    assert found["problem"] is None
    spoofing = next(child for child in found["tree"]["children"] if child["name"] == "no-ip-spoofing")
    allowed = [match["attributes"].get("srcipaddr") for rule in spoofing["rules"] for match in rule["matches"]]
    assert "10.77.2.10" in allowed
    rules = host.run("ebtables", "-t", "nat", "-L")
    assert "10.77.2.10" in rules
    assert found["parameters"]["MAC"] in rules
    shown = virtscope(fleet, "filters", "tree", "mixed")
    assert "at work" in shown
    assert "srcipaddr=10.77.2.10" in shown


def test_filters_are_those_of_virsh(lab: Lab, fleet: Running) -> None:
    host = lab.host("kvm2")
    names = {line.split()[1] for line in virsh(host, "nwfilter-list").splitlines()[2:]}
    ours = until(lambda: [f for f in fleet.get("/api/v1/filters")["filters"] if f["host_name"] == "kvm2"], "filters")
    assert {found["name"] for found in ours} == names
    assert len(names) > 10
    detail = fleet.get("/api/v1/filters/clean-traffic?host=kvm2")
    assert detail["xml"].strip() == virsh(host, "nwfilter-dumpxml", "clean-traffic")
    assert detail["interfaces"] == 1
    assert "no-mac-spoofing" in virtscope(fleet, "filters", "show", "clean-traffic", "--host", "kvm2")
    assert "clean-traffic" in virtscope(fleet, "filters", "list", "-o", "name").split()


def test_networks_and_numa_nodes(lab: Lab, fleet: Running) -> None:
    networks = until(lambda: fleet.get("/api/v1/networks")["networks"], "networks")
    assert {(found["name"], found["bridge"], found["active"]) for found in networks} == {("default", "virbr0", True)}
    cells = fleet.get("/api/v1/hosts/kvm1")["cells"]
    assert sum(cell["figures"]["memory_total"] for cell in cells) > 1_000_000_000


def test_an_address_that_was_given_out(lab: Lab) -> None:
    """Somebody on the host asks its DHCP server for an address."""
    host = lab.host("kvm1")
    host.run("ip", "link", "add", "asks", "address", "52:54:00:12:34:56", "type", "veth", "peer", "name", "port")
    host.run("ip", "link", "set", "port", "master", "virbr0", "up")
    host.run("ip", "link", "set", "asks", "up")
    host.run("busybox", "udhcpc", "-i", "asks", "-n", "-q", "-t", "20", "-s", "/bin/true", "-x", "hostname:printer")
    sink = Sink()
    stop = following.start(parse(host.uri), sink, Pace(0.2, 0.2, slow=0.5))
    try:
        networks = until(
            lambda: [f for b in list(sink.batches) for f in b.others if isinstance(f, NetworkFacts) and f.leases],
            "the lease",
        )
    finally:
        stop()
        host.run("ip", "link", "del", "asks")
    [lease] = networks[-1].leases
    assert lease.mac == "52:54:00:12:34:56"
    assert lease.address.startswith("10.77.1.")
    assert lease.address in virsh(host, "net-dhcp-leases", "default")
    assert lease.expires > 0


POOL = "<pool type='dir'><name>images</name><target><path>{}</path></target></pool>"
VOLUME = "<volume><name>one.raw</name><capacity>1048576</capacity><allocation>0</allocation></volume>"


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def put(self, batch: Batch) -> None:
        self.batches.append(batch)


def test_pools_and_volumes_are_those_of_virsh(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("kvm1")
    folder = host.folder / "pool"
    folder.mkdir()
    with host.connection() as connection:
        pool = connection.storagePoolDefineXML(POOL.format(folder))
        pool.create()
        pool.createXML(VOLUME)
        try:
            with running(tmp_path, "--connect", host.uri, "--interval", "0.5") as process:
                until(lambda: process.get("/api/v1/pools")["pools"], "the pool")
                until(lambda: process.get("/api/v1/pools")["pools"][0]["volumes"], "its volume")
                [found] = process.get("/api/v1/pools")["pools"]
        finally:
            pool.destroy()
            pool.undefine()
    assert found["state"] == "running"
    assert found["figures"]["capacity"] > 1_000_000_000
    assert found["figures"]["available"] + found["figures"]["allocation"] == found["figures"]["capacity"]
    assert [(v["volume"], v["figures"]["capacity"]) for v in found["volumes"]] == [("one.raw", 1_048_576.0)]


def test_a_running_job_is_told(lab: Lab) -> None:
    """A disk is copied slowly: its progress is there at every tick, and goes when it is over."""
    host = lab.host("kvm2")
    copy = host.folder / "disks" / "copy.raw"
    sink = Sink()
    stop = following.start(parse(host.uri), sink, Pace(0.2, 0.2, slow=1))

    def jobs() -> list[Row] | None:
        """The newest answer."""
        samples = [s for batch in list(sink.batches) for s in batch.samples if Scope.JOB in s.rows]
        return list(samples[-1].rows[Scope.JOB]) if samples else None

    try:
        until(lambda: jobs() == [], "a first answer")
        with host.connection() as connection:
            domain = connection.lookupByName("mixed")
            xml = f"<disk type='file'><source file='{copy}'/><driver type='raw'/></disk>"
            flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
            domain.blockCopy("vda", xml, {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: 1024 * 1024}, flags)
            try:
                [job] = until(jobs, "the job")
                told = dict(zip((m.name for m in metrics_of(Scope.JOB)), job[2:], strict=True))
                virsh_says = domain.blockJobInfo("vda")
                assert job[:2] == (host.guest_uuid("mixed"), "vda")
                assert told["type"] == virsh_says["type"] == libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY
                assert told["data_total"] <= virsh_says["end"]
                assert 0 <= told["data_processed"] <= virsh_says["cur"]
            finally:
                domain.blockJobAbort("vda")
        until(lambda: jobs() == [], "the job's end")
    finally:
        stop()


@pytest.mark.parametrize("allowed", [frozenset[Write](), frozenset({Write.STATS_PERIOD})])
def test_the_stats_period_is_set_only_where_that_is_allowed(lab: Lab, allowed: frozenset[Write]) -> None:
    host = lab.host("kvm1")
    virsh(host, "dommemstat", "steady", "--period", "0", "--live")
    sink = Sink()
    pace = Pace(0.2, 0.2, slow=0.5)
    stop = following.start(parse(host.uri), sink, pace, allowed)
    try:
        if allowed:
            until(lambda: "<stats period='10'/>" in virsh(host, "dumpxml", "steady"), "the stats period")
        else:
            until(lambda: len([b for b in sink.batches if b.samples]) > 10, "samples")
            assert "<stats" not in virsh(host, "dumpxml", "steady")
    finally:
        stop()
        virsh(host, "dommemstat", "steady", "--period", "2", "--live")


def test_doctor_says_who_lacks_memory_figures(lab: Lab) -> None:
    host = lab.host("kvm1")
    virsh(host, "dommemstat", "steady", "--period", "0", "--live")
    host.stop_guest("steady")
    host.restart_guest("steady")
    virsh(host, "dommemstat", "steady", "--period", "0", "--live")
    command = [sys.executable, "-m", "virtscope", "doctor", "--connect", host.uri]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    virsh(host, "dommemstat", "steady", "--period", "2", "--live")
    assert "memory figures" in shown
    assert "steady" in shown
    assert "dommemstat" in shown
