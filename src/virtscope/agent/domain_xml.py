"""A domain's XML into facts: devices are found here, not guessed.

Whatever a tenant wrote into it costs at most the facts of that one domain: a document that cannot be read leaves the
domain with its name. Sources: libvirt's "Domain XML format"; nova's ``LibvirtConfigGuestMetaNovaInstance``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from xml.etree.ElementTree import Element, tostring

from virtscope.sample import DiskFacts, DomainFacts, NicFacts, Nova, Resources
from virtscope.xml_document import Unreadable, amount, attribute, numbers, read, whole

_SOURCE_ATTRIBUTES = ("file", "dev", "dir", "name", "volume", "bridge", "network", "portgroup", "path", "socket")
_NOVA = "{http://openstack.org/xmlns/libvirt/nova/"
_LONGEST_METADATA = 64 * 1024
_LONGEST_CHAIN = 64


def facts(  # what libvirt tells beside the XML
    id: str,  # noqa: A002
    name: str,
    host: str,
    persistent: bool,
    xml: str,
    persistent_xml: str | None = None,
) -> DomainFacts:
    """The facts of a domain, from its XML as ``virsh dumpxml`` prints it."""
    try:
        root = read(xml)
    except Unreadable as error:
        return DomainFacts(id, name, host, persistent, xml=xml, persistent_xml=persistent_xml, problem=str(error))
    os_type, devices = root.find("os/type"), root.find("devices")
    return DomainFacts(
        id=id,
        name=name,
        host=host,
        persistent=persistent,
        title=root.findtext("title"),
        description=root.findtext("description"),
        os_type=os_type.text if os_type is not None else None,
        arch=os_type.get("arch") if os_type is not None else None,
        machine=os_type.get("machine") if os_type is not None else None,
        firmware=_firmware(root.find("os")),
        nova=_nova(root),
        metadata=_metadata(root),
        resources=_resources(root),
        disks=() if devices is None else tuple(_disks(devices)),
        nics=() if devices is None else tuple(map(_nic, devices.findall("interface"))),
        xml=xml,
        persistent_xml=persistent_xml,
    )


def _disks(devices: Element) -> Iterator[DiskFacts]:
    for disk in devices.findall("disk"):
        target = attribute(disk, "target", "dev")
        if not target:
            continue
        yield DiskFacts(
            target=target,
            device=disk.get("device", "disk"),
            type=disk.get("type"),
            source=_source(disk.find("source")),
            protocol=attribute(disk, "source", "protocol"),
            bus=attribute(disk, "target", "bus"),
            driver=attribute(disk, "driver", "name"),
            format=attribute(disk, "driver", "type"),
            cache=attribute(disk, "driver", "cache"),
            io=attribute(disk, "driver", "io"),
            discard=attribute(disk, "driver", "discard"),
            serial=disk.findtext("serial"),
            readonly=disk.find("readonly") is not None,
            backing=tuple(_backing(disk)),
            limits=dict(numbers(disk.find("iotune"))),
            mirror=attribute(disk, "mirror", "job"),
        )


def _backing(disk: Element) -> Iterator[str]:
    """The chain of images behind a disk's first."""
    image = disk.find("backingStore")
    for depth in count():
        source = _source(image.find("source")) if image is not None else None
        if image is None or source is None or depth == _LONGEST_CHAIN:
            return
        yield source
        image = image.find("backingStore")


def _nic(nic: Element) -> NicFacts:
    """An interface; one that the running domain has given no target yet has an empty one."""
    port = nic.find("virtualport")
    return NicFacts(
        mac=attribute(nic, "mac", "address") or "",
        target=attribute(nic, "target", "dev") or "",
        type=nic.get("type"),
        source=_source(nic.find("source")),
        model=attribute(nic, "model", "type"),
        mtu=whole(attribute(nic, "mtu", "size")),
        link=attribute(nic, "link", "state"),
        virtual_port=port.get("type") if port is not None else None,
        port_id=attribute(port, "parameters", "interfaceid"),
        vlans=tuple(number for tag in nic.findall("vlan/tag") if (number := whole(tag.get("id"))) is not None),
        limits={
            f"{way}.{name}": number
            for way in ("inbound", "outbound")
            for name in ("average", "peak", "burst", "floor")
            if (number := whole(attribute(nic, f"bandwidth/{way}", name))) is not None
        },
        filter=attribute(nic, "filterref", "filter"),
        filter_parameters=parameters(nic.find("filterref")),
    )


