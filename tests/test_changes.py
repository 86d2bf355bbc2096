"""What has changed, in short words."""

from __future__ import annotations

from dataclasses import replace

from virtscope.changes import changes
from virtscope.sample import DiskFacts, DomainFacts, Lease, NetworkFacts, NicFacts, Resources

OLD = DomainFacts(
    "d",
    "web",
    "h",
    resources=Resources(vcpus=1, memory_bytes=100),
    disks=(DiskFacts("vda", cache="none"), DiskFacts("vdb")),
    nics=(NicFacts("aa", "vnet0", filter="clean-traffic", filter_parameters={"IP": "10.0.0.1"}),),
    xml="<a/>",
)


def test_nothing() -> None:
    assert changes(OLD, OLD) == []


def test_devices_come_go_and_change() -> None:
    new = replace(OLD, disks=(DiskFacts("vdc"), DiskFacts("vda", cache="writeback")), xml="<b/>")
    assert set(changes(OLD, new)) == {"disk vdc added", "disk vdb removed", "disk vda cache: none → writeback"}


def test_the_last_device_goes() -> None:
    assert changes(OLD, replace(OLD, nics=())) == ["interface aa removed"]


def test_values_within() -> None:
    new = replace(OLD, title="Shop", resources=replace(OLD.resources, vcpus=2))
    assert changes(OLD, new) == ["title: none → Shop", "vcpus: 1 → 2"]
    other = replace(OLD.nics[0], filter=None, filter_parameters={"IP": "10.0.0.2"}, target="vnet9")
    assert changes(OLD, replace(OLD, nics=(other,))) == [
        "interface aa filter: clean-traffic → none",
        "interface aa filter parameters IP: 10.0.0.1 → 10.0.0.2",
    ]


def test_only_the_text() -> None:
    assert changes(OLD, replace(OLD, xml="<c/>")) == ["other parts of the XML"]


def test_leases_are_no_change() -> None:
    network = NetworkFacts("n", "default", "h")
    assert changes(network, replace(network, leases=(Lease("aa", "10.0.0.1"),))) == []
