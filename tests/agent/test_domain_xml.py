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


GRANTED = """<domain type='kvm'><name>big</name><description>Of the shop</description>
<metadata><own:tag xmlns:own="https://example.org/own">blue</own:tag></metadata>
<memory unit='GiB'>8</memory><currentMemory unit='MiB'>4096</currentMemory>
<memoryBacking><hugepages/><locked/><source type='memfd'/></memoryBacking>
<vcpu placement='static' cpuset='0-7' current='2'>4</vcpu><iothreads>2</iothreads>
<cputune><shares>512</shares><period>100000</period><quota>50000</quota><vcpupin vcpu='0' cpuset='1,3'/>
<emulatorpin cpuset='0'/><iothreadpin iothread='1' cpuset='2'/></cputune>
<numatune><memory mode='strict' nodeset='0'/></numatune>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os><cpu mode='host-passthrough'/>
<devices>
<disk type='network' device='disk'><driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>
<source protocol='rbd' name='vms/big'/><target dev='vda' bus='scsi'/>
<iotune><total_iops_sec>500</total_iops_sec><read_bytes_sec>1000000</read_bytes_sec></iotune></disk>
<disk type='file' device='disk'><source file='/top.qcow2'/><target dev='vdb'/><backingStore type='file'>
<source file='/middle.qcow2'/><backingStore type='file'><source file='/base.qcow2'/><backingStore/></backingStore>
</backingStore><mirror type='file' job='copy'><source file='/copy'/></mirror></disk>
<disk type='volume' device='disk'><source pool='images' volume='one'/><target dev='vdc'/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br-int'/><target dev='tap1'/>
<virtualport type='openvswitch'><parameters interfaceid='4f2a'/></virtualport><mtu size='9000'/><link state='down'/>
<vlan><tag id='7'/><tag id='8'/></vlan><bandwidth><inbound average='1000' peak='5000' burst='5120'/>
<outbound average='128'/></bandwidth></interface>
<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source>
</hostdev><memballoon model='virtio'><stats period='10'/></memballoon></devices></domain>"""


def test_what_the_xml_grants_and_limits() -> None:
    found = facts(GRANTED)
    granted = found.resources
    assert (granted.vcpus, granted.vcpus_maximum, granted.iothreads) == (2, 4, 2)
    assert (granted.memory_bytes, granted.memory_maximum_bytes) == (4 * 1024**3, 8 * 1024**3)
    assert granted.pins == {"all": "0-7", "0": "1,3", "emulator": "0", "iothread 1": "2"}
    assert granted.cpu_limits == {"shares": 512, "period": 100_000, "quota": 50_000}
    assert (granted.hugepages, granted.memory_locked, granted.memory_source) == (True, True, "memfd")
    assert (granted.numa_nodes, granted.cpu_mode, granted.balloon_period) == ("0", "host-passthrough", 10)
    assert granted.passthrough == ("pci 0000:01:00.1",)
    assert (found.firmware, found.description) == ("uefi", "Of the shop")
    assert "blue" in found.metadata["https://example.org/own"]
    assert found.nova is None


def test_disks_and_interfaces_in_full() -> None:
    found = facts(GRANTED)
    network, chained, volume = found.disks
    assert (network.protocol, network.io, network.discard) == ("rbd", "native", "unmap")
    assert network.limits == {"total_iops_sec": 500, "read_bytes_sec": 1_000_000}
    assert chained.backing == ("/middle.qcow2", "/base.qcow2")
    assert chained.mirror == "copy"
    assert volume.source == "images/one"
    [nic] = found.nics
    assert (nic.virtual_port, nic.port_id, nic.mtu, nic.link, nic.vlans) == (
        "openvswitch",
        "4f2a",
        9000,
        "down",
        (7, 8),
    )
    assert nic.limits == {"inbound.average": 1000, "inbound.peak": 5000, "inbound.burst": 5120, "outbound.average": 128}