def parameters(filterref: Element | None) -> dict[str, str]:
    """The parameters that a reference to a network filter brings; several values of one are joined by commas."""
    found: dict[str, str] = {}
    for parameter in filterref.findall("parameter") if filterref is not None else ():
        name, value = parameter.get("name", ""), parameter.get("value", "")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _resources(root: Element) -> Resources:
    vcpu, tune, devices = root.find("vcpu"), root.find("cputune"), root.find("devices")
    maximum = whole(vcpu.text) if vcpu is not None else None
    current = whole(vcpu.get("current")) if vcpu is not None else None
    return Resources(
        vcpus=maximum if current is None else current,
        vcpus_maximum=maximum,
        memory_bytes=amount(root.find("currentMemory")),
        memory_maximum_bytes=amount(root.find("memory")),
        pins=_pins(vcpu, tune),
        cpu_limits=dict(numbers(tune)),
        numa_nodes=attribute(root, "numatune/memory", "nodeset"),
        hugepages=root.find("memoryBacking/hugepages") is not None,
        memory_locked=root.find("memoryBacking/locked") is not None,
        memory_source=attribute(root, "memoryBacking/source", "type"),
        cpu_mode=attribute(root, "cpu", "mode"),
        iothreads=whole(root.findtext("iothreads")) or 0,
        passthrough=tuple(_passthrough(devices)),
        balloon_period=whole(attribute(devices, "memballoon/stats", "period")),
    )


def _pins(vcpu: Element | None, tune: Element | None) -> dict[str, str]:
    """Who may run on which CPUs of the host. A ``cpuset`` of all vCPUs is under ``all``."""
    pins = {"all": vcpu.get("cpuset", "")} if vcpu is not None and vcpu.get("cpuset") else {}
    for pin in tune if tune is not None else ():
        cpus = pin.get("cpuset")
        if not cpus:
            continue
        match pin.tag:
            case "vcpupin":
                pins[pin.get("vcpu", "")] = cpus
            case "iothreadpin":
                pins[f"iothread {pin.get('iothread', '')}"] = cpus
            case "emulatorpin":
                pins["emulator"] = cpus
    return pins


def _passthrough(devices: Element | None) -> Iterator[str]:
    if devices is None:
        return
    for device in devices.findall("hostdev"):
        address = device.find("source/address")
        kind = device.get("type", "device")
        if address is not None and kind == "pci":
            parts = [address.get(part, "0").removeprefix("0x") for part in ("domain", "bus", "slot", "function")]
            yield f"pci {parts[0].zfill(4)}:{parts[1].zfill(2)}:{parts[2].zfill(2)}.{parts[3]}"
        else:
            yield f"{kind} {address.get('uuid', '') if address is not None else ''}".strip()


def _firmware(os: Element | None) -> str | None:
    """``bios`` or ``uefi``."""
    if os is None:
        return None
    loader = os.find("loader")
    is_flash = loader is not None and loader.get("type") == "pflash"
    return "uefi" if os.get("firmware") == "efi" or is_flash else "bios"


def _metadata(root: Element) -> Mapping[str, str]:
    """Everybody's metadata as XML, by namespace."""
    found = {}
    for child in root.findall("metadata/*"):
        namespace = child.tag.partition("}")[0].removeprefix("{") if child.tag.startswith("{") else child.tag
        found[namespace] = tostring(child, encoding="unicode").strip()[:_LONGEST_METADATA]
    return found


def _nova(root: Element) -> Nova | None:
    """OpenStack's metadata, in whichever version of its namespace."""
    instances = (
        child for child in root.findall("metadata/*") if child.tag.startswith(_NOVA) and child.tag.endswith("}instance")
    )
    instance = next(instances, None)
    if instance is None:
        return None
    space = instance.tag.partition("}")[0] + "}"
    return Nova(
        instance=instance.findtext(f"{space}name"),
        flavor=attribute(instance, f"{space}flavor", "name"),
        project=instance.findtext(f"{space}owner/{space}project"),
        project_id=attribute(instance, f"{space}owner/{space}project", "uuid"),
        user=instance.findtext(f"{space}owner/{space}user"),
        user_id=attribute(instance, f"{space}owner/{space}user", "uuid"),
        root_type=attribute(instance, f"{space}root", "type"),
        root_id=attribute(instance, f"{space}root", "uuid"),
    )


def _source(source: Element | None) -> str | None:
    if source is None:
        return None
    found = next((value for name in _SOURCE_ATTRIBUTES if (value := source.get(name))), None)
    pool = source.get("pool")
    return f"{pool}/{found}" if pool and found else found
