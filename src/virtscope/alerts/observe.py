"""What a rule sees: the objects that it speaks of, out of what the API says of now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeAlias

from virtscope.alerts.evaluate import Seen, Subject
from virtscope.alerts.rule import Condition

Item: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """Everything there is, as the API answers it: the items of each kind, made when a rule first asks for them.

    Disks and interfaces have their domain as ``owner`` (``search.owned``).
    """

    sources: Mapping[str, Callable[[], Sequence[Item]]]

    def of(self, kind: str) -> Sequence[Item]:
        """The items of a kind."""
        if kind not in self._items:
            self._items[kind] = self.sources[kind]() if kind in self.sources else ()
        return self._items[kind]

    @cached_property
    def down(self) -> frozenset[str]:
        """The UUIDs of hosts that are not up: what is said of them, and of what is on them, is old."""
        return frozenset(host["id"] for host in self.of("hosts") if host["state"] != "up")

    def among(self, condition: Condition) -> Sequence[Item]:
        """The objects that a rule speaks of; rules with the same ``where`` share them."""
        key = (condition.rule.on, condition.rule.where)
        found = self._among.get(key)
        if found is None:
            items = self.of(condition.rule.on)
            found = [item for item in items if condition.applies(item)] if condition.rule.where else items
            self._among[key] = found
        return found

    @cached_property
    def _items(self) -> dict[str, Sequence[Item]]:
        return {}

    @cached_property
    def _among(self) -> dict[tuple[str, str], Sequence[Item]]:
        return {}

    @cached_property
    def domains_by_host(self) -> Mapping[str, Sequence[Item]]:
        """The domains that are on each host, by its UUID."""
        found: dict[str, list[Item]] = {}
        for domain in self.of("domains"):
            found.setdefault(domain["host"], []).append(domain)
        return found


def observe(condition: Condition, world: World, known: Container[str] = ()) -> Iterator[Seen]:
    """The objects that a rule has anything to say of: those it is true of, and those it had something to say of before.

    Args:
        condition: the rule.
        world: what is there.
        known: the ids of subjects that have an alert of this rule.
    """
    kind = condition.rule.on
    needs = [one.value for one in condition.needs]
    shown = condition.shown.value if condition.shown else None
    is_old, fires, id_of = _AGE[kind](condition, world), condition.fires, _ID[kind]
    for item in world.among(condition):
        truth: bool | None = fires(item) and not is_old(item)
        if not truth:
            if id_of(item) not in known:
                continue  # nearly all of them
            if is_old(item) or (needs and all(value(item) is None for value in needs)):
                truth = None  # nothing is known of what the rule asks for
        yield Seen(
            subject(kind, item),
            truth,
            None if truth is None else condition.clears(item),
            shown(item) if shown else None,
        )


def subject(kind: str, item: Item) -> Subject:
    """What an item is, in a few words."""
    match kind:
        case "hosts":
            return Subject(kind, item["id"], item["name"], item["id"], item["name"])
        case "domains":
            project = item["facts"]["project"] or ""
            return Subject(kind, item["id"], item["name"], item["host"], item["host_name"], item["id"], project)
        case "disks" | "nics":
            part = _part(item)
            name = f"{item['domain_name']} {part}"
            project = ((item.get("owner") or {}).get("facts") or {}).get("project") or ""
            return Subject(kind, _ID[kind](item), name, item["host"], item["host_name"], item["domain"], project)
        case "pools":
            return Subject(kind, _ID[kind](item), item["name"], item["host"], item["host_name"])
        case "findings":
            return _found(item)
    return Subject(kind, item["id"], item["name"])


def _found(item: Item) -> Subject:
    """A finding: it is the same one as long as the same is found on the same subject."""
    finding, of = item["finding"], item["finding"]["subject"]
    name = f"{of['name'] or of['kind']}{' ' * bool(of['part'])}{of['part']}: {finding['verdict']}"
    domain = of["id"] if of["kind"] in ("domain", "disk", "nic") else ""
    return Subject("findings", item["id"], name, of["host"], of["host_name"], domain)


def _part(item: Item) -> str:
    """What tells a device from the others of its domain."""
    return item.get("mac") or item["target"] or "?"


_ID: Mapping[str, Callable[[Item], str]] = {
    "hosts": itemgetter("id"),
    "domains": itemgetter("id"),
    "disks": lambda item: f"{item['domain']} {_part(item)}",
    "nics": lambda item: f"{item['domain']} {_part(item)}",
    "pools": lambda item: f"{item['host']} {item['id']}",
    "agents": itemgetter("id"),
    "findings": itemgetter("id"),
}
"""For each kind, what tells its objects apart."""


def _of_hosts(condition: Condition, world: World) -> Callable[[Item], bool]:
    # Whether a host is up is always known; its figures are old once it is not.
    has_figures = any(one.unit is not None for one in condition.needs)
    return lambda item: has_figures and item["id"] in world.down


def _of_others(_condition: Condition, world: World) -> Callable[[Item], bool]:
    return lambda item: item["host"] in world.down


def _never(_condition: Condition, _world: World) -> Callable[[Item], bool]:
    return lambda _item: False


_AGE = {
    "hosts": _of_hosts,
    "domains": _of_others,
    "disks": _of_others,
    "nics": _of_others,
    "pools": _of_others,
    "agents": _never,
    "findings": _never,
}
"""For each kind, what tells whether an item is old news."""
