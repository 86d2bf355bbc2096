"""What has changed between two descriptions of one thing, in short words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from virtscope.sample import DiskFacts, Facts, NicFacts

_NAMES: Mapping[type, tuple[str, Callable[[Any], str]]] = {
    DiskFacts: ("disk", lambda disk: disk.target),
    NicFacts: ("interface", lambda nic: nic.mac or nic.target),
}
_TEXTS = frozenset({"xml", "persistent_xml"})
_MOVING = frozenset({"leases", "target"})
"""Changes all the time by itself: who has an address, and which device of the host an interface got at a start."""
_LONGEST = 60


def changes(old: Facts, new: Facts) -> list[str]:
    """What has changed, a few words each: ``disk vdb added``, ``memory bytes: 1 → 2``.

    Empty where only what changes by itself has changed (the leases of a network).
    """
    found = list(_between(old, new, ""))
    if not found and any(getattr(old, name, None) != getattr(new, name, None) for name in _TEXTS):
        return ["other parts of the XML"]
    return found


def _between(old: Any, new: Any, prefix: str) -> Iterator[str]:
    for field in fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before == after or field.name in _TEXTS or field.name in _MOVING:
            continue
        name = f"{prefix}{field.name.replace('_', ' ')}"
        if is_dataclass(before) and is_dataclass(after):
            yield from _between(before, after, prefix)
        elif isinstance(after, Mapping) and isinstance(before, Mapping):
            yield from _mapping(before, after, name)
        elif _devices(before) or _devices(after):
            yield from _lists(before, after)
        else:
            yield f"{name}: {_short(before)} → {_short(after)}"


def _lists(before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[str]:
    """Devices, told apart by their own names and not by their place."""
    kind, name_of = _NAMES[type((*before, *after)[0])]
    old, new = {name_of(device): device for device in before}, {name_of(device): device for device in after}
    for name in new.keys() - old.keys():
        yield f"{kind} {name} added"
    for name in old.keys() - new.keys():
        yield f"{kind} {name} removed"
    for name in old.keys() & new.keys():
        yield from _between(old[name], new[name], f"{kind} {name} ")


def _mapping(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Iterator[str]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"{name} {key}: {_short(before.get(key))} → {_short(after.get(key))}"


def _devices(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and type(value[0]) in _NAMES


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    text = "none" if value is None or value == "" else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
