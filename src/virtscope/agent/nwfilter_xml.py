"""Network filters and their bindings, from XML into facts. Source: libvirt's "Firewall and network filtering"."""

from __future__ import annotations

from virtscope.agent.domain_xml import parameters
from virtscope.sample import BindingFacts, FilterFacts
from virtscope.xml_document import Unreadable, attribute, read

DEFAULT_CHAIN, DEFAULT_PRIORITY = "root", 0


def filter_facts(id: str, name: str, host: str, xml: str) -> FilterFacts:  # noqa: A002
    """The facts of a network filter, from its XML as ``virsh nwfilter-dumpxml`` prints it."""
    try:
        root = read(xml)
    except Unreadable as error:
        return FilterFacts(id, name, host, xml=xml, problem=str(error))
    priority = root.get("priority", "")
    return FilterFacts(
        id=id,
        name=name,
        host=host,
        chain=root.get("chain", DEFAULT_CHAIN),
        priority=int(priority) if priority.lstrip("-").isdecimal() else DEFAULT_PRIORITY,
        references=tuple(found for reference in root.findall("filterref") if (found := reference.get("filter"))),
        rules=len(root.findall("rule")),
        xml=xml,
    )


def binding_facts(target: str, host: str, xml: str) -> BindingFacts:
    """The facts of a binding, from its XML as ``virsh nwfilter-binding-dumpxml`` prints it."""
    try:
        root = read(xml)
    except Unreadable as error:
        return BindingFacts(target, host, xml=xml, problem=str(error))
    return BindingFacts(
        id=target,
        host=host,
        filter=attribute(root, "filterref", "filter"),
        domain=root.findtext("owner/uuid"),
        mac=attribute(root, "mac", "address"),
        parameters=parameters(root.find("filterref")),
        xml=xml,
    )
