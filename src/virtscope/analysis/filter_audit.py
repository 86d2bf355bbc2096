"""Network-filter audit: what interfaces may pretend, and filters that are not what they seem.

For each interface of each domain its filter is followed through everything it includes, with the interface's values
filled in, as ``virtscope filters tree`` shows it. Forged frames are walked through the rules that come of it
(``spoofing``); each that passes is a hole. The verdicts on an interface:

- *no filter*: the interface has none, so the guest may pretend any MAC and any address.
- *dangling filter*: it, or one that it includes, is not defined on the host, or cannot be read.
- *no MAC check*, *no IP check*, *no ARP (MAC) check*, *no ARP (IP) check*, *no IPv6 check*: forged frames pass.
- *missing IP*: the filter needs ``$IP``, and nobody sets it: libvirt learns it from the guest's first packets, so the
  guest chooses it.
- *another filter at work*: what libvirt has put to work is not what the domain's XML asks for.
- *not at work*: the domain runs, its host tells of filters at work, and not of this one.
- *changes at the next start*: what is true now and what is defined for the next start have different filters.
- *duplicate MAC*: another domain of the fleet has an interface of the same MAC.
- *cannot be filtered*: libvirt filters interfaces of bridges, networks and type ``ethernet``, and no port of an Open
  vSwitch: what protects others from this one is elsewhere, if anywhere.

A filter is *not the same everywhere* where hosts define different rules under its name: a domain that migrates gets
other rules. It rests on how things are described now, not on figures; what cannot be read is *insufficient data*.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias
from xml.etree.ElementTree import Element

from virtscope import filter_tree, xml_document
from virtscope.agent.domain_xml import parameters
from virtscope.analysis import evidence, spoofing
from virtscope.analysis.finding import NOTHING, Finding, Severity, Subject
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import Settings
from virtscope.analysis.tables import Needs, Tables
from virtscope.filter_tree import Guard, Node
from virtscope.sample import DomainFacts, FilterFacts, NicFacts
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Listed, Switch, Text

NAME = "filter-audit"
IPV6 = Setting("ipv6", Switch(), True, "Whether an interface that may pretend IPv6 addresses has a hole.")
UNFILTERED: Setting[tuple[str, ...]] = Setting(
    "unfiltered",
    Listed(Text("NETWORK")),
    (),
    "Bridges and networks whose interfaces need no filter, by name.",
)
_FILTERED_TYPES = frozenset({"network", "bridge", "ethernet"})
_SEVERITIES = {
    "no filter": Severity.WARNING,
    "dangling filter": Severity.CRITICAL,
    "no MAC check": Severity.WARNING,
    "no IP check": Severity.WARNING,
    "no ARP (MAC) check": Severity.WARNING,
    "no ARP (IP) check": Severity.WARNING,
    "no IPv6 check": Severity.INFO,
    "missing IP": Severity.WARNING,
    "another filter at work": Severity.CRITICAL,
    "not at work": Severity.CRITICAL,
    "changes at the next start": Severity.WARNING,
    "duplicate MAC": Severity.CRITICAL,
    "cannot be filtered": Severity.INFO,
    "not the same everywhere": Severity.WARNING,
}
Issue: TypeAlias = tuple[str, str, tuple[str, ...]]
"""Verdict, reason and notes."""


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    return [*_interfaces(tables, settings), *_differing(tables)]


def _interfaces(tables: Tables, settings: Settings) -> Iterator[Finding]:
    subjects = {row["id"]: row for row in tables.subjects.to_dicts()}
    filters: dict[str, dict[str, FilterFacts]] = defaultdict(dict)
    for facts in tables.filters:
        filters[facts.host][facts.name] = facts
    at_work = {(binding.host, binding.id): binding for binding in tables.bindings}
    hosts_with_bindings = {binding.host for binding in tables.bindings}
    owners = _owners(tables)
    for domain in tables.described:
        row = subjects.get(domain.id)
        if row is None or row["host"] != domain.host:
            continue
        if domain.problem:
            reason = f"its XML could not be read: {domain.problem}"
            yield evidence.insufficient(NAME, evidence.domain(row), evidence.now(tables), reason)
            continue
        later = _next_start(domain)
        for nic in domain.nics:
            binding = at_work.get((domain.host, nic.target))
            guard = filter_tree.guard(nic, filters[domain.host], [binding] if binding else [])
            told = row["active"] and domain.host in hosts_with_bindings
            issues = [
                *_issues(guard, nic, settings, is_told=told),
                *_later(nic, later),
                *_shared(nic, domain.id, owners),
            ]
            subject = Subject("nic", domain.id, domain.name, domain.host, nic.mac or nic.target)
            yield from _findings(tables, subject, guard, issues)


def _findings(tables: Tables, subject: Subject, guard: Guard, issues: Sequence[Issue]) -> Iterator[Finding]:
    for verdict, reason, notes in issues:
        yield Finding(NAME, subject, verdict, _SEVERITIES[verdict], reason, evidence.now(tables, notes), 1.0)
    if not issues:
        reason = f"its filter {guard.filter} lets none of the forged frames pass" if guard.filter else "it needs none"
        yield Finding(NAME, subject, NOTHING, Severity.OK, reason, evidence.now(tables, _chain(guard.tree)), 1.0)


def _issues(guard: Guard, nic: NicFacts, settings: Settings, *, is_told: bool) -> Iterator[Issue]:
    """What is wrong with the filter of an interface by itself."""
    if guard.filter is None or guard.tree is None:
        yield from _unguarded(nic, settings)
        return
    chain = _chain(guard.tree)
    if gaps := list(_gaps(guard.tree)):
        yield "dangling filter", f"its filter {guard.filter} is not whole: {'; '.join(gaps)}", chain
    for forgery in spoofing.forgeries(nic.mac, guard.parameters.get("IP")):
        if (forgery.name != "IPv6" or settings[IPV6]) and spoofing.passes(guard.tree, forgery.frame):
            reason = f"a frame with a forged {forgery.name} passes its filter {guard.filter}"
            yield f"no {forgery.name} check", reason, chain
    if "IP" in guard.missing:
        learning = guard.parameters.get("CTRL_IP_LEARNING", "any")
        reason = f"its filter {guard.filter} needs $IP, which nobody sets: libvirt learns it from the guest's packets"
        yield "missing IP", f"{reason} ({learning})", chain
    if guard.binding is not None and guard.binding.filter != guard.filter:
        yield "another filter at work", f"{guard.binding.filter} is at work, its XML asks for {guard.filter}", chain
    if guard.binding is None and is_told:
        yield "not at work", f"the domain runs, and its host does not tell that {guard.filter} is at work", chain


def _unguarded(nic: NicFacts, settings: Settings) -> Iterator[Issue]:
    if nic.type not in _FILTERED_TYPES or nic.virtual_port == "openvswitch":
        kind = "a port of an Open vSwitch" if nic.virtual_port == "openvswitch" else f"of type {nic.type}"
        yield "cannot be filtered", f"it is {kind}, which libvirt does not filter", ()
    elif nic.source not in settings[UNFILTERED]:
        place = f" on {nic.source}" if nic.source else ""
        yield "no filter", f"it has no filter{place}: the guest may pretend any MAC and address", ()


def _gaps(node: Node) -> Iterator[str]:
    """Where a tree ends early, and why."""
    if node.problem:
        yield f"{node.name}: {node.problem}"
    for child in node.children:
        yield from _gaps(child)


def _chain(node: Node | None, depth: int = 0) -> tuple[str, ...]:
    """A tree as indented lines."""
    if node is None:
        return ()
    place = f" ({node.chain}, {node.priority})" if node.chain else ""
    below = [line for child in node.children for line in _chain(child, depth + 1)]
    return (f"{'  ' * depth}{node.name}{place}", *below)


def _next_start(domain: DomainFacts) -> Mapping[str, tuple[str | None, Mapping[str, str]]] | None:
    """The filter of each interface at the next start, by MAC; None where nothing else is defined for it."""
    if domain.persistent_xml is None:
        return None
    try:
        root = xml_document.read(domain.persistent_xml)
    except xml_document.Unreadable:
        return None
    return {
        (xml_document.attribute(nic, "mac", "address") or "").lower(): (
            xml_document.attribute(nic, "filterref", "filter"),
            parameters(nic.find("filterref")),
        )
        for nic in root.findall("devices/interface")
    }


def _later(nic: NicFacts, later: Mapping[str, tuple[str | None, Mapping[str, str]]] | None) -> Iterator[Issue]:
    if later is None or nic.mac.lower() not in later:
        return
    name, values = later[nic.mac.lower()]
    if name != nic.filter:
        reason = f"now it has {nic.filter or 'no filter'}, from the next start on {name or 'no filter'}"
        yield "changes at the next start", reason, ()
    elif name is not None and dict(values) != dict(nic.filter_parameters):
        reason = f"its filter {name} has other parameters from the next start on"
        notes = (f"now: {_shown(nic.filter_parameters)}", f"then: {_shown(values)}")
        yield "changes at the next start", reason, notes


def _shown(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items())) or "none"


def _owners(tables: Tables) -> Mapping[str, Mapping[str, str]]:
    """The names of the domains that have an interface of a MAC, by MAC and the domain's UUID."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for domain in tables.described:
        for nic in domain.nics:
            if nic.mac:
                found[nic.mac.lower()][domain.id] = f"{domain.name} ({domain.id})"
    return found


