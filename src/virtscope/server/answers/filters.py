"""Network filters, and what they come to at interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from virtscope.filter_tree import Guard, Node
from virtscope.server.answers.domains import VersionAnswer


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """A network filter of one host."""

    id: str
    name: str
    host: str
    host_name: str
    chain: str | None
    priority: int | None
    references: list[str]
    """The filters that it includes."""
    rules: int
    interfaces: int
    """How many interfaces name it."""
    problem: str | None


@dataclass(frozen=True, slots=True)
class FilterList:
    """The network filters of all hosts."""

    filters: list[FilterAnswer]


@dataclass(frozen=True, slots=True)
class FilterDetail(FilterAnswer):
    """A network filter with its XML, what it includes, and how it came to be."""

    xml: str
    tree: Node
    history: list[VersionAnswer]


@dataclass(frozen=True, slots=True)
class ForgeryAnswer:
    """A forged frame, walked through the rules of an interface's filter."""

    name: str
    """What is forged: ``MAC``, ``IP``, ``ARP (MAC)``, ``ARP (IP)`` or ``IPv6``."""
    passes: bool
    place: list[int] | None
    """Where the rule stands that decides: the children to go down by, from the tree's root; null where none does."""
    rule: int | None
    """Its number there."""


@dataclass(frozen=True, slots=True)
class GuardAnswer(Guard):
    """The filter of one interface, and what gets past it."""

    forgeries: Sequence[ForgeryAnswer] = ()
    """None where the interface has no filter."""


@dataclass(frozen=True, slots=True)
class GuardsAnswer:
    """The filter of each interface of a domain, resolved with the interface's values."""

    domain: str
    domain_name: str
    host: str
    host_name: str
    interfaces: list[GuardAnswer]
