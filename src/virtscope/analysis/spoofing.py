"""What a guest can pretend behind its network filter: forged frames are walked through the rules.

Source: libvirt's "Firewall and network filtering". The rules of all filters in a tree are put into chains by their
filter's chain, and sorted by priority. A frame begins in ``root``; there it meets rules, and the other chains at their
own priorities, of which it enters those of its protocol. ``accept`` and ``drop`` are final, ``return`` goes back to
``root``, what meets no rule passes. Rules about protocols of level 3 and 4 (``all``, ``tcp``, …) are the host's packet
filter: what passes the one must pass the other.

The frames are ordinary ones: TCP to port 443 of some address, or an ARP reply, with one thing forged each. So a rule
that lets special packets pass (a DHCP request) is no hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from virtscope.filter_tree import Match, Node, Rule

_LEVEL_2 = frozenset({"mac", "vlan", "stp", "arp", "rarp", "ip", "ipv6"})
_NOT_FOR_MATCHING = frozenset({"comment", "state", "statematch"})
_STOPS = frozenset({"drop", "reject"})
_TYPES = {"ipv4": "0x800", "ipv6": "0x86dd", "arp": "0x806"}
_FORGED_MAC = "02:00:5e:00:53:66"
_FORGED = {"ipv4": "198.51.100.66", "ipv6": "2001:db8:66::66"}
_ELSEWHERE = {"ipv4": "203.0.113.1", "ipv6": "2001:db8::1"}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that a guest sends."""

    protocol: str
    """``ipv4``, ``ipv6`` or ``arp``."""
    values: Mapping[str, str]
    """What is in it, by the attributes that rules match."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """Something that a guest may pretend."""

    name: str
    frame: Frame


def forgeries(mac: str, ip: str | None = None) -> tuple[Forgery, ...]:
    """Frames of an interface with this MAC and this address, where it is known; one thing is forged in each."""
    own = (ip or "192.0.2.1").split(",")[0].strip()
    honest = _internet("ipv4", mac, own if _is_version(own, 4) else "192.0.2.1")
    arp = _arp(mac, mac, own if _is_version(own, 4) else "192.0.2.1")
    return (
        Forgery("MAC", _changed(honest, srcmacaddr=_FORGED_MAC)),
        Forgery("IP", _internet("ipv4", mac, _FORGED["ipv4"])),
        Forgery("ARP (MAC)", _changed(arp, arpsrcmacaddr=_FORGED_MAC)),
        Forgery("ARP (IP)", _changed(arp, arpsrcipaddr=_FORGED["ipv4"])),
        Forgery("IPv6", _internet("ipv6", mac, _FORGED["ipv6"])),
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How a frame fares behind a filter."""

    passes: bool
    rule: Rule | None
    """The one that decides; None where no rule speaks of the frame, so that it passes."""


def way(tree: Node, frame: Frame) -> Way:
    """Whether a frame leaves the guest, and by which rule."""
    placed = list(_placed(tree))
    first = _level_2(placed, frame)
    if first is not None and first.action != "accept":
        return Way(False, first)
    second = _level_3(placed, frame)
    if second is not None and second.action in _STOPS:
        return Way(False, second)
    return Way(True, first or second)


def passes(tree: Node, frame: Frame) -> bool:
    """Whether a frame leaves the guest."""
    return way(tree, frame).passes


def place(tree: Node, rule: Rule) -> tuple[tuple[int, ...], int] | None:
    """Where in a tree this very rule stands: the children to go down by, and its number there."""
    for number, own in enumerate(tree.rules):
        if own is rule:
            return (), number
    for number, child in enumerate(tree.children):
        found = place(child, rule)
        if found is not None:
            return (number, *found[0]), found[1]
    return None


def _placed(node: Node) -> Iterator[tuple[str, int, Rule]]:
    """Every rule of a tree that is about what leaves the guest, with its chain and the chain's priority."""
    for rule in node.rules:
        if rule.direction in ("out", "inout"):
            yield node.chain or "root", node.priority or 0, rule
    for child in node.children:
        yield from _placed(child)


def _level_2(placed: Iterable[tuple[str, int, Rule]], frame: Frame) -> Rule | None:
    """The rule that accepts or drops a frame; None where none does."""
    chains: dict[str, list[Rule]] = {}
    begins: dict[str, int] = {}
    for chain, priority, rule in placed:
        if not rule.matches or any(match.protocol in _LEVEL_2 for match in rule.matches):
            chains.setdefault(chain, []).append(rule)
            begins.setdefault(chain, priority)
    entries: list[tuple[int, str | Rule]] = [(rule.priority, rule) for rule in chains.pop("root", [])]
    entries += [(begins[chain], chain) for chain in chains if _enters(chain, frame)]
    for _, entry in sorted(entries, key=lambda entry: entry[0]):
        found = _deciding([entry] if isinstance(entry, Rule) else chains[entry], frame)
        if found is not None and found.action != "return":
            return found
    return None