def _shared(nic: NicFacts, owner: str, owners: Mapping[str, Mapping[str, str]]) -> Iterator[Issue]:
    others = [name for domain, name in sorted(owners.get(nic.mac.lower(), {}).items()) if domain != owner]
    if others:
        yield "duplicate MAC", f"{len(others)} other domains of the fleet have an interface of this MAC", tuple(others)


def _differing(tables: Tables) -> Iterator[Finding]:
    """Filters of one name with different rules."""
    names = {row["id"]: row["name"] for row in tables.hosts.to_dicts()}
    by_name: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for facts in tables.filters:
        by_name[facts.name][_rules(facts)].append(names.get(facts.host, facts.host))
    for name, versions in sorted(by_name.items()):
        if len(versions) > 1:
            count = sum(len(hosts) for hosts in versions.values())
            notes = [f"the same on: {', '.join(sorted(hosts))}" for hosts in versions.values()]
            yield Finding(
                NAME,
                Subject("filter", name, name),
                "not the same everywhere",
                _SEVERITIES["not the same everywhere"],
                f"{count} hosts define it with {len(versions)} different sets of rules",
                evidence.now(tables, sorted(notes)),
                1.0,
            )


def _rules(facts: FilterFacts) -> str:
    """What a filter says, whatever its UUID and however it is written."""
    try:
        root = xml_document.read(facts.xml)
    except xml_document.Unreadable:
        return hashlib.sha256(facts.xml.encode(errors="surrogatepass")).hexdigest()
    return repr([_plain(root, {"name"}), [_plain(child) for child in root if child.tag != "uuid"]])


def _plain(element: Element, without: frozenset[str] | set[str] = frozenset()) -> object:
    attributes = sorted((name, value) for name, value in element.attrib.items() if name not in without)
    if element.tag == "filter":
        return element.tag, attributes
    return element.tag, attributes, [_plain(child) for child in element]


ANALYSIS = Analysis(
    NAME,
    "Network-filter audit",
    "Which interfaces can pretend to be somebody else, and which filters are not what they seem?",
    (IPV6, UNFILTERED),
    lambda _settings: Needs(),
    _run,
)
