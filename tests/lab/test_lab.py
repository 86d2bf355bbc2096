"""The lab: its parts, and that nothing of it is ever left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab import demo, domain_xml, image, report
from lab.host import keepers
from lab.lab import Lab
from lab.spec import LOADS, GuestSpec
from tests.running import until

pytestmark = pytest.mark.alone

LINE = (
    "REPORT up=29.94 cpu=89:1:380:2398:7:2:11:5:0:0 disks=vda:1:4096:2:8192,vdb:0:0:0:0, "
    "nics=eth0:448566:541:431726:543, memory=MemTotal:62012,MemFree:32740,MemAvailable:39240,Cached:2492, END"
)


def test_a_report_is_read() -> None:
    read = report.parse(f"\x1b[0m{LINE}\r")
    assert read is not None
    assert read.uptime == 29.94
    assert read.busy == pytest.approx((89 + 1 + 380 + 2 + 11) / 100)
    assert read.disks["vda"] == report.DiskReport(1, 4096, 2, 8192)
    assert read.nics["eth0"] == report.NicReport(448566, 541, 431726, 543)
    assert read.memory["MemAvailable"] == 39240


@pytest.mark.parametrize("line", ["", "Linux version 6.1", LINE[:60], LINE.removesuffix(" END")])
def test_what_is_no_report_or_not_complete_is_none(line: str) -> None:
    assert report.parse(line) is None


@pytest.mark.parametrize("load", ["cpu", "cpu:x", "write:1024:sda", "dance:3", "cpu:50,idle"])
def test_an_unknown_load_is_refused(load: str) -> None:
    with pytest.raises(ValueError, match="unknown load"):
        GuestSpec("g", (load,))


def test_every_load_of_the_demo_is_explained() -> None:
    kinds = {load.partition(":")[0] for host in demo.fleet(2, 6) for guest in host.guests for load in guest.loads}
    assert kinds <= {load.partition(":")[0] for load in LOADS}


@pytest.mark.parametrize(("hosts", "guests"), [(1, 0), (1, 1), (2, 4), (3, 20)])
def test_the_demo_deals_guests_out(hosts: int, guests: int) -> None:
    fleet = demo.fleet(hosts, guests)
    names = [guest.name for host in fleet for guest in host.guests]
    assert len(fleet) == hosts
    assert len(names) == len(set(names)) == guests
    sizes = [len(host.guests) for host in fleet]
    assert max(sizes) - min(sizes) <= 1


def test_the_domain_says_what_was_asked() -> None:
    spec = GuestSpec("a<b", ("cpu:5", "net:3"), vcpus=2, disks=2, filter="clean-traffic", title="x & y")
    made = image.Image(Path("/kernel"), Path("/initramfs"))
    xml = domain_xml.guest(spec, "c0ffee00-0000-4000-8000-000000000000", made, Path("/d"), "10.77.1.10", "10.77.1.1")
    root = ET.fromstring(xml)
    assert root.findtext("name") == "a<b"
    assert [target.get("dev") for target in root.findall("devices/disk/target")] == ["vda", "vdb"]
    parameter = root.find("devices/interface/filterref[@filter='clean-traffic']/parameter[@name='IP']")
    assert parameter is not None
    assert parameter.get("value") == "10.77.1.10"
    assert "lab.load=cpu:5,net:3 " in (root.findtext("os/cmdline") or "")


def test_a_module_names_what_it_needs() -> None:
    assert image.dependencies(b"\0alias=x\0depends=virtio-ring,virtio\0name=y\0") == ["virtio_ring", "virtio"]
    assert image.dependencies(b"\0depends=\0") == []


@pytest.fixture
def root() -> Iterator[Path]:
    """A short folder for a lab: the path of a socket may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder:
        yield Path(folder)
        Lab(Path(folder)).down()


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lab", *arguments, "--root", str(root)]


def processes(root: Path) -> list[str]:
    """Every process that names the lab's folder, apart from the test's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"{root}/" in arguments:
            found.append(arguments.replace("\0", " "))
    return found


def test_up_status_down(root: Path) -> None:
    subprocess.run(command(root, "up", "--hosts", "1", "--guests", "1", "--bare", "2"), check=True)
    answer = subprocess.run(command(root, "status", "--json"), check=True, capture_output=True, text=True)
    status = json.loads(answer.stdout)
    assert [host["name"] for host in status] == ["kvm1"]
    assert status[0]["guests"] == {"bare-000": "running", "bare-001": "running", "web-1": "running"}
    uris = subprocess.run(command(root, "uris"), check=True, capture_output=True, text=True)
    assert uris.stdout.split() == [status[0]["uri"]]
    host = Lab(root).host("kvm1")
    assert "clean-traffic" in host.run("virsh", "nwfilter-binding-list")
    assert host.next_report("web-1").uptime > 0
    again = subprocess.run(command(root, "up"), check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "is up in" in again.stderr
    subprocess.run(command(root, "down"), check=True)
    subprocess.run(command(root, "down"), check=True)
    assert processes(root) == []
    assert not root.exists()
    root.mkdir()
    none = subprocess.run(command(root, "uris"), check=False, capture_output=True, text=True)
    assert (none.returncode, none.stdout) == (1, "")


MOMENTS: dict[str, Callable[[Path], object]] = {
    "keeper": keepers,
    "libvirtd": lambda root: (root / "hosts/kvm1/run/libvirt-sock").exists(),
    "guest": lambda root: any("qemu-system" in line for line in processes(root)),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_leaves_nothing_that_is_not_cleared(root: Path, moment: str) -> None:
    arguments = command(root, "up", "--hosts", "1", "--guests", "1")
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        until(lambda: MOMENTS[moment](root) or process.poll() is not None, f"the moment of the {moment}")
        process.kill()
    subprocess.run(command(root, "down"), check=True)
    assert processes(root) == []
    assert keepers(root) == []


def test_up_clears_what_a_crash_left(root: Path) -> None:
    arguments = command(root, "up", "--hosts", "1", "--guests", "0")
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        until(lambda: keepers(root) or process.poll() is not None, "the keeper")
        process.kill()
    until(lambda: subprocess.run(arguments, check=False, capture_output=True).returncode in (0, 1), "the second lab")
    Lab(root).down()
    until(lambda: not processes(root), "the end of its processes")
