"""A guest as libvirt's domain XML, with the metadata that nova writes."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lab.image import Image
from lab.spec import GuestSpec

REPORT_SECONDS = 1
"""Between two reports of a guest on its console."""
BALLOON_SECONDS = 2
"""Between two readings of the guest's memory figures by its balloon."""


def guest(spec: GuestSpec, identity: str, image: Image, folder: Path, address: str, gateway: str) -> str:
    """A guest that boots; ``address`` is its IPv4 address in the network whose ``gateway`` is the host."""
    command = (
        f"console=ttyS0 quiet panic=1 lab.load={','.join(spec.loads)} lab.report={REPORT_SECONDS} "
        f"lab.ip={address}/24 lab.gateway={gateway}{' lab.agent=1' if spec.agent else ''}"
    )
    boot = f"<kernel>{image.kernel}</kernel><initrd>{image.initramfs}</initrd><cmdline>{escape(command)}</cmdline>"
    console = f"<serial type='file'><source path={quoteattr(str(folder / f'{spec.name}.console'))}/></serial>"
    parameters = f"<parameter name='IP' value='{address}'/>"
    filterref = f"<filterref filter={quoteattr(spec.filter)}>{parameters}</filterref>" if spec.filter else ""
    nic = (
        f"<interface type='network'><mac address='{mac(identity)}'/><source network='default'/>"
        f"<model type='virtio'/>{filterref}</interface>"
    )
    disks = "".join(_disk(folder, spec.name, number) for number in range(spec.disks))
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    devices = disks + nic + console + (channel if spec.agent else "")
    return _domain(spec, identity, boot, devices, _nova(spec, address))


def bare(name: str, identity: str, folder: Path, devices: int = 1) -> str:
    """A domain that never boots: one vCPU, so many disks and interfaces, and as little memory as can be."""
    spec = GuestSpec(name, memory_mib=8)
    disks = "".join(_disk(folder, name, number) for number in range(devices))
    macs = [mac(identity if number == 0 else f"{identity} {number}") for number in range(devices)]
    nics = "".join(
        f"<interface type='network'><mac address='{address}'/><source network='default'/></interface>"
        for address in macs
    )
    return _domain(spec, identity, "", disks + nics, "")


def disk_file(folder: Path, guest: str, number: int) -> Path:
    """The image of a guest's disk."""
    return folder / f"{guest}-vd{chr(ord('a') + number)}.raw"


def mac(identity: str) -> str:
    """A MAC that belongs to a UUID."""
    digits = hashlib.sha256(identity.encode()).hexdigest()
    return f"fa:16:3e:{digits[0:2]}:{digits[2:4]}:{digits[4:6]}"


def _domain(spec: GuestSpec, identity: str, boot: str, devices: str, metadata: str) -> str:
    title = f"<title>{escape(spec.title)}</title>" if spec.title else ""
    return f"""<domain type='qemu'><name>{escape(spec.name)}</name><uuid>{identity}</uuid>{title}
<metadata>{metadata}</metadata>
<memory unit='MiB'>{spec.memory_mib}</memory><vcpu>{spec.vcpus}</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os><features><acpi/></features>
<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}
<memballoon model='virtio'><stats period='{BALLOON_SECONDS}'/></memballoon><panic model='isa'/></devices></domain>"""


def _disk(folder: Path, guest: str, number: int) -> str:
    target = f"vd{chr(ord('a') + number)}"
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw' cache='writeback'/>"
        f"<source file={quoteattr(str(disk_file(folder, guest, number)))}/><target dev='{target}' bus='virtio'/></disk>"
    )


def _nova(spec: GuestSpec, address: str) -> str:
    def stable(kind: str, name: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{kind}.virtscope"))

    return f"""<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
<nova:package version="29.2.0"/><nova:name>{escape(spec.name)}.{escape(spec.project)}.example</nova:name>
<nova:creationTime>2026-01-15 09:30:00</nova:creationTime>
<nova:flavor name={quoteattr(spec.flavor)}><nova:memory>{spec.memory_mib}</nova:memory><nova:disk>1</nova:disk>
<nova:swap>0</nova:swap><nova:ephemeral>0</nova:ephemeral><nova:vcpus>{spec.vcpus}</nova:vcpus></nova:flavor>
<nova:owner><nova:user uuid="{stable("user", spec.owner)}">{escape(spec.owner)}</nova:user>
<nova:project uuid="{stable("project", spec.project)}">{escape(spec.project)}</nova:project></nova:owner>
<nova:root type="image" uuid="{stable("image", "tiny")}"/>
<nova:ports><nova:port uuid="{stable("port", spec.name)}">
<nova:ip type="fixed" address="{address}" ipVersion="4"/></nova:port></nova:ports></nova:instance>"""
