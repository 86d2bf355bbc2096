"""The past of a rule's objects, out of the store: what a trial is made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from virtscope.alerts.observe import Item, World
from virtscope.alerts.rule import Condition
from virtscope.alerts.trial import Past, figures_of
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import TooLarge
from virtscope.server import parameters
from virtscope.store import Range, Reader

MOST_OBJECTS = 5_000

_Key = tuple[str, ...]
_SCOPES: Mapping[str, tuple[Scope, Callable[[Item], _Key]]] = {
    "hosts": (Scope.HOST, lambda item: (item["id"],)),
    "domains": (Scope.DOMAIN, lambda item: (item["id"],)),
    "disks": (Scope.DISK, lambda item: (item["domain"], item["target"])),
    "nics": (Scope.NIC, lambda item: (item["domain"], str(item["mac"]), str(item["target"]))),
    "pools": (Scope.POOL, lambda item: (item["host"], item["name"])),
}
"""Of each kind that has a past, the scope, and an item's key in it."""


def pasts(condition: Condition, world: World, store: Reader, over: Range) -> list[Past]:
    """The objects of a rule with their figures over a range.

    Raises:
        TooLarge: there are too many of them for so long a range.
    """
    kind = condition.rule.on
    items = [item for item in world.of(kind) if condition.applies(item)]
    if kind not in _SCOPES or not items:
        return []
    scope, key_of = _SCOPES[kind]
    quantities = [QUANTITY[scope, name] for name in figures_of(condition) if (scope, name) in QUANTITY]
    if not quantities:
        return []
    if len(items) > MOST_OBJECTS:
        raise TooLarge(f"the rule speaks of {len(items):,} objects", f"Try it on {MOST_OBJECTS:,}: narrow its 'where'.")
    parameters.limit(over, len(quantities), len(items))
    owners = sorted({key_of(item)[0] for item in items})
    found: dict[_Key, dict[str, Sequence[float | None]]] = {}
    for series in store.series(quantities, owners, over):
        key = tuple(str(part) for part in series.object.values())
        found.setdefault(key, {})[series.quantity] = series.values
    nothing: dict[str, Any] = {quantity.name: [None] * len(over.times) for quantity in quantities}
    return [Past(item, nothing | found.get(key_of(item), {})) for item in items]
