"""What a network filter comes to at one interface: the tree of filters it includes, with values filled in.

Source: libvirt's "Firewall and network filtering". A variable's value comes from the interface first, then from the
filter that includes another; ``MAC`` is always the interface's own. A variable that nobody sets (``IP``, mostly)
libvirt learns from the guest's first packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from virtscope.sample import BindingFacts, FilterFacts, NicFacts
from virtscope.xml_document import Unreadable, read

_VARIABLE = re.compile(r"\$([A-Za-z0-9_]+)(\[[@0-9]*\])?")
_DEEPEST = 32
_MOST_NODES = 2_000
"""A filter that includes others twice each, and those again, must not grow without end."""


@dataclass(frozen=True, slots=True)
class Match:
    """What packets a rule is about: a protocol and its attributes, variables filled in."""

    protocol: str
    attributes: Mapping[str, str]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what becomes of which packets."""

    action: str
    direction: str
    """``in`` into the guest, ``out`` of it, ``inout``."""
    priority: int
    matches: tuple[Match, ...]
    """None at all: every packet."""


@dataclass(frozen=True, slots=True)
class Node:
    """A filter at its place in the tree."""

    name: str
    chain: str | None = None
    priority: int | None = None
    rules: tuple[Rule, ...] = ()
    children: tuple[Node, ...] = ()
    """The filters that it includes, in order."""
    problem: str | None = None
    """Why it ends here: not defined, unreadable, includes itself."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The filter of one interface, as it is asked for and as it is at work."""

    mac: str
    target: str
    filter: str | None
    """None: the interface has no filter."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The values that the interface brings."""
    tree: Node | None = None
    missing: tuple[str, ...] = ()
    """Variables that nobody sets."""
    binding: BindingFacts | None = None
    """What libvirt has put to work; None where it has nothing (the domain does not run)."""
    problem: str | None = None


def guard(nic: NicFacts, filters: Mapping[str, FilterFacts], bindings: Iterable[BindingFacts]) -> Guard:
    """The filter of an interface, resolved among the filters that its host defines (by name)."""
    binding = next((found for found in bindings if nic.target and found.id == nic.target), None)
    if nic.filter is None:
        return Guard(nic.mac, nic.target, None, binding=binding)
    own = {"MAC": nic.mac, **nic.filter_parameters}
    grown = _Growing(filters)
    root = grown.node(nic.filter, own, ())
    problem = None
    if nic.filter not in filters:
        problem = f"the filter {nic.filter} is not defined on this host"
    elif binding is not None and binding.filter != nic.filter:
        problem = f"the filter {binding.filter} is at work, not {nic.filter}"
    return Guard(nic.mac, nic.target, nic.filter, own, root, tuple(sorted(grown.missing)), binding, problem)


def tree(name: str, filters: Mapping[str, FilterFacts]) -> Node:
    """A filter with everything it includes; variables stay variables."""
    return _Growing(filters).node(name, {}, ())


class _Growing:
    """A tree while it grows."""

    def __init__(self, filters: Mapping[str, FilterFacts]) -> None:
        self._filters = filters
        self._nodes = 0
        self.missing: set[str] = set()

    def node(self, name: str, values: Mapping[str, str], above: tuple[str, ...]) -> Node:
        facts = self._filters.get(name)
        if facts is None:
            return Node(name, problem="not defined on this host")
        self._nodes += 1
        if name in above:
            return Node(name, facts.chain, facts.priority, problem="includes itself")
        if len(above) >= _DEEPEST or self._nodes > _MOST_NODES:
            return Node(name, facts.chain, facts.priority, problem="too many filters within one another")
        try:
            root = read(facts.xml)
        except Unreadable as error:
            return Node(name, problem=str(error))
        children = []
        for reference in root.findall("filterref"):
            given = {item.get("name", ""): item.get("value", "") for item in reference.findall("parameter")}
            children.append(self.node(reference.get("filter", ""), {**given, **values}, (*above, name)))
        rules = tuple(self._rule(rule, values) for rule in root.findall("rule"))
        return Node(name, facts.chain, facts.priority, rules, tuple(children))

    def _rule(self, rule: Element, values: Mapping[str, str]) -> Rule:
        priority = rule.get("priority", "")
        return Rule(
            action=rule.get("action", ""),
            direction=rule.get("direction", ""),
            priority=int(priority) if priority.lstrip("-").isdecimal() else 500,
            matches=tuple(self._match(match, values) for match in rule),
        )

    def _match(self, match: Element, values: Mapping[str, str]) -> Match:
        attributes = {name: self._filled(text, values) for name, text in match.attrib.items() if name != "match"}
        return Match(match.tag, attributes, negated=match.get("match") == "no")

    def _filled(self, text: str, values: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name not in values:
                self.missing.add(name)
                return found[0]
            return values[name]

        return _VARIABLE.sub(value, text)
