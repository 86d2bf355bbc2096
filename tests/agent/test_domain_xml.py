"""Devices are found in the XML; what a tenant wrote there costs at most the facts of that domain."""

from __future__ import annotations

import pytest

from virtscope.agent import domain_xml
from virtscope.sample import DomainFacts, Nova

XML = """<domain type='kvm' id='3'><name>web</name><title>Front &lt;b&gt;</title>
<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>web.example</nova:name>
<nova:flavor name="m1.small"/><nova:owner><nova:user uuid="1">alice</nova:user>
<nova:project uuid="2">shop</nova:project></nova:owner></nova:instance></metadata>
<os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
<devices>
<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source protocol='rbd' name='vms/web'/><target dev='vda' bus='virtio'/><serial>abc</serial></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/>
<model type='virtio'/><filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.1'/></filterref></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/></interface>
</devices></domain>"""


def facts(xml: str) -> DomainFacts:
    return domain_xml.facts("id", "web", "host", True, xml)


def test_what_the_xml_says() -> None:
    found = facts(XML)
    assert (found.title, found.os_type, found.arch, found.machine) == ("Front <b>", "hvm", "x86_64", "pc-i440fx-7.2")
    assert found.nova == Nova("web.example", "m1.small", "shop", "2", "alice", "1")
    assert [(disk.target, disk.device, disk.source, disk.cache, disk.readonly) for disk in found.disks] == [
        ("vda", "disk", "vms/web", "none", False),
        ("sda", "cdrom", None, None, True),
    ]
    assert [(nic.mac, nic.target, nic.source, nic.filter, dict(nic.filter_parameters)) for nic in found.nics] == [
        ("52:54:00:00:00:01", "vnet0", "br0", "clean-traffic", {"IP": "10.0.0.1"}),
        ("52:54:00:00:00:02", "", None, None, {}),
    ]
    assert found.problem is None


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<domain",
        "<domain>\x00</domain>",
        '<!DOCTYPE d [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><domain>&b;</domain>',
        '<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><domain><title>&f;</title></domain>',
    ],
)
def test_what_cannot_be_read_is_said(xml: str) -> None:
    found = facts(xml)
    assert found.problem
    assert (found.id, found.name, found.title, found.disks) == ("id", "web", None, ())