def _level_3(placed: Iterable[tuple[str, int, Rule]], frame: Frame) -> Rule | None:
    """The rule of the host's packet filter that decides; None where none does, or it does not see the frame."""
    if frame.protocol == "arp":
        return None
    rules = [rule for _, _, rule in placed if any(match.protocol not in _LEVEL_2 for match in rule.matches)]
    return _deciding(rules, frame)


def _deciding(rules: Iterable[Rule], frame: Frame) -> Rule | None:
    """The rule of a chain that accepts, stops or returns a frame; None where nothing in it decides."""
    for rule in sorted(rules, key=lambda rule: rule.priority):
        fits = not rule.matches or any(_fits(match, frame) for match in rule.matches)
        if fits and (rule.action in ("accept", "return") or rule.action in _STOPS):
            return rule
    return None


def _enters(chain: str, frame: Frame) -> bool:
    """Whether a frame enters a chain: its name begins with a protocol."""
    prefix = chain.partition("-")[0]
    return prefix == "mac" or prefix == frame.protocol


def _fits(match: Match, frame: Frame) -> bool:
    if not _speaks_of(match.protocol, frame):
        return False
    wanted = {name: value for name, value in match.attributes.items() if name not in _NOT_FOR_MATCHING}
    alike = all(_equal(name, value, wanted, frame) for name, value in wanted.items() if not name.endswith("mask"))
    return alike != match.negated if wanted else not match.negated


def _speaks_of(protocol: str, frame: Frame) -> bool:
    match protocol:
        case "mac":
            return True
        case "ip" | "ipv6" | "arp":
            return frame.protocol == {"ip": "ipv4"}.get(protocol, protocol)
        case "all" | "tcp":
            return frame.protocol == "ipv4"
        case "all-ipv6" | "tcp-ipv6":
            return frame.protocol == "ipv6"
    return False


def _equal(name: str, wanted: str, attributes: Mapping[str, str], frame: Frame) -> bool:
    """Whether what is in a frame is what a rule wants; of several values one is enough."""
    has = frame.values.get(name)
    if has is None:
        return False
    mask = attributes.get(f"{name.removesuffix('addr')}mask") if name.endswith("addr") else None
    return any(_same(name, has, one.strip(), mask) for one in wanted.split(","))


def _same(name: str, has: str, wanted: str, mask: str | None) -> bool:
    if "ipaddr" in name:
        try:
            return ip_address(has) in ip_network(f"{wanted}/{mask}" if mask else wanted, strict=False)
        except ValueError:
            return False
    if name.endswith("macaddr"):
        bits = _number(mask) if mask else (1 << 48) - 1
        one, other = _number(has), _number(wanted)
        return None not in (one, other, bits) and one & bits == other & bits  # type: ignore[operator]
    if name == "protocolid":
        return _ethertype(has) == _ethertype(wanted)
    if name in ("dstportstart", "srcportstart", "dstportend", "srcportend"):
        return has == wanted
    return has.lower() == wanted.lower()


def _number(mac: str) -> int | None:
    digits = mac.replace(":", "")
    try:
        return int(digits, 16)
    except ValueError:
        return None


def _ethertype(text: str) -> int | None:
    named = _TYPES.get(text.lower(), text)
    try:
        return int(named, 0)
    except ValueError:
        return None


def _is_version(address: str, version: int) -> bool:
    try:
        return ip_address(address).version == version
    except ValueError:
        return False


def _internet(protocol: str, mac: str, source: str) -> Frame:
    """A TCP packet to port 443."""
    return Frame(
        protocol,
        {
            "srcmacaddr": mac,
            "dstmacaddr": "02:00:5e:00:53:01",
            "protocolid": protocol,
            "srcipaddr": source,
            "dstipaddr": _ELSEWHERE[protocol],
            "protocol": "tcp",
            "srcportstart": "50000",
            "dstportstart": "443",
        },
    )


def _arp(mac: str, tells: str, ip: str) -> Frame:
    """A reply: "this address is at that MAC"."""
    return Frame(
        "arp",
        {
            "srcmacaddr": mac,
            "dstmacaddr": "02:00:5e:00:53:01",
            "protocolid": "arp",
            "opcode": "Reply",
            "arpsrcmacaddr": tells,
            "arpsrcipaddr": ip,
            "arpdstmacaddr": "02:00:5e:00:53:01",
            "arpdstipaddr": _ELSEWHERE["ipv4"],
        },
    )


def _changed(frame: Frame, **values: str) -> Frame:
    return replace(frame, values={**frame.values, **values})
