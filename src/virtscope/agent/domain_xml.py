"""A domain's XML into facts: devices are found here, not guessed.

Whatever a tenant wrote into it costs at most the facts of that one domain: entities are refused, and a document that
cannot be read leaves the domain with its name. Sources: libvirt's "Domain XML format"; nova's
``LibvirtConfigGuestMetaNovaInstance``.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from virtscope.sample import DiskFacts, DomainFacts, NicFacts

_SOURCE_ATTRIBUTES = ("file", "dev", "dir", "name", "volume", "bridge", "network", "portgroup", "path", "socket")


def facts(id: str, name: str, host: str, persistent: bool, xml: str) -> DomainFacts:  # noqa: A002
    """The facts of a domain, from its XML as ``virsh dumpxml`` prints it."""
    try:
        root = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError) as error:
        return DomainFacts(id, name, host, persistent, xml=xml, problem=f"its XML cannot be read: {error}")
    os_type = root.find("os/type")
    devices = root.find("devices")
    return DomainFacts(
        id=id,
        name=name,
        host=host,
        persistent=persistent,
        title=root.findtext("title"),
        os_type=os_type.text if os_type is not None else None,
        arch=os_type.get("arch") if os_type is not None else None,
        machine=os_type.get("machine") if os_type is not None else None,
        disks=() if devices is None else tuple(_disks(devices)),
        nics=() if devices is None else tuple(_nics(devices)),
        xml=xml,
        **_nova(root),
    )


def _disks(devices: Element) -> list[DiskFacts]:
    return [
        DiskFacts(
            target=target,
            device=disk.get("device", "disk"),
            type=disk.get("type"),
            source=_source(disk.find("source")),
            bus=_attribute(disk, "target", "bus"),
            driver=_attribute(disk, "driver", "name"),
            format=_attribute(disk, "driver", "type"),
            cache=_attribute(disk, "driver", "cache"),
            serial=disk.findtext("serial"),
            readonly=disk.find("readonly") is not None,
        )
        for disk in devices.findall("disk")
        if (target := _attribute(disk, "target", "dev"))
    ]


def _nics(devices: Element) -> list[NicFacts]:
    """The interfaces; one that the running domain has given no target yet has an empty one."""
    return [
        NicFacts(
            mac=_attribute(nic, "mac", "address") or "",
            target=_attribute(nic, "target", "dev") or "",
            type=nic.get("type"),
            source=_source(nic.find("source")),
            model=_attribute(nic, "model", "type"),
            filter=_attribute(nic, "filterref", "filter"),
            filter_parameters={
                parameter.get("name", ""): parameter.get("value", "")
                for parameter in nic.findall("filterref/parameter")
            },
        )
        for nic in devices.findall("interface")
    ]


def _nova(root: Element) -> dict[str, str | None]:
    """OpenStack's metadata, in whichever version of its namespace: instance, flavor, project, owner."""
    instance = next(
        (
            child
            for child in root.findall("metadata/*")
            if child.tag.startswith("{http://openstack.org/xmlns/libvirt/nova/") and child.tag.endswith("}instance")
        ),
        None,
    )
    if instance is None:
        return {}
    nova = instance.tag.partition("}")[0] + "}"
    flavor = instance.find(f"{nova}flavor")
    return {
        "instance_name": instance.findtext(f"{nova}name"),
        "flavor": flavor.get("name") if flavor is not None else None,
        "project": instance.findtext(f"{nova}owner/{nova}project"),
        "owner": instance.findtext(f"{nova}owner/{nova}user"),
    }


def _attribute(parent: Element, child: str, name: str) -> str | None:
    found = parent.find(child)
    return found.get(name) if found is not None else None


def _source(source: Element | None) -> str | None:
    if source is None:
        return None
    return next((value for name in _SOURCE_ATTRIBUTES if (value := source.get(name))), None)
