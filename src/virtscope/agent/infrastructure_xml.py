"""Networks and storage pools, from XML into facts.

Sources: libvirt's "Network XML format" and "Storage pool XML format".
"""

from __future__ import annotations

from virtscope.sample import Lease, NetworkFacts, PoolFacts
from virtscope.xml_document import Unreadable, attribute, read


def network_facts(  # what libvirt tells beside the XML
    id: str,  # noqa: A002
    name: str,
    host: str,
    xml: str,
    *,
    active: bool,
    autostart: bool,
    leases: tuple[Lease, ...],
) -> NetworkFacts:
    """The facts of a network, from its XML as ``virsh net-dumpxml`` prints it."""
    try:
        root = read(xml)
    except Unreadable as error:
        return NetworkFacts(id, name, host, active, autostart, leases=leases, xml=xml, problem=str(error))
    forward = root.find("forward")
    return NetworkFacts(
        id=id,
        name=name,
        host=host,
        active=active,
        autostart=autostart,
        bridge=attribute(root, "bridge", "name"),
        forward=forward.get("mode", "nat") if forward is not None else None,
        leases=leases,
        xml=xml,
    )


def pool_facts(id: str, name: str, host: str, xml: str, *, active: bool, autostart: bool) -> PoolFacts:  # noqa: A002
    """The facts of a storage pool, from its XML as ``virsh pool-dumpxml`` prints it."""
    try:
        root = read(xml)
    except Unreadable as error:
        return PoolFacts(id, name, host, active=active, autostart=autostart, xml=xml, problem=str(error))
    return PoolFacts(
        id=id,
        name=name,
        host=host,
        type=root.get("type"),
        target=root.findtext("target/path"),
        active=active,
        autostart=autostart,
        xml=_without_sizes(xml),
    )


def _without_sizes(xml: str) -> str:
    """The XML without what changes all the time: sizes are figures, and no change of the configuration."""
    return "\n".join(
        line for line in xml.splitlines() if not line.strip().startswith(("<capacity", "<allocation", "<available"))
    )
