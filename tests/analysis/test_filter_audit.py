"""What interfaces may pretend: fixtures with expected verdicts, and libvirt's own filters where they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from tests.analysis.fleet import NOW, domain, fleet, host
from virtscope import filter_tree
from virtscope.analysis import registry, spoofing
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Finding, Severity
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts, NicFacts

MAC = "52:54:00:00:00:01"
INSTALLED = Path("/usr/share/libvirt/nwfilter")

MAC_CHECK = """<filter name='mac-check' chain='mac' priority='-800'>
  <rule action='return' direction='out' priority='350'><mac srcmacaddr='$MAC'/></rule>
  <rule action='drop' direction='out' priority='500'><mac/></rule></filter>"""
MAC_CHECK_NEGATED = """<filter name='mac-check' chain='root'>
  <rule action='drop' direction='out' priority='-800'><mac match='no' srcmacaddr='$MAC'/></rule></filter>"""
IP_CHECK = """<filter name='ip-check' chain='ipv4-ip' priority='-710'>
  <rule action='return' direction='out' priority='100'><ip srcipaddr='0.0.0.0' protocol='udp'/></rule>
  <rule action='return' direction='out' priority='500'><ip srcipaddr='$IP'/></rule>
  <rule action='drop' direction='out' priority='1000'/></filter>"""
IP_CHECK_LEVEL_3 = """<filter name='ip-check' chain='root'>
  <rule action='drop' direction='out' priority='100'><all match='no' srcipaddr='$IP'/></rule></filter>"""
ARP_MAC = """<filter name='arp-mac' chain='arp-mac' priority='-520'>
  <rule action='return' direction='out' priority='350'><arp match='yes' arpsrcmacaddr='$MAC'/></rule>
  <rule action='drop' direction='out' priority='1000'/></filter>"""
ARP_IP = """<filter name='arp-ip' chain='arp-ip' priority='-510'>
  <rule action='return' direction='out' priority='400'><arp match='yes' arpsrcipaddr='$IP'/></rule>
  <rule action='drop' direction='out' priority='1000'/></filter>"""
NO_IPV6 = """<filter name='no-v6' chain='root'>
  <rule action='drop' direction='inout' priority='-300'><mac protocolid='ipv6'/></rule></filter>"""
EVERYTHING_ELSE = """<filter name='nothing-else' chain='root'>
  <rule action='drop' direction='inout' priority='1000'/></filter>"""


def defined(*documents: str, host: str = "h1", **including: Sequence[str]) -> list[FilterFacts]:
    """Filters out of their XML; ``including``: filters that are nothing but references to others."""
    wrapped = [
        f"<filter name='{name}' chain='root'>{''.join(f'<filterref filter={one!r}/>' for one in of)}</filter>"
        for name, of in including.items()
    ]
    found = []
    for xml in (*documents, *wrapped):
        root = fromstring(xml)
        name, priority = root.get("name", ""), root.get("priority")
        chain, place = root.get("chain", "root"), int(priority) if priority else None
        found.append(FilterFacts(f"{host}-{name}", name, host, chain, place, xml=xml))
    return found


def nic(filter: str | None, mac: str = MAC, **known: Any) -> NicFacts:  # noqa: A002
    return NicFacts(mac, "vnet0", type="network", source="default", filter=filter, **known)


def audited(
    *nics: NicFacts,
    filters: Sequence[FilterFacts] = (),
    bindings: Sequence[BindingFacts] = (),
    settings: Any = None,
    described: Sequence[DomainFacts] = (),
    **of_domain: Any,
) -> list[Finding]:
    facts = DomainFacts("a", "web", "h1", nics=nics, **of_domain)
    given = replace(
        fleet([domain("a")], [host(), host("h2")]),
        described=(facts, *described), filters=tuple(filters), bindings=tuple(bindings),
    )  # fmt: skip
    analysis = registry.find("filter-audit")
    return registry.run(analysis, given, analysis.read(settings or {}))


def verdicts(*nics: NicFacts, **rest: Any) -> set[str]:
    return {found.verdict for found in audited(*nics, **rest)}


OF_ALL = ("no MAC check", "no IP check", "no ARP (MAC) check", "no ARP (IP) check", "no IPv6 check")


def holes(*checks: str, ip: str | None = "10.0.0.1") -> set[str]:
    """What is left open behind a filter that has these checks."""
    names = [fromstring(xml).get("name", "") for xml in checks]
    parameters = {} if ip is None else {"IP": ip}
    found = verdicts(nic("all", filter_parameters=parameters), filters=defined(*checks, all=names))
    return found & set(OF_ALL)


@pytest.mark.parametrize(
    ("checks", "open_to"),
    [
        ((), set(OF_ALL)),
        ((MAC_CHECK,), set(OF_ALL[1:])),
        ((MAC_CHECK_NEGATED,), set(OF_ALL[1:])),
        ((IP_CHECK,), {"no MAC check", "no ARP (MAC) check", "no ARP (IP) check", "no IPv6 check"}),
        ((IP_CHECK_LEVEL_3,), {"no MAC check", "no ARP (MAC) check", "no ARP (IP) check", "no IPv6 check"}),
        # The pair that people take for protection has no check of addresses at all.
        ((MAC_CHECK, ARP_MAC), {"no IP check", "no ARP (IP) check", "no IPv6 check"}),
        ((MAC_CHECK, IP_CHECK, ARP_MAC, ARP_IP), {"no IPv6 check"}),
        ((MAC_CHECK, IP_CHECK, ARP_MAC, ARP_IP, NO_IPV6), set()),
        # What drops everything lets nothing pass, and is no hole.
        ((EVERYTHING_ELSE,), set()),
    ],
)
def test_forged_frames_are_followed_through_the_chain(checks: tuple[str, ...], open_to: set[str]) -> None:
    assert holes(*checks) == open_to


def test_several_addresses_and_networks() -> None:
    assert "no IP check" not in holes(IP_CHECK, ip="10.0.0.1,10.0.0.2")
    masked = IP_CHECK.replace("srcipaddr='$IP'", "srcipaddr='198.51.100.0' srcipmask='24'")
    assert "no IP check" in holes(masked)


def test_an_early_accept_opens_what_is_checked_later() -> None:
    rule = "<rule action='accept' direction='out' priority='-900'><mac protocolid='ipv4'/></rule>"
    early = f"<filter name='early' chain='root'>{rule}</filter>"
    assert {"no MAC check", "no IP check"} <= holes(early, MAC_CHECK, IP_CHECK)


def test_rules_for_what_comes_in_do_not_check_what_goes_out() -> None:
    assert "no MAC check" in holes(MAC_CHECK.replace("direction='out'", "direction='in'"))


def test_an_interface_without_a_filter() -> None:
    [found] = audited(nic(None))
    assert (found.verdict, found.severity, found.subject.part) == ("no filter", Severity.WARNING, MAC)
    assert found.subject.id == "a"
    assert verdicts(nic(None), settings={"unfiltered": "default"}) == {NOTHING}
    assert verdicts(replace(nic(None), type="direct")) == {"cannot be filtered"}
    assert verdicts(replace(nic(None), type="bridge", virtual_port="openvswitch")) == {"cannot be filtered"}


def test_a_filter_that_is_not_there() -> None:
    assert "dangling filter" in verdicts(nic("nowhere"))
    [found] = [
        one for one in audited(nic("outer"), filters=defined(outer=["inner"])) if one.verdict == "dangling filter"
    ]
    assert "inner: not defined on this host" in found.reason
    assert found.evidence.notes == ("outer (root, 0)", "  inner") or found.evidence.notes[1] == "  inner"


def test_a_missing_address_is_the_guests_to_choose() -> None:
    whole = defined(
        MAC_CHECK, IP_CHECK, ARP_MAC, ARP_IP, NO_IPV6, all=["mac-check", "ip-check", "arp-mac", "arp-ip", "no-v6"]
    )
    assert verdicts(nic("all"), filters=whole) == {"missing IP"}
    assert verdicts(nic("all", filter_parameters={"IP": "10.0.0.1"}), filters=whole) == {NOTHING}


def test_what_is_at_work_is_what_was_asked_for() -> None:
    filters = defined(EVERYTHING_ELSE, all=["nothing-else"])
    right, wrong = (BindingFacts("vnet0", "h1", name, "a", MAC) for name in ("all", "other"))
    elsewhere = BindingFacts("vnet7", "h1", "all", "z", "52:54:00:00:00:77")
    assert verdicts(nic("all"), filters=filters, bindings=[right]) == {NOTHING}
    assert verdicts(nic("all"), filters=filters, bindings=[wrong]) == {"another filter at work"}
    assert verdicts(nic("all"), filters=filters, bindings=[elsewhere]) == {"not at work"}
    # A host whose libvirt tells of no binding at all says nothing.
    assert verdicts(nic("all"), filters=filters) == {NOTHING}


@pytest.mark.parametrize(
    ("later", "verdict"),
    [
        ("<filterref filter='all'/>", NOTHING),
        ("", "changes at the next start"),
        ("<filterref filter='other'/>", "changes at the next start"),
        ("<filterref filter='all'><parameter name='IP' value='10.0.0.9'/></filterref>", "changes at the next start"),
    ],
)
def test_what_the_next_start_brings(later: str, verdict: str) -> None:
    xml = f"<domain><devices><interface type='network'><mac address='{MAC}'/>{later}</interface></devices></domain>"
    filters = defined(EVERYTHING_ELSE, all=["nothing-else"])
    assert verdicts(nic("all"), filters=filters, persistent_xml=xml) == {verdict}


def test_a_mac_that_another_domain_has_too() -> None:
    filters = defined(EVERYTHING_ELSE, all=["nothing-else"])
    twin = DomainFacts("b", "twin", "h2", nics=(nic("all", MAC.upper()),))
    same = DomainFacts("a", "web", "h2", nics=(nic("all"),))
    [found] = audited(nic("all"), filters=filters, described=[twin, same])
    assert (found.verdict, found.severity) == ("duplicate MAC", Severity.CRITICAL)
    assert found.evidence.notes == ("twin (b)",)
    # The same domain that two hosts define is no other one.
    assert verdicts(nic("all"), filters=filters, described=[same]) == {NOTHING}


def test_one_name_with_different_rules() -> None:
    here, there = defined(MAC_CHECK), defined(MAC_CHECK.replace("350", "351"), host="h2")
    written = (
        "<filter name='mac-check' chain='mac' priority='-800'><uuid>1</uuid><!-- x -->"
        + MAC_CHECK.partition("'-800'>")[2]
    )
    [found] = [one for one in audited(nic(None), filters=[*here, *there]) if one.subject.kind == "filter"]
    assert (found.verdict, found.subject.id) == ("not the same everywhere", "mac-check")
    assert found.evidence.notes == ("the same on: kvm1", "the same on: kvm2")
    same = audited(nic(None), filters=[*here, *defined(written, host="h2")])
    assert not [one for one in same if one.subject.kind == "filter"]


def test_the_rule_that_decides_has_its_place_in_the_tree() -> None:
    allowing = """<filter name='lets-go' chain='root'><rule action='accept' direction='out' priority='200'>
      <ip srcipaddr='198.51.100.0' srcipmask='24'/></rule></filter>"""
    filters = {one.name: one for one in defined(MAC_CHECK_NEGATED, allowing, whole=["mac-check", "lets-go"])}
    tree = filter_tree.guard(nic("whole", filter_parameters={"IP": "10.0.0.1"}), filters, []).tree
    assert tree
    ways = {one.name: spoofing.way(tree, one.frame) for one in spoofing.forgeries(MAC, "10.0.0.1")}
    assert {name for name, one in ways.items() if not one.passes} == {"MAC"}
    stops, lets, nobody = ways["MAC"].rule, ways["IP"].rule, ways["IPv6"].rule
    assert stops
    assert lets
    assert spoofing.place(tree, stops) == ((0,), 0)
    assert spoofing.place(tree, lets) == ((1,), 0)
    assert nobody is None, "no rule speaks of it"


def test_what_cannot_be_read_is_not_judged() -> None:
    [found] = audited(problem="entities")
    assert (found.verdict, found.evidence.end) == (INSUFFICIENT, NOW)


@pytest.mark.skipif(not INSTALLED.is_dir(), reason="libvirt's filters are not installed")
@pytest.mark.parametrize(
    ("name", "open_to"),
    [
        ("clean-traffic", set()),
        ("no-mac-spoofing", set(OF_ALL[1:])),
        ("no-arp-mac-spoofing", set(OF_ALL) - {"no ARP (MAC) check"}),
        ("allow-arp", set(OF_ALL)),
        ("no-ip-spoofing", set(OF_ALL) - {"no IP check"}),
        ("no-ipv6-spoofing", set(OF_ALL) - {"no IPv6 check"}),
    ],
)
def test_libvirts_own_filters(name: str, open_to: set[str]) -> None:
    filters = defined(*(path.read_text() for path in sorted(INSTALLED.glob("*.xml"))))
    values = {"IP": "10.0.0.1", "IPV6": "2001:db8::1"}
    found = verdicts(nic(name, filter_parameters=values), filters=filters)
    assert found & set(OF_ALL) == open_to
